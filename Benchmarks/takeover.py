"""A node is killed that holds thousands of deliveries: when the others have declared it dead, when
they deliver the first of them, when the last, and what is lost or comes twice.

The receivers are up, but slow until then, and each destination has one connection: so the mail is
queued, and some of it is under way, when the node dies. Afterwards they are fast."""

import threading
import time

import cluster
import load
import receiver

LEASE = "5s"
# Of three nodes one has a third of them: so many more are made known than mail is queued for.
CANDIDATES = 4
# Messages a second that all receivers together take before the death, while thousands come in.
SLOW = 50
# What is delivered meanwhile.
EXTRA = 500
DEAD = "it is declared dead"


class Declared:
    """Watches the logs of the others for the declaration."""

    def __init__(self, nodes):
        self.at = None
        self.files = []
        for node in nodes:
            file = open(node.log, errors="replace")
            file.seek(0, 2)
            self.files.append(file)
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def _watch(self):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            for file in self.files:
                if DEAD in file.read():
                    self.at = time.monotonic()
                    return
            time.sleep(0.01)

    def wait(self):
        self.thread.join()
        for file in self.files:
            file.close()
        if not self.at:
            raise load.Stalled("nobody declared the killed node dead within 60 s")
        return self.at


class TakeOver:
    def __init__(self, options, directory, database, say):
        self.options, self.say = options, say
        self.receiver = receiver.Receiver()
        # Seconds that a receiver takes for a message.
        self.slow = options.across / SLOW
        self.cluster = cluster.Cluster(
            options, directory, database, "takeover", self.receiver.port, lease=LEASE,
            concurrency=1)

    def stop(self):
        self.cluster.stop()
        self.receiver.stop()

    def run(self, add):
        nodes = [self.cluster.add(name) for name in ("a", "b", "c")]
        self.cluster.settle(3)
        domains = self.choose(nodes[0])
        for number in range(self.options.deaths):
            self.round(number, nodes, domains, add)

    def choose(self, victim):
        """Domains whose mail the node has: mail for each of many makes them known."""
        count = self.options.across
        names = [f"d{number}.takeover.test" for number in range(CANDIDATES * count)]
        load.send(self.cluster.ports, [[f"first@{name}" for name in names[first:first + 500]]
                                       for first in range(0, len(names), 500)], 3)
        self.expect(len(names), 60)
        owners = self.cluster.owners()
        found = [name for name, district in self.cluster.destinations(".takeover.test").items()
                 if owners[district] == victim.name]
        if len(found) < count:
            raise load.Stalled(f"node {victim.name} has {len(found)} of {len(names)} destinations")
        self.await_empty()
        return found[:count]

    def expect(self, count, limit):
        """Until so many different recipients have got their mail."""
        if not self.receiver.wait(
                lambda: len(self.receiver.arrivals) >= count
                and len({each.recipient for each in self.receiver.arrivals}) >= count, limit):
            got = len({each.recipient for each in self.receiver.arrivals})
            raise load.Stalled(f"{count - got} of {count} deliveries are lost, or late by {limit} s")

    def await_empty(self, limit=60):
        deadline = time.monotonic() + limit
        while self.cluster.queued():
            if time.monotonic() > deadline:
                raise load.Stalled(f"all is delivered, and still queued after {limit} s")
            time.sleep(0.2)

    def round(self, number, nodes, domains, add):
        victim, others = nodes[0], nodes[1:]
        self.receiver.clear()
        self.receiver.slow(self.slow)
        count = self.options.queued_there
        recipients = [f"r{number}-{index}@{domains[index % len(domains)]}"
                      for index in range(count + EXTRA)]
        load.send(self.cluster.ports, [[each] for each in recipients])
        # The receivers are slow, not stuck.
        if not self.receiver.wait(lambda: len(self.receiver.answered) >= EXTRA, 120):
            raise load.Stalled("the node that is to be killed delivers nothing")
        # The receivers keep step: each round meets them elsewhere in theirs.
        step = min(self.slow, 2)
        time.sleep(step * (number + 0.75) / self.options.deaths % step)
        held = self.cluster.queued()
        declared = Declared(others)
        killed = victim.kill()
        self.receiver.slow(0)
        others_names = {node.hostname for node in others}
        if not self.receiver.wait(
                lambda: any(each.hello in others_names for each in reversed(self.receiver.arrivals)),
                120):
            raise load.Stalled("nobody delivers what the killed node had within 120 s")
        self.expect(len(recipients), 300)
        self.await_empty()
        self.report(killed, declared.wait(), held, recipients, others_names, add)
        self.cluster.restart(victim)
        self.cluster.settle(3)

    def report(self, killed, declared, held, recipients, others, add):
        arrivals = list(self.receiver.arrivals)
        taken = [each.at for each in arrivals if each.hello in others]
        first = {}
        for each in arrivals:
            first.setdefault(each.recipient, each.at)
        lost = len(set(recipients) - first.keys())
        twice = len(arrivals) - len(first)
        # Only of those may there be a second copy that had not been answered when the node died, or
        # so late that this was not recorded yet.
        firsts = set()
        unforced = 0
        for each in arrivals:
            if each.recipient not in firsts:
                firsts.add(each.recipient)
            elif min(self.receiver.answered[each.recipient]) < killed - 1:
                unforced += 1
        figures = {"held": held, "declared": declared - killed, "first": taken[0] - killed,
                   "all": max(first.values()) - killed, "lost": lost, "twice": twice,
                   "unforced": unforced}
        for key, value in figures.items():
            add("takeover-" + key, value)
        self.say(f"    {held:,} queued for {self.options.across:,} destinations: declared dead after "
                 f"{figures['declared']:.1f} s, first delivery after {figures['first']:.1f} s, the "
                 f"last after {figures['all']:.1f} s; {lost} lost, {twice} twice, of them {unforced} "
                 "that had been answered")
