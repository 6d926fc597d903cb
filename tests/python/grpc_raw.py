"""Sends raw bytes to gRPC methods, for what no well-behaved client would send.

usage: grpc_raw.py ADDRESS FILE
FILE holds a JSON list of calls {"method", "body" (hex), "compression" (gzip, deflate or none)}. Prints a JSON list of
{"code", "details", "body" (hex)}.
"""

import json
import sys

import grpc

address, file = sys.argv[1:]
compressions = {"gzip": grpc.Compression.Gzip, "deflate": grpc.Compression.Deflate}
with open(file) as calls:
    calls = json.load(calls)

answers = []
with grpc.insecure_channel(address) as channel:
    for call in calls:
        method = channel.unary_unary(call["method"])
        compression = compressions.get(call["compression"])
        try:
            body = method(bytes.fromhex(call["body"]), timeout=20, wait_for_ready=True, compression=compression)
            answers.append({"code": "OK", "details": "", "body": body.hex()})
        except grpc.RpcError as error:
            answers.append({"code": error.code().name, "details": error.details(), "body": ""})
print(json.dumps(answers))
