"""What a cluster of 100 nodes with 10 million destinations and a billion queued deliveries needs.

The ring is computed as the nodes compute it (`sluice-bench scale`). What a delivery and a
destination cost a node and the database is measured: daemons on spools in PostgreSQL that differ in
one of the two. The table is the product of both; docs/scale.md has it. Writes .build/bench-scale.json.
"""

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True

import backlog
import database
import processes
import servers
import sink

# Seconds, the default.
LEASE = 10

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# Deliveries and destinations of the spools that are compared.
SPOOLS = {"base": (100_000, 1_000), "more mail": (500_000, 1_000),
          "more destinations": (500_000, 100_000)}


def say(text):
    print(text, flush=True)


class Server(backlog.Sluice):
    """A daemon whose mail is in a database."""

    folder = "scale"

    def __init__(self, program, url):
        super().__init__(program, None)
        self.extra = backlog.Sluice.extra + f'[spool]\nurl = "{url}"\n[cluster]\nnode = "bench"\n'


class Measure:
    def __init__(self, options, directory):
        self.options, self.directory = options, directory
        self.tool = os.path.join(os.path.dirname(options.sluiced), "sluice-bench")
        self.sluice = os.path.join(os.path.dirname(options.sluiced), "sluice")
        self.database = database.Database(directory)
        self.sink = sink.Sink()
        self.server = None

    def stop(self):
        if self.server:
            self.server.stop()
        self.sink.stop()
        self.database.stop()

    def spool(self, label):
        """Bytes of memory and of the database, and seconds, of a daemon with that spool."""
        deliveries, destinations = SPOOLS[label]
        name = label.replace(" ", "_")
        data = os.path.join(self.directory, name)
        os.makedirs(data, mode=0o700)
        subprocess.run([self.tool, "fill", "--data-dir", data, "--count", str(deliveries),
                        "--destinations", str(destinations)], check=True,
                       stdout=subprocess.DEVNULL)
        url = self.database.create(name)
        start = time.monotonic()
        subprocess.run([self.sluice, "spool", "move", "--from", data, "--to", url],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        moved = time.monotonic() - start
        shutil.rmtree(data)
        result = {"deliveries": deliveries, "destinations": destinations, "move": moved,
                  "rows": self.tables(name)}
        self.server = Server(self.options.sluiced, url)
        result["start"], _ = backlog.first_delivery(self.server, self.directory, self.sink)
        begin = time.monotonic()
        self.server.await_loaded(deliveries)
        result["load"] = time.monotonic() - begin
        # What the start needed and nobody else is given back a few seconds later.
        time.sleep(10)
        result["memory"] = processes.memory(self.server.process.pid)
        self.server.stop()
        self.server = None
        shutil.rmtree(os.path.join(self.directory, Server.folder))
        say(f"    {deliveries:,} deliveries for {destinations:,}: {result['memory'] / 2**20:.0f} "
            f"MiB, first delivery after {result['start']:.1f} s, all loaded {result['load']:.1f} s "
            f"later, {result['rows'] / deliveries:.0f} bytes of the database each")
        return result

    def tables(self, name):
        return int(self.database.query(name, """
            SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c
            JOIN pg_namespace n ON n.oid = relnamespace
            WHERE nspname = 'sluice' AND relkind = 'r'"""))

    def renewals(self, name):
        """Shares of a processor of the server while all nodes renew their leases at their pace, and
        look who is there and who has what, as they do then; and milliseconds of each."""
        nodes, seconds = self.options.nodes, 20
        self.database.query(name, f"""
            SET search_path = sluice_cluster;
            SELECT count(*) FROM generate_series(1, {nodes}) AS node,
                LATERAL join_cluster('n' || node, node, '1 1 1 1')""")
        first = int(self.database.query(name, "SELECT min(id) FROM sluice_cluster.nodes WHERE name <> 'bench'"))
        script = os.path.join(self.directory, "renew.sql")
        with open(script, "w") as file:
            file.write(f"""\\set who random({first}, {first + nodes - 1})
BEGIN;
SELECT renew(id, life, present_timeline(), 1) FROM nodes WHERE id = :who;
SELECT is_settling, last_life, timeline FROM cluster;
SELECT id, life, beat, is_live, home FROM nodes ORDER BY id;
COMMIT;
SELECT id, name, is_drained, weights FROM nodes;
SELECT destination, owner, life, number FROM tenures;
""")
        rate = nodes / (LEASE / 4)
        before = processes.cpu_seconds(self.database.process.pid)
        start = time.monotonic()
        text = subprocess.check_output(
            [f"{self.database.programs}/pgbench", "-n", "-c", "20", "-R", f"{rate}", "-T",
             str(seconds), "-f", script, self.database.url_of(name)], text=True, stderr=subprocess.DEVNULL,
            env=os.environ | {"PGOPTIONS": "-c search_path=sluice_cluster"})
        share = ((processes.cpu_seconds(self.database.process.pid) - before)
                 / (time.monotonic() - start))
        failed = re.search(r"number of failed transactions: (\d+)", text)
        if failed and int(failed.group(1)):
            raise servers.Failed(text)
        latency = float(re.search(r"latency average = ([\d.]+) ms", text).group(1))
        lag = float(re.search(r"schedule lag: avg ([\d.]+)", text).group(1))
        say(f"    {rate:.0f} renewals/s: {share:.0%} of a processor, {latency - lag:.1f} ms each")
        return {"rate": rate, "share": share, "milliseconds": latency - lag}

    def ring(self):
        options = self.options
        return json.loads(subprocess.check_output(
            [self.tool, "scale", "--nodes", str(options.nodes), "--destinations",
             str(options.destinations), "--queued", str(options.queued)]))

    def run(self):
        say(f"==> {self.options.nodes} nodes, {self.options.destinations:,} destinations, "
            f"{self.options.queued:,} queued; {os.cpu_count()} cores, "
            f"load {os.getloadavg()[0]:.1f}")
        ring = self.ring()
        self.database.start()
        say(f"    PostgreSQL {self.database.version()}")
        spools = {label: self.spool(label) for label in SPOOLS}
        base, mail, wide = (spools[label] for label in SPOOLS)
        each = {
            "delivery": (mail["memory"] - base["memory"]) / (mail["deliveries"] - base["deliveries"]),
            "destination": (wide["memory"] - mail["memory"])
            / (wide["destinations"] - mail["destinations"]),
        }
        each["fixed"] = base["memory"] - base["deliveries"] * each["delivery"] \
            - base["destinations"] * each["destination"]
        return {"ring": ring, "spools": spools, "each": each, "renewals": self.renewals("base")}


def table(figures):
    ring, each, mail = figures["ring"], figures["each"], figures["spools"]["more mail"]

    def memory(deliveries, destinations):
        return (each["fixed"] + deliveries * each["delivery"]
                + destinations * each["destination"]) / 2**30

    own, queued = ring["destinationsOfANode"], ring["queuedOfANode"]
    changes = {change["change"]: change for change in ring["changes"]}
    share = ring["destinations"] / (ring["nodes"] + 1)
    yield "the ring, in each node", f"{ring['ringBytes'] / 2**20:.0f} MiB, {ring['ringSeconds'] * 1e3:.0f} ms to make"
    yield "districts of a node", (f"{ring['districtsOfANode']['least']} to "
                                  f"{ring['districtsOfANode']['most']} of {ring['districts']}")
    yield "destinations of a node", f"{own['least']:,} to {own['most']:,}, median {own['median']:,}"
    yield "deliveries of a node", (f"{queued['least'] / 1e6:.1f} to {queued['most'] / 1e6:.1f} million, "
                                   f"median {queued['median'] / 1e6:.1f}")
    yield "the largest destination alone", f"{ring['queuedForTheLargest'] / 1e6:.1f} million"
    yield "memory a delivery; a destination", f"{each['delivery']:.0f}; {each['destination']:.0f} bytes"
    yield "memory of a node", (f"{memory(queued['median'], own['median']):.1f} GiB in the median, "
                               f"{memory(queued['most'], own['most']):.1f} at most")
    yield "moved when a node joins", (f"{changes['join']['destinations']:,} destinations "
                                      f"({changes['join']['destinations'] / share:.2f} of its share), "
                                      f"{changes['join']['queued'] / 1e6:.1f} million deliveries; "
                                      f"{changes['join']['needless']} needlessly")
    for change, name in (("death", "moved when a node dies"), ("threeDeaths", "… when three die")):
        moves = changes[change]
        yield name, (f"{moves['destinations']:,} destinations, {moves['queued'] / 1e6:.1f} million "
                     f"deliveries; to one node at most {moves['mostDestinationsOfANode']:,}; "
                     f"{moves['needless']} needlessly")
    renewals = figures["renewals"]
    yield "renewals of all nodes", (f"{renewals['rate']:.0f}/s: {renewals['share']:.0%} of a processor "
                                    f"of the server, {renewals['milliseconds']:.1f} ms each")
    yield "the database's rows", (f"{mail['rows'] / mail['deliveries']:.0f} bytes a delivery of 1 KiB: "
                                  f"{mail['rows'] / mail['deliveries'] * ring['queued'] / 2**40:.1f} TiB")


def main(arguments):
    parser = argparse.ArgumentParser(prog="bench.py scale", description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--destinations", type=int, default=10_000_000)
    parser.add_argument("--queued", type=int, default=1_000_000_000)
    parser.add_argument("--sluiced", default=os.path.join(ROOT, ".build/release/sluiced"))
    parser.add_argument("--directory", default="/var/tmp", help="where the spools are made")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    os.environ["PATH"] += ":/usr/sbin"
    directory = tempfile.mkdtemp(prefix="sluice-bench-", dir=options.directory)
    os.chmod(directory, 0o755)
    measure = Measure(options, directory)
    try:
        figures = measure.run()
    finally:
        measure.stop()
        shutil.rmtree(directory, ignore_errors=True)
    say("")
    for name, text in table(figures):
        say(f"{name:36}{text}")
    os.makedirs(os.path.join(ROOT, ".build"), exist_ok=True)
    with open(os.path.join(ROOT, ".build/bench-scale.json"), "w") as file:
        json.dump(figures, file, indent=2)
