#!/usr/bin/env python3
"""Sluice beside Postfix as a relay, and beside smtp-source straight into smtp-sink, in one run.

    smtp-source -> server -> smtp-sink

Both servers with their defaults: a message is on disk, synced, before its 250. They take turns,
three rounds after a warm-up; medians with the range of the rounds. Then a queue of a million
deliveries for dead destinations. Prints every row with what it is to reach, and writes all to
.build/bench.json. Postfix's master has to be root: run by somebody else, this asks sudo for it.
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

# No __pycache__ among the sources.
sys.dont_write_bytecode = True

import backlog
import database
import load
import processes
import rows
import servers
import sink

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FANOUT_RECIPIENTS, FANOUT_DOMAINS = 1000, 50
LARGE = 100 * 1024


def say(text):
    print(text, flush=True)


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="parts: " + ", ".join(f"{part} ({what})" for part, what in rows.PARTS.items()))
    parser.add_argument("parts", nargs="*", metavar="PART", help="only these (default: all)")
    parser.add_argument("--messages", type=int, default=5000, help="in each run (default: 5000)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--queued", type=int, default=1_000_000, help="in the backlog")
    parser.add_argument("--quick", action="store_true",
                        help="1000 messages, one round, 100,000 queued")
    parser.add_argument("--only", choices=["sluice", "postfix"])
    parser.add_argument("--sluiced", default=os.path.join(ROOT, ".build/release/sluiced"),
                        help="the program to measure (default: .build/release/sluiced)")
    parser.add_argument("--latency-rate", type=float,
                        help="messages/s while the time to 250 is measured, the same for both "
                             "(default: half of the slower server's most, kept)")
    parser.add_argument("--directory", default="/var/tmp", help="where the spools are made")
    parser.add_argument("--limit", type=float, default=120, help="seconds for one run")
    parser.add_argument("--json", default=os.path.join(ROOT, ".build/bench.json"))
    options = parser.parse_args()
    if options.quick:
        options.messages, options.rounds, options.queued = 1000, 1, 100_000
    unknown = set(options.parts) - set(rows.PARTS)
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are "
                     + ", ".join(rows.PARTS))
    options.parts = options.parts or list(rows.PARTS)
    if options.only == "postfix":
        options.parts = [part for part in options.parts if part != "backlog"]
    return options


class Results:
    """For each row and server the values of the rounds."""

    def __init__(self):
        self.values = {}

    def add(self, key, server, value):
        self.values.setdefault(key, {}).setdefault(server, []).append(value)

    def has(self, key):
        return key in self.values

    def figure(self, row, server):
        """The figure that counts, and the range of the rounds; None where there is none."""
        values = self.values.get(row.key, {}).get(server)
        if not values:
            return None
        values = [value * row.factor for value in values]
        middle = max(values) if row.peak else statistics.median(values)
        return middle, min(values), max(values)

    def median(self, key, server):
        return statistics.median(self.values[key][server])


class Relay:
    """Both servers and nobody, each with a sink of its own: a server may keep connections to it."""

    def __init__(self, options, directory, results):
        self.options, self.directory, self.results = options, directory, results
        self.servers = []
        if options.only != "postfix":
            self.servers.append(servers.Sluice(options.sluiced))
        if options.only != "sluice":
            self.servers.append(servers.Postfix())
        self.all = self.servers + [servers.Ceiling()]
        self.sinks = {}
        self.many = None
        self.database, self.postgresql = None, None

    def start(self):
        if "fanout" in self.options.parts:
            self.many = sink.Sinks(FANOUT_DOMAINS)
            domains = {f"d{number + 1}.many.test": each.port
                       for number, each in enumerate(self.many.sinks)}
            for server in self.servers:
                server.domains = domains
        for server in self.all:
            self.sinks[server] = sink.Sink()
            server.start(self.directory, self.sinks[server].port)
        say(f"==> Warming up: {self.options.messages // 5} messages each")
        for server in self.all:
            for keep in (False, True):
                load.throughput(server, self.sinks[server], self.options.messages // 5, keep,
                                self.options.limit)

    def stop(self):
        for server in self.servers + [self.postgresql]:
            if server:
                server.stop()
        if self.database:
            self.database.stop()
        for each in list(self.sinks.values()) + ([self.many] if self.many else []):
            each.stop()

    def run(self):
        for part in ("new", "kept", "large", "fanout", "latency", "shared"):
            if part in self.options.parts:
                say(f"==> {rows.PARTS[part][0].upper()}{rows.PARTS[part][1:]}")
                getattr(self, part)()

    def throughput(self, key, servers, messages, keep, sessions=20, size=4096):
        for _ in range(self.options.rounds):
            for server in servers:
                rate, cpu = load.throughput(server, self.sinks[server], messages, keep,
                                            self.options.limit, sessions, size)
                self.results.add("rate-" + key, server.name, rate)
                text = f"    {server.name:8} {rate:7.0f}/s"
                if server in self.servers:
                    self.results.add("cpu-" + key, server.name, cpu)
                    self.results.add("memory", server.name, processes.memory(server.process.pid))
                    text += f" {cpu * 1e6:7.0f} µs CPU a message"
                say(text)

    def new(self):
        self.throughput("new", self.all, self.options.messages, False)

    def kept(self):
        self.throughput("kept", self.all, self.options.messages, True)
        self.throughput("kept-50", self.all, self.options.messages, True, 50)

    def large(self):
        self.throughput("large", self.all, max(self.options.messages // 5, 200), True, size=LARGE)
        for name, values in self.results.values["rate-large"].items():
            for value in values:
                self.results.add("bytes-large", name, value * LARGE)
        disk = disk_speed(self.directory)
        say(f"    the disk, written in order and synced every MiB: {disk / 2**20:.0f} MiB/s; "
            "each message goes to it twice, to the log and to the database")

    def shared(self):
        if self.options.only == "postfix":
            return
        self.database = database.Database(self.directory)
        self.database.start()
        self.postgresql = servers.Shared(self.options.sluiced, self.database.url)
        self.sinks[self.postgresql] = sink.Sink()
        self.postgresql.start(self.directory, self.sinks[self.postgresql].port)
        say(f"    PostgreSQL {self.database.version()}, synchronous_commit on")
        messages = self.options.messages
        load.throughput(self.postgresql, self.sinks[self.postgresql], messages // 5, True,
                        self.options.limit)
        for _ in range(self.options.rounds):
            rates = {}
            for server in [self.postgresql] + self.servers:
                before = self.database.transactions() if server is self.postgresql else 0
                rates[server.name], cpu = load.throughput(
                    server, self.sinks[server], messages, True, self.options.limit)
                say(f"    {server.name:10} {rates[server.name]:7.0f}/s {cpu * 1e6:7.0f} µs CPU"
                    " a message, without PostgreSQL's")
                if server is self.postgresql:
                    made = (self.database.transactions() - before) / messages
                    self.results.add("shared-transactions", "Sluice", made)
                    say(f"               {made:.3f} transactions a message")
            self.results.add("shared-rate", "Sluice", rates[self.postgresql.name])
            if "Postfix" in rates:
                self.results.add("shared-rate", "Postfix", rates["Postfix"])
            self.results.add("shared-share", "Sluice",
                             rates[self.postgresql.name] / rates["Sluice"])

    def fanout(self):
        messages = max(self.options.messages // 500, 2)
        for server in self.servers:
            load.fanout(server, self.many, 1, FANOUT_RECIPIENTS, FANOUT_DOMAINS,
                        self.options.limit)
        for _ in range(self.options.rounds):
            for server in self.servers:
                rate = load.fanout(server, self.many, messages, FANOUT_RECIPIENTS,
                                   FANOUT_DOMAINS, self.options.limit)
                self.results.add("rate-fanout", server.name, rate)
                say(f"    {server.name:8} {rate:7.0f} recipients/s")

    def latency(self):
        rate = self.options.latency_rate
        if not rate:
            if not self.results.has("rate-kept"):
                self.throughput("kept", self.servers, self.options.messages, True)
            rate = min(self.results.median("rate-kept", server.name)
                       for server in self.servers) / 2
        say(f"    {rate:.0f} messages/s over {load.SESSIONS} kept connections")
        for _ in range(self.options.rounds):
            for server in self.servers:
                times, memory = load.latencies(server, self.sinks[server], rate,
                                               self.options.messages // 2, self.options.limit)
                p50, p99 = (backlog.percentile(times, share) for share in (0.5, 0.99))
                self.results.add("p50", server.name, p50)
                self.results.add("p99", server.name, p99)
                self.results.add("memory", server.name, memory)
                say(f"    {server.name:8} p50 {p50 * 1e3:6.2f} ms   p99 {p99 * 1e3:6.2f} ms")
            syncs = disk_syncs(self.directory, rate)
            p50, p99 = (backlog.percentile(syncs, share) for share in (0.5, 0.99))
            say(f"    the disk's part, a page and its sync at this rate and nothing else: "
                f"p50 {p50 * 1e3:.2f} ms   p99 {p99 * 1e3:.2f} ms")


def disk_syncs(directory, rate, count=1000):
    """The seconds of each 4 KiB write and its sync, at a steady rate."""
    path = os.path.join(directory, "syncs")
    block, times = os.urandom(4096), []
    start = time.monotonic()
    with open(path, "wb", buffering=0) as file:
        for turn in range(count):
            time.sleep(max(0, start + turn / rate - time.monotonic()))
            begin = time.perf_counter()
            file.write(block)
            os.fdatasync(file)
            times.append(time.perf_counter() - begin)
    os.remove(path)
    return times


def disk_speed(directory, mebibytes=256):
    """Bytes per second."""
    block = os.urandom(1 << 20)
    path = os.path.join(directory, "speed")
    start = time.monotonic()
    with open(path, "wb", buffering=0) as file:
        for _ in range(mebibytes):
            file.write(block)
            os.fdatasync(file)
    seconds = time.monotonic() - start
    os.remove(path)
    return mebibytes * (1 << 20) / seconds


def tool(options):
    """sluice-bench, beside the program that is measured."""
    return os.path.join(os.path.dirname(options.sluiced), "sluice-bench")


def run_backlog(options, directory, results):
    say(f"==> {options.queued} deliveries for {backlog.DESTINATIONS} dead destinations")
    measure = backlog.Measure(tool(options), options.sluiced, directory, options, say)
    try:
        measure.run(lambda key, value: results.add("backlog-" + key, "Sluice", value))
    finally:
        measure.stop()


def table(results):
    names = [name for name in ("Sluice", "Postfix", "ceiling")
             if any(name in values for values in results.values.values())]
    say("")
    width = max(len(row.name) + len(row.unit) for row in rows.ROWS) + 2
    say(" " * width + "".join(f"{name:>27}" for name in names))
    entries = []
    for row in rows.ROWS:
        if not results.has(row.key):
            continue
        line = f"{row.name + ', ' + row.unit:{width}}"
        figures = {name: results.figure(row, name) for name in names}
        for figure in figures.values():
            text = ""
            if figure:
                value, low, high = figure
                text = f"{value:.{row.digits}f}"
                if low < high:
                    text += f" ({low:.{row.digits}f}–{high:.{row.digits}f})"
            line += f"{text:>27}"
        entry, verdict = judge(row, figures)
        if entry:
            entries.append(entry)
        say(line + verdict)
    return entries


def judge(row, figures):
    """The row for the JSON file, and what it is to reach in words."""
    if not figures.get("Sluice"):
        return None, ""
    ours = figures["Sluice"][0]
    entry = {"key": row.key, "name": row.name, "unit": row.unit, "value": round(ours, 3),
             "low": round(figures["Sluice"][1], 3), "high": round(figures["Sluice"][2], 3)}
    parts, reached = [], []
    if figures.get("Postfix"):
        theirs = figures["Postfix"][0]
        ratio = ours / theirs if row.more_is_better else theirs / ours
        entry |= {"peer": round(theirs, 3), "times": round(ratio, 2)}
        parts.append(f"{ratio:.1f}x" + (f" of {row.times}x" if row.times else ""))
        if row.times:
            entry["times-to-reach"] = row.times
            reached.append(ratio >= row.times)
    if figures.get("ceiling"):
        share = ours / figures["ceiling"][0]
        entry |= {"ceiling": round(figures["ceiling"][0], 3), "share": round(share, 3)}
        parts.append(f"{share:.0%}" + (f" of {row.share:.0%}" if row.share else "") + " ceiling")
        if row.share:
            entry["share-to-reach"] = row.share
            reached.append(share >= row.share)
    if row.bound:
        entry["bound"] = row.bound
        parts.append(("at least " if row.more_is_better else "at most ") + f"{row.bound:g}")
        reached.append(ours >= row.bound if row.more_is_better else ours <= row.bound)
    if reached:
        entry["reached"] = all(reached)
        parts.append("reached" if all(reached) else "MISSED")
    return entry, "   " + ", ".join(parts) if parts else ""


def main():
    # No peer beside it.
    if "scale" in sys.argv[1:]:
        import scale
        return scale.main([each for each in sys.argv[1:] if each != "scale"])
    if "nodes" in sys.argv[1:]:
        import nodes
        return nodes.main([each for each in sys.argv[1:] if each != "nodes"])
    # The monitor has peers of its own, and no server beside it.
    if "monitor" in sys.argv[1:]:
        import monitor
        return monitor.main([each for each in sys.argv[1:] if each != "monitor"])
    options = arguments()
    if options.only != "sluice" and options.parts != ["backlog"] and os.geteuid() != 0:
        say("==> Postfix's master has to be root: going on with sudo")
        os.execvp("sudo", ["sudo", sys.executable, os.path.abspath(__file__), *sys.argv[1:]])
    wanted = [options.sluiced] + ([tool(options)] if "backlog" in options.parts else [])
    for program in [] if options.only == "postfix" else wanted:
        if not os.access(program, os.X_OK):
            sys.exit(f"{program} is not there: build it with `make release`")
    os.environ["PATH"] += ":/usr/sbin"
    for name in ["smtp-source", "smtp-sink"] + (["postfix"] if options.only != "sluice" else []):
        if not shutil.which(name):
            sys.exit(f"{name} is missing: scripts/install-packages bench")
    # Ended like by Ctrl-C: the servers are stopped and the spools removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    directory = tempfile.mkdtemp(prefix="sluice-bench-", dir=options.directory)
    # Postfix's processes, which are not root, have to get in.
    os.chmod(directory, 0o755)
    results = Results()
    start = time.monotonic()
    try:
        relay = Relay(options, directory, results)
        filesystem = subprocess.check_output(
            ["stat", "-f", "-c", "%T", directory], text=True).strip()
        say("==> " + ", ".join(server.version() for server in relay.all)
            + f"; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, spools on {filesystem}")
        say("    Both servers with their defaults: a 250 means that the message is synced to disk.")
        if filesystem == "tmpfs":
            say("    A spool in memory makes syncing free: choose another --directory.")
        if options.parts != ["backlog"]:
            try:
                relay.start()
                relay.run()
            finally:
                relay.stop()
        if "backlog" in options.parts:
            run_backlog(options, directory, results)
        entries = table(results)
    except (load.Stalled, servers.Failed) as error:
        sys.exit(f"bench: {error}")
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(os.path.dirname(options.json), exist_ok=True)
    with open(options.json, "w") as file:
        json.dump(entries, file, indent=2, ensure_ascii=False)
        file.write("\n")
    if "SUDO_UID" in os.environ:
        os.chown(options.json, int(os.environ["SUDO_UID"]), int(os.environ["SUDO_GID"]))
    say(f"\nWritten to {os.path.relpath(options.json)} after {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
