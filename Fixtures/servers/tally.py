"""What the servers of the load tests share: a file of what they did, and a gate.

A line of the file is "post ID" or "cancelled PATH"; each is written at once, by one write, so that a
server that is killed loses none, and a later server adds to the same file.
"""
import asyncio
import os

# Seconds for which a gate lets requests wait.
PATIENCE = 30


class Tally:
    def __init__(self, path):
        self.file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def add(self, line):
        os.write(self.file, line.encode() + b"\n")


class Gate:
    """Opens for good once so many requests wait at it together, or shuts when they never do."""

    def __init__(self):
        self.waiting = 0
        self.decided = asyncio.Event()
        self.is_open = False

    async def passes(self, count):
        """Whether it opened while this request waited, or before."""
        self.waiting += 1
        if self.waiting >= count and not self.decided.is_set():
            self.is_open = True
            self.decided.set()
        try:
            await asyncio.wait_for(self.decided.wait(), PATIENCE)
        except (TimeoutError, asyncio.TimeoutError):
            self.decided.set()
        finally:
            self.waiting -= 1
        return self.is_open


class Gates:
    """A gate for each name."""

    def __init__(self):
        self.gates = {}

    def named(self, name):
        return self.gates.setdefault(name, Gate())
