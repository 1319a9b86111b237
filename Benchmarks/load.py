"""The load: Postfix's smtp-source and smtp-sink for throughput, and clients of our own for what
smtp-source cannot do: time each message's 250, and send to many domains at once."""

import asyncio
import socket
import subprocess
import threading
import time

import processes

SESSIONS = 20
MESSAGE_SIZE = 4096
SENDER = "sender@bench.test"
RECIPIENT = "recipient@sink.test"


class Stalled(Exception):
    """Not every message came out at the other end in time."""


def source(port, messages, sessions, size, keep, recipient=RECIPIENT):
    """smtp-source as a process."""
    command = ["smtp-source", "-s", str(sessions), "-l", str(size), "-m", str(messages),
               "-f", SENDER, "-t", recipient] + (["-d"] if keep else [])
    return subprocess.Popen(command + [f"127.0.0.1:{port}"], stdin=subprocess.DEVNULL)


def throughput(server, sink, messages, keep, limit, sessions=SESSIONS, size=MESSAGE_SIZE):
    """Sends with smtp-source and waits until the sink has everything.

    Returns messages per second, from the start of the source to the arrival of the last message,
    and the server's CPU seconds for each message."""
    total = sink.received + messages
    cpu = server.cpu_seconds()
    start = time.monotonic()
    process = source(server.port, messages, sessions, size, keep)
    try:
        if not sink.wait(total, limit):
            raise Stalled(f"{server.name}: not all of {messages} messages within {limit} s")
        seconds = time.monotonic() - start
        if process.wait(10) != 0:
            raise Stalled(f"{server.name}: smtp-source ended with status {process.returncode}")
        settle(server)
        return messages / seconds, (server.cpu_seconds() - cpu) / messages
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def settle(server, quiet=0.3, limit=5):
    """Waits until the server does nothing more: what it does after the last delivery (removing it
    from its queue) belongs to the message."""
    deadline = time.monotonic() + limit
    before = server.cpu_seconds()
    while time.monotonic() < deadline:
        time.sleep(quiet)
        now = server.cpu_seconds()
        if now - before < 0.02:
            return
        before = now


def fanout(server, sinks, messages, recipients, domains, limit):
    """Messages to `recipients` people in `domains` domains each, one after the other, over one
    connection. Returns recipients per second until the last delivery has arrived; a sink counts
    deliveries."""
    total = sinks.received + messages * domains
    names = [f"RCPT TO:<user{number}@d{number % domains + 1}.many.test>\r\n"
             for number in range(recipients)]
    head = f"MAIL FROM:<{SENDER}>\r\n" + "".join(names) + "DATA\r\n"
    start = time.monotonic()
    with socket.create_connection(("127.0.0.1", server.port), limit) as connection:
        stream = connection.makefile("rwb")

        def expect(code, count=1):
            while count:
                line = stream.readline()
                if not line.startswith(code):
                    raise Stalled(f"{server.name}: {line!r} instead of {code!r}")
                count -= line[3:4] == b" "

        expect(b"220")
        stream.write(b"EHLO bench.test\r\n")
        stream.flush()
        expect(b"250")
        for _ in range(messages):
            # A thread writes, or both sides could wait for the other to read.
            writer = threading.Thread(target=lambda: (stream.write(head.encode()), stream.flush()))
            writer.start()
            expect(b"250", 1 + recipients)
            expect(b"354")
            writer.join()
            stream.write(_message() + b".\r\n")
            stream.flush()
            expect(b"250")
        stream.write(b"QUIT\r\n")
        stream.flush()
        expect(b"221")
    if not sinks.wait(total, limit):
        raise Stalled(f"{server.name}: {sinks.received - total + messages * domains} of "
                      f"{messages * domains} deliveries within {limit} s")
    return messages * recipients / (time.monotonic() - start)


def latencies(server, sink, rate, messages, limit):
    """Sends at a steady rate over kept connections. Returns the sorted seconds from the final dot
    to its 250, and the most memory that the server had meanwhile."""
    total = sink.received + messages
    times, memory = asyncio.run(_latencies(server, rate, messages))
    if not sink.wait(total, limit):
        raise Stalled(f"{server.name}: not all of {messages} messages within {limit} s")
    settle(server)
    return sorted(times), memory


def send(ports, envelopes, sessions=SESSIONS, rate=None):
    """Sends a message to each of the envelopes, which are lists of recipients, over kept connections
    to the ports in turn; at most `rate` a second. Returns each envelope with the time of its 250."""
    return asyncio.run(_send(ports, envelopes, sessions, rate))


async def _send(ports, envelopes, sessions, rate):
    turns = enumerate(envelopes)
    start = time.monotonic()
    sent = []

    async def session(port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)

        async def expect(code, count=1):
            while count:
                line = await reader.readline()
                if not line.startswith(code):
                    raise Stalled(f"port {port}: {line!r} instead of {code!r}")
                count -= line[3:4] == b" "

        await expect(b"220")
        writer.write(b"EHLO bench.test\r\n")
        await expect(b"250")
        for turn, recipients in turns:
            if rate:
                await asyncio.sleep(start + turn / rate - time.monotonic())
            writer.write("".join(
                [f"MAIL FROM:<{SENDER}>\r\n"] + [f"RCPT TO:<{each}>\r\n" for each in recipients]
                + ["DATA\r\n"]).encode())
            await expect(b"250", 1 + len(recipients))
            await expect(b"354")
            writer.write(_message() + b".\r\n")
            await expect(b"250")
            sent.append((recipients, time.monotonic()))
        writer.write(b"QUIT\r\n")
        await expect(b"221")
        writer.close()

    await asyncio.gather(*(session(ports[number % len(ports)]) for number in range(sessions)))
    return sent


def _message():
    head = "".join(f"{line}\r\n" for line in (
        f"From: <{SENDER}>", f"To: <{RECIPIENT}>", "Subject: bench", ""))
    return (head + ("x" * 70 + "\r\n") * (MESSAGE_SIZE // 72)).encode()


async def _latencies(server, rate, messages):
    body = _message() + b".\r\n"
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
