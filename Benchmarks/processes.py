"""What a tree of processes has used, from /proc; and processes that end with us."""

import os
import signal
import subprocess
import time
from typing import NamedTuple

TICK = os.sysconf("SC_CLK_TCK")


class Stat(NamedTuple):
    """What /proc/PID/stat says."""

    state: str
    parent: int
    # CPU ticks, user and system, its own and its reaped children's.
    ticks: int
    # When it started: a pid can come again, a pid and its start cannot.
    start: int


def stat(pid):
    """None if there is no such process."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return Stat(fields[0], int(fields[1]), sum(map(int, fields[11:15])), int(fields[19]))


def tree(root):
    """A process and all its descendants, by pid."""
    stats = {int(name): stat(name) for name in os.listdir("/proc") if name.isdigit()}
    found = {}
    wanted = [root]
    while wanted:
        pid = wanted.pop()
        if stats.get(pid) and pid not in found:
            found[pid] = stats[pid]
            wanted += [child for child, other in stats.items() if other and other.parent == pid]
    return found


def cpu_seconds(root):
    """CPU time of the tree, user and system, processes that have ended included."""
    return sum(process.ticks for process in tree(root).values()) / TICK


def memory(root):
    """Bytes of memory of the tree: the sum of the proportional set sizes, in which a page that
    several processes share counts once."""
    total = 0
    for pid in tree(root):
        try:
            with open(f"/proc/{pid}/smaps_rollup") as file:
                for line in file:
                    if line.startswith("Pss:"):
                        total += int(line.split()[1]) * 1024
        except (FileNotFoundError, ProcessLookupError):
            pass
    return total


def stop(process, grace=10):
    """Ends a process that we started: SIGTERM, then SIGKILL for it and what it left behind."""
    if process.poll() is not None:
        return
    left = tree(process.pid)
    process.terminate()
    try:
        process.wait(grace)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    # Its children end when they notice; they get a moment to.
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        left = {pid: was for pid, was in left.items() if _runs(pid, was)}
        if not left:
            return
        time.sleep(0.02)
    kill(left)


def kill(those):
    """Kills what is left of a tree."""
    for pid, was in those.items():
        if _runs(pid, was):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


def _runs(pid, was):
    now = stat(pid)
    return now is not None and now.start == was.start and now.state not in "ZX"
