"""A fourth node joins three: which destinations move, and how mail fares meanwhile.

All destinations have mail that is to be tried again later, and go on getting fresh mail."""

import os
import random
import threading
import time

import cluster
import load
import receiver

LEASE = "5s"
# Messages a second, all destinations together.
FRESH = 100
# Recipients of each of the messages that make the destinations.
TOGETHER = 1000


class Fresh:
    """Mail for random destinations at a steady rate, until it is stopped."""

    def __init__(self, ports, domains):
        self.domains, self.runs = domains, True
        self.sent, self.error = [], None
        self.thread = threading.Thread(target=self._send, args=(ports,))
        self.thread.start()

    def _envelopes(self):
        chance, number = random.Random(1), 0
        while self.runs:
            yield [f"now{number}@{chance.choice(self.domains)}"]
            number += 1

    def _send(self, ports):
        try:
            self.sent = load.send(ports, self._envelopes(), 6, FRESH)
        except (load.Stalled, OSError) as error:
            self.error = error

    def stop(self):
        """The recipients, and when each one's 250 came."""
        self.runs = False
        self.thread.join()
        if self.error:
            raise load.Stalled(f"fresh mail: {self.error}")
        return {recipients[0]: at for recipients, at in self.sent}


class Joining:
    def __init__(self, options, directory, database, say):
        self.options, self.say = options, say
        self.receiver = receiver.Receiver()
        self.cluster = cluster.Cluster(
            options, directory, database, "joining", self.receiver.port, lease=LEASE,
            # Or the receiver could have one for each destination at once.
            connections=500)

    def stop(self):
        self.cluster.stop()
        self.receiver.stop()

    def run(self, add):
        for name in ("a", "b", "c"):
            self.cluster.add(name)
        self.cluster.settle(3)
        domains = [f"m{number}.joining.test" for number in range(self.options.destinations)]
        self.fill(domains)
        homes = self.cluster.destinations(".joining.test")
        before = self.cluster.owners()
        # A node has as many workers as there are cores.
        foretold = sum(row["destinations"] for row in
                       self.cluster.rebalancing("--with", str(os.cpu_count())))
        fresh = Fresh(self.cluster.ports, domains)
        time.sleep(3)
        start = time.monotonic()
        self.cluster.add("d")
        self.cluster.settle(4)
        seconds = time.monotonic() - start
        time.sleep(3)
        sent = fresh.stop()
        after = self.cluster.owners()
        self.moves(homes, before, after, foretold, seconds, add)
        self.deliver(domains, sent, start, add)

    def fill(self, domains):
        """A delivery for each, tried once."""
        self.receiver.defer("later")
        load.send(self.cluster.ports, [
            [f"later@{domain}" for domain in domains[first:first + TOGETHER]]
            for first in range(0, len(domains), TOGETHER)], 3)
        if not self.receiver.wait(lambda: len(self.receiver.deferred) >= len(domains), 180):
            raise load.Stalled(f"{len(self.receiver.deferred)} of {len(domains)} were tried")
        deadline = time.monotonic() + 60
        while int(self.cluster.query(
                "SELECT count(*) FROM sluice.deliveries WHERE attempts > 0")) < len(domains):
            if time.monotonic() > deadline:
                raise load.Stalled("what was tried is not recorded")
            time.sleep(0.2)

    def moves(self, homes, before, after, foretold, seconds, add):
        moved = [name for name, district in homes.items() if before[district] != after[district]]
        needless = sum(after[homes[name]] != "d" for name in moved)
        share = len(moved) / (len(homes) / 4)
        add("joining-moved", share)
        add("joining-needless", needless)
        add("joining-seconds", seconds)
        self.say(f"    {len(moved):,} of {len(homes):,} destinations have moved, {share:.2f} of a "
                 f"quarter, {needless} of them between old nodes; the dry run had said "
                 f"{foretold:,}; {seconds:.1f} s from the start of the fourth until all had")

    def deliver(self, domains, sent, start, add):
        """Nothing of it is lost, and nothing comes twice."""
        self.receiver.defer("")
        self.cluster.retry()
        count = len(domains) + len(sent)
        if not self.receiver.wait(lambda: len(self.receiver.arrivals) >= count, 180):
            raise load.Stalled(f"{count - len(self.receiver.arrivals)} of {count} deliveries are lost")
        deadline = time.monotonic() + 60
        while self.cluster.queued():
            if time.monotonic() > deadline:
                raise load.Stalled("all is delivered, and still queued after 60 s")
            time.sleep(0.2)
        arrivals = list(self.receiver.arrivals)
        first = {}
        for each in arrivals:
            first.setdefault(each.recipient, each.at)
        lost = len(({f"later@{domain}" for domain in domains} | sent.keys()) - first.keys())
        twice = len(arrivals) - len(first)
        waits = [first[each] - at for each, at in sent.items()]
        add("joining-wait", max(waits))
        add("joining-lost", lost)
        add("joining-twice", twice)
        self.say(f"    {len(sent):,} fresh messages meanwhile, {FRESH}/s: the slowest was out "
                 f"{max(waits):.1f} s after its 250 (before the fourth came: "
                 f"{max(first[each] - at for each, at in sent.items() if at < start):.1f} s); "
                 f"{lost} lost, {twice} twice")
