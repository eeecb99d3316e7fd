"""A strict reader of requests that is not ours: h11, as a server.

Usage: h11_reader.py FILE

The file holds requests, each after its length in four bytes, big-endian. Each is read by a connection
of its own, cut into pieces in a way that changes from request to request, and written to standard
output as one line of JSON: method, target, version, fields with the case they came in, content and
trailers, all as hexadecimal, or the error.
"""
import json
import struct
import sys

import h11


def read(request, number):
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    step = (1, 7, 100, 1 << 20)[number % 4]
    result = {"content": "", "trailers": []}
    pieces = [request[start:start + step] for start in range(0, len(request), step)]
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            if not pieces:
                return {"error": "the request has no end"}
            connection.receive_data(pieces.pop(0))
        elif isinstance(event, h11.Request):
            result["method"] = event.method.hex()
            result["target"] = event.target.hex()
            result["version"] = event.http_version.hex()
            result["fields"] = fields(event.headers)
        elif isinstance(event, h11.Data):
            result["content"] += event.data.hex()
        elif isinstance(event, h11.EndOfMessage):
            result["trailers"] = fields(event.headers)
            rest = connection.trailing_data[0] + b"".join(pieces)
            return {"error": f"{len(rest)} bytes after the end"} if rest else result
        else:
            return {"error": f"unexpected {event}"}


def fields(headers):
    return [[name.hex(), value.hex()] for name, value in headers.raw_items()]


with open(sys.argv[1], "rb") as file:
    data = file.read()
position = number = 0
while position < len(data):
    (length,) = struct.unpack_from(">I", data, position)
    request = data[position + 4:position + 4 + length]
    position += 4 + length
    try:
        result = read(request, number)
    except h11.RemoteProtocolError as error:
        result = {"error": str(error)}
    print(json.dumps(result))
    number += 1
