"""From exec to the first healthy answer; size of the program."""

import os
import subprocess
import tempfile
import time

from lib.context import Context, Row, median
from lib.peer import Peer
from lib.process import Missing, port_open, stop, wait_until

TITLE = "start-up time and size of the program"


def hub_start_ms(context: Context) -> float:
    with context.hub() as hub:
        begin = time.perf_counter()
        hub.start(wait_healthy=False)
        wait_until(lambda: port_open(hub.port), "the hub listens")
        hub.get("/health")
        return (time.perf_counter() - begin) * 1000


def peer_start_ms(context: Context, runs: int) -> float | None:
    try:
        with Peer() as peer:
            times = []
            for _ in range(runs):
                stop(peer.node)
                begin = time.perf_counter()
                peer.start_node()
                times.append((time.perf_counter() - begin) * 1000)
            return median(times)
    except Missing as missing:
        context.say(f"no peer: {missing}")
        return None


def stripped_size(program: str) -> int:
    with tempfile.TemporaryDirectory() as temp:
        copy = os.path.join(temp, "runnerhub")
        subprocess.run(["strip", "-o", copy, program], check=True)
        return os.path.getsize(copy)


def run(context: Context) -> list[Row]:
    runs = 3 if context.quick else 10
    ours = median([hub_start_ms(context) for _ in range(runs)])
    return [
        Row("startup", "exec to healthy, p50", "ms", ours, "peer, exec to listening",
            peer_start_ms(context, min(runs, 5)), "well under 1 s"),
        Row("startup", "program, stripped", "kB", stripped_size(context.runnerhub) / 1024),
    ]
