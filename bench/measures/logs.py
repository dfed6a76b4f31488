"""Log throughput from a container that writes as fast as it can.

Ours is stored and can be read back; beside it the engine's attach (log
driver off, nothing stored) and `docker logs -f` (json-file, stored).
"""

import time

from engine_api import Engine

from lib.context import Context, Row, median
from lib.raw import container, hijack, read_to_end, spec

TITLE = "log throughput of a flooding container"

LINE = "0123456789" * 9 + "012345678"  # 100 bytes with the newline
MIB = 1 << 20


def flood(size: int) -> str:
    # yes dies of SIGPIPE, which a shell with pipefail takes for a failure.
    return f"yes {LINE} | head -c {size} || true"


def hub_rate(context: Context, size: int, runs: int) -> float:
    rates = []
    with context.hub(RUNNERHUB_LOG_MAX_PER_JOB=str(size * 2)) as hub:
        hub.start()
        for _ in range(runs):
            job = hub.wait_end(hub.delegate([flood(size)]), timeout=600)
            if job["status"] != "completed":
                raise RuntimeError(f"job failed: {job.get('error')}")
            stored = len(hub.get(f"/api/jobs/{job['id']}/logs?download=true", timeout=600).body)
            if stored < size:
                raise RuntimeError(f"{stored} of {size} bytes are in the log")
            spent = job["durations"]
            rates.append(size / MIB / ((spent["ranMs"] - spent["firstOutputMs"]) / 1000))
    return median(rates)


def attach_rate(engine: Engine, size: int, runs: int) -> float:
    rates = []
    for _ in range(runs):
        with container(engine, **spec(["sh", "-c", flood(size)])) as made:
            stream = hijack(engine, "POST", f"/containers/{made}/attach?stream=1&stdout=1")
            engine.call("POST", f"/containers/{made}/start")
            stream.recv(1)
            begin = time.perf_counter()
            read_to_end(stream)
            rates.append(size / MIB / (time.perf_counter() - begin))
            stream.close()
    return median(rates)


def logs_rate(engine: Engine, size: int, runs: int) -> float:
    rates = []
    for _ in range(runs):
        made = spec(["sh", "-c", flood(size)], LogConfig={"Type": "json-file"})
        with container(engine, **made) as created:
            engine.call("POST", f"/containers/{created}/start")
            begin = time.perf_counter()
            got = engine.read_all(f"/containers/{created}/logs?follow=1&stdout=1")
            rates.append(size / MIB / (time.perf_counter() - begin))
        if got < size:
            raise RuntimeError(f"docker logs -f gave {got} of {size} bytes")
    return median(rates)


def run(context: Context) -> list[Row]:
    runs = 1 if context.quick else 3
    size = (32 if context.quick else 200) * MIB
    context.say("hub")
    ours = hub_rate(context, size, runs)
    context.say("engine attach")
    attach = attach_rate(context.engine, size, runs)
    context.say("docker logs -f")
    follow = logs_rate(context.engine, size // 4, runs)
    return [
        Row("logs", "100 byte lines, stored", "MiB/s", ours, "engine attach, not stored",
            attach, "2x"),
        Row("logs", "100 byte lines, stored", "MiB/s", ours, "docker logs -f", follow),
    ]
