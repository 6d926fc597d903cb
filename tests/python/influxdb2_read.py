"""Reads points back with the Python client of InfluxDB 2.

usage: influxdb2_read.py URL TOKEN ORG BUCKET MEASUREMENT
Prints a JSON list of records: {"_time", "_field", "_value", tags…}.
"""

import json
import sys

from influxdb_client import InfluxDBClient

url, token, org, bucket, measurement = sys.argv[1:]
flux = f'from(bucket: "{bucket}") |> range(start: -1h) |> filter(fn: (r) => r._measurement == "{measurement}")'
with InfluxDBClient(url=url, token=token, org=org) as client:
    tables = client.query_api().query(flux)
print(json.dumps([record.values for table in tables for record in table.records], default=str))
