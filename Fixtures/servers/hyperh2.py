"""A server on hyper-h2, the Python implementation of HTTP/2: another house's frames and HPACK.

Usage: hyperh2.py FOLDER TLS_PORT PLAIN_PORT CERTIFICATE KEY

| path | answer |
|---|---|
| a file's name | the file, with Last-Modified; 304 when it is as old as asked for; HEAD too |
| /echo | the content, sent back while it comes |
| /sink | the length of the content |
| /trailers | "hello" and the trailer x-checked: yes |
| /goaway | "bye", and the end of the connection in good order |
| CONNECT with :protocol echo | a stream that gives back what it gets (RFC 8441) |
"""

import asyncio
import email.utils
import os
import ssl
import sys

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    DataReceived,
    RequestReceived,
    StreamEnded,
    StreamReset,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings


class Answer:
    """What is still to be sent on one stream."""

    def __init__(self, pieces, trailers=None, is_open=False):
        self.pieces = pieces  # bytes, or a file
        self.trailers = trailers
        self.is_open = is_open  # more will be added

    def take(self, count):
        if not isinstance(self.pieces, bytearray):
            data = self.pieces.read(count)
            return data
        data = bytes(self.pieces[:count])
        del self.pieces[:count]
        return data

    def left(self):
        if isinstance(self.pieces, bytearray):
            return len(self.pieces)
        return os.fstat(self.pieces.fileno()).st_size - self.pieces.tell()


class Connection(asyncio.Protocol):
    def __init__(self, folder):
        self.folder = folder
        self.conn = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self.answers = {}
        self.uses = {}  # stream -> echo, sink (a count)
        self.counts = {}
        self.is_paused = False
        self.is_ending = False

    def connection_made(self, transport):
        self.transport = transport
        # Said in the first SETTINGS, so that no client has to wait for a second.
        self.conn.local_settings = Settings(
            client=False,
            initial_values={
                SettingCodes.MAX_CONCURRENT_STREAMS: 100,
                SettingCodes.MAX_HEADER_LIST_SIZE: 65536,
                SettingCodes.ENABLE_CONNECT_PROTOCOL: 1,
            })
        self.conn.initiate_connection()
        self.flush()

    def pause_writing(self):
        self.is_paused = True

    def resume_writing(self):
        self.is_paused = False
        self.pump()

    def flush(self):
        data = self.conn.data_to_send()
        if data:
            self.transport.write(data)

    def data_received(self, data):
        try:
            events = self.conn.receive_data(data)
        except ProtocolError:
            self.flush()
            self.transport.close()
            return
        for event in events:
            if isinstance(event, RequestReceived):
                self.request(event)
            elif isinstance(event, DataReceived):
                self.data(event)
            elif isinstance(event, StreamEnded):
                self.ended(event.stream_id)
            elif isinstance(event, StreamReset):
                self.answers.pop(event.stream_id, None)
                self.uses.pop(event.stream_id, None)
        self.pump()

    def request(self, event):
        stream, fields = event.stream_id, dict(event.headers)
        method, path = fields[":method"], fields.get(":path", "")
        if method == "CONNECT" and fields.get(":protocol") == "echo":
            self.start(stream, [(":status", "200")], Answer(bytearray(), is_open=True))
            self.uses[stream] = "echo"
        elif method == "CONNECT":
            self.start(stream, [(":status", "501")], Answer(bytearray(b"no such protocol")))
        elif path == "/echo":
            self.start(stream, [(":status", "200")], Answer(bytearray(), is_open=True))
            self.uses[stream] = "echo"
        elif path == "/sink":
            self.uses[stream] = "sink"
            self.counts[stream] = 0
        elif path == "/trailers":
            self.start(
                stream, [(":status", "200"), ("trailer", "x-checked")],
                Answer(bytearray(b"hello"), trailers=[("x-checked", "yes")]))
        elif path == "/goaway":
            self.start(stream, [(":status", "200")], Answer(bytearray(b"bye")))
            self.is_ending = True
        else:
            self.file(stream, method, path, fields.get("if-modified-since"))

    def file(self, stream, method, path, since):
        name = os.path.join(self.folder, path.lstrip("/"))
        if "/" in path.lstrip("/") or not os.path.isfile(name):
            self.start(stream, [(":status", "404")], Answer(bytearray(b"no such file\n")))
            return
        facts = os.stat(name)
        date = email.utils.formatdate(facts.st_mtime, usegmt=True)
        if since == date:
            self.conn.send_headers(
                stream, [(":status", "304"), ("last-modified", date)], end_stream=True)
            return
        fields = [
            (":status", "200"), ("content-length", str(facts.st_size)), ("last-modified", date)]
        if method == "HEAD" or facts.st_size == 0:
            self.conn.send_headers(stream, fields, end_stream=True)
        else:
            self.start(stream, fields, Answer(open(name, "rb")))

    def start(self, stream, fields, answer):
        self.conn.send_headers(stream, fields)
        self.answers[stream] = answer

    def data(self, event):
        stream, length = event.stream_id, event.flow_controlled_length
        use = self.uses.get(stream)
        if use == "echo" and stream in self.answers:
            # What is sent back is credited when it has left.
            self.answers[stream].pieces += event.data
            self.conn.acknowledge_received_data(length - len(event.data), stream)
            return
        if use == "sink":
            self.counts[stream] += len(event.data)
        self.conn.acknowledge_received_data(length, stream)

    def ended(self, stream):
        use = self.uses.get(stream)
        if use == "echo" and stream in self.answers:
            self.answers[stream].is_open = False
        elif use == "sink":
            text = b"%d\n" % self.counts.pop(stream)
            self.start(stream, [(":status", "200")], Answer(bytearray(text)))

    def pump(self):
        has_moved = True
        while has_moved and not self.is_paused:
            has_moved = False
            for stream in list(self.answers):
                if self.step(stream):
                    has_moved = True
        if self.is_ending and not self.answers:
            self.conn.close_connection()
            self.flush()
            self.transport.close()
            return
        self.flush()

    def step(self, stream):
        """Sends one frame of a stream; whether there was something to send."""
        answer = self.answers[stream]
        left = answer.left()
        if left == 0 and answer.is_open:
            return False
        room = min(self.conn.local_flow_control_window(stream), self.conn.max_outbound_frame_size)
        if left > 0 and room <= 0:
            return False
        data = answer.take(min(left, room)) if left else b""
        is_last = left == len(data) and not answer.is_open
        self.conn.send_data(stream, data, end_stream=is_last and answer.trailers is None)
        if self.uses.get(stream) == "echo" and data:
            try:
                self.conn.acknowledge_received_data(len(data), stream)
            except ProtocolError:
                pass  # the client's side of the stream is over
        if is_last:
            if answer.trailers is not None:
                self.conn.send_headers(stream, answer.trailers, end_stream=True)
            del self.answers[stream]
            self.uses.pop(stream, None)
        self.flush()
        return True


async def main():
    folder, tls_port, plain_port, certificate, key = sys.argv[1:]
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["h2"])
    loop = asyncio.get_running_loop()

    def make():
        return Connection(folder)

    await loop.create_server(make, "127.0.0.1", int(tls_port), ssl=context)
    await loop.create_server(make, "127.0.0.1", int(plain_port))
    await asyncio.Event().wait()


asyncio.run(main())
