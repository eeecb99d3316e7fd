"""The scenarios of Benchmarks/websocket on the library websockets: client.py PORT SCENARIO COUNT SIZE."""
import asyncio
import resource
import sys
import time

from websockets.asyncio.client import connect

PORT, SCENARIO, COUNT, SIZE = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
OPTIONS = {"compression": None, "ping_interval": None, "max_size": None, "proxy": None}


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


async def main():
    url = f"ws://127.0.0.1:{PORT}"
    if SCENARIO == "idle":
        before = resident()
        sockets = []
        while len(sockets) < COUNT:
            sockets += await asyncio.gather(*(
                connect(url + "/idle", **OPTIONS) for _ in range(min(100, COUNT - len(sockets)))))
        print(f"idle {(resident() - before) / COUNT:.0f}", flush=True)
        for socket in sockets:
            socket.transport.abort()
        return
    async with connect(
            url + (f"/{SCENARIO}/{COUNT}/{SIZE}" if SCENARIO != "echo" else "/echo"),
            **OPTIONS) as socket:
        before = resource.getrusage(resource.RUSAGE_SELF)
        start = time.perf_counter()
        if SCENARIO == "flood":
            seen = 0
            await socket.send("go")
            async for _ in socket:
                seen += 1
            assert seen == COUNT, seen
        elif SCENARIO == "sink":
            message = bytes(SIZE)
            for _ in range(COUNT):
                await socket.send(message)
            async for _ in socket:
                pass
        else:
            message = bytes(SIZE)
            for _ in range(COUNT):
                await socket.send(message)
                await socket.recv()
        wall = time.perf_counter() - start
        after = resource.getrusage(resource.RUSAGE_SELF)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        print(f"{SCENARIO} {COUNT / wall:.0f} {cpu / COUNT * 1e6:.2f}")


asyncio.run(main())
