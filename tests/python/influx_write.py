"""Writes the weather with a Python client of InfluxDB.

usage: influx_write.py 2|3 URL DATABASE NANOS
FLYBALL_TEST_TOKEN and FLYBALL_TEST_CA say what to show and whom to trust. NANOS is the time of its first point. What is written, and must arrive, stands in tests/all/line_protocol.rs.
"""

import os
import sys

token = os.environ.get("FLYBALL_TEST_TOKEN", "any")
ca = os.environ.get("FLYBALL_TEST_CA")
version, url, database, at = sys.argv[1:]
at = int(at)
if version == "2":
    from influxdb_client import InfluxDBClient, Point, WritePrecision
    from influxdb_client.client.write_api import SYNCHRONOUS

    client = InfluxDBClient(url=url, token=token, org="any", enable_gzip=True, ssl_ca_cert=ca)
    api = client.write_api(write_options=SYNCHRONOUS)

    def write(record):
        api.write(bucket=database, record=record, write_precision=WritePrecision.NS)
else:
    from influxdb_client_3 import InfluxDBClient3, Point, SYNCHRONOUS, WritePrecision, write_client_options

    client = InfluxDBClient3(
        host=url,
        token=token,
        ssl_ca_cert=ca,
        database=database,
        enable_gzip=True,
        gzip_threshold=1,
        write_client_options=write_client_options(write_options=SYNCHRONOUS),
    )

    def write(record):
        client.write(record, write_precision=WritePrecision.NS)


roof = (
    Point("weather report")
    .tag("station", "north roof")
    .tag("zone", "a,b=c")
    .field("temperature", 21.53125)
    .field("humidity", 55)
    .field("raining", False)
    .field("photons", 9007199254740993)
    .field("note", 'größer als "5" \\ 7')
    .time(at, WritePrecision.NS)
)
cellar = Point("weather report").tag("station", "cellar").field("temperature", -3.0e-7).time(at + 1, WritePrecision.NS)
write([roof, cellar])
# Its points know no unsigned integers; a line is taken as it is.
write(f"weather\\ report,station=north\\ roof,zone=a\\,b\\=c gusts=7u {at}")
client.close()
