"""The API when a crowd stands beside it: thousands of idle followers, and a flood
of requests with a wrong key.

The same paced load of good requests runs three times: alone, with the followers,
and with followers and flood. What its 99th percentile grows by is the figure; all
programs share this machine's cores. Memory is what a connection that does nothing
costs, with and without a follower on it.
"""

import resource
import socket

from lib.context import Context, Row
from lib.process import memory_kb
from measures.delegate import BODY

TITLE = "the API beside 5,000 idle followers and a flood of refused requests"

KEY = "the-key-of-the-benchmark-0123456789"
BEARER = f"Authorization: Bearer {KEY}"
RATE, CONNECTIONS = 400, 8  # of the good requests, a second
FLOOD = 2000                # of the refused ones


class Crowd:
    """Connections that ask once, or never, and read nothing."""

    def __init__(self) -> None:
        self.sockets: list[socket.socket] = []

    def join(self, port: int, count: int, request: str = "") -> None:
        for _ in range(count):
            one = socket.create_connection(("127.0.0.1", port))
            one.sendall(request.encode())
            self.sockets.append(one)

    def heads(self) -> None:
        """Each has been answered: it is a follower now."""
        for one in self.sockets:
            head = one.recv(4096)
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(f"a follower was refused: {head!r}")

    def leave(self) -> None:
        for one in self.sockets:
            one.close()
        self.sockets.clear()


def figures(context: Context, port: int, job: str, seconds: float,
            first: int) -> dict[str, dict]:
    def load(path: str, body: str | None = None) -> dict:
        return context.load(port, path, CONNECTIONS, seconds, body, first, header=BEARER,
                            rate=RATE)
    return {"read a job": load(f"/api/jobs/{job}"), "delegate": load("/api/jobs/delegate", BODY)}


def beside_flood(context: Context, port: int, job: str, seconds: float,
                 first: int) -> dict[str, dict]:
    flood = context.load_beside(port, "/api/jobs", 16, 2 * seconds + 4, rate=FLOOD, warmup=0,
                                header=f"Authorization: Bearer {KEY[::-1]}")
    try:
        return figures(context, port, job, seconds, first)
    finally:
        flood.terminate()
        flood.communicate()


def run(context: Context) -> list[Row]:
    count, seconds = (500, 2) if context.quick else (5000, 8)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with context.hub(RUNNERHUB_CAPACITY="1", RUNNERHUB_API_KEY=KEY,
                     API_RATE_LIMIT="1000000") as hub:
        hub.start()
        bearer = {"Authorization": f"Bearer {KEY}"}
        hub.wait_status(hub.delegate(["sleep 3600"], headers=bearer), "running", headers=bearer)
        job = hub.delegate(["true"], headers=bearer)
        context.say("alone")
        alone = figures(context, hub.port, job, seconds, 10_000_000)
        crowd = Crowd()
        before = memory_kb(hub.pid)["Pss"]
        context.say(f"{count} connections that ask nothing")
        crowd.join(hub.port, count)
        hub.get("/health")
        silent = memory_kb(hub.pid)["Pss"]
        crowd.leave()
        context.say(f"{count} followers")
        emptied = memory_kb(hub.pid)["Pss"]
        crowd.join(hub.port, count, f"GET /api/jobs/{job}/logs?follow=true HTTP/1.1\r\n"
                                    f"Host: 127.0.0.1\r\n{BEARER}\r\n\r\n")
        crowd.heads()
        full = memory_kb(hub.pid)["Pss"]
        followed = figures(context, hub.port, job, seconds, 20_000_000)
        context.say("and a flood")
        flooded = beside_flood(context, hub.port, job, seconds, 30_000_000)
        crowd.leave()
        hub.abandon()
    rows = []
    for what, quiet in alone.items():
        for name, loud in ((f"{count:,} followers", followed[what]),
                           (f"{count:,} followers, {FLOOD:,} refused/s", flooded[what])):
            for p in ("p50", "p99"):
                rows.append(Row("crowd", f"{what}, {p}, {name}", "ms", loud[f"{p}_us"] / 1000,
                                "alone", quiet[f"{p}_us"] / 1000, "2x" if p == "p99" else None))
    return rows + [
        Row("crowd", "memory per silent connection", "kB", (silent - before) / count),
        Row("crowd", "memory per follower", "kB", (full - emptied) / count,
            note="what the silent ones gave back is used again"),
    ]
