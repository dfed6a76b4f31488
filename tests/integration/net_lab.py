"""A small world for the network tests: a bridge of the engine as sandboxes
have it, an "outside" reached through this machine, another network of the
engine with a published port, and sandboxes joined by hostnet.

Everything bears this process's number in its name and is removed again.
"""

import fcntl
import os
import re
import subprocess
import sys
import tempfile
import time
from typing import BinaryIO, Callable

from engine_api import Engine

HERE = os.path.dirname(os.path.abspath(__file__))
PEER = [sys.executable, os.path.join(HERE, "net_peer.py")]
LABEL = "runnerhub.test.hostnet"

GATEWAY = "10.217.240.1"
SUBNET = "10.217.240.0/24"
OTHER_SUBNET = "10.217.241.0/24"
OUTSIDE = "198.51.100.2"
UPLINK = "198.51.100.1"
METADATA = "169.254.213.254"
PORT = 8080


def wait_for(what: str, condition: Callable[[], bool], deadline_s: float = 60) -> None:
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, f"waited {deadline_s} s for {what}"
        time.sleep(0.02)


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout


class Place:
    """A network namespace: that of a process, or this machine's (pid 0)."""

    def __init__(self, lab: "Lab", pid: int, address: str):
        self.lab = lab
        self.pid = pid
        self.address = address

    def command(self, *command: str) -> list[str]:
        if self.pid == 0:
            return list(command)
        return ["nsenter", "-t", str(self.pid), "-n", *command]

    def run(self, *command: str) -> str:
        return run(*self.command(*command))

    def serve(self, port: int = PORT, address: str = "0.0.0.0") -> None:
        server = subprocess.Popen(self.command(*PEER, "serve", address, str(port)),
                                  stdout=subprocess.PIPE, text=True)
        self.lab.processes.append(server)
        assert server.stdout and server.stdout.readline() == "ready\n"

    def start_dial(self, address: str, port: int = PORT, kind: str = "tcp") -> subprocess.Popen:
        dial = subprocess.Popen(self.command(*PEER, "dial", kind, address, str(port)),
                                stdout=subprocess.PIPE, text=True)
        self.lab.processes.append(dial)
        return dial

    def dial(self, address: str, port: int = PORT, kind: str = "tcp") -> str:
        """"open WHAT", "refused", "unreachable" or "silent"."""
        return self.start_dial(address, port, kind).communicate()[0].strip()

    def pings(self, address: str) -> bool:
        command = self.command("busybox", "ping", "-c", "1", "-W", "5", address)
        return subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode == 0


class Sandbox(Place):
    def __init__(self, lab: "Lab", container: str, pid: int, address: str, host_if: str):
        super().__init__(lab, pid, address)
        self.container = container
        self.host_if = host_if


class Lab:
    def __init__(self, engine: Engine, image: str, probe: str):
        number = os.getpid() % 100000
        self.engine = engine
        self.image = image
        self.probe_path = probe
        self.name = f"hostnet-test-{number}"
        self.bridge = f"rht{number}"
        self.other_bridge = f"rhu{number}"
        self.table = f"rht_{number}"
        self.prefix = f"rv{number}x"  # of our ends of the pairs
        self.uplink = f"rhq{number}"
        self.containers: list[str] = []
        self.processes: list[subprocess.Popen] = []
        self.undo: list[Callable[[], None]] = []
        self.turn: BinaryIO | None = None
        self.turn_ends: list[Callable[[], object]] = []
        self.sandboxes = 0
        self.host = Place(self, 0, GATEWAY)
        self.outside = Place(self, 0, OUTSIDE)

    # -- building ---------------------------------------------------------
    def open(self) -> None:
        self.make_outside()
        self.make_network(self.name, self.bridge, SUBNET,
                          {"com.docker.network.bridge.enable_icc": "false"})
        self.make_network(self.name + "-other", self.other_bridge, OTHER_SUBNET, {})

    def close(self) -> None:
        try:
            for end in self.turn_ends:
                end()
            self._take_down()
        finally:
            if self.turn is not None:
                self.turn.close()

    def _take_turn(self) -> None:
        """The outside has one address: labs in one network namespace, be they
        of another test process, have it in turn."""
        namespace = os.stat("/proc/self/ns/net").st_ino
        self.turn = open(os.path.join(tempfile.gettempdir(),
                                      f"runnerhub-net-lab-{namespace}.lock"), "ab")
        fcntl.flock(self.turn, fcntl.LOCK_EX)

    def _take_down(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
        for container in self.containers:
            self.engine.remove(container)
        for undo in reversed(self.undo):
            undo()

    def make_network(self, name: str, bridge: str, subnet: str, options: dict[str, str]) -> None:
        made = self.engine.call("POST", "/networks/create", {
            "Name": name, "Driver": "bridge", "Labels": {LABEL: self.name},
            "IPAM": {"Config": [{"Subnet": subnet}]},
            "Options": {"com.docker.network.bridge.name": bridge, **options}})
        self.undo.append(lambda: self.engine.remove_network(made["Id"]))

    def make_outside(self) -> None:
        """A namespace behind a link of this machine, as the internet is. The
        route vanishes with the link."""
        self._take_turn()
        self.outside.pid = self.tenant().pid
        run("ip", "link", "add", self.uplink, "type", "veth", "peer", "name", "up0",
            "netns", str(self.outside.pid))
        # Before the namespace ends, which removes it some time later.
        self.turn_ends.append(lambda: run("ip", "link", "delete", self.uplink))
        run("ip", "address", "add", f"{UPLINK}/30", "dev", self.uplink)
        run("ip", "link", "set", self.uplink, "up")
        for command in (f"address add {OUTSIDE}/30 dev up0", f"address add {METADATA}/32 dev lo",
                        "link set lo up", "link set up0 up", f"route add default via {UPLINK}"):
            self.outside.run("ip", *command.split())
        run("ip", "route", "add", f"{METADATA}/32", "via", OUTSIDE)
        self.outside.serve()
        self.outside.serve(53, METADATA)

    def tenant(self) -> Place:
        """A process in a fresh network namespace of its own."""
        process = subprocess.Popen(["unshare", "-n", "sh", "-c", "echo ready; exec sleep 86400"],
                                   stdout=subprocess.PIPE, text=True)
        self.processes.append(process)
        assert process.stdout and process.stdout.readline() == "ready\n"
        return Place(self, process.pid, "")

    def container(self, **config: object) -> str:
        made = self.engine.call("POST", "/containers/create", {
            "Image": self.image, "Labels": {LABEL: self.name},
            "Entrypoint": ["/bin/sleep", "86400"], **config})
        self.containers.append(made["Id"])
        self.engine.call("POST", f"/containers/{made['Id']}/start")
        return made["Id"]

    def pid(self, container: str) -> int:
        return self.engine.inspect(container)["State"]["Pid"]

    def at(self, container: str) -> Place:
        return Place(self, self.pid(container), "")

    def sandbox(self) -> Sandbox:
        """A container without networking, joined to the bridge by hostnet."""
        container = self.container(NetworkDisabled=True)
        self.sandboxes += 1
        box = Sandbox(self, container, self.pid(container), f"10.217.240.{199 + self.sandboxes}",
                      f"{self.prefix}{self.sandboxes}")
        self.hostnet("attach", self.bridge, box.host_if, str(box.pid), box.address, "24", GATEWAY)
        return box

    # -- hostnet, from the command line -----------------------------------
    def try_hostnet(self, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run([self.probe_path, *arguments], capture_output=True, text=True,
                              check=False)

    def hostnet(self, *arguments: str) -> str:
        return run(self.probe_path, *arguments)

    def refused(self, *arguments: str) -> str:
        """The words of a call that must fail, and must fail cleanly."""
        done = self.try_hostnet(*arguments)
        assert done.returncode == 1, f"{arguments}: {done.returncode} {done.stderr}"
        return done.stderr

    def host_ends(self) -> list[str]:
        return self.hostnet("list", self.prefix).split()

    # -- counters of the firewall ------------------------------------------
    def guard_hits(self, chain: str, has: str) -> int:
        """Packets that met the rule of our table whose text contains `has`."""
        listing = run("nft", "list", "chain", "inet", self.table, chain)
        lines = [line for line in listing.splitlines() if has in line and "counter" in line]
        assert len(lines) == 1, f"{has!r} in\n{listing}"
        found = re.search(r"counter packets (\d+)", lines[0])
        assert found
        return int(found.group(1))

    @staticmethod
    def engine_drops(chain: str, came_by: str, leaves_by: str) -> int:
        """Packets that a DROP rule of the engine's iptables chain met."""
        for line in run("iptables", "-w", "-nvxL", chain).splitlines():
            words = line.split()
            if len(words) > 6 and words[2] == "DROP" and words[5:7] == [came_by, leaves_by]:
                return int(words[0])
        raise AssertionError(f"no rule {came_by} -> {leaves_by} DROP in {chain}")

    @staticmethod
    def assert_dropped(dial: subprocess.Popen, counter: Callable[[], int], before: int) -> None:
        """The attempt met the rule that drops it, and did not get through."""
        wait_for("the packet to be dropped", lambda: counter() > before)
        assert dial.poll() is None, f"answered: {dial.stdout and dial.stdout.read()}"
        dial.kill()
