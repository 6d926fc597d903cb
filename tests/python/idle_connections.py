"""Opens many connections, and leaves them alone.

usage: idle_connections.py ADDRESS COUNT TALKERS
The first TALKERS of them ask once and keep their connection; the others never say a word. Prints `open N` when N of
COUNT are open, and keeps them until it is killed.
"""

import resource
import socket
import sys
import time

host, port = sys.argv[1].rsplit(":", 1)
count, talkers = int(sys.argv[2]), int(sys.argv[3])
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, count + 100), hard))

connections = []
for number in range(count):
    try:
        connection = socket.create_connection((host, int(port)), timeout=10)
        if number < talkers:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            if not connection.recv(1000).startswith(b"HTTP/1.1 200"):
                break
        connections.append(connection)
    except OSError as error:
        print(error, file=sys.stderr)
        break
print(f"open {len(connections)}")
time.sleep(600)
