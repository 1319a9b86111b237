"""What is measured, row by row, and what each row is to reach."""

from typing import NamedTuple, Optional


class Row(NamedTuple):
    key: str
    name: str
    unit: str
    # From the measured value to the unit.
    factor: float = 1
    digits: int = 0
    more_is_better: bool = True
    # How many times better than Postfix it is to be; or a share of the ceiling; or a bound on the
    # value itself, in its unit.
    times: Optional[float] = None
    share: Optional[float] = None
    bound: Optional[float] = None
    # The greatest of the rounds and not their median: peaks.
    peak: bool = False


ROWS = [
    Row("rate-new", "4 KiB, 20 sessions, a connection per message", "1/s", times=8),
    Row("rate-kept", "4 KiB, 20 sessions, kept connections", "1/s", times=12, share=0.45),
    Row("rate-kept-50", "4 KiB, 50 sessions, kept connections", "1/s", times=15, share=0.45),
    Row("rate-large", "100 KiB, 20 sessions, kept connections", "1/s", times=3),
    Row("bytes-large", "the same in bytes", "MiB/s", 1 / 2**20),
    Row("rate-fanout", "recipients, 1,000 a message over 50 destinations", "1/s", times=3),
    Row("cpu-new", "CPU a message, a connection per message", "µs", 1e6, more_is_better=False),
    Row("cpu-kept", "CPU a message, kept connections", "µs", 1e6, more_is_better=False, bound=150),
    Row("memory", "most memory, all processes", "MiB", 1 / 2**20, 1, False, peak=True),
    Row("p50", "time to 250 at half of Postfix's most, p50", "ms", 1e3, 2, False),
    Row("p99", "time to 250 at half of Postfix's most, p99", "ms", 1e3, 2, False),
    Row("shared-rate", "spool in PostgreSQL: 4 KiB, 20 sessions, kept connections", "1/s", times=3),
    Row("shared-share", "… of that with SQLite", "%", 100, 0, bound=40),
    Row("shared-transactions", "… PostgreSQL's transactions a message", "", 1, 3, False, bound=0.2),
    Row("backlog-fill", "filling the spool without SMTP", "s", 1, 1, False),
    Row("backlog-start", "start of the daemon until the first fresh message is out", "s", 1, 2,
        False, bound=5),
    Row("backlog-load", "… until the workers have all that is queued", "s", 1, 1, False),
    Row("backlog-memory", "memory a delivery, all processes", "bytes", 1, 0, False, bound=600),
    Row("backlog-after", "the same after the purges and their undo", "bytes", 1, 0, False),
    Row("backlog-fresh", "fresh mail beside it, of that with an empty queue", "%", 100, 0,
        bound=90),
    Row("backlog-flat", "CPU a fresh message, of that with 1,000 queued", "%", 100, 0, False,
        bound=120),
    Row("backlog-destinations", "a page of destinations, any filter and order, p99", "ms", 1e3, 1,
        False, bound=50, peak=True),
    Row("backlog-messages", "a page of messages, any filter and order, p99", "ms", 1e3, 1, False,
        bound=50, peak=True),
    Row("backlog-purge", "purge of half of it, plan and all, beside fresh mail", "s", 1, 1, False,
        bound=10),
    Row("backlog-undo", "its undo, beside fresh mail", "s", 1, 1, False, bound=10),
    Row("backlog-gap", "longest pause of fresh mail meanwhile", "s", 1, 2, False, peak=True),
]

# The parts of a run, and the rows that each fills.
PARTS = {
    "new": "a connection per message",
    "kept": "kept connections, 20 and 50 sessions",
    "large": "messages of 100 KiB",
    "fanout": "1,000 recipients over 50 destinations",
    "latency": "time to 250",
    "shared": "the spool in PostgreSQL on the same machine, beside that in SQLite",
    "backlog": "a million deliveries for dead destinations",
}
