"""Lists, lookups and delegations beside a million finished jobs.

One job is run for real; its row is then copied a million times while the
hub is down. What a request costs is compared with the same request on the
nearly empty store.
"""

import json
import os
import sqlite3

from hub import Hub

from lib.context import Context, Row
from measures.delegate import BODY

TITLE = "listing and claiming with 1,000,000 finished jobs"

PATHS = {
    "newest page": "/api/jobs",
    "by status": "/api/jobs?status=completed",
    "by repository": "/api/jobs?repository=bench/repo7",
    "by both": "/api/jobs?status=completed&repository=bench/repo7",
    "page 100": "/api/jobs?page=100",
}


def multiply(path: str, job_id: str, count: int) -> None:
    """Copies the row of job_id count times under other ids and keys."""
    database = sqlite3.connect(path)
    names = [row[1] for row in database.execute("PRAGMA table_info(jobs)")]
    changed = {
        # Ids of version 7 begin with the time: copies are older, in order.
        "id": "printf('%08x-%04x-7000-8000-%012x', 16777216 + n / 65536, n % 65536, n)",
        "run_id": "'copy-' || n",
        "repository": "'bench/repo' || (n % 100)",
    }
    columns = ", ".join(changed.get(name, name) for name in names)
    with database:
        database.execute(
            f"WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 "
            f"FROM numbers WHERE n < {count}) INSERT INTO jobs ({', '.join(names)}) "
            f"SELECT {columns} FROM jobs, numbers WHERE jobs.id = ?", (job_id,))
    database.close()


def measure(context: Context, hub: Hub) -> dict[str, float]:
    seconds = 1 if context.quick else 3
    times = {}
    for name, path in PATHS.items():
        times[name] = context.load(hub.port, path, 1, seconds)["p50_us"] / 1000
    body = BODY.replace('"runId": "bench"', f'"runId": "{hub.port}-{len(hub.log())}"')
    times["delegate"] = context.load(hub.port, "/api/jobs/delegate", 32, seconds,
                                     body)["rate"]
    return times


def start_to_first_job_ms(hub: Hub) -> float:
    """Claiming: what a job takes from queued to assigned."""
    job = hub.wait_end(hub.delegate(["true"]))
    return job["phases"]["assignedMs"] - job["phases"]["queuedMs"]


def run(context: Context) -> list[Row]:
    count = 50_000 if context.quick else 1_000_000
    with context.hub(RUNNERHUB_CAPACITY="1") as hub:
        hub.start()
        job_id = hub.wait_end(hub.delegate(["true"]))["id"]
        claim_empty = start_to_first_job_ms(hub)
        blocker = hub.delegate(["sleep 3600"])
        hub.wait_status(blocker, "running")
        context.say("nearly empty store")
        empty = measure(context, hub)
        hub.abandon()
        path = os.path.join(hub.state_dir, "runnerhub.db")
        context.say(f"copying a job {count:,} times")
        drop_open_jobs(path)
        multiply(path, job_id, count)
        hub.start(timeout=300)
        claim_full = start_to_first_job_ms(hub)
        blocker = hub.delegate(["sleep 3600"])
        hub.wait_status(blocker, "running")
        context.say("full store")
        total = json.loads(hub.get("/api/jobs?limit=1").body)["pagination"]["total"]
        if total < count:
            raise RuntimeError(f"the store lists {total} jobs, not {count}")
        full = measure(context, hub)
        hub.abandon()
    beside = "the same, nearly empty store"
    rows = [Row("listing", f"{name}, p50", "ms", full[name], beside, empty[name],
                note=f"{count:,} finished jobs") for name in PATHS]
    rows.append(Row("listing", "delegations, 32 connections", "1/s", full["delegate"],
                    beside, empty["delegate"]))
    rows.append(Row("listing", "queued to assigned", "ms", claim_full, beside,
                    max(claim_empty, 0.001)))
    return rows


def drop_open_jobs(path: str) -> None:
    """The delegations of the first half are not the second half's to run."""
    database = sqlite3.connect(path)
    with database:
        database.execute("DELETE FROM jobs WHERE status NOT IN "
                         "('completed', 'failed', 'cancelled')")
    database.close()
