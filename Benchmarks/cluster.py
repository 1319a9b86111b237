"""Nodes that share a database, and what their tables say."""

import json
import os
import subprocess
import time

import control
import load
import processes
import servers

# The part of all destinations that a destination belongs to (`District` in Sources/Cluster).
DISTRICTS = 4096


class Node(servers.Sluice):
    """A daemon that shares its spool. Every domain is a destination of its own."""

    group_by = "domain"

    def __init__(self, program, url, name, lease="10s", concurrency=20, connections=5000):
        super().__init__(program)
        self.name = self.folder = name
        # What it greets receivers with.
        self.hostname = f"{name}.bench.test"
        self.concurrency = concurrency
        # `connections`: of each worker, all destinations together.
        self.extra = (f'[spool]\nurl = "{url}"\n[cluster]\nnode = "{name}"\nlease = "{lease}"\n'
                      f"[delivery]\nmax_connections = {connections}\n")

    def kill(self):
        """All its processes, as when its machine dies; the moment."""
        everything = processes.tree(self.process.pid)
        at = time.monotonic()
        self.process.kill()
        processes.kill(everything)
        self.process.wait()
        return at

    def text(self):
        with open(self.log, errors="replace") as file:
            return file.read()


class Cluster:
    """Nodes on a database of their own, and one port for all that they deliver."""

    def __init__(self, options, directory, database, name, sink_port, **settings):
        self.program, self.settings = options.sluiced, settings
        self.tool = os.path.join(os.path.dirname(options.sluiced), "sluice")
        self.directory = os.path.join(directory, name)
        os.makedirs(self.directory)
        self.database, self.name, self.sink_port = database, name, sink_port
        self.url = database.create(name)
        self.nodes = []

    def add(self, name):
        """One more, as soon as it takes mail in."""
        node = Node(self.program, self.url, name, **self.settings)
        self.nodes.append(node)
        node.start(self.directory, self.sink_port)
        return node

    def restart(self, node):
        node.start(self.directory, self.sink_port)

    def stop(self):
        for node in self.nodes:
            node.stop()

    @property
    def ports(self):
        return [node.port for node in self.nodes]

    def query(self, sql):
        return self.database.query(self.name, sql)

    def owners(self):
        """The names of the nodes that have the districts."""
        text = self.query("SELECT destination, name FROM sluice_cluster.tenures"
                          " JOIN sluice_cluster.nodes ON id = owner WHERE is_live")
        return {int(district): name for district, name in
                (line.split("|") for line in text.splitlines())}

    def destinations(self, suffix):
        """The names of the destinations that end so, with the district of each."""
        text = self.query(f"SELECT name, id % {DISTRICTS} FROM sluice.destinations"
                          f" WHERE name LIKE '%{suffix}'")
        return {name: int(district) for name, district in
                (line.split("|") for line in text.splitlines())}

    def queued(self):
        return int(self.query("SELECT count(*) FROM sluice.deliveries"))

    def rebalancing(self, *arguments):
        """What `sluice rebalance --dry-run` says at the first node."""
        text = subprocess.check_output(
            [self.tool, "rebalance", "--dry-run", "--json", "--socket", self.nodes[0].socket,
             *arguments], text=True)
        return json.loads(text)["rows"]

    def settle(self, count, limit=60):
        """Waits until so many nodes have all districts, each its share."""
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline:
            owners = list(self.owners().values())
            shares = [owners.count(name) for name in set(owners)]
            if len(owners) == DISTRICTS and len(shares) == count:
                # The ring's shares are near to even, as all nodes weigh the same.
                if min(shares) > 0.8 * DISTRICTS / count and not self.rebalancing():
                    return
            time.sleep(0.2)
        raise load.Stalled(f"{count} nodes do not share what there is within {limit} s")

    def retry(self):
        """All mail is due now; any node sees to it at all of them."""
        api = control.Control(self.nodes[0].socket)
        plan, _ = api.post("/v1/plans", {
            "action": "retry", "reason": "bench", "selector": {"filter": "age >= 0s"}})
        api.post(f"/v1/plans/{plan['id']}/apply", {"count": plan["counts"]["deliveries"]})
