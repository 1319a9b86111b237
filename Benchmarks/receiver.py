"""A receiver that says of every message for whom it was, when it came, from whom, and when it was
answered: what a count of messages (`sink`) cannot tell from lost ones and duplicates.

A process of its own, so that it does not share an interpreter with what measures. It takes orders
on its standard input, and writes a line for every event:

    SECONDS m RECIPIENT HELLO      a message has come up to its last dot
    SECONDS r RECIPIENT HELLO      its answer is written
    SECONDS d RECIPIENT HELLO      the recipient was told to come later
"""

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections import defaultdict
from typing import NamedTuple

import processes


class Arrival(NamedTuple):
    """Of a message, by CLOCK_MONOTONIC."""

    at: float
    recipient: str
    # The name of the host that brought it.
    hello: str


class Receiver:
    """`port`, and what has come so far."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, os.path.abspath(__file__)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True)
        self.changed = threading.Condition()
        self.arrivals = []
        # By recipient, when.
        self.answered = defaultdict(list)
        self.deferred = set()
        self.port = int(self.process.stdout.readline())
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            at, kind, recipient, hello = line.split()
            with self.changed:
                if kind == "m":
                    self.arrivals.append(Arrival(float(at), recipient, hello))
                elif kind == "r":
                    self.answered[recipient].append(float(at))
                else:
                    self.deferred.add(recipient)
                self.changed.notify_all()

    def slow(self, seconds):
        """Each message takes so long from here on: half before its text, half after it."""
        self._order(f"slow {seconds}")

    def defer(self, prefix):
        """Recipients that begin so are told to come later; none where it is empty."""
        self._order(f"defer {prefix}")

    def _order(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def wait(self, condition, limit):
        """True when it holds; False after `limit` s. It is looked at with every event."""
        with self.changed:
            return self.changed.wait_for(condition, limit)

    def clear(self):
        with self.changed:
            self.arrivals, self.deferred = [], set()
            self.answered.clear()

    def stop(self):
        processes.stop(self.process)


class Orders:
    def __init__(self):
        self.seconds = 0.0
        self.prefix = b""
        self.lines = []
        # Set whenever messages are to be slow no more.
        self.hurry = asyncio.Event()

    def obey(self):
        line = sys.stdin.buffer.readline()
        if not line:
            os._exit(0)
        word, *rest = line.split()
        if word == b"slow":
            self.seconds = float(rest[0])
            if self.seconds:
                self.hurry.clear()
            else:
                self.hurry.set()
        else:
            self.prefix = rest[0] if rest else b""

    def say(self, kind, recipient, hello):
        self.lines.append(b"%.6f %s %s %s\n" % (time.monotonic(), kind, recipient, hello))

    async def write(self):
        while True:
            lines, self.lines = self.lines, []
            if lines:
                os.write(1, b"".join(lines))
            await asyncio.sleep(0.002)

    async def linger(self):
        if self.seconds:
            try:
                await asyncio.wait_for(self.hurry.wait(), self.seconds / 2)
            except asyncio.TimeoutError:
                pass


async def serve(reader, writer, orders):
    hello, recipients = b"?", []
    try:
        writer.write(b"220 receiver.test\r\n")
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb in (b"EHLO", b"HELO"):
                hello = (line.split() + [b"?", b"?"])[1]
                writer.write(b"250 receiver.test\r\n")
            elif verb == b"RCPT":
                recipient = line[line.index(b"<") + 1:line.index(b">")]
                if orders.prefix and recipient.startswith(orders.prefix):
                    orders.say(b"d", recipient, hello)
                    writer.write(b"451 4.3.0 Not now\r\n")
                else:
                    await orders.linger()
                    recipients.append(recipient)
                    writer.write(b"250 2.1.5 Ok\r\n")
            elif verb == b"DATA" and recipients:
                writer.write(b"354 Go on\r\n")
                await reader.readuntil(b"\r\n.\r\n")
                for recipient in recipients:
                    orders.say(b"m", recipient, hello)
                await orders.linger()
                writer.write(b"250 2.0.0 Ok\r\n")
                for recipient in recipients:
                    orders.say(b"r", recipient, hello)
                recipients = []
            elif verb == b"DATA":
                writer.write(b"503 5.5.1 No recipients\r\n")
            elif verb == b"QUIT":
                writer.write(b"221 2.0.0 Bye\r\n")
                break
            else:
                recipients = []
                writer.write(b"250 2.0.0 Ok\r\n")
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def main():
    orders = Orders()
    orders.hurry.set()
    server = await asyncio.start_server(
        lambda reader, writer: serve(reader, writer, orders), "127.0.0.1", 0, backlog=4096,
        limit=1 << 20)
    os.write(1, b"%d\n" % server.sockets[0].getsockname()[1])
    asyncio.get_running_loop().add_reader(0, orders.obey)
    await orders.write()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except (KeyboardInterrupt, BrokenPipeError):
        pass
