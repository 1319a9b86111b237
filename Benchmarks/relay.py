#!/usr/bin/env python3
"""Sluice beside Postfix as a relay, on this machine, in one run.

    smtp-source -> server -> smtp-sink

4 KiB messages over 20 sessions, with a connection for each message and with kept ones; the servers
take turns, three rounds each after a warm-up. Prints medians, ranges and ratios, and writes them to
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

# No __pycache__ among the sources.
sys.dont_write_bytecode = True

import load
import processes
import servers
import sink

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# key, name, unit, is more better, factor from the measured value, digits
ROWS = [
    ("rate-new", "durable messages, a connection per message", "1/s", True, 1, 0),
    ("rate-kept", "durable messages, kept connections (-d)", "1/s", True, 1, 0),
    ("cpu-new", "CPU per message, a connection per message", "µs", False, 1e6, 0),
    ("cpu-kept", "CPU per message, kept connections (-d)", "µs", False, 1e6, 0),
    ("memory", "peak memory, all processes", "MiB", False, 1 / 2**20, 1),
    ("p50", "time to 250, p50", "ms", False, 1e3, 2),
    ("p99", "time to 250, p99", "ms", False, 1e3, 2),
]


def say(text):
    print(text, flush=True)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=5000, help="in each run (default: 5000)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="1000 messages, one round")
    parser.add_argument("--only", choices=["sluice", "postfix"])
    parser.add_argument("--sluiced", default=os.path.join(ROOT, ".build/release/sluiced"),
                        help="the program to measure (default: .build/release/sluiced)")
    parser.add_argument("--latency-rate", type=float,
                        help="messages/s while the time to 250 is measured, the same for all "
                             "(default: half of the slowest server's throughput, kept)")
    parser.add_argument("--directory", default="/var/tmp", help="where the spools are made")
    parser.add_argument("--limit", type=float, default=120, help="seconds for one run")
    parser.add_argument("--json", default=os.path.join(ROOT, ".build/bench.json"))
    options = parser.parse_args()
    if options.quick:
        options.messages, options.rounds = 1000, 1
    return options


def measure(server, options, target, results):
    """One round of throughput for one server: both kinds of session."""
    for kind, keep in (("new", False), ("kept", True)):
        rate, cpu = load.throughput(server, target, options.messages, keep, options.limit)
        results["rate-" + kind].append(rate)
        results["cpu-" + kind].append(cpu)
        results["memory"].append(processes.memory(server.process.pid))
        say(f"    {server.name:8} {'kept' if keep else 'new':5} {rate:7.0f}/s "
            f"{cpu * 1e6:7.0f} µs CPU per message")


def run(options, directory):
    candidates = []
    if options.only != "postfix":
        candidates.append(servers.Sluice(options.sluiced))
    if options.only != "sluice":
        candidates.append(servers.Postfix())
    filesystem = subprocess.check_output(
        ["stat", "-f", "-c", "%T", directory], text=True).strip()
    say("==> " + " and ".join(server.version() for server in candidates)
        + f"; {os.cpu_count()} cores, spools on {filesystem}")
    if filesystem == "tmpfs":
        say("    A spool in memory makes syncing free: choose another --directory.")

    # One sink for each server: a server may keep connections to its own.
    sinks = {}
    results = {server: {key: [] for key, *_ in ROWS} for server in candidates}
    try:
        for server in candidates:
            sinks[server] = sink.Sink()
            server.start(directory, sinks[server].port)
        say(f"==> Warming up: {options.messages // 5} messages each")
        for server in candidates:
            for keep in (False, True):
                load.throughput(
                    server, sinks[server], options.messages // 5, keep, options.limit)
        for number in range(options.rounds):
            say(f"==> Round {number + 1} of {options.rounds}: {options.messages} messages of "
                f"{load.MESSAGE_SIZE} bytes, {load.SESSIONS} sessions")
            for server in candidates:
                measure(server, options, sinks[server], results[server])
        rate = options.latency_rate or min(
            statistics.median(results[server]["rate-kept"]) for server in candidates) / 2
        say(f"==> Time to 250, at {rate:.0f} messages/s over {load.SESSIONS} kept connections")
        for number in range(options.rounds):
            for server in candidates:
                times, memory = load.latencies(
                    server, sinks[server], rate, options.messages // 2, options.limit)
                results[server]["p50"].append(times[len(times) // 2])
                results[server]["p99"].append(times[len(times) * 99 // 100])
                results[server]["memory"].append(memory)
                say(f"    {server.name:8} p50 {times[len(times) // 2] * 1e3:6.2f} ms   "
                    f"p99 {times[len(times) * 99 // 100] * 1e3:6.2f} ms")
    finally:
        for server in candidates:
            server.stop()
        for each in sinks.values():
            each.stop()
    return candidates, results


def summary(key, values, factor):
    """The figure that counts, and the range of the rounds: the median, but the peak of memory."""
    values = [value * factor for value in values]
    value = max(values) if key == "memory" else statistics.median(values)
    return value, min(values), max(values)


def table(candidates, results):
    say("")
    width = max(len(name) for _, name, *_ in ROWS) + 6
    say(" " * width + "".join(f"{server.name:>29}" for server in candidates)
        + ("     ratio" if len(candidates) == 2 else ""))
    entries = []
    for key, name, unit, more_is_better, factor, digits in ROWS:
        figures = [summary(key, results[server][key], factor) for server in candidates]
        line = f"{name + ', ' + unit:{width}}"
        for value, low, high in figures:
            line += f"{value:>10.{digits}f} {f'({low:.{digits}f}–{high:.{digits}f})':>18}"
        if len(figures) == 2:
            ours, theirs = figures[0][0], figures[1][0]
            ratio = ours / theirs if more_is_better else theirs / ours
            line += f"   {ratio:6.1f}x" + ("" if ratio > 1 else "  behind")
            entries.append({"name": name, "value": round(ours, 3), "unit": unit,
                            "peer": round(theirs, 3)})
        else:
            entries.append({"name": name, "value": round(figures[0][0], 3), "unit": unit})
        say(line)
    if len(candidates) == 2:
        say("\nThe ratio says how many times better Sluice is, in each row.")
    return entries


def main():
    options = arguments()
    if options.only != "sluice" and os.geteuid() != 0:
        say("==> Postfix's master has to be root: going on with sudo")
        os.execvp("sudo", ["sudo", sys.executable, os.path.abspath(__file__), *sys.argv[1:]])
    if options.only != "postfix" and not os.access(options.sluiced, os.X_OK):
        sys.exit(f"{options.sluiced} is not there: build it with `make release`")
    for tool in ["smtp-source", "smtp-sink"] + (["postfix"] if options.only != "sluice" else []):
        if not shutil.which(tool, path=os.environ["PATH"] + ":/usr/sbin"):
            sys.exit(f"{tool} is missing: scripts/install-packages bench")
    os.environ["PATH"] += ":/usr/sbin"
    # Ended like by Ctrl-C: the servers are stopped and the spools removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    directory = tempfile.mkdtemp(prefix="sluice-bench-", dir=options.directory)
    # Postfix's processes, which are not root, have to get in.
    os.chmod(directory, 0o755)
    try:
        entries = table(*run(options, directory))
    except (servers.Failed, load.Stalled, OSError) as error:
        sys.exit(f"relay: {error}")
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(os.path.dirname(options.json), exist_ok=True)
    with open(options.json, "w") as file:
        json.dump(entries, file, indent=2, ensure_ascii=False)
        file.write("\n")
    if "SUDO_UID" in os.environ:
        os.chown(options.json, int(os.environ["SUDO_UID"]), int(os.environ["SUDO_GID"]))
    say(f"\nWritten to {os.path.relpath(options.json)}")


if __name__ == "__main__":
    main()
