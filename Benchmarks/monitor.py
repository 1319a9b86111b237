#!/usr/bin/env python3
"""The monitor beside htop and btop: each in a pseudo-terminal of the same size, once a second.

`sluice top` watches a daemon with a filled spool (100,000 destinations) through which fresh mail
goes. Measured: the first paint, CPU, bytes to the terminal, the time from a key to the screen,
memory, and what the monitor costs the daemon. Writes .build/bench-monitor.json.
"""

import argparse
import bisect
import fcntl
import json
import os
import pty
import random
import re
import select
import shutil
import signal
import smtplib
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time

sys.dont_write_bytecode = True

import backlog
import processes
import sink

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SIZES = [(80, 24), (200, 60)]


def cpu_seconds(root):
    """CPU time of all threads of a tree, to the nanosecond (/proc/PID/task/TID/schedstat)."""
    total = 0
    for pid in processes.tree(root):
        try:
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/schedstat") as file:
                    total += int(file.read().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            pass
    return total / 1e9


def resident(pid):
    """Bytes: all resident pages, and the proportional share of them."""
    with open(f"/proc/{pid}/smaps_rollup") as file:
        fields = dict(re.findall(r"^(\w+):\s+(\d+) kB", file.read(), re.M))
    return int(fields["Rss"]) * 1024, int(fields["Pss"]) * 1024


class Session:
    """A program in a pseudo-terminal whose other end is read all the time, as a terminal does."""

    def __init__(self, command, columns, rows, environment=None):
        self.bytes = 0
        self.output = bytearray()
        # The length of the output after each read, and when that was.
        self.arrivals = []
        self.lock = threading.Condition()
        self.first = None
        self.started = time.perf_counter()
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            os.execvpe(command[0], command, {
                "TERM": "xterm-256color", "LANG": "C.UTF-8", "PATH": os.environ["PATH"],
                "HOME": "/nonexistent", **(environment or {})})
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        while True:
            try:
                data = os.read(self.master, 65536)
            except OSError:
                data = b""
            now = time.perf_counter()
            # A terminal answers what it is asked: its ground (OSC 11) and what it is (DA1).
            if b"\x1b]11;?" in data:
                os.write(self.master, b"\x1b]11;rgb:0000/0000/0000\x07")
            if b"\x1b[c" in data:
                os.write(self.master, b"\x1b[?62;22c")
            with self.lock:
                if data and self.first is None:
                    self.first = now - self.started
                self.bytes += len(data)
                self.output += data
                self.arrivals.append((len(self.output), now))
                self.closed = not data
                self.lock.notify_all()
            if not data:
                return

    def until(self, text, seconds=20, start=0):
        """When it had written that; None if it did not."""
        deadline = time.monotonic() + seconds
        with self.lock:
            while (found := self.output.find(text, start)) < 0:
                left = deadline - time.monotonic()
                if left <= 0 or getattr(self, "closed", False):
                    return None
                self.lock.wait(left)
            end = found + len(text)
            index = bisect.bisect_left(self.arrivals, end, key=lambda arrival: arrival[0])
            return self.arrivals[index][1]

    def type(self, text):
        os.write(self.master, text)

    def close(self):
        try:
            os.kill(self.pid, signal.SIGTERM)
        except ProcessLookupError:
            pass
        for _ in range(200):
            if os.waitpid(self.pid, os.WNOHANG)[0]:
                break
            time.sleep(0.01)
        else:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.master)


class Traffic:
    """Fresh mail, so many messages a second, over 40 domains that go to the sink."""

    def __init__(self, port, rate):
        self.port, self.rate, self.isOn, self.ends = port, rate, False, False
        self.sent = 0
        self.thread = threading.Thread(target=self._send, daemon=True)
        self.thread.start()

    def _send(self):
        server = None
        number = 0
        while not self.ends:
            time.sleep(1 / self.rate)
            if not self.isOn:
                continue
            number += 1
            try:
                if server is None:
                    server = smtplib.SMTP("127.0.0.1", self.port, "bench.test")
                server.sendmail("sender@bench.test", [f"user{number}@live{number % 40}.test"],
                                b"Subject: bench\r\n\r\nhello\r\n")
                self.sent += 1
            except (smtplib.SMTPException, OSError):
                # The daemon closes connections that were idle, and ends with the benchmark.
                server = None

    def end(self):
        self.ends = True
        self.thread.join()


def steady(session, seconds):
    """CPU share and bytes a second over a while."""
    cpu, count, start = cpu_seconds(session.pid), session.bytes, time.perf_counter()
    time.sleep(seconds)
    passed = time.perf_counter() - start
    return (cpu_seconds(session.pid) - cpu) / passed, (session.bytes - count) / passed


# Behind each frame: the end of a synchronised update.
FRAME = b"\x1b[?2026l"


def first_paint(command, ready, times=20):
    """Seconds from exec to the first whole frame, and to the first with data."""
    frames, values = [], []
    for _ in range(times):
        session = Session(command, 80, 24)
        frame = session.until(FRAME)
        at = session.until(ready)
        if frame and at:
            frames.append(frame - session.started)
            values.append(at - session.started)
        session.close()
        time.sleep(0.1)
    return frames, values


def key_to_screen(session, times):
    """Seconds from writing a key until the cursor's mark is written anew."""
    values = []
    for number in range(times):
        time.sleep(random.uniform(0.05, 0.25))
        with session.lock:
            start = len(session.output)
        sent = time.perf_counter()
        session.type(b"j" if number % 20 < 10 else b"k")
        at = session.until("▌".encode(), 2, start)
        if at:
            values.append(at - sent)
    return values


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30, help="of each steady measurement")
    parser.add_argument("--destinations", type=int, default=100_000)
    parser.add_argument("--rate", type=float, default=50, help="fresh messages a second")
    parser.add_argument("--programs", default=os.path.join(ROOT, ".build/release"))
    parser.add_argument("--directory", default="/var/tmp")
    parser.add_argument("--quick", action="store_true", help="10 s each, 50 keys")
    options = parser.parse_args(arguments)
    if options.quick:
        options.seconds = 10
    keys = 50 if options.quick else 300
    programs = {name: os.path.join(options.programs, name)
                for name in ("sluice", "sluiced", "sluice-bench")}
    os.environ["PATH"] += ":/usr/sbin"
    for name in list(programs.values()) + ["htop", "btop", "smtp-sink"]:
        if not shutil.which(name):
            sys.exit(f"{name} is missing: make release, scripts/install-packages bench")
    directory = tempfile.mkdtemp(prefix="sluice-bench-", dir=options.directory)
    results = {"load": os.getloadavg()[0]}
    server = receiver = traffic = None
    try:
        data = os.path.join(directory, "data")
        os.mkdir(data)
        print(f"==> {options.destinations} destinations; load {results['load']:.1f}", flush=True)
        subprocess.run([programs["sluice-bench"], "fill", "--data-dir", data, "--count",
                        str(options.destinations), "--destinations", str(options.destinations),
                        "--due-in", "7200"], check=True, stdout=subprocess.DEVNULL)
        receiver = sink.Sink()
        server = backlog.Sluice(programs["sluiced"], data)
        server.start(directory, receiver.port)
        server.await_loaded(options.destinations)
        top = [programs["sluice"], "--socket", server.socket]
        traffic = Traffic(server.port, options.rate)

        def measured(name, value, unit, bound=None, digits=1):
            results[name] = value
            verdict = "" if bound is None else (
                f"   at most {bound}, " + ("reached" if value <= bound else "MISSED"))
            print(f"    {name:46} {value:9.{digits}f} {unit}{verdict}", flush=True)

        frames, values = first_paint(top, b"dead.test")
        measured("first frame, median", statistics.median(frames) * 1e3, "ms")
        measured("first paint with data, median", statistics.median(values) * 1e3, "ms", 30)
        measured("first paint with data, p90",
                 backlog.percentile(values, 0.9) * 1e3, "ms")

        # What it costs the daemon: with it and without, in turn, while nothing else goes on.
        shares = {True: [], False: []}
        for _ in range(2):
            for watched in (False, True):
                session = Session(top, 200, 60) if watched else None
                time.sleep(2)
                before = cpu_seconds(server.process.pid)
                time.sleep(options.seconds / 2)
                shares[watched].append(
                    (cpu_seconds(server.process.pid) - before) / (options.seconds / 2))
                if session:
                    session.close()
        measured("the daemon's part, 200x60", 100 * (
            statistics.mean(shares[True]) - statistics.mean(shares[False])), "%", 2, 2)

        traffic.isOn = True
        time.sleep(3)
        for columns, rows in SIZES:
            session = Session(top, columns, rows)
            session.until(b"live")
            time.sleep(3)
            cpu, rate = steady(session, options.seconds)
            size = f"{columns}x{rows}"
            measured(f"CPU of sluice, {size}", 100 * cpu, "%", 1, 2)
            measured(f"bytes to the terminal, {size}", rate / 1e3, "kB/s",
                     1.5 if columns == 80 else None, 2)
            if columns == 80:
                times = key_to_screen(session, keys)
                measured("key to screen, p50", statistics.median(times) * 1e3, "ms", None, 2)
                measured("key to screen, p99", backlog.percentile(times, 0.99) * 1e3, "ms", 16, 2)
            rss, pss = resident(session.pid)
            measured(f"memory, {size}, resident", rss / 1e6, "MB", 25)
            measured(f"memory, {size}, proportional", pss / 1e6, "MB")
            session.close()
        peers = os.path.join(directory, "config", "btop")
        os.makedirs(peers)
        with open(os.path.join(peers, "btop.conf"), "w") as file:
            file.write("update_ms = 1000\n")
        for name, command in (("htop", ["htop", "-d", "10"]), ("btop", ["btop"])):
            for columns, rows in SIZES:
                session = Session(command, columns, rows, {
                    "XDG_CONFIG_HOME": os.path.join(directory, "config")})
                time.sleep(3)
                size = f"{columns}x{rows}"
                first = session.first
                cpu, rate = steady(session, options.seconds)
                if columns == 80 and first:
                    measured(f"{name}: first byte", first * 1e3, "ms")
                measured(f"{name}: CPU, {size}", 100 * cpu, "%", None, 2)
                measured(f"{name}: bytes, {size}", rate / 1e3, "kB/s", None, 2)
                measured(f"{name}: memory, {size}", resident(session.pid)[0] / 1e6, "MB")
                session.close()
    finally:
        if traffic:
            traffic.end()
        if server:
            server.stop()
        if receiver:
            receiver.stop()
        shutil.rmtree(directory, ignore_errors=True)
    path = os.path.join(ROOT, ".build/bench-monitor.json")
    with open(path, "w") as file:
        json.dump(results, file, indent=2)
        file.write("\n")
    print(f"\nWritten to {os.path.relpath(path)}")


if __name__ == "__main__":
    main(sys.argv[1:])
