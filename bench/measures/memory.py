"""Memory: idle (its warm pool full), with 1,000 queued jobs, with 100 running; and the agent's.

Private is what no other process shares (smaps_rollup); resident stands
beside it. The peer is the Node.js endpoint, idle, all its processes.
"""

import os

from hub import Hub, wait_for

from lib.context import Context, Row
from lib.peer import Peer
from lib.process import Missing, memory_kb
from measures.latency import warm_ready

TITLE = "memory of the hub and of the agent"


def rows_for(what: str, hub_kb: dict[str, int], beside: str | None = None,
             other_kb: dict[str, int] | None = None, aim: str | None = None) -> list[Row]:
    return [Row("memory", f"{what}, {label}", "MB", hub_kb[key] / 1024, beside,
                other_kb[key] / 1024 if other_kb else None, aim if key == "Private" else None)
            for key, label in (("Private", "private"), ("Rss", "resident"))]


def agent_memory(hub: Hub) -> dict[str, int]:
    """Of one agent: the first process of a running container."""
    made = next(c for c in hub.containers() if c["State"] == "running")
    return memory_kb(hub.engine.inspect(made["Id"])["State"]["Pid"])


def with_queued(context: Context, count: int) -> dict[str, int]:
    with context.hub(RUNNERHUB_CAPACITY="1") as hub:
        hub.start()
        blocker = hub.delegate(["sleep 3600"])
        hub.wait_status(blocker, "running")
        for number in range(count):
            hub.delegate([{"name": "true", "run": "true"}], jobId=f"job-{number}")
        used = memory_kb(hub.pid)
        hub.abandon()
    return used


def with_running(context: Context, count: int) -> tuple[dict[str, int], dict[str, int]]:
    with context.hub(RUNNERHUB_CAPACITY=str(count), RUNNER_MEMORY_MB="64",
                     RUNNERHUB_MEMORY_PERCENT="100") as hub:
        hub.start()
        for number in range(count):
            hub.delegate(["echo started; sleep 3600"], jobId=f"job-{number}")

        def all_run() -> bool:
            answer = hub.get("/api/jobs?status=running&limit=1").json
            return answer["pagination"]["total"] == count

        wait_for(all_run, 60 + 3 * count, f"{count} jobs run")
        used = memory_kb(hub.pid), agent_memory(hub)
    return used


def peer_idle(context: Context) -> dict[str, int] | None:
    try:
        with Peer() as peer:
            return peer.memory_kb()["node"]
    except Missing as missing:
        context.say(f"no peer: {missing}")
        return None


def run(context: Context) -> list[Row]:
    queued, running = (100, 10) if context.quick else (1000, 100)
    context.say("idle")
    with context.hub(RUNNERHUB_POOL_SIZE="2") as hub:
        hub.start()
        wait_for(lambda: warm_ready(hub, 2), 120, "the pool is full")
        hub.get("/api/jobs")
        idle = memory_kb(hub.pid)
    peer = peer_idle(context)
    rows = rows_for("idle", idle, "peer, Node.js processes", peer, "8 MB")
    context.say(f"{queued} queued")
    rows += rows_for(f"{queued} queued", with_queued(context, queued), "idle", idle)
    context.say(f"{running} running")
    hub_kb, agent_kb = with_running(context, running)
    rows += rows_for(f"{running} running", hub_kb, "idle", idle)
    rows += rows_for("one agent", agent_kb)
    agent = os.path.join(context.build, "src", "agent", "runnerhub-agent")
    if os.path.exists(agent):
        rows.append(Row("memory", "agent, file", "kB", os.path.getsize(agent) / 1024))
    return rows
