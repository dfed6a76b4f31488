"""What the worker relay adds to a job's start, and what it holds in memory.

A plain session of the same kind (a work volume, the runner profile, two pipes)
is driven over the API from here: from the delegation to the first byte of its
step. Then the same through the relay, from its start by a listener.
"""

import json
import os
import subprocess
import time
import uuid

import relay_lab
from hub import Hub
from measures.hook import resident_mb

from lib.context import IMAGE, Context, Row, median

TITLE = "the worker relay"


def worker_image(context: Context) -> str:
    """The stand-in of a runner's worker in the bench's image."""
    folder = os.path.join(context.dir, "worker-image")
    os.makedirs(folder)
    subprocess.run(["gcc", "-static", "-O1", "-o", os.path.join(folder, "Runner.Worker"),
                    os.path.join(relay_lab.STANDINS, "worker.c")], check=True)
    with open(os.path.join(folder, "Dockerfile"), "w", encoding="utf-8") as file:
        file.write(f"FROM {IMAGE}\n"
                   "COPY Runner.Worker /home/runner/bin/Runner.Worker\n")
    name = "runnerhub/bench-worker:latest"
    subprocess.run(["docker", "-H", context.engine.host, "build", "-q", "-t", name, folder],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   env={**os.environ, "DOCKER_BUILDKIT": "0"})
    return name


def plain(hub: Hub, image: str) -> float:
    """ms from the delegation until a step of the session runs."""
    begin = time.perf_counter()
    made = hub.post("/api/jobs/delegate", {
        "jobId": "plain", "runId": uuid.uuid4().hex, "repository": "me/app",
        "image": image, "nested": {"work": "/home/runner/_work"}})
    job = made.data["delegationId"]
    hub.get(f"/api/jobs/{job}/logs?follow=true&format=json&until=running")
    step = hub.post(f"/api/jobs/{job}/steps", {"key": "a", "command": ["/bin/true"]})
    hub.get(f"/api/jobs/{job}/steps/{step.data['step']}/output?format=text")
    took = (time.perf_counter() - begin) * 1000
    hub.post(f"/api/jobs/{job}/cancel")
    return took


def relayed(runner: relay_lab.Runner) -> float:
    """ms from the relay's start until its worker's first line came back."""
    begin = time.perf_counter()
    relay = runner.start()
    relay.listener.send_job(relay_lab.job("echo begun; exit 100", github={
        "run_id": str(uuid.uuid4().int % 10**12)}))
    while "begun" not in relay.output:
        if relay.listener.worker.poll() is not None:
            break
        time.sleep(0.0005)
    took = (time.perf_counter() - begin) * 1000
    if relay.wait() != 100:
        raise RuntimeError(relay.output)
    return took


def waiting_mb(runner: relay_lab.Runner) -> float:
    relay = runner.start()
    relay.listener.send_job(relay_lab.job("echo begun; sleep 3600", github={
        "run_id": str(uuid.uuid4().int % 10**12)}))
    relay.wait_output("begun")
    size = resident_mb(relay.pid)
    relay.listener.close()
    return size


def run(context: Context) -> list[Row]:
    runs = 5 if context.quick else 15
    image = worker_image(context)
    with context.hub() as hub:
        hub.start()
        root = os.path.join(context.dir, "relay")
        runner = relay_lab.Runner(
            root, os.path.join(context.build, "src", "worker", "runnerhub-worker-static"),
            hub, image)
        context.say("a plain session")
        plain(hub, image)
        alone = median([plain(hub, image) for _ in range(runs)])
        context.say("through the relay")
        ours = median([relayed(runner) for _ in range(runs)])
        size = waiting_mb(runner)
        runner.close()
    return [
        Row("relay", "start of a job", "ms", ours, "the same session, plain", alone,
            "+ 10 ms", note=f"adds {ours - alone:.1f} ms"),
        Row("relay", "memory of a waiting relay", "MB", size, aim="< 3"),
    ]
