"""Lists, lookups and delegations beside a million finished jobs.

One job is run for real; its row is then copied a million times while the
hub is down (its row in jobs, not its history). What a request costs is
compared with the same request beside a thousand.
"""

import os
import sqlite3

from hub import Hub

from lib.context import Context, Row, median
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
        # The store keeps how many jobs of each status it has.
        database.execute("DELETE FROM counters WHERE name LIKE 'present@_%' ESCAPE '@'")
        database.execute("INSERT INTO counters (name, value) SELECT 'present_' || status, "
                         "COUNT(*) FROM jobs GROUP BY status")
    database.close()


def requests(context: Context, hub: Hub) -> dict[str, float]:
    seconds = 1 if context.quick else 3
    times = {f"{name}, p50": context.load(hub.port, path, 1, seconds)["p50_us"] / 1000
             for name, path in PATHS.items()}
    times["delegations, 32 connections"] = context.load(
        hub.port, "/api/jobs/delegate", 32, seconds, BODY)["rate"]
    return times


def with_finished(context: Context, count: int) -> dict[str, float]:
    """What the requests cost beside count finished jobs."""
    context.say(f"{count:,} finished jobs")
    with context.hub(RUNNERHUB_CAPACITY="1") as hub:
        hub.start()
        job_id = hub.wait_end(hub.delegate(["true"]))["id"]
        hub.terminate()
        multiply(os.path.join(hub.state_dir, "runnerhub.db"), job_id, count)
        hub.start(timeout=300)
        total = hub.get("/api/jobs?status=completed&limit=1").json["pagination"]["total"]
        if total != count + 1:
            raise RuntimeError(f"the store counts {total} jobs, not {count + 1}")
        claims = [hub.wait_end(hub.delegate(["true"]))["durations"]["queuedMs"]
                  for _ in range(5)]
        # What is delegated from here on stays queued behind this one.
        blocker = hub.delegate(["sleep 3600"])
        hub.wait_status(blocker, "running")
        times = requests(context, hub)
        times["queued to assigned, p50"] = median(claims)
        hub.abandon()
    return times


def run(context: Context) -> list[Row]:
    few, many = (100, 50_000) if context.quick else (1_000, 1_000_000)
    small, full = with_finished(context, few), with_finished(context, many)
    return [Row("listing", name, "1/s" if name.startswith("delegations") else "ms",
                full[name], f"beside {few:,} jobs", small[name],
                note=f"{many:,} finished jobs") for name in full]
