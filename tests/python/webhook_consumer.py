"""A webhook's consumer that trusts nothing but the signature, checked with the package `standardwebhooks`.

usage: webhook_consumer.py SECRET [REFUSALS]
Prints `listening ADDRESS`, then one JSON object a request: {"status", "id", "headers", "event"}. The first REFUSALS
requests (default none) are answered 503 with `Retry-After: 1`.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

webhook = Webhook(sys.argv[1])
refusals = int(sys.argv[2]) if len(sys.argv) > 2 else 0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        global refusals
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        event = None
        try:
            event = webhook.verify(body, headers)
            status = 200
        except WebhookVerificationError as error:
            print(f"{error}: {headers} {body!r}", file=sys.stderr)
            status = 400
        if status == 200 and refusals > 0:
            refusals -= 1
            status = 503
        line = {"status": status, "id": headers.get("webhook-id"), "headers": headers, "event": event}
        sys.stdout.write(json.dumps(line) + "\n")
        self.send_response(status)
        if status == 503:
            self.send_header("Retry-After", "1")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(f"listening 127.0.0.1:{server.server_port}")
server.serve_forever()
