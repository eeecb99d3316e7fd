"""An ASGI application on uvicorn or hypercorn.

Usage: asgi.py uvicorn|hypercorn TALLY TLS_PORT PLAIN_PORT CERTIFICATE KEY

uvicorn speaks HTTP/1.1 on both ports; hypercorn speaks HTTP/2 with TLS, five streams a connection.
Both end a connection half a second after its last answer; hypercorn ends it hard after 100 requests.

| path | answer |
|---|---|
| /gate/NAME/N | "open" once N requests wait at the gate; 503 when that does not happen in 30 s |
| /post/ID | the length of the content; the tally gets "post ID" |
| /events | events without an end; the tally gets "cancelled /events" when the client goes |
| others | "hello" |
"""
import asyncio
import sys

from tally import Gates, Tally

KIND, TALLY, TLS_PORT, PLAIN_PORT, CERTIFICATE, KEY = sys.argv[1:]
KEEP_ALIVE = 0.5
tally = Tally(TALLY)
gates = Gates()


async def answer(send, status, body):
    await send({
        "type": "http.response.start", "status": status,
        "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


async def events(receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})

    async def watch():
        while (await receive())["type"] != "http.disconnect":
            pass

    watcher = asyncio.ensure_future(watch())
    try:
        while not watcher.done():
            await send({
                "type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
            await asyncio.sleep(0.02)
    finally:
        watcher.cancel()
        tally.add("cancelled /events")


async def content(receive):
    count = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        count += len(message.get("body", b""))
        if not message.get("more_body"):
            return count


async def application(scope, receive, send):
    if scope["type"] != "http":
        return
    parts = scope["path"].strip("/").split("/")
    if parts[0] == "events":
        await events(receive, send)
        return
    count = await content(receive)
    if count is None:
        return
    if parts[0] == "gate":
        is_open = await gates.named(parts[1]).passes(int(parts[2]))
        await answer(send, 200 if is_open else 503, b"open" if is_open else b"shut")
    elif parts[0] == "post":
        tally.add("post " + parts[1])
        await answer(send, 200, b"%d" % count)
    else:
        await answer(send, 200, b"hello")


async def run_uvicorn():
    import uvicorn

    def server(port, **more):
        return uvicorn.Server(uvicorn.Config(
            application, host="127.0.0.1", port=int(port), timeout_keep_alive=KEEP_ALIVE,
            lifespan="off", ws="none", log_level="warning", timeout_graceful_shutdown=1, **more))

    await asyncio.gather(
        server(PLAIN_PORT).serve(),
        server(TLS_PORT, ssl_certfile=CERTIFICATE, ssl_keyfile=KEY).serve())


async def run_hypercorn():
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    config = Config()
    config.bind = [f"127.0.0.1:{TLS_PORT}"]
    config.insecure_bind = [f"127.0.0.1:{PLAIN_PORT}"]
    config.certfile, config.keyfile = CERTIFICATE, KEY
    config.h2_max_concurrent_streams = 5
    config.keep_alive_max_requests = 100
    config.keep_alive_timeout = KEEP_ALIVE
    config.graceful_timeout = 1
    await serve(application, config)


asyncio.run(run_uvicorn() if KIND == "uvicorn" else run_hypercorn())
