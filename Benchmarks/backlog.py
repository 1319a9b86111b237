"""A queue of a million deliveries for destinations that are dead, and what it costs.

`sluice-bench fill` makes the spool, without SMTP, in seconds; every measure but those of the purge
leaves it as it is."""

import os
import statistics
import subprocess
import threading
import time

import control
import load
import processes
import servers
import sink

DESTINATIONS = 1000

# What pages are asked for: every kind of filter and of order.
DESTINATION_PAGES = [
    {}, {"sort": "name"}, {"sort": "-age"}, {"sort": "next", "offset": 500},
    {"filter": "state = scheduled", "sort": "-queued"}, {"filter": "domain ~ d99"},
    {"filter": "queued > 10 and not paused = yes", "sort": "why"},
    {"filter": "worker = 1 or failures > 0", "sort": "-failures"},
]
MESSAGE_PAGES = [
    {}, {"sort": "-age"}, {"sort": "next"}, {"sort": "recipient"}, {"offset": 400000},
    {"filter": "domain = d7.dead.test"}, {"filter": "sender = sender7@bench.test", "sort": "-next"},
    {"filter": "recipient ~ user77777"}, {"filter": "code = 4xx", "sort": "-size"},
    {"filter": "age > 1h and state = delayed", "sort": "domain"},
    {"sort": "-recipient"}, {"sort": "sender", "offset": 300000}, {"sort": "-state"},
    {"filter": "recipient = *@d9.dead.test", "sort": "reply"},
    {"filter": "recipient ~ dead", "sort": "-age"}, {"filter": "id ~ ff", "sort": "next"},
    {"filter": "reply ~ refused and not why = paused or worker = 2", "sort": "destination"},
]


# 50 of the 100 senders.
HALF = "domain ~ .dead.test and (" + " or ".join(
    f"sender = sender{digit}?@bench.test" for digit in range(5, 10)) + ")"


def fill(tool, directory, count):
    """A data directory with so many deliveries; the seconds that filling took."""
    os.makedirs(directory, mode=0o700)
    start = time.monotonic()
    subprocess.run([tool, "fill", "--data-dir", directory, "--count", str(count),
                    "--destinations", str(min(count, DESTINATIONS))],
                   check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - start


class Sluice(servers.Sluice):
    """The daemon on a filled spool: every domain is a destination of its own, and nobody listens
    where the mail for the dead ones would go."""

    extra = """
[undo]
purge_window = "10m"
[retry]
# The mail in the spool is a day old: without this, a million reports to its senders are measured.
delay_warning = "off"
"""
    routes = '"*.dead.test" = "127.0.0.1:1", '
    group_by = "domain"

    def __init__(self, program, data):
        super().__init__(program)
        self.data = data

    def await_loaded(self, count, limit=120):
        """Until the workers have all that lies in the spool."""
        deadline = time.monotonic() + limit
        api = control.Control(self.socket)
        while time.monotonic() < deadline:
            rows = api.get("/v1/workers")[0]["rows"]
            if sum(row["queued"] for row in rows) >= count:
                return
            time.sleep(0.2)
        raise load.Stalled(f"the workers have not loaded {count} deliveries within {limit} s")


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))]


def first_delivery(server, directory, sink):
    """Seconds from the start of the program to the arrival of the first fresh message."""
    before = sink.received
    start = time.monotonic()
    server.start(directory, sink.port)
    greeted = time.monotonic() - start
    subprocess.run(["smtp-source", "-m", "1", "-f", load.SENDER, "-t", load.RECIPIENT,
                    f"127.0.0.1:{server.port}"], check=True)
    if not sink.wait(before + 1, 120):
        raise load.Stalled("no delivery within 120 s of the start")
    return time.monotonic() - start, greeted


def pages(server, kind, rounds):
    """Seconds of each page, and the slowest query."""
    api = control.Control(server.socket)
    queries = DESTINATION_PAGES if kind == "destinations" else MESSAGE_PAGES
    times = {}
    for _ in range(rounds):
        for query in queries:
            _, seconds = api.get(f"/v1/{kind}", limit=50, **query)
            times.setdefault(str(query), []).append(seconds)
    return times


def purge(server, source, count):
    """Purges half of `count` deliveries and takes it back, while `source` sends. The seconds of each, from
    the request to the answer, plan included."""
    api = control.Control(server.socket)
    source.begin()
    start = time.monotonic()
    plan, _ = api.post("/v1/plans", {
        "action": "purge", "reason": "bench",
        "selector": {"filter": HALF}})
    planned = time.monotonic() - start
    chosen = plan["counts"]["deliveries"]
    row, _ = api.post(f"/v1/plans/{plan['id']}/apply", {"count": chosen})
    purged = time.monotonic() - start
    if row["counts"]["deliveries"] != chosen or chosen != count // 2:
        raise load.Stalled(f"purged {row['counts']}, planned {chosen}, of {count}")
    start = time.monotonic()
    row, _ = api.post(f"/v1/actions/{row['id']}/undo")
    undone = time.monotonic() - start
    fresh = source.end()
    return {"chosen": chosen, "plan": planned, "purge": purged, "undo": undone, **fresh}


class Steady:
    """Fresh mail all the time, to see how it fares beside something else."""

    def __init__(self, server, sink):
        self.server, self.sink = server, sink

    def begin(self):
        self.before, self.start = self.sink.received, time.monotonic()
        # More than can be sent meanwhile; ended by us.
        self.process = load.source(self.server.port, 10_000_000, 5, load.MESSAGE_SIZE, True)
        self.gap, self.running = 0.0, True
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()

    def _watch(self):
        last, since = self.sink.received, time.monotonic()
        while self.running:
            time.sleep(0.01)
            now = time.monotonic()
            if self.sink.received != last:
                last, since = self.sink.received, now
            self.gap = max(self.gap, now - since)

    def end(self):
        """Messages per second that came through, and the longest time without any."""
        self.running = False
        self.thread.join()
        rate = (self.sink.received - self.before) / (time.monotonic() - self.start)
        self.process.kill()
        self.process.wait()
        return {"rate": rate, "gap": self.gap}


class Measure:
    """All rows of the backlog. Daemons with other queues beside it, to compare with."""

    def __init__(self, tool, program, directory, options, say):
        self.tool, self.program, self.options, self.say = tool, program, options, say
        self.directory = os.path.join(directory, "backlog")
        self.parts = []

    def daemon(self, count):
        """A daemon that is not started, with so many deliveries in its spool; and its sink."""
        directory = os.path.join(self.directory, str(count))
        os.makedirs(directory)
        seconds = 0.0
        data = os.path.join(directory, "data")
        if count:
            seconds = fill(self.tool, data, count)
        server, target = Sluice(self.program, data), sink.Sink()
        self.parts += [server, target]
        return server, target, directory, seconds

    def stop(self):
        for part in self.parts:
            part.stop()

    def run(self, add):
        count, rounds = self.options.queued, self.options.rounds
        server, target, directory, seconds = self.daemon(count)
        add("fill", seconds)
        started, greeted = first_delivery(server, directory, target)
        add("start", started)
        begin = time.monotonic()
        server.await_loaded(count)
        loaded = time.monotonic() - begin + started
        add("load", loaded)
        memory = processes.memory(server.process.pid) / count
        add("memory", memory)
        self.say(f"    filled in {seconds:.0f} s; first fresh message out after {started:.2f} s, "
                 f"all loaded after {loaded:.0f} s; {memory:.0f} bytes a delivery")
        self.growth(add, server, target, rounds)
        for kind in ("destinations", "messages"):
            times = pages(server, kind, max(4, 2 * rounds))
            everything = [seconds for each in times.values() for seconds in each]
            add(kind, percentile(everything, 0.99))
            slowest = max(times, key=lambda query: statistics.median(times[query]))
            self.say(f"    pages of {kind}: p50 {percentile(everything, 0.5) * 1e3:.1f} ms, "
                     f"p99 {percentile(everything, 0.99) * 1e3:.1f} ms; slowest: {slowest}, "
                     f"median {statistics.median(times[slowest]) * 1e3:.1f} ms")
        for _ in range(rounds):
            result = purge(server, Steady(server, target), count)
            add("purge", result["purge"])
            add("undo", result["undo"])
            add("gap", result["gap"])
            self.say(f"    purge of {result['chosen']} in {result['purge']:.1f} s (plan "
                     f"{result['plan']:.1f} s), undo {result['undo']:.1f} s, beside "
                     f"{result['rate']:.0f} fresh messages/s, longest pause {result['gap']:.2f} s")
        add("after", processes.memory(server.process.pid) / count)

    def growth(self, add, server, target, rounds):
        """Fresh mail beside queues of several lengths, in turn."""
        candidates = []
        for count in (0, 1000, self.options.queued // 10):
            other, its, directory, _ = self.daemon(count)
            other.start(directory, its.port)
            other.await_loaded(count)
            candidates.append((count, other, its))
        candidates.append((self.options.queued, server, target))
        rates = {count: [] for count, *_ in candidates}
        costs = {count: [] for count, *_ in candidates}
        for number in range(rounds + 1):
            for count, each, its in candidates:
                rate, cpu = load.throughput(
                    each, its, self.options.messages, True, self.options.limit)
                # The first round warms up.
                if number > 0:
                    rates[count].append(rate)
                    costs[count].append(cpu)
        for count in rates:
            self.say(f"    {count:8} queued: {statistics.median(rates[count]):6.0f}/s "
                     f"{statistics.median(costs[count]) * 1e6:5.0f} µs CPU a message")
        queued = self.options.queued
        for number in range(rounds):
            add("fresh", rates[queued][number] / rates[0][number])
            add("flat", costs[queued][number] / costs[1000][number])
        for _, each, its in candidates[:-1]:
            each.stop()
            its.stop()
