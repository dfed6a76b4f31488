"""10, 100 and 1,000 queued jobs through a fixed capacity, cold each.

The floor is the engine alone: create, start, wait, remove of `true`
without network, as many at a time as the hub has slots.
"""

import time

from hub import wait_for

from lib.context import Context, Row
from lib.raw import containers_per_second

TITLE = "queued jobs through a fixed capacity"

CAPACITY = 4


def jobs_per_second(context: Context, count: int) -> float:
    with context.hub(RUNNERHUB_CAPACITY=str(CAPACITY)) as hub:
        hub.start()
        begin = time.perf_counter()
        for number in range(count):
            hub.delegate([{"name": "true", "run": "true"}], jobId=f"job-{number}")

        def done() -> bool:
            ended = hub.get("/api/jobs?status=completed&limit=1").json
            failed = hub.get("/api/jobs?status=failed&limit=1").json
            if failed["pagination"]["total"]:
                raise RuntimeError(f"a job failed: {failed['data'][0].get('error')}")
            return ended["pagination"]["total"] == count

        wait_for(done, 60 + count * 2, f"{count} jobs are completed")
        return count / (time.perf_counter() - begin)


def run(context: Context) -> list[Row]:
    counts = (10, 50) if context.quick else (10, 100, 1000)
    context.say("engine alone")
    floor = containers_per_second(context.engine, 20 if context.quick else 60, CAPACITY)
    rows = []
    for count in counts:
        context.say(f"{count} jobs")
        rows.append(Row("queued", f"{count} jobs, {CAPACITY} at a time", "jobs/s",
                        jobs_per_second(context, count), "raw create, start, wait, remove",
                        floor))
    return rows
