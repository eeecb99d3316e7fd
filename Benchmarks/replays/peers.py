"""The peers of the replays: servers, proxies and a slow path on 127.0.0.1, each with its faults."""
import collections
import ctypes
import os
import select
import socket
import ssl
import struct
import threading
import time

CERTS = f"{os.path.dirname(os.path.abspath(__file__))}/../../Fixtures/certs"
# Seconds after which a peer gives a connection up.
LONGEST = 120


class Peer:
    """A listener on a free port, and a thread for each connection; `counts` is what it saw."""

    def __init__(self):
        self.counts = collections.Counter()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.counts["connections"] += 1
            connection.settimeout(LONGEST)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.guarded, args=[connection], daemon=True).start()

    def guarded(self, connection):
        try:
            self.serve(connection)
        except (OSError, EOFError, ValueError):
            pass
        finally:
            connection.close()

    def url(self, scheme="https"):
        return f"{scheme}://127.0.0.1:{self.port}/"


def secure(connection):
    """A TLS connection of the server's side, with what ALPN chose of "h2, http/1.1"."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{CERTS}/leaf.pem", f"{CERTS}/leaf.key")
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context.wrap_socket(connection, server_side=True)


def read_request(connection, rest=b""):
    """A request over HTTP/1.1 with a length: its target, and the bytes after it."""
    while b"\r\n\r\n" not in rest:
        rest += more(connection)
    head, rest = rest.split(b"\r\n\r\n", 1)
    fields = dict(
        line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:] if b":" in line)
    length = int(fields.get(b"content-length", b"0"))
    while len(rest) < length:
        rest += more(connection)
    return head.split(b" ")[1].decode(), rest[length:]


def more(connection):
    data = connection.recv(65536)
    if not data:
        raise EOFError
    return data


ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


# HTTP/2 (RFC 9113): no header is decoded, as no answer depends on one.
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
END_STREAM = ACK = 1
END_HEADERS = 4
INTERNAL_ERROR, ENHANCE_YOUR_CALM = 2, 11
# ":status: 200" from the static table of HPACK.
OK = b"\x88"


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


class HTTP2:
    """The server's side of a connection, after the exchange of prefaces."""

    def __init__(self, connection):
        self.connection = connection
        self.buffer = b""
        self.take(24, None)
        self.send(frame(SETTINGS, 0, 0))

    def send(self, data):
        self.connection.settimeout(LONGEST)
        self.connection.sendall(data)

    def frame(self, deadline=None):
        """The next frame as (kind, flags, stream, payload); None at the deadline."""
        header = self.take(9, deadline, keep=True)
        if header is None:
            return None
        length = int.from_bytes(header[:3], "big")
        whole = self.take(9 + length, deadline)
        if whole is None:
            return None
        kind, flags, stream = struct.unpack(">BBI", whole[3:9])
        if kind == SETTINGS and not flags & ACK:
            self.send(frame(SETTINGS, ACK, 0))
        return kind, flags, stream, whole[9:]

    def take(self, count, deadline, keep=False):
        while len(self.buffer) < count:
            left = LONGEST if deadline is None else deadline - time.monotonic()
            if left <= 0:
                return None
            self.connection.settimeout(left)
            try:
                self.buffer += more(self.connection)
            except TimeoutError:
                continue
        taken = self.buffer[:count]
        if not keep:
            self.buffer = self.buffer[count:]
        return taken


class BrokenHTTP2(Peer):
    """HTTP/2 that fails each request, beside HTTP/1.1 that answers them.

    `fault` is "resets" (each stream by INTERNAL_ERROR), "ends" (the connection at its request)
    or "http1" (ALPN chooses HTTP/2, and the peer speaks HTTP/1.1).
    """

    def __init__(self, fault):
        self.fault = fault
        super().__init__()

    def serve(self, connection):
        connection = secure(connection)
        if connection.selected_alpn_protocol() != "h2":
            rest = b""
            while True:
                _, rest = read_request(connection, rest)
                connection.sendall(ANSWER)
        if self.fault == "http1":
            more(connection)
            connection.sendall(
                b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
            connection.unwrap()
            return
        peer = HTTP2(connection)
        while True:
            kind, flags, stream, payload = peer.frame()
            if kind == PING and not flags & ACK:
                peer.send(frame(PING, ACK, 0, payload))
            if kind in (DATA, HEADERS) and flags & END_STREAM:
                if self.fault == "ends":
                    connection.unwrap()
                    return
                peer.send(frame(RST_STREAM, 0, stream, struct.pack(">I", INTERNAL_ERROR)))


class ClosingPeer(Peer):
    """HTTP/1.1 in the clear; after `arm` it closes each kept connection under its next request.

    `fault` is "unread" (the request is lost on the way, the peer closes meanwhile, and answers what
    then arrives by RST) or "acted" (it reads the request, acts on it, and closes with no answer).
    `acted` counts by target what it acted on.
    """

    def __init__(self, fault):
        self.fault = fault
        self.acted = collections.Counter()
        self.kept = set()
        self.armed = set()
        self.lock = threading.Lock()
        super().__init__()

    def arm(self):
        """Returns the number of connections that are armed."""
        with self.lock:
            self.armed |= self.kept
            if self.fault == "unread":
                for connection in self.kept:
                    lose_data(connection, True)
            return len(self.armed)

    def disarm(self):
        with self.lock:
            for connection in self.armed:
                connection.close()
            self.armed.clear()
            self.kept.clear()

    def is_armed(self, connection):
        with self.lock:
            return connection in self.armed

    def serve(self, connection):
        try:
            while True:
                if not self.await_request(connection):
                    return
                target, _ = read_request(connection)
                self.acted[target] += 1
                if self.is_armed(connection):
                    self.counts["races"] += 1
                    return
                with self.lock:
                    self.kept.add(connection)
                connection.sendall(ANSWER)
        finally:
            with self.lock:
                self.kept.discard(connection)
                self.armed.discard(connection)

    def await_request(self, connection):
        """False after the connection was closed under a request that was lost."""
        while not select.select([connection], [], [], 0.005)[0]:
            if self.fault == "unread" and lost_segments(connection) > 0:
                with self.lock:
                    self.counts["races"] += 1
                    connection.shutdown(socket.SHUT_WR)
                    lose_data(connection, False)
                return False
        return True


# A filter of the socket that drops segments with data before TCP has seen them; it needs no right.
# It compares the header's length (the upper half of byte 12, in words) with the segment's.
DROP_DATA = [
    (0x30, 0, 0, 12), (0x74, 0, 0, 4), (0x64, 0, 0, 2), (0x07, 0, 0, 0), (0x80, 0, 0, 0),
    (0x2d, 1, 0, 0), (0x06, 0, 0, 0xffffffff), (0x06, 0, 0, 0),
]
SO_ATTACH_FILTER, SO_DETACH_FILTER, SO_MEMINFO, DROPS = 26, 27, 55, 8


def lose_data(connection, is_on):
    if not is_on:
        connection.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)
        return
    code = b"".join(struct.pack("HBBI", *each) for each in DROP_DATA)
    memory = ctypes.create_string_buffer(code)
    program = struct.pack("HP", len(DROP_DATA), ctypes.addressof(memory))
    connection.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)


def lost_segments(connection):
    figures = connection.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, 64)
    return struct.unpack_from("I", figures, 4 * DROPS)[0]


class Relay(Peer):
    """A path to a port, with a delay in each direction that no bandwidth adds to."""

    def __init__(self, port, delay):
        self.target = port
        self.delay = delay
        super().__init__()

    def serve(self, connection):
        upstream = socket.create_connection(("127.0.0.1", self.target))
        upstream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        back = threading.Thread(target=self.carry, args=[upstream, connection], daemon=True)
        back.start()
        self.carry(connection, upstream)
        back.join()
        upstream.close()

    def carry(self, source, sink):
        """Reads and writes in one thread: what was read waits for its time."""
        waiting = collections.deque()
        is_open = True
        while is_open or waiting:
            left = waiting[0][0] - time.monotonic() if waiting else LONGEST
            if is_open and select.select([source], [], [], max(0, left))[0]:
                try:
                    data = source.recv(1 << 18)
                except OSError:
                    data = b""
                is_open = bool(data)
                waiting.append((time.monotonic() + self.delay, data))
            elif not is_open and left > 0:
                time.sleep(left)
            while waiting and waiting[0][0] <= time.monotonic():
                data = waiting.popleft()[1]
                try:
                    if data:
                        sink.sendall(data)
                    else:
                        sink.shutdown(socket.SHUT_WR)
                except OSError:
                    return


class TunnelProxy(Peer):
    """A CONNECT proxy that ends a tunnel after `limit` seconds without payload."""

    def __init__(self, limit):
        self.limit = limit
        super().__init__()

    def serve(self, connection):
        head = b""
        while b"\r\n\r\n" not in head:
            head += more(connection)
        host, port = head.split(b" ")[1].decode().rsplit(":", 1)
        with socket.create_connection((host, int(port))) as upstream:
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            other = {connection: upstream, upstream: connection}
            while True:
                ready = select.select([connection, upstream], [], [], self.limit)[0]
                if not ready:
                    self.counts["cuts"] += 1
                    return
                for side in ready:
                    other[side].sendall(more(side))


class EventOrigin(Peer):
    """HTTP/2 that answers by one event at once, `silence` seconds of nothing, and a last event.

    With `shortest`, a PING that comes sooner than that many seconds after the last one is answered
    by GOAWAY(ENHANCE_YOUR_CALM, "too_many_pings"), as servers of gRPC do.
    """

    def __init__(self, silence, shortest=None):
        self.silence = silence
        self.shortest = shortest
        super().__init__()

    def serve(self, connection):
        peer = HTTP2(secure(connection))
        ends = {}
        pinged = None
        while True:
            arrived = peer.frame(min(ends.values(), default=None))
            for stream, end in list(ends.items()):
                if end <= time.monotonic():
                    peer.send(frame(DATA, END_STREAM, stream, b"data: last\n\n"))
                    del ends[stream]
            if arrived is None:
                continue
            kind, flags, stream, payload = arrived
            if kind == RST_STREAM:
                ends.pop(stream, None)
            if kind == PING and not flags & ACK:
                now = time.monotonic()
                self.counts["pings"] += 1
                if self.shortest and pinged and now - pinged < self.shortest:
                    self.counts["complaints"] += 1
                    peer.send(frame(GOAWAY, 0, 0, struct.pack(
                        ">II", max(ends, default=0), ENHANCE_YOUR_CALM) + b"too_many_pings"))
                    peer.connection.unwrap()
                    return
                pinged = now
                peer.send(frame(PING, ACK, 0, payload))
            if kind == HEADERS and flags & END_STREAM:
                peer.send(frame(HEADERS, END_HEADERS, stream, OK)
                          + frame(DATA, 0, stream, b"data: first\n\n"))
                ends[stream] = time.monotonic() + self.silence


class SilentProxy(Peer):
    """A proxy that takes each connection and never answers; `counts` has the dials."""

    def serve(self, connection):
        while True:
            more(connection)
