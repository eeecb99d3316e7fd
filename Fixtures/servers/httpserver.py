"""Python's own http.server for the interop tests: files, and what else the scenarios ask for.

Usage: httpserver.py FOLDER PORT OLD_PORT TALLY

On the second port it speaks HTTP/1.0, as it does by default. What http.server has of its own
is left as it is: files, HEAD, If-Modified-Since, the 100 for an Expect, errors that close.
For the load tests it has the routes of asgi.py besides.
"""
import sys
import threading
import time
from collections import Counter
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

from tally import PATIENCE, Tally


class Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 600

    def do_GET(self):
        parts = self.path.split("?")[0].strip("/").split("/")
        if parts[0] == "no-content":
            self.send_response(204)
            self.end_headers()
        elif parts[0] == "delay":
            time.sleep(int(parts[1]) / 1000)
            self.answer(b"hello\n")
        elif parts[0] == "chunked":
            self.chunked(int(parts[1]), {})
        elif parts[0] == "trailers":
            self.chunked(1000, {"x-count": "1000"})
        elif parts[0] == "gate":
            is_open = pass_gate(parts[1], int(parts[2]))
            self.answer(b"open" if is_open else b"shut", 200 if is_open else 503)
        elif parts[0] == "events":
            self.events()
        elif parts[0] == "hello":
            self.answer(b"hello")
        else:
            super().do_GET()

    def do_POST(self):
        if self.path == "/limited":
            # Refused by its length, before any of it is read.
            self.close_connection = True
            self.send_response(413)
            self.send_header("Connection", "close")
            self.send_header("Content-Length", "4")
            self.end_headers()
            self.wfile.write(b"413\n")
            return
        body = b"".join(self.pieces())
        if self.path.startswith("/post/"):
            TALLY.add("post " + self.path.removeprefix("/post/"))
            self.answer(b"%d" % len(body))
            return
        self.answer(body if self.path == "/echo" else b"%d\n" % len(body))

    def pieces(self):
        """The request's content, however it is framed."""
        if self.headers.get("Transfer-Encoding") != "chunked":
            yield self.rfile.read(int(self.headers.get("Content-Length", "0")))
            return
        while size := int(self.rfile.readline().split(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass

    def answer(self, body, status=200):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def events(self):
        self.close_connection = True
        self.send_response(200)
        self.end_headers()
        try:
            while True:
                self.wfile.write(b"data: 1\n\n")
                time.sleep(0.02)
        except OSError:
            TALLY.add("cancelled /events")

    def chunked(self, count, trailers):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for start in range(0, count, 1000):
            piece = pattern(start, min(1000, count - start))
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n")
        for name, value in trailers.items():
            self.wfile.write(f"{name}: {value}\r\n".encode())
        self.wfile.write(b"\r\n")

    def log_message(self, *arguments):
        pass


class OldHandler(Handler):
    protocol_version = "HTTP/1.0"


class Server(ThreadingHTTPServer):
    request_queue_size = 512
    daemon_threads = True


def pattern(start, count):
    """The loopback origin's pattern, which repeats every 64 KiB: a file of the site has it."""
    return PATTERN[start % 65536:][:count]


GATE = threading.Condition()
WAITING, DECIDED = Counter(), {}


def pass_gate(name, count):
    """Whether so many requests came to wait at the gate at the same time."""
    with GATE:
        WAITING[name] += 1
        if WAITING[name] >= count:
            DECIDED.setdefault(name, True)
            GATE.notify_all()
        GATE.wait_for(lambda: name in DECIDED, PATIENCE)
        WAITING[name] -= 1
        # The first whose patience is over shuts it.
        is_open = DECIDED.setdefault(name, False)
        GATE.notify_all()
        return is_open


FOLDER, PORT, OLD_PORT = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
TALLY = Tally(sys.argv[4])
with open(f"{FOLDER}/medium.bin", "rb") as medium:
    PATTERN = medium.read(2 * 65536)


def serve(handler, port):
    with Server(("127.0.0.1", port), lambda *a: handler(*a, directory=FOLDER)) as server:
        server.serve_forever()


threading.Thread(target=serve, args=(OldHandler, OLD_PORT), daemon=True).start()
serve(Handler, PORT)
