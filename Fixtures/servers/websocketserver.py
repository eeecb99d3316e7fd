"""A web-socket server on the library websockets.

Usage: websocketserver.py TLS_PORT PLAIN_PORT CERTIFICATE KEY

It compresses when the client offers that. The size of a message is not bounded.

| path | what it does |
|---|---|
| /echo | sends every message back |
| /close/CODE | sends "before", then a Close of that code with the reason "as asked" |
| /fragments | sends "fragment" in four fragments, then 300,000 bytes in fragments of 1000 |
| /large/N | sends a text and a binary message of N bytes, then a Close of 1000 |
| /ping | sends a ping, then "answered" when the pong has come |
| /abort | sends "before" and ends the connection without a Close |
| /refuse | refuses the handshake: 403, "no" |
| /code | sends back the code and the reason of the client's Close, on the next connection |
"""
import asyncio
import http
import ssl
import sys

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

TLS_PORT, PLAIN_PORT, CERTIFICATE, KEY = sys.argv[1:]
last_close = "none"


async def handle(socket):
    global last_close
    parts = socket.request.path.strip("/").split("/")
    if parts[0] == "echo":
        try:
            async for message in socket:
                await socket.send(message)
        except ConnectionClosed:
            pass
        last_close = f"{socket.close_code} {socket.close_reason}"
    elif parts[0] == "close":
        await socket.send("before")
        await socket.close(int(parts[1]), "as asked")
    elif parts[0] == "fragments":
        await socket.send(["fr", "ag", "", "ment"])
        await socket.send([bytes([number]) * 1000 for number in range(250)] + [b"x" * 50_000])
        await socket.close()
    elif parts[0] == "large":
        count = int(parts[1])
        await socket.send("é" * (count // 2))
        await socket.send(bytes(index * 31 & 255 for index in range(count)))
        await socket.close()
    elif parts[0] == "ping":
        await (await socket.ping(b"are you there"))
        await socket.send("answered")
        await socket.close()
    elif parts[0] == "abort":
        await socket.send("before")
        socket.transport.abort()
    elif parts[0] == "code":
        await socket.send(last_close)
        await socket.close()


def refuse(socket, request):
    if request.path == "/refuse":
        return socket.respond(http.HTTPStatus.FORBIDDEN, "no\n")
    return None


def choose(socket, offered):
    return "chat.v2" if "chat.v2" in offered else None


async def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE, KEY)
    options = {
        "host": "127.0.0.1", "process_request": refuse, "max_size": None,
        "select_subprotocol": choose}
    async with serve(handle, port=int(TLS_PORT), ssl=context, **options), serve(
            handle, port=int(PLAIN_PORT), **options) as server:
        await server.serve_forever()


asyncio.run(main())
