"""What survival tests share: a counter that only steps can move, the marks in
a job's log, and the invariants that hold after every crash."""

import json
import os
import socket
import socketserver
import subprocess
import threading
import time
from collections import Counter

from hub import FINAL, Hub, wait_for

# From any status: what may follow (jobs-api, store/jobs.h).
MAY_FOLLOW = {
    None: {"queued"},
    "queued": {"assigned", "pending", "failed", "cancelled"},
    "assigned": {"running", "pending", "failed", "cancelled"},
    "pending": {"queued", "failed", "cancelled"},
    "running": {"completed", "failed", "cancelled"},
}


class StepCounter:
    """A TCP service of this machine that a step tells its name before it does
    anything else: what it has counted really began, whatever the hub says.
    The hub must run with RUNNERHUB_HOST_SERVICES=warn."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._held: dict[str, threading.Event] = {}
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                name = self.rfile.readline().decode().strip()
                if name:
                    with outer._lock:
                        outer.seen[name] += 1
                        held = outer._held.get(name)
                    if held is not None:
                        held.wait(600)
                    self.wfile.write(b"counted\n")

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            request_queue_size = 256

        self._server = Server(("0.0.0.0", 0), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever,
                                        kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def step(self, name: str, then: str = "true") -> dict:
        """A step that is counted under this name and then does something."""
        return {"name": name, "shell": "bash -e", "run": f"""
gateway=$(ip route | sed -n 's/^default via \\([0-9.]*\\).*/\\1/p')
exec 9<>/dev/tcp/$gateway/{self.port}
echo {name} >&9
read -r answer <&9
[ "$answer" = counted ]
exec 9>&-
{then}
"""}

    def count(self, name: str) -> int:
        with self._lock:
            return self.seen[name]

    def hold(self, name: str) -> threading.Event:
        """A step of this name stands still, once counted, until set()."""
        with self._lock:
            return self._held.setdefault(name, threading.Event())

    def close(self) -> None:
        for held in self._held.values():
            held.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def numbered(first: int, last: int) -> str:
    """A shell line that prints numbered lines, fast."""
    return f"seq {first} {last} | sed 's/^/line /'"


def numbered_lines(first: int, last: int) -> list[str]:
    return [f"line {n}" for n in range(first, last + 1)]


def full_log(hub: Hub, job_id: str) -> str:
    return hub.get(f"/api/jobs/{job_id}/logs?download=true", timeout=120).text


def entries(hub: Hub, job_id: str) -> list[dict]:
    """The records of a log, without the text when it is large."""
    reply = hub.get(f"/api/jobs/{job_id}/logs?format=json&download=true", timeout=120)
    assert reply.status == 200, reply.text
    return [json.loads(line) for line in reply.text.splitlines()]


def marks(hub: Hub, job_id: str, kind: str) -> list[int]:
    """The steps that have a mark of this kind, in order."""
    return [e["step"] for e in entries(hub, job_id) if e["kind"] == kind]


def check_history(hub: Hub, job_id: str) -> list[str]:
    """The statuses that a job went through; each followed legally."""
    events = hub.get(f"/api/jobs/{job_id}/events").data
    at, path = None, []
    for event in events:
        if event["type"] not in ("delegated", "status"):
            continue
        assert event["from"] == at, (at, events)
        assert event["status"] in MAY_FOLLOW.get(at, set()), (at, events)
        at = event["status"]
        path.append(at)
    assert path and hub.job(job_id)["status"] == at, events
    assert path.count("running") <= 1, events
    return path


def check_steps_once(hub: Hub, job_id: str) -> None:
    """No step began or ended twice, none ended that had not begun."""
    began, ended = marks(hub, job_id, "step_start"), marks(hub, job_id, "step_end")
    assert began == sorted(set(began)), f"steps began as {began}"
    assert ended == sorted(set(ended)), f"steps ended as {ended}"


def log_is_ended(hub: Hub, job_id: str) -> bool:
    """As retention sees it: the mark in the header of the log's index. A log
    that was never begun has no end either."""
    path = os.path.join(hub.state_dir, "logs", job_id[-2:], job_id + ".idx")
    try:
        with open(path, "rb") as index:
            header = index.read(64)
    except FileNotFoundError:
        return True
    return len(header) == 64 and header[24] == 1


def sandbox_dirs(hub: Hub) -> list[str]:
    return os.listdir(os.path.join(hub.state_dir, "sandboxes"))


def host_interfaces(hub: Hub) -> list[str]:
    assert hub.hub_id
    prefix = "rv" + hub.hub_id[:4]
    return [name for name in os.listdir("/sys/class/net") if name.startswith(prefix)]


def nothing_left(hub: Hub) -> bool:
    return not (hub.containers() or sandbox_dirs(hub) or host_interfaces(hub))


def check_nothing_left(hub: Hub, timeout: float = 90) -> None:
    """Sandboxes are removed behind the end of their job: wait for it."""
    try:
        wait_for(lambda: nothing_left(hub), timeout, "nothing is left")
    except AssertionError as error:
        names = [c["Names"] for c in hub.containers()]
        raise AssertionError(
            f"left: containers {names}, directories {sandbox_dirs(hub)}, "
            f"interfaces {host_interfaces(hub)}\n{hub.log_tail()}") from error


def wait_dead(hub: Hub, timeout: float = 60) -> bool:
    """Waits for the hub to die by itself; False when it lives at the end."""
    assert hub.process is not None
    try:
        hub.process.wait(timeout)
    except subprocess.TimeoutExpired:
        return False
    hub.process = None
    hub._may_owe = True
    return True


def is_final(hub: Hub, job_id: str) -> bool:
    return hub.job(job_id)["status"] in FINAL


def can_connect(hub: Hub) -> bool:
    with socket.socket() as probe:
        probe.settimeout(5)
        return probe.connect_ex(("127.0.0.1", hub.port)) == 0


def read_follow(hub: Hub, job_id: str, timeout: float = 120) -> str:
    """Everything that a follower gets until the hub says that it is the end."""
    return hub.get(f"/api/jobs/{job_id}/logs?follow=true", timeout=timeout).text


def unique_run() -> str:
    return f"run-{os.getpid()}-{time.monotonic_ns()}"
