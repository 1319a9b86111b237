"""The daemon's control API, over its socket."""

import http.client
import json
import socket
import time
import urllib.parse


class Connection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        # The socket is there a moment after the intake.
        deadline = time.monotonic() + 10
        while True:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(self.timeout)
            try:
                return self.sock.connect(self.path)
            except OSError:
                self.sock.close()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)


class Refused(Exception):
    """The daemon answered with an error."""


class Control:
    def __init__(self, path, timeout=300):
        self.connection = Connection(path, timeout)

    def call(self, method, target, body=None, **query):
        """The answer, and the seconds that it took until it was all there."""
        if query:
            target += "?" + urllib.parse.urlencode(query)
        data = None if body is None else json.dumps(body)
        start = time.perf_counter()
        self.connection.request(method, target, data, {"Content-Type": "application/json"})
        response = self.connection.getresponse()
        text = response.read()
        seconds = time.perf_counter() - start
        if response.status >= 300:
            raise Refused(f"{method} {target}: {response.status} {text[:500]!r}")
        return json.loads(text), seconds

    def get(self, target, **query):
        return self.call("GET", target, **query)

    def post(self, target, body=None):
        return self.call("POST", target, body)

    def totals(self):
        return self.get("/v1/status")[0]["totals"]
