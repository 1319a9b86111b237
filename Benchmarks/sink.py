"""Where all mail of a run ends: Postfix's smtp-sink."""

import os
import socket
import subprocess
import threading
import time

import processes


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Sink:
    """An smtp-sink on a free port of its own, which counts what it received. It stays up between
    the runs: a server that finds nobody there backs off, and its wait would be measured."""

    def __init__(self):
        self.port = free_port()
        self.changed = threading.Condition()
        self.received = 0
        # -c writes "sess=1 quit=1 mesg=1" and a carriage return at every message.
        command = ["smtp-sink", "-c", "-m", "512"]
        if os.geteuid() == 0:
            command += ["-u", "nobody"]
        self.process = subprocess.Popen(
            command + [f"inet:127.0.0.1:{self.port}", "1024"], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        threading.Thread(target=self._count, daemon=True).start()
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if time.monotonic() > deadline:
                    self.stop()
                    raise OSError("smtp-sink does not listen")
                time.sleep(0.01)

    def _count(self):
        rest = b""
        while chunk := os.read(self.process.stdout.fileno(), 65536):
            *whole, rest = (rest + chunk).split(b"\r")
            if whole:
                with self.changed:
                    self.received = int(whole[-1].rpartition(b"=")[2])
                    self.changed.notify_all()

    def wait(self, total, limit):
        """True when it has received so many messages since its start; False after `limit` s."""
        with self.changed:
            return self.changed.wait_for(lambda: self.received >= total, limit)

    def stop(self):
        processes.stop(self.process)


class Sinks:
    """Several, counted together."""

    def __init__(self, count):
        self.sinks = []
        try:
            for _ in range(count):
                self.sinks.append(Sink())
        except OSError:
            self.stop()
            raise

    @property
    def received(self):
        return sum(sink.received for sink in self.sinks)

    def wait(self, total, limit):
        deadline = time.monotonic() + limit
        while self.received < total:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.002)
        return True

    def stop(self):
        for sink in self.sinks:
            sink.stop()
