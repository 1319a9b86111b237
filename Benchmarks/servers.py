"""The servers that are measured: each an instance of its own, in a temporary directory, listening on
a free port of 127.0.0.1, relaying everything to one sink."""

import os
import pwd
import shutil
import socket
import subprocess
import time

import processes
import sink


class Failed(Exception):
    """A server that did not come up; says where its log is."""


def await_port(port, process, log, seconds=30):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as connection:
                # The greeting, not only the port: the server is ready to work.
                if connection.recv(4):
                    return
        except OSError:
            pass
        time.sleep(0.02)
    with open(log, errors="replace") as file:
        raise Failed("".join([f"no greeting on port {port}; {log}:\n"] + file.readlines()[-15:]))


class Server:
    """`name`, and after `start` the `port` of its intake and its `process`."""

    # Domains whose mail goes to a port of their own.
    domains = {}

    def start(self, directory, sink_port):
        self.directory = directory
        self.log = os.path.join(directory, f"{self.name.lower()}.log")
        self.port = sink.free_port()
        with open(self.log, "w") as log:
            self.process = self.launch(sink_port, log)
        await_port(self.port, self.process, self.log)

    def stop(self):
        if hasattr(self, "process"):
            processes.stop(self.process)

    def cpu_seconds(self):
        return processes.cpu_seconds(self.process.pid)

    def write(self, name, text):
        path = os.path.join(self.directory, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)
        return path


class Ceiling(Server):
    """Nobody in between: smtp-source straight into smtp-sink."""

    name = "ceiling"

    def version(self):
        return "smtp-source straight into smtp-sink"

    def start(self, directory, sink_port):
        self.port = sink_port

    def cpu_seconds(self):
        return 0.0


class Postfix(Server):
    """Debian's Postfix with its defaults: its syncs are on, and up to 20 connections
    (default_destination_concurrency_limit) go to the sink. Its master has to be root."""

    name = "Postfix"

    def version(self):
        return "Postfix " + subprocess.check_output(
            ["postconf", "-d", "-h", "mail_version"], text=True).strip()

    def launch(self, sink_port, log):
        base = os.path.join(self.directory, "postfix")
        maillog = os.path.join(self.directory, "maillog")
        self.write("postfix/etc/main.cf", f"""\
compatibility_level = 3.6
queue_directory = {base}/spool
data_directory = {base}/data
inet_interfaces = loopback-only
inet_protocols = ipv4
myhostname = bench.test
mydestination =
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
relayhost = [127.0.0.1]:{sink_port}
transport_maps = texthash:{base}/etc/transport
maillog_file = {maillog}
maillog_file_prefixes = {self.directory}
""")
        self.write("postfix/etc/transport", "".join(
            f"{domain} smtp:[127.0.0.1]:{port}\n" for domain, port in self.domains.items()))
        services = []
        with open("/usr/share/postfix/master.cf.dist") as file:
            for line in file:
                fields = line.split()
                if not fields or line[0] in "# \t":
                    continue
                if fields[1] == "inet":
                    if fields[0] != "smtp":
                        continue
                    fields[0] = f"127.0.0.1:{self.port}"
                # In the chroot there would have to be copies of /etc.
                fields[4] = "n"
                services.append(" ".join(fields))
        self.write("postfix/etc/master.cf", "\n".join(services) + "\n")
        os.makedirs(f"{base}/spool")
        os.makedirs(f"{base}/data")
        shutil.chown(f"{base}/data", pwd.getpwnam("postfix").pw_uid)
        # Makes the queue's directories.
        subprocess.run(["postfix", "-c", f"{base}/etc", "check"], check=True,
                       stdout=log, stderr=subprocess.STDOUT)
        daemons = subprocess.check_output(
            ["postconf", "-c", f"{base}/etc", "-h", "daemon_directory"], text=True).strip()
        return subprocess.Popen([f"{daemons}/master", "-c", f"{base}/etc", "-d"],
                                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)


class Sluice(Server):
    """`sluiced` with its defaults, one static route to the sink, and as many connections to it as
    Postfix makes; no rate limit."""

    name = "Sluice"
    # More of the configuration: at its end, and of its routes.
    extra = ""
    routes = ""
    group_by = "mx-address"
    hostname = "bench.test"
    # Connections to a destination at once.
    concurrency = 20
    # Where it has its files, below the temporary directory.
    folder = "sluice"
    # A data directory that exists already.
    data = None

    def __init__(self, program):
        self.program = program

    def version(self):
        return f"Sluice ({os.path.relpath(self.program)})"

    def launch(self, sink_port, log):
        data = self.data or os.path.join(self.directory, self.folder, "data")
        os.makedirs(data, exist_ok=True)
        self.socket = f"{self.directory}/{self.folder}/control.sock"
        routes = self.routes + "".join(
            f'"{domain}" = "127.0.0.1:{port}", ' for domain, port in self.domains.items())
        configuration = self.write(f"{self.folder}/sluice.toml", f"""\
hostname = "{self.hostname}"
data_dir = "{data}"
control_socket = "{self.socket}"

[intake]
listen = ["127.0.0.1:{self.port}"]
allow = ["127.0.0.0/8"]

[limits]
concurrency = {self.concurrency}

[routing]
group_by = "{self.group_by}"
static = {{ {routes}"*" = "127.0.0.1:{sink_port}" }}
{self.extra}""")
        return subprocess.Popen([self.program, "--config", configuration],
                                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)


class Shared(Sluice):
    """The same with its spool in a database."""

    name = "PostgreSQL"
    folder = "shared"

    def __init__(self, program, url):
        super().__init__(program)
        self.extra = f'[spool]\nurl = "{url}"\n'
