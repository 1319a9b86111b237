"""A PostgreSQL server of its own, with its defaults: every commit is synced."""

import glob
import os
import pwd
import signal
import subprocess
import time

import servers


class Database:
    """`url`; a cluster in a temporary directory, reached through a Unix socket there."""

    def __init__(self, directory):
        programs = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
        if not programs:
            raise servers.Failed("PostgreSQL is missing: scripts/install-packages test")
        self.programs = programs[-1]
        self.directory = os.path.join(directory, "postgresql")
        os.makedirs(self.directory)
        # It refuses to run as root.
        self.user = []
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(self.directory, nobody.pw_uid, nobody.pw_gid)
            self.user = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}",
                         "--clear-groups"]
        self.url = f"postgresql://sluice@/postgres?host={self.directory}"
        self.process = None

    def start(self):
        data = os.path.join(self.directory, "data")
        subprocess.run(self.user + [f"{self.programs}/initdb", f"--pgdata={data}", "--auth=trust",
                                    "--username=sluice", "--encoding=UTF8", "--locale=C.UTF-8"],
                       check=True, stdout=subprocess.DEVNULL, cwd=self.directory)
        self.log = os.path.join(self.directory, "log")
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                self.user + [f"{self.programs}/postgres", "-D", data, "-k", self.directory,
                             "-c", "listen_addresses="],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                cwd=self.directory)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.process.poll() is None:
            if subprocess.run([f"{self.programs}/pg_isready", "-q", "-h", self.directory]
                              ).returncode == 0:
                return
            time.sleep(0.05)
        raise servers.Failed(f"PostgreSQL does not come up; {self.log}")

    def version(self):
        return subprocess.check_output([f"{self.programs}/postgres", "--version"],
                                       text=True).split()[2]

    def url_of(self, name):
        """That of another database of the server."""
        return self.url.replace("/postgres?", f"/{name}?")

    def create(self, name):
        self.query("postgres", f"CREATE DATABASE {name}")
        return self.url_of(name)

    def query(self, name, sql):
        """What psql prints, columns separated by "|"."""
        return subprocess.check_output(
            [f"{self.programs}/psql", "-X", "-A", "-t", self.url_of(name), "-c", sql],
            text=True).strip()

    def transactions(self, name="postgres", wait=1.5):
        """Committed so far. Sessions report theirs at most once a second, and what they made since
        ten seconds after the last one."""
        time.sleep(wait)
        return int(self.query(name, "SELECT xact_commit FROM pg_stat_database"
                                    " WHERE datname = current_database()"))

    def stop(self):
        if self.process and self.process.poll() is None:
            # Fast shutdown.
            self.process.send_signal(signal.SIGINT)
            self.process.wait(30)
