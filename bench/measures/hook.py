"""What a step of a container hook costs, beside docker exec and the raw API.

The same program in both modes, started as the runner starts it: bash, the
shim, one line on stdin. What bash alone takes stands beside it.
"""

import os
import subprocess
import time

from hook_runner import Direct, Runner, ThroughHub

from lib.context import IMAGE, Context, Row, median
from lib.raw import exec_once

TITLE = "a container hook's step"


def timed(runs: int, call) -> float:
    costs = []
    for _ in range(runs):
        begin = time.perf_counter()
        call()
        costs.append((time.perf_counter() - begin) * 1000)
    return median(costs)


def resident_mb(pid: int) -> float:
    """RssAnon and the rest: what /proc calls VmRSS."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        for line in file:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    raise RuntimeError(f"process {pid} shows no VmRSS")


def waiting_mb(runner: Runner) -> float:
    """A client whose step sleeps."""
    call = runner.start("run_script_step", runner.script("echo begun\nsleep 3600\n"))
    while "begun" not in call.read_line():
        pass
    size = resident_mb(call.process.pid)
    call.cancel()
    call.end()
    return size


def step_args(runner: Runner) -> dict:
    return runner.step_args("/bin/true")


def measure(context: Context, backend, runs: int) -> tuple[float, float, str]:
    """The step's time, the waiting client's memory, and the container."""
    root = os.path.join(context.dir, f"runner-{backend.kind}")
    os.makedirs(root)
    # The build's static client: it is what gets installed.
    runner = Runner(os.path.join(context.build, "src", "hook", "runnerhub-hook-static"),
                    context.engine, root, backend)
    try:
        runner.prepare(runner.container(IMAGE)).ok()
        args = step_args(runner)
        runner.call("run_script_step", args).ok()
        cost = timed(runs, lambda: runner.call("run_script_step", args).ok())
        return cost, waiting_mb(runner), runner.containers()[0]["Id"]
    finally:
        runner.close()


def peers(context: Context, runs: int) -> tuple[float, float, float]:
    """docker exec, the raw API, and bash with the shim's work alone."""
    from lib.raw import container, spec
    with container(context.engine, **spec(["sleep", "3600"])) as made:
        context.engine.call("POST", f"/containers/{made}/start")
        command = ["docker", "-H", context.engine.host, "exec", "-i", made, "/bin/true"]
        docker = timed(runs, lambda: subprocess.run(command, check=True,
                                                    stdin=subprocess.DEVNULL))
        raw = timed(runs, lambda: exec_once(context.engine, made, ["/bin/true"]))
    bash = timed(runs, lambda: subprocess.run(["bash", "-e", "-c", "exec /bin/true"],
                                              check=True))
    return docker, raw, bash


def run(context: Context) -> list[Row]:
    runs = 10 if context.quick else 40
    with context.hub(RUNNERHUB_WORK_ROOTS=context.dir) as hub:
        hub.start()
        context.say("through the hub")
        ours, ours_mb, _ = measure(context, ThroughHub(hub), runs)
    context.say("direct")
    direct, direct_mb, _ = measure(context, Direct(context.engine), runs)
    context.say("docker exec, raw API")
    docker, raw, bash = peers(context, runs)
    floor = f"{bash:.1f} ms of it are bash"
    return [
        Row("hook", "step through the hub", "ms", ours, "docker exec", docker,
            "far below", note=floor),
        Row("hook", "step through the hub", "ms", ours, "raw API exec", raw, "far below"),
        Row("hook", "step, direct", "ms", direct, "docker exec", docker),
        Row("hook", "step, direct", "ms", direct, "raw API exec", raw, "+ 5 ms"),
        Row("hook", "memory of a waiting client, hub", "MB", ours_mb, aim="< 3"),
        Row("hook", "memory of a waiting client, direct", "MB", direct_mb, aim="< 3"),
    ]
