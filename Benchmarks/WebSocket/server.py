"""The server of Benchmarks/websocket: frames are made once and bytes are counted, so that it is cheap.

Usage: server.py; prints its port.

| path | what it does |
|---|---|
| /flood/COUNT/SIZE | after a message sends COUNT binary messages of SIZE bytes, then a Close |
| /sink/COUNT/SIZE | reads COUNT messages of SIZE bytes, in one frame each, then sends a Close |
| /echo | sends each short message back |
| /idle | nothing |
"""
import asyncio
import base64
import hashlib

MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CLOSE = b"\x88\x02\x03\xe8"


def head(first, size):
    if size < 126:
        return bytes([first, size])
    if size < 65536:
        return bytes([first, 126]) + size.to_bytes(2, "big")
    return bytes([first, 127]) + size.to_bytes(8, "big")


class Socket(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
        self.buffer = b""
        self.handle = self.handshake
        self.room = asyncio.Event()
        self.room.set()

    def data_received(self, data):
        self.handle(data)

    def pause_writing(self):
        self.room.clear()

    def resume_writing(self):
        self.room.set()

    def connection_lost(self, error):
        self.room.set()

    def eof_received(self):
        return False

    def handshake(self, data):
        self.buffer += data
        if b"\r\n\r\n" not in self.buffer:
            return
        lines = self.buffer.split(b"\r\n")
        key = next(line for line in lines if line.lower().startswith(b"sec-websocket-key:"))
        accept = base64.b64encode(hashlib.sha1(key.split(b":")[1].strip() + MAGIC).digest())
        self.transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        parts = lines[0].split(b" ")[1].strip(b"/").split(b"/")
        self.buffer = b""
        self.handle = self.ignore
        if parts[0] == b"flood":
            self.handle = lambda _: self.start(int(parts[1]), int(parts[2]))
        elif parts[0] == b"sink":
            size = int(parts[2])
            self.left = int(parts[1]) * (len(head(0, size)) + 4 + size)
            self.handle = self.sink
        elif parts[0] == b"echo":
            self.handle = self.echo

    def ignore(self, data):
        if data[:1] == b"\x88":
            self.transport.write(CLOSE)
            self.transport.close()

    def start(self, count, size):
        self.handle = self.ignore
        asyncio.ensure_future(self.flood(count, size))

    async def flood(self, count, size):
        frame = head(0x82, size) + bytes(size)
        block = max(1, 65536 // len(frame))
        many = frame * block
        while count >= block and not self.transport.is_closing():
            self.transport.write(many)
            count -= block
            await self.room.wait()
        self.transport.write(frame * count + CLOSE)

    def sink(self, data):
        self.left -= len(data)
        if self.left <= 0:
            self.handle = self.ignore
            self.transport.write(CLOSE)

    def echo(self, data):
        self.buffer += data
        while len(self.buffer) >= 6:
            size = self.buffer[1] & 127
            if len(self.buffer) < 6 + size:
                return
            frame, self.buffer = self.buffer[:6 + size], self.buffer[6 + size:]
            if frame[0] == 0x88:
                self.transport.write(CLOSE)
                self.transport.close()
                return
            key = frame[2:6] * (size // 4 + 1)
            payload = int.from_bytes(frame[6:], "big") ^ int.from_bytes(key[:size], "big")
            self.transport.write(head(frame[0], size) + payload.to_bytes(size, "big"))


async def main():
    server = await asyncio.get_running_loop().create_server(Socket, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
