"""From the delegation to the first byte of the first step, and to its end.

Seen from outside, by a client with a follow stream and the event stream.
Beside it what the engine alone takes for a container that prints the same
(create, attach, start, first byte, end), and `docker run --rm`.
"""

import json
import shutil
import socket
import subprocess
import threading
import time
from typing import Iterator

from engine_api import Engine
from hub import Hub, wait_for

from lib.context import IMAGE, Context, Row, median
from lib.raw import run_once

TITLE = "delegation to the first byte and to completed, warm and cold"

COMMAND = "echo ready"


class Events:
    """The hub's event stream: when each job was seen completed."""

    def __init__(self, hub: Hub):
        self.completed: dict[str, float] = {}
        self.seen = threading.Condition()
        self.socket = socket.create_connection(("127.0.0.1", hub.port))
        self.socket.sendall(b"GET /api/events HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                            b"Accept: text/event-stream\r\n\r\n")
        threading.Thread(target=self._read, daemon=True).start()

    def _lines(self) -> Iterator[str]:
        with self.socket.makefile("rb") as stream:
            for line in stream:
                yield line.decode("utf-8", "replace").strip()

    def _read(self) -> None:
        try:
            for line in self._lines():
                if line.startswith("data:") and '"status"' in line:
                    now = time.perf_counter()
                    event = json.loads(line[len("data:"):])
                    if event.get("status") in ("completed", "failed", "cancelled"):
                        with self.seen:
                            self.completed[event["jobId"]] = now
                            self.seen.notify_all()
        except (OSError, ValueError):
            pass  # closed: close() below, or the hub has ended

    def wait(self, job_id: str) -> float:
        with self.seen:
            if not self.seen.wait_for(lambda: job_id in self.completed, 120):
                raise TimeoutError(f"no event for the end of job {job_id}")
            return self.completed[job_id]

    def close(self) -> None:
        # shutdown wakes the reader; close alone would leave it reading.
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def first_byte(hub: Hub, job_id: str) -> float:
    """When the follow stream gives the first byte of the job's own output."""
    with socket.create_connection(("127.0.0.1", hub.port)) as connection:
        connection.settimeout(120)
        connection.sendall(f"GET /api/jobs/{job_id}/logs?follow=true HTTP/1.1\r\n"
                           f"Host: 127.0.0.1\r\n\r\n".encode())
        received = b""
        while b"ready" not in received.partition(b"\r\n\r\n")[2]:
            more = connection.recv(4096)
            if not more:
                raise RuntimeError(f"the log of {job_id} ended before its output")
            received += more
        return time.perf_counter()


def one_job(hub: Hub, events: Events) -> tuple[float, float]:
    begin = time.perf_counter()
    job_id = hub.delegate([COMMAND])
    seen = first_byte(hub, job_id) - begin
    return seen, events.wait(job_id) - begin


def warm_ready(hub: Hub, size: int) -> bool:
    return f"github_runnerhub_warm_sandboxes {size}\n" in hub.get("/metrics").text


def measure_hub(context: Context, pool: int, runs: int, **env: str) -> tuple[list, list]:
    firsts, ends = [], []
    with context.hub(RUNNERHUB_POOL_SIZE=str(pool), **env) as hub:
        hub.start()
        events = Events(hub)
        for number in range(runs + 1):
            if pool:
                wait_for(lambda: warm_ready(hub, pool), 120, "the pool is full")
            first, end = one_job(hub, events)
            wait_for(lambda: len(hub.containers()) <= pool, 120, "the sandbox is removed")
            if number > 0:  # the first pays for connections and caches
                firsts.append(first * 1000)
                ends.append(end * 1000)
        events.close()
    return firsts, ends


def raw_times(engine: Engine, network: str, runs: int) -> tuple[list, list]:
    moments = [run_once(engine, ["sh", "-c", COMMAND], network) for _ in range(runs + 1)][1:]
    return ([m["first byte"] * 1000 for m in moments], [m["ended"] * 1000 for m in moments])


def docker_run(network: str, runs: int) -> float | None:
    program = shutil.which("docker")
    if program is None:
        return None
    times = []
    for _ in range(runs):
        begin = time.perf_counter()
        subprocess.run([program, "run", "--rm", "--network", network, IMAGE, "sh", "-c", COMMAND],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        times.append((time.perf_counter() - begin) * 1000)
    return median(times)


def run(context: Context) -> list[Row]:
    runs = 5 if context.quick else 20
    engine = context.engine
    context.say("hub, warm")
    warm = measure_hub(context, 2, runs)
    context.say("hub, cold")
    cold = measure_hub(context, 0, runs)
    cold_none = measure_hub(context, 0, runs, RUNNERHUB_NETWORK="none")
    context.say("engine alone")
    raw = {name: raw_times(engine, name, runs) for name in ("no network", "bridge")}
    context.say("docker run")
    cli = {name: docker_run(name, max(3, runs // 4)) for name in ("none", "bridge")}

    rows = []
    for name, ours, aim in (("warm", warm, "10 ms"), ("cold", cold, "raw + 10 ms"),
                            ("cold, network none", cold_none, "raw + 10 ms")):
        for index, what in enumerate(("first byte", "completed")):
            rows.append(Row("latency", f"{what}, {name}, p50", "ms", median(ours[index]),
                            "raw create and start, no network",
                            median(raw["no network"][index]), aim))
    for network, value in cli.items():
        if value is None:
            context.say("the docker command is not installed: left out")
            continue
        ours = cold if network == "bridge" else cold_none
        rows.append(Row("latency", "completed, cold, p50", "ms", median(ours[1]),
                        f"docker run --rm --network {network}", value))
        rows.append(Row("latency", "completed, warm, p50", "ms", median(warm[1]),
                        f"docker run --rm --network {network}", value))
    rows.append(Row("latency", "first byte, cold, p50", "ms", median(cold[0]),
                    "raw create and start, bridge", median(raw["bridge"][0])))
    return rows
