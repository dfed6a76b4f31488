"""Durable delegations per second, beside the Node.js peer.

Both keep their promises: the hub answers "queued" after its fsync, the peer
after PostgreSQL's commit and BullMQ's add (Redis flushes each second). One
job occupies the hub's only slot, so that what is delegated stays queued, as
it does at the peer, which has no worker.
"""

import json
import os
import re
import subprocess
import tempfile

from lib.context import Context, Row
from lib.peer import Peer

TITLE = "durable delegations per second and their latency"

CONNECTIONS = (1, 32, 128)

BODY = json.dumps({
    "jobId": "@@@@@@@@@@@@", "runId": "bench", "repository": "bench/repo",
    "workflow": "Bench", "runnerName": "proxy-bench", "labels": ["self-hosted", "linux"],
    "steps": [{"name": "work", "run": "true"}],
})


def measure(context: Context, port: int) -> dict[int, dict]:
    seconds = 3 if context.quick else 10
    results, first = {}, 0
    for connections in CONNECTIONS:
        results[connections] = context.load(port, "/api/jobs/delegate", connections,
                                            seconds, BODY, first, warmup=2)
        first = results[connections]["next"]
        context.say(f"{connections} connections: {results[connections]['rate']:.0f}/s")
    return results


def measure_hub(context: Context) -> dict[int, dict]:
    context.say("hub")
    with context.hub(RUNNERHUB_CAPACITY="1") as hub:
        hub.start()
        blocker = hub.delegate(["sleep 3600"])
        hub.wait_status(blocker, "running")
        results = measure(context, hub.port)
        # Thousands of queued jobs are not this measure's to run.
        hub.abandon()
    return results


def measure_peer(context: Context) -> tuple[dict[int, dict], int]:
    """The better of two pool sizes at 32 connections, taken whole."""
    best: dict[int, dict] = {}
    best_pool = 0
    for pool in (16, 32):
        context.say(f"peer, {pool} PostgreSQL connections per process")
        with Peer(pool) as peer:
            context.versions.update(peer.versions())
            results = measure(context, peer.port)
        if not best or results[32]["rate"] > best[32]["rate"]:
            best, best_pool = results, pool
    return best, best_pool


def store_ceiling(context: Context) -> dict[int, float]:
    """Inserts per second of the store alone, without HTTP, by how many are
    outstanding; empty when the program is not built."""
    program = os.path.join(context.build, "bench", "store_bench")
    if not os.access(program, os.X_OK):
        context.say(f"{program} is not built: no ceiling to compare with")
        return {}
    context.say("store alone")
    with tempfile.TemporaryDirectory(dir=context.dir) as folder:
        out = subprocess.run([program, folder, "1" if context.quick else "3"],
                             capture_output=True, text=True, check=True).stdout
    return {int(count): float(rate) for count, rate in
            re.findall(r"^inserts +(\d+) outstanding +(\d+) /s", out, re.M)}


def run(context: Context) -> list[Row]:
    ours = measure_hub(context)
    peer, pool = measure_peer(context)
    rows = []
    for connections in CONNECTIONS:
        name = f"{connections} connection{'s' if connections > 1 else ''}"
        aim = "20x" if connections == 32 else None
        rows.append(Row("delegate", f"rate, {name}", "1/s", ours[connections]["rate"],
                        f"peer (pool {pool})", peer[connections]["rate"], aim))
        for p in ("p50", "p99"):
            rows.append(Row("delegate", f"{p}, {name}", "ms", ours[connections][f"{p}_us"] / 1000,
                            f"peer (pool {pool})", peer[connections][f"{p}_us"] / 1000))
    ceiling = store_ceiling(context)
    for connections in CONNECTIONS:
        if connections in ceiling:
            rows.append(Row("delegate", f"rate, {connections} connections", "1/s",
                            ours[connections]["rate"], f"store alone, {connections} outstanding",
                            ceiling[connections]))
    return rows
