"""What a cluster costs and does: nodes that share a spool in PostgreSQL, beside one daemon with
SQLite and Postfix, in one run; what happens when a node dies, and when one joins.

Everything is on this machine, PostgreSQL too, with its defaults. Prints every row with what it is
to reach, and writes all to .build/bench-nodes.json. Postfix's master has to be root.
"""

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple, Optional

sys.dont_write_bytecode = True

import cluster
import control
import database
import joining
import load
import processes
import servers
import sink
import takeover

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PARTS = {
    "rate": "one node beside SQLite, a daemon alone on PostgreSQL, and Postfix; three nodes",
    "takeover": "a node that has 10,000 deliveries is killed",
    "joining": "a fourth node joins three",
}
# Where mail for many destinations is sent: each from a source of its own over one session, so that
# three nodes have twenty each.
DOMAINS = 60
# Until a session of PostgreSQL that does nothing has reported its transactions.
REPORTED = 11


class Row(NamedTuple):
    key: str
    name: str
    unit: str = ""
    digits: int = 0
    # To reach: at least, or at most.
    least: Optional[float] = None
    most: Optional[float] = None
    # Where what counts is the worst of the rounds and not their median.
    worst: bool = False


ROWS = [
    Row("rate-SQLite", "one daemon, SQLite", "1/s"),
    Row("rate-alone", "one daemon, PostgreSQL, no [cluster]", "1/s"),
    Row("rate-node", "one node, PostgreSQL", "1/s"),
    Row("rate-Postfix", "Postfix", "1/s"),
    Row("of-SQLite", "one node, of SQLite's", "%", least=40),
    Row("of-alone", "one node, of the daemon's without [cluster]", "%"),
    Row("of-Postfix", "one node, of Postfix's", "x", 1, least=3),
    Row("made-alone", "transactions a message, no [cluster]", "", 3),
    Row("made-node", "transactions a message, one node", "", 3, most=0.2),
    Row("made-three", "transactions a message, three nodes", "", 3, most=0.2),
    Row("cpu-alone", "CPU a message with PostgreSQL's, no [cluster]", "µs"),
    Row("cpu-node", "CPU a message with PostgreSQL's, one node", "µs"),
    Row("many-one", f"{DOMAINS} domains: one node", "1/s"),
    Row("many-three", f"{DOMAINS} domains: three nodes", "1/s"),
    Row("of-one", "three nodes, of one node's", "%"),
    Row("cpu-many-one", "CPU a message with PostgreSQL's, one node", "µs"),
    Row("cpu-many-three", "CPU a message with PostgreSQL's, three nodes", "µs"),
    Row("takeover-held", "killed node: deliveries that it had"),
    Row("takeover-declared", "until it is declared dead", "s", 1, worst=True),
    Row("takeover-first", "until the first of them is delivered", "s", 1, most=10, worst=True),
    Row("takeover-all", "until all are", "s", 1, worst=True),
    Row("takeover-lost", "lost", most=0, worst=True),
    Row("takeover-twice", "twice, having been under way", worst=True),
    Row("takeover-unforced", "twice, having been answered", most=0, worst=True),
    Row("joining-moved", "fourth node: moved, of a quarter of the destinations", "", 2, most=1.3),
    Row("joining-needless", "moved between those that were there", most=0),
    Row("joining-seconds", "until it has its share, from its start", "s", 1),
    Row("joining-wait", "longest way of a fresh message meanwhile", "s", 1),
    Row("joining-lost", "lost", most=0),
    Row("joining-twice", "twice", most=0),
]


def say(text):
    print(text, flush=True)


class Plain(servers.Sluice):
    """On SQLite; as the nodes, a domain is a destination."""

    name, folder, group_by = "SQLite", "sqlite", "domain"


class Alone(servers.Shared):
    name, folder, group_by = "alone", "alone", "domain"


class Rates:
    """The servers in turn, and then one node and three."""

    def __init__(self, options, directory, database):
        self.options, self.directory, self.database = options, directory, database
        self.sinks, self.servers, self.clusters = {}, [], []

    def stop(self):
        for server in self.servers + self.clusters + list(self.sinks.values()):
            server.stop()

    def sink(self, key):
        self.sinks[key] = sink.Sink()
        return self.sinks[key]

    def run(self, add):
        options = self.options
        peers = [Plain(options.sluiced), Alone(options.sluiced, self.database.create("alone"))]
        if not options.no_postfix:
            peers.append(servers.Postfix())
        for server in peers:
            self.servers.append(server)
            server.start(self.directory, self.sink(server.name).port)
        one, three = (cluster.Cluster(options, self.directory, self.database, name,
                                      self.sink(name).port) for name in ("node", "three"))
        self.clusters = [one, three]
        node = one.add("node")
        for name in ("a", "b", "c"):
            three.add(name)
        one.settle(1)
        three.settle(3)
        say("    warming up")
        for server in peers + [node]:
            self.single(server, options.messages // 5)
        for each in self.clusters:
            self.many(each, options.messages // 5)
        self.rounds(peers[:2] + [node] + peers[2:], add)
        self.crowds(add)

    def rounds(self, everybody, add):
        before = self.transactions(("alone", "node"))
        for _ in range(self.options.rounds):
            rates = {}
            for server in everybody:
                rate, cpu = self.single(server, self.options.messages)
                rates[server.name] = rate
                add("rate-" + server.name, rate)
                if server.name in ("alone", "node"):
                    add("cpu-" + server.name, cpu * 1e6)
                say(f"    {server.name:8} {rate:7.0f}/s {cpu * 1e6:7.0f} µs CPU a message, with "
                    "PostgreSQL's")
            for name, factor in (("SQLite", 100), ("alone", 100), ("Postfix", 1)):
                if name in rates:
                    add("of-" + name, factor * rates["node"] / rates[name])
        self.made(before, self.options.rounds * self.options.messages, add)

    def crowds(self, add):
        before = self.transactions(("three",))
        for _ in range(self.options.rounds):
            rates = {}
            for each, name in zip(self.clusters, ("one", "three")):
                rates[name], cpu = self.many(each, self.options.messages)
                add("many-" + name, rates[name])
                add("cpu-many-" + name, cpu * 1e6)
                say(f"    {name:8} {rates[name]:7.0f}/s {cpu * 1e6:7.0f} µs CPU a message, with "
                    f"PostgreSQL's; {DOMAINS} domains")
            add("of-one", 100 * rates["three"] / rates["one"])
        count = self.options.messages // DOMAINS * DOMAINS
        self.made(before, self.options.rounds * count, add)

    def transactions(self, names):
        """All that the nodes do meanwhile counts, renewals of their leases too."""
        time.sleep(REPORTED)
        return {name: self.database.transactions(name, 0) for name in names}

    def made(self, before, messages, add):
        after = self.transactions(before)
        for name, count in after.items():
            made = (count - before[name]) / messages
            add("made-" + name, made)
            say(f"    {name:8} {made:.3f} transactions a message")

    def single(self, server, messages):
        """Messages a second, and CPU seconds of each with those of PostgreSQL."""
        used = processes.cpu_seconds(self.database.process.pid)
        rate, cpu = load.throughput(server, self.sinks[server.name], messages, True,
                                    self.options.limit)
        return rate, cpu + (processes.cpu_seconds(self.database.process.pid) - used) / messages

    def many(self, each, messages):
        """The same with a source for each of many domains, over the nodes in turn."""
        target, messages = self.sinks[each.name], messages // DOMAINS * DOMAINS
        roots = [node.process.pid for node in each.nodes] + [self.database.process.pid]

        def used():
            return sum(map(processes.cpu_seconds, roots))

        total, before, start = target.received + messages, used(), time.monotonic()
        sources = [load.source(each.ports[number % len(each.ports)], messages // DOMAINS, 1,
                               load.MESSAGE_SIZE, True, f"user@d{number}.many.test")
                   for number in range(DOMAINS)]
        try:
            if not target.wait(total, self.options.limit):
                raise load.Stalled(f"{each.name}: {total - target.received} of {messages} messages "
                                   f"are missing after {self.options.limit} s")
            seconds = time.monotonic() - start
            for source in sources:
                if source.wait(10) != 0:
                    raise load.Stalled(f"{each.name}: smtp-source failed")
        finally:
            for source in sources:
                if source.poll() is None:
                    source.kill()
                    source.wait()
        for node in each.nodes:
            load.settle(node)
        return messages / seconds, (used() - before) / messages


def table(values):
    """The lines, and the entries for the JSON file."""
    width = max(len(row.name) + len(row.unit) for row in ROWS) + 4
    entries = []
    say("")
    for row in ROWS:
        those = values.get(row.key)
        if not those:
            continue
        middle = statistics.median(those)
        worst = max(those) if row.most is not None or row.least is None else min(those)
        counts = worst if row.worst else middle
        text = f"{middle:,.{row.digits}f}"
        if len(those) > 1:
            text += (f" (at most {worst:,.{row.digits}f})" if row.worst else
                     f" ({min(those):,.{row.digits}f}–{max(those):,.{row.digits}f})")
        entry = {"key": row.key, "name": row.name, "unit": row.unit, "median": round(middle, 4),
                 "low": round(min(those), 4), "high": round(max(those), 4)}
        verdict = ""
        if row.least is not None or row.most is not None:
            reached = counts >= row.least if row.least is not None else counts <= row.most
            bound = f"at least {row.least:g}" if row.least is not None else f"at most {row.most:g}"
            entry |= {"to-reach": bound, "reached": reached}
            verdict = f"   {bound}: {'reached' if reached else 'MISSED'}"
        entries.append(entry)
        say(f"{row.name + (', ' + row.unit if row.unit else ''):{width}}{text:>28}{verdict}")
    return entries


def arguments(given):
    parser = argparse.ArgumentParser(
        prog="bench.py nodes", description=__doc__.splitlines()[0],
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="parts: " + ", ".join(f"{part} ({what})" for part, what in PARTS.items()))
    parser.add_argument("parts", nargs="*", metavar="PART", help="only these (default: all)")
    parser.add_argument("--messages", type=int, default=10_000, help="in each run")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--deaths", type=int, default=5, help="rounds of the take-over")
    parser.add_argument("--held", type=int, default=10_000, dest="queued_there",
                        help="deliveries that the killed node has")
    parser.add_argument("--across", type=int, default=100, help="destinations of these")
    parser.add_argument("--destinations", type=int, default=20_000,
                        help="with mail while a node joins")
    parser.add_argument("--quick", action="store_true",
                        help="one round each, 2,000 messages, 3,000 destinations")
    parser.add_argument("--no-postfix", action="store_true", help="not beside Postfix")
    parser.add_argument("--sluiced", default=os.path.join(ROOT, ".build/release/sluiced"))
    parser.add_argument("--directory", default="/var/tmp", help="where the spools are made")
    parser.add_argument("--limit", type=float, default=120, help="seconds for one run")
    options = parser.parse_args(given)
    if options.quick:
        options.messages, options.rounds, options.deaths = 2000, 1, 1
        options.destinations, options.queued_there = 3000, 2000
    unknown = set(options.parts) - set(PARTS)
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are " + ", ".join(PARTS))
    options.parts = options.parts or list(PARTS)
    return options


def measure(part, options, directory, database):
    if part == "rate":
        return Rates(options, directory, database)
    kind = takeover.TakeOver if part == "takeover" else joining.Joining
    return kind(options, directory, database, say)


def main(given):
    options = arguments(given)
    if "rate" in options.parts and not options.no_postfix and os.geteuid() != 0:
        say("==> Postfix's master has to be root: going on with sudo")
        os.execvp("sudo", ["sudo", sys.executable, os.path.join(ROOT, "Benchmarks/bench.py"),
                           *sys.argv[1:]])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    os.environ["PATH"] += ":/usr/sbin"
    directory = tempfile.mkdtemp(prefix="sluice-bench-", dir=options.directory)
    # Postfix's processes and PostgreSQL's, which are not root, have to get in.
    os.chmod(directory, 0o755)
    values, start = {}, time.monotonic()
    server = database.Database(directory)
    try:
        server.start()
        say(f"==> PostgreSQL {server.version()}, synchronous_commit on; {os.cpu_count()} cores, "
            f"load {os.getloadavg()[0]:.1f}")
        for part in options.parts:
            say(f"==> {PARTS[part][0].upper()}{PARTS[part][1:]}")
            each = measure(part, options, directory, server)
            try:
                each.run(lambda key, value: values.setdefault(key, []).append(value))
            finally:
                each.stop()
    except (load.Stalled, servers.Failed, control.Refused,
            subprocess.CalledProcessError) as error:
        table(values)
        if os.environ.get("SLUICE_BENCH_KEEP"):
            say(f"what there was: {directory}")
        sys.exit(f"bench: {error}")
    finally:
        server.stop()
        if not os.environ.get("SLUICE_BENCH_KEEP"):
            shutil.rmtree(directory, ignore_errors=True)
    entries = table(values)
    path = os.path.join(ROOT, ".build/bench-nodes.json")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        json.dump(entries, file, indent=2, ensure_ascii=False)
        file.write("\n")
    if "SUDO_UID" in os.environ:
        os.chown(path, int(os.environ["SUDO_UID"]), int(os.environ["SUDO_GID"]))
    say(f"\nWritten to {os.path.relpath(path)} after {time.monotonic() - start:.0f} s")
