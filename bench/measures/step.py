"""What a step beyond the first costs, beside an engine exec."""

from hub import Hub

from lib.context import Context, Row, median
from lib.raw import container, exec_once, spec

TITLE = "cost of a step beyond the first"

MANY = 101


def job_ms(hub: Hub, steps: list) -> float:
    job = hub.wait_end(hub.delegate(steps))
    if job["status"] != "completed":
        raise RuntimeError(f"job failed: {job.get('error')}")
    return job["durations"]["ranMs"]


def per_step(hub: Hub, step: dict, runs: int) -> float:
    costs = []
    for _ in range(runs):
        one = job_ms(hub, [step])
        many = job_ms(hub, [step] * MANY)
        costs.append((many - one) / (MANY - 1))
    return median(costs)


def run(context: Context) -> list[Row]:
    runs = 2 if context.quick else 5
    with context.hub() as hub:
        hub.start()
        context.say("hub")
        shell = per_step(hub, {"name": "true", "run": "true"}, runs)
        direct = per_step(hub, {"name": "true", "command": ["/bin/true"]}, runs)
    context.say("engine exec")
    engine = context.engine
    with container(engine, **spec(["sleep", "3600"])) as made:
        engine.call("POST", f"/containers/{made}/start")
        execs = [exec_once(engine, made, ["/bin/true"]) * 1000 for _ in range(10 * runs)]
    floor = median(execs)
    return [
        Row("step", "a step (run: true)", "ms", shell, "engine exec", floor, "3 ms"),
        Row("step", "a step (command)", "ms", direct, "engine exec", floor, "3 ms"),
    ]
