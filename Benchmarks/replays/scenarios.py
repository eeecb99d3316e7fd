"""The scenarios of `run`: each replays an incident and says in words what a client's user saw."""
import os
import re
import shutil
import subprocess
import time

import peers

ROUND_TRIP = 0.15
UPLOADS = 26


class Scenario:
    """An incident; `measure` takes a started client and returns figures, `words` makes a cell."""

    options = []

    def __init__(self, name, incident, title):
        self.name, self.incident, self.title = name, incident, title


def count(answers):
    """Answers that came whole."""
    return sum(1 for each in answers if not each["error"] and each["status"] == 200)


def first_error(answers):
    """The first error as the client's user reads it, without ports; `None` without one."""
    for each in answers:
        if each["error"]:
            return shown(each["error"])
    return None


def last_error(answers):
    return first_error(list(reversed(answers)))


def shown(text):
    """An error for a cell of a table: without ports, addresses and numbers of connections."""
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1", " ".join(text.split()))
    text = re.sub(r" \[https?://[^]]*\]| \(connection \d+( to [^)]*)?\)", "", text)
    text = re.sub(r"\bport \d+", "port N", text)
    # A line of another client's source.
    text = re.sub(r"\.swift:\d+", "", text)
    text = re.sub(r'^(Post|Get) "[^"]*": ', "", text).replace("|", "/").replace("`", "'")
    return text if len(text) <= LONGEST_ERROR else text[:LONGEST_ERROR].rsplit(" ", 1)[0] + " ..."


LONGEST_ERROR = 400


def with_error(text, error):
    return f"{text}: `{error}`" if error else text


class BrokenHTTP2(Scenario):
    """Six POSTs, one after the other."""

    def __init__(self, fault, incident, title):
        super().__init__(f"http2-{fault}", incident, title)
        self.fault = fault

    def measure(self, client):
        with peers.BrokenHTTP2(self.fault) as peer:
            answers = [client.post(peer.url(), 100) for _ in range(6)]
        return {
            "answered": count(answers), "of": 6,
            "overHTTP1": sum(1 for each in answers if each["version"] == "1.1"),
            "first": next((i for i, each in enumerate(answers, 1) if each["status"] == 200), None),
            "error": first_error(answers),
        }

    def words(self, figures):
        if figures["answered"] == figures["of"]:
            return "all 6 are answered, over HTTP/1.1"
        if not figures["answered"]:
            return with_error("none of 6 is answered", figures["error"])
        return with_error(
            f"{figures['answered']} of 6 are answered, over HTTP/1.1 from request"
            f" {figures['first']} on", figures["error"])


class ClosingPeer(Scenario):
    """Twenty POSTs, each on a connection that a POST before it left, with pauses."""

    def __init__(self, fault, incident, title):
        super().__init__(f"closing-{fault}", incident, title)
        self.fault = fault

    def measure(self, client):
        raced, reused = [], 0
        with peers.ClosingPeer(self.fault) as peer:
            for number in range(20):
                client.post(peer.url("http") + f"kept/{number}", 100)
                time.sleep(0.1)
                reused += peer.arm() > 0
                raced.append(client.post(peer.url("http") + f"raced/{number}", 100))
                peer.disarm()
            doubled = sum(1 for acted in peer.acted.values() if acted > 1)
        return {
            "answered": count(raced), "of": 20, "armed": reused, "races": peer.counts["races"],
            "actedTwice": doubled, "error": first_error(raced),
        }

    def words(self, figures):
        twice = figures["actedTwice"]
        failed = figures["of"] - figures["answered"]
        text = f"{failed or 'none'} of 20 {'fail' if failed else 'fails'}, "
        if figures["races"] < 20:
            text += f"{20 - figures['races']} did not use the kept connection, "
        text += f"**{twice} are acted on twice**" if twice else "none is acted on twice"
        return with_error(text, figures["error"])


class Uploads(Scenario):
    """A small POST alone, then nine of them beside 26 uploads of 1 MB."""

    def __init__(self):
        super().__init__(
            "uploads", "A16",
            f"nghttpd with windows of 64 KiB, {ROUND_TRIP * 1000:.0f} ms away; a small POST beside"
            f" {UPLOADS} uploads of 1 MB")

    def measure(self, client):
        server, port = start_nghttpd()
        try:
            with peers.Relay(port, ROUND_TRIP / 2) as relay:
                client.post(relay.url(), 10)
                alone = min(client.post(relay.url(), 10)["ms"] for _ in range(3))
                for _ in range(UPLOADS):
                    client.ask("POST", relay.url(), 1_000_000)
                time.sleep(3)
                beside = [client.post(relay.url(), 10) for _ in range(9)]
                dialled = relay.counts["connections"]
        finally:
            server.terminate()
            server.wait()
        times = sorted(each["ms"] for each in beside)
        return {
            "answered": count(beside), "of": len(beside), "aloneMs": round(alone),
            "medianMs": round(times[len(times) // 2]), "slowestMs": round(times[-1]),
            "ratio": round(times[-1] / alone, 1), "connections": dialled,
            "error": first_error(beside),
        }

    def words(self, figures):
        if figures["error"]:
            return with_error(
                f"{figures['answered']} of {figures['of']} are answered", figures["error"])
        connections = "connection" if figures["connections"] == 1 else "connections"
        return (f"{figures['aloneMs']} ms alone; beside them {figures['medianMs']} ms, at most"
                f" {figures['slowestMs']} ms ({figures['ratio']} times);"
                f" {figures['connections']} {connections}")


def start_nghttpd():
    program = find("nghttpd")
    if program is None:
        raise Missing("nghttpd is not installed (on Debian: apt-get install nghttp2-server)")
    with peers.socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = subprocess.Popen([
        program, "--address=127.0.0.1", "--echo-upload", "-w16", "-W16", str(port),
        f"{peers.CERTS}/leaf.key", f"{peers.CERTS}/leaf.pem"])
    for _ in range(100):
        try:
            peers.socket.create_connection(("127.0.0.1", port), 1).close()
            return server, port
        except OSError:
            time.sleep(0.05)
    raise Missing("nghttpd does not listen")


class SilentStreams(Scenario):
    """Four event streams with a long silence, one after the other."""

    def __init__(self, name, incident, title, silence, cut=None, shortest=None, options=()):
        super().__init__(name, incident, title)
        self.silence, self.cut, self.shortest = silence, cut, shortest
        self.options = list(options)

    def measure(self, client):
        with peers.EventOrigin(self.silence, self.shortest) as origin:
            if self.cut is None:
                answers = [self.ask(client, origin, "-") for _ in range(4)]
                return self.figures(answers, origin)
            with peers.TunnelProxy(self.cut) as proxy:
                way = proxy.url("http").rstrip("/")
                answers = [self.ask(client, origin, way) for _ in range(4)]
                return self.figures(answers, origin) | {"cuts": proxy.counts["cuts"]}

    def ask(self, client, origin, proxy):
        return client.ask("GET", origin.url(), 0, proxy).result(60)

    def figures(self, answers, origin):
        whole = "".join("x" if not each["error"] else "-" for each in answers)
        return {
            "answered": count(answers), "of": 4, "whole": whole,
            "pings": origin.counts["pings"], "complaints": origin.counts["complaints"],
            "error": last_error(answers),
        }

    def words(self, figures):
        pings = f"{figures['pings']} PINGs" if figures["pings"] != 1 else "1 PING"
        if figures["answered"] == 4:
            return f"all 4 come whole ({pings})"
        which = [str(i) for i, each in enumerate(figures["whole"], 1) if each == "x"]
        some = f"{len(which)} of 4 come whole (request {', '.join(which)})" if which else (
            "none of 4 comes whole")
        return with_error(f"{some}, {pings}", figures["error"])


class DeadProxy(Scenario):
    """Sixty requests, one after the other, with twenty logins at one proxy."""

    options = ["--connect-timeout", "1"]

    def __init__(self):
        super().__init__(
            "dead-proxy", "E4",
            "a proxy that takes connections and never answers, 60 requests with 20 logins, 1 s for"
            " each connection")

    def measure(self, client):
        with peers.SilentProxy() as proxy:
            start = time.monotonic()
            answers = [
                client.ask(
                    "GET", "https://127.0.0.1:9/", 0,
                    f"http://user{i % 20}:secret@127.0.0.1:{proxy.port}").result(60)
                for i in range(60)]
            seconds = time.monotonic() - start
            return {
                "failed": sum(1 for each in answers if each["error"]),
                "seconds": round(seconds, 1), "dials": proxy.counts["connections"],
                "error": last_error(answers),
            }

    def words(self, figures):
        return with_error(
            f"all have failed after {figures['seconds']} s; {figures['dials']} dials",
            figures["error"])


class Missing(Exception):
    """Something is not installed; its text is for people."""


def find(program):
    """A program's path; Debian keeps servers where only root's PATH leads."""
    return shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/bin")


ALL = [
    BrokenHTTP2(
        "resets", "A1", "HTTP/2 resets each POST by INTERNAL_ERROR, HTTP/1.1 answers; 6 POSTs"),
    BrokenHTTP2(
        "ends", "A1", "HTTP/2 ends the connection at each POST, HTTP/1.1 answers; 6 POSTs"),
    BrokenHTTP2(
        "http1", "A4", "ALPN chooses HTTP/2, and the peer speaks HTTP/1.1; 6 POSTs"),
    ClosingPeer(
        "unread", "B1", "a kept connection is closed while a POST is on its way, which is never"
        " read; 20 POSTs"),
    ClosingPeer(
        "acted", "D4", "the counterpart: the peer acts on the POST and closes without an answer;"
        " 20 POSTs"),
    Uploads(),
    SilentStreams(
        "tunnel", "C2", "a proxy cuts tunnels after 4 s without payload, an event stream over"
        " HTTP/2 is silent for 10 s; 4 requests", silence=10, cut=4),
    SilentStreams(
        "pings", "A9", "PINGs after 1 s of silence; the origin ends by `too_many_pings` a"
        " connection with two of them within 3 s; a silence of 8 s; 4 requests",
        silence=8, shortest=3, options=["--ping-after", "1"]),
    DeadProxy(),
]
