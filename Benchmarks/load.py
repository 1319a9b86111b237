"""The load: Postfix's smtp-source and smtp-sink for throughput, and a client of our own that times
each message's 250."""

import asyncio
import subprocess
import time

import processes

SESSIONS = 20
MESSAGE_SIZE = 4096
SENDER = "sender@bench.test"
RECIPIENT = "recipient@sink.test"


class Stalled(Exception):
    """Not every message came out at the other end in time."""


def throughput(server, sink, messages, keep, limit):
    """Sends with smtp-source and waits until the sink has everything.

    Returns messages per second, from the start of the source to the arrival of the last message,
    and the server's CPU seconds for each message."""
    total = sink.received + messages
    cpu = processes.cpu_seconds(server.process.pid)
    command = ["smtp-source", "-s", str(SESSIONS), "-l", str(MESSAGE_SIZE),
               "-m", str(messages), "-f", SENDER, "-t", RECIPIENT]
    command += ["-d"] if keep else []
    start = time.monotonic()
    source = subprocess.Popen(command + [f"127.0.0.1:{server.port}"], stdin=subprocess.DEVNULL)
    try:
        if not sink.wait(total, limit):
            raise Stalled(f"{server.name}: not all of {messages} messages within {limit} s")
        seconds = time.monotonic() - start
        if source.wait(10) != 0:
            raise Stalled(f"{server.name}: smtp-source ended with status {source.returncode}")
        settle(server)
        cpu = processes.cpu_seconds(server.process.pid) - cpu
        return messages / seconds, cpu / messages
    finally:
        if source.poll() is None:
            source.kill()
            source.wait()


def settle(server, quiet=0.3, limit=5):
    """Waits until the server does nothing more: what it does after the last delivery (removing it
    from its queue) belongs to the message."""
    deadline = time.monotonic() + limit
    before = processes.cpu_seconds(server.process.pid)
    while time.monotonic() < deadline:
        time.sleep(quiet)
        now = processes.cpu_seconds(server.process.pid)
        if now - before < 0.02:
            return
        before = now


def latencies(server, sink, rate, messages, limit):
    """Sends at a steady rate over kept connections. Returns the sorted seconds from the final dot
    to its 250, and the most memory that the server had meanwhile."""
    total = sink.received + messages
    times, memory = asyncio.run(_latencies(server, rate, messages))
    if not sink.wait(total, limit):
        raise Stalled(f"{server.name}: not all of {messages} messages within {limit} s")
    settle(server)
    return sorted(times), memory


async def _latencies(server, rate, messages):
    head = "".join(f"{line}\r\n" for line in (
        f"From: <{SENDER}>", f"To: <{RECIPIENT}>", "Subject: bench", ""))
    body = (head + ("x" * 70 + "\r\n") * (MESSAGE_SIZE // 72)).encode() + b".\r\n"
    envelope = f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<{RECIPIENT}>\r\nDATA\r\n".encode()
    turns = iter(range(messages))
    start = time.monotonic() + 0.1
    times = []

    async def expect(reader, code):
        while True:
            line = await reader.readline()
            if not line.startswith(code):
                raise Stalled(f"{server.name}: {line!r} instead of {code!r}")
            if line[3:4] == b" ":
                return

    async def session():
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        await expect(reader, b"220")
        writer.write(b"EHLO bench.test\r\n")
        await expect(reader, b"250")
        for turn in turns:
            await asyncio.sleep(start + turn / rate - time.monotonic())
            writer.write(envelope)
            for code in (b"250", b"250", b"354"):
                await expect(reader, code)
            sent = time.perf_counter()
            writer.write(body)
            await expect(reader, b"250")
            times.append(time.perf_counter() - sent)
        writer.write(b"QUIT\r\n")
        await expect(reader, b"221")
        writer.close()

    await asyncio.gather(*(session() for _ in range(SESSIONS)))
    return times, processes.memory(server.process.pid)
