"""A server on aiohttp, with the routes of asgi.py: HTTP/1.1, in the clear and over TLS.

Usage: aiohttpserver.py TALLY TLS_PORT PLAIN_PORT CERTIFICATE KEY
"""
import asyncio
import ssl
import sys

from aiohttp import web

from tally import Gates, Tally

TALLY, TLS_PORT, PLAIN_PORT, CERTIFICATE, KEY = sys.argv[1:]
tally = Tally(TALLY)
gates = Gates()


async def hello(request):
    await request.read()
    return web.Response(text="hello")


async def gate(request):
    is_open = await gates.named(request.match_info["name"]).passes(
        int(request.match_info["count"]))
    return web.Response(status=200 if is_open else 503, text="open" if is_open else "shut")


async def post(request):
    count = len(await request.read())
    tally.add("post " + request.match_info["id"])
    return web.Response(text=str(count))


async def events(request):
    response = web.StreamResponse()
    await response.prepare(request)
    try:
        while True:
            await response.write(b"data: 1\n\n")
            await asyncio.sleep(0.02)
    finally:
        # By its own cancelling, or by an error of the write.
        tally.add("cancelled /events")


async def main():
    application = web.Application(client_max_size=1 << 30)
    application.add_routes([
        web.get("/gate/{name}/{count}", gate), web.post("/post/{id}", post),
        web.get("/events", events), web.route("*", "/{path:.*}", hello)])
    runner = web.AppRunner(
        application, keepalive_timeout=0.5, handler_cancellation=True, shutdown_timeout=1)
    await runner.setup()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATE, KEY)
    await web.TCPSite(runner, "127.0.0.1", int(PLAIN_PORT)).start()
    await web.TCPSite(runner, "127.0.0.1", int(TLS_PORT), ssl_context=context).start()
    await asyncio.Event().wait()


asyncio.run(main())
