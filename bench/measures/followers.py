"""A thousand followers of one log: what they cost, and what the writer feels.

The same job writes its log once alone and once with every follower attached
from its first byte; each follower must get every byte.
"""

import selectors
import socket
import time

from hub import Hub, wait_for

from lib.context import Context, Row
from lib.process import cpu_seconds, memory_kb

TITLE = "1,000 followers of one log"

MIB = 1 << 20
LINES = 10000
LINE = "x" * 99
SCRIPT = f"i=0; while [ $i -lt {LINES} ]; do echo {LINE}; i=$((i+1)); done"


class Follower:
    def __init__(self, port: int, path: str):
        self.received = 0
        self.in_head = True
        self.head = b""
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.sendall(f"GET {path} HTTP/1.1\r\n"
                            "Host: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        self.socket.setblocking(False)

    def read(self) -> bool:
        """False at the end of the stream. Chunk framing is counted with it."""
        data = self.socket.recv(1 << 18)
        self.received += len(data)
        return bool(data)


def follow_all(followers: list[Follower], timeout: float) -> float:
    """Seconds until the last stream has ended."""
    begin = time.perf_counter()
    selector = selectors.DefaultSelector()
    for follower in followers:
        selector.register(follower.socket, selectors.EVENT_READ, follower)
    while selector.get_map():
        if time.perf_counter() - begin > timeout:
            raise TimeoutError(f"{len(selector.get_map())} followers are still reading")
        for key, _ in selector.select(1):
            if not key.data.read():
                selector.unregister(key.fileobj)
                key.fileobj.close()
    return time.perf_counter() - begin


def one_round(hub: Hub, count: int) -> dict[str, float]:
    blocker = hub.delegate(["sleep 3600"])
    hub.wait_status(blocker, "running")
    job_id = hub.delegate([SCRIPT])
    before = memory_kb(hub.pid)["Pss"]
    followers = [Follower(hub.port, f"/api/jobs/{job_id}/logs?follow=true")
                 for _ in range(count)]
    idle = memory_kb(hub.pid)["Pss"]
    cpu = cpu_seconds(hub.pid)
    hub.post(f"/api/jobs/{blocker}/cancel")  # the slot is free: now it runs
    seconds = follow_all(followers, 300) if count else 0
    job = hub.wait_end(job_id)
    size = LINES * (len(LINE) + 1)
    short = [f for f in followers if f.received < size]
    if short:
        raise RuntimeError(f"{len(short)} of {count} followers missed bytes")
    spent = job["durations"]
    wait_for(lambda: hub.job(blocker)["status"] == "cancelled", 60, "the blocker ends")
    return {
        "write_ms": spent["ranMs"] - spent["firstOutputMs"],
        "cpu": cpu_seconds(hub.pid) - cpu,
        "kb_each": (idle - before) / count if count else 0,
        "delivered": count * size / MIB,
        "seconds": seconds,
    }


def run(context: Context) -> list[Row]:
    count = 100 if context.quick else 1000
    with context.hub(RUNNERHUB_CAPACITY="1") as hub:
        hub.start()
        context.say("nobody follows")
        alone = one_round(hub, 0)
        context.say(f"{count} follow")
        crowd = one_round(hub, count)
    return [
        Row("followers", "writing 1 MB", "ms", crowd["write_ms"], "nobody follows",
            alone["write_ms"], note=f"{count} followers"),
        Row("followers", "memory per waiting follower", "kB", crowd["kb_each"]),
        Row("followers", "CPU to deliver 1 MiB", "ms",
            max(crowd["cpu"] - alone["cpu"], 0) * 1000 / crowd["delivered"]),
        Row("followers", "delivered in all", "MiB/s", crowd["delivered"] / crowd["seconds"]),
    ]
