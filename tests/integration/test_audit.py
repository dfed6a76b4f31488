"""The audit log: what requests leave in it, reading, exporting, checking it."""

import csv
import io
import json
import os
import sqlite3
import subprocess
from typing import Any, Callable

import pytest

from hub import Hub, Reply, wait_for

NOWHERE = "unix:///nonexistent/engine.sock"
KEY = "a-key-of-the-tests-0123456789"
AUTH = {"Authorization": f"Bearer {KEY}"}


@pytest.fixture(scope="module")
def locked(make_module_hub: Callable[..., Hub]) -> Hub:
    return make_module_hub({"DOCKER_HOST": NOWHERE, "RUNNERHUB_API_KEY": KEY}).start()


def audit(hub: Hub, query: str = "") -> list[dict[str, Any]]:
    reply = hub.get(f"/api/audit?limit=1000{query}", headers=AUTH)
    assert reply.status == 200, reply.text
    return reply.data


def entry_of(hub: Hub, reply: Reply) -> dict[str, Any]:
    """What that request left: it is written behind the answer."""
    request = reply.headers["X-Request-Id"]
    return wait_for(lambda: next((row for row in audit(hub)
                                  if row["requestId"] == request), None),
                    what="the row of the request")


def run(hub: Hub, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([hub.binary, *words, "--url", hub.url], text=True,
                          env={**os.environ, "RUNNERHUB_TOKEN": KEY, "NO_COLOR": "1"},
                          capture_output=True)


def delegate(hub: Hub, **fields: Any) -> Reply:
    return hub.post("/api/jobs/delegate", {
        "jobId": "1", "repository": "acme/app", "steps": [{"run": "true"}],
        **fields}, headers=AUTH)


def test_a_delegation_and_its_cancellation(locked: Hub) -> None:
    made = delegate(locked, runId="audited", secrets={"TOKEN": "hush-hush-4711"})
    job = made.data["delegationId"]
    row = entry_of(locked, made)
    assert (row["action"], row["object"], row["result"]) == ("job.delegate", job, "ok")
    assert (row["actor"], row["status"]) == ("key", 201)
    assert row["address"].startswith("127.0.0.1:")
    assert row["detail"] == {"repository": "acme/app"}
    cancelled = locked.post(f"/api/jobs/{job}/cancel", headers=AUTH)
    row = entry_of(locked, cancelled)
    assert (row["action"], row["object"]) == ("job.cancel", job)
    assert "hush-hush-4711" not in json.dumps(audit(locked))


def test_what_failed_and_what_was_refused(locked: Hub) -> None:
    bad = delegate(locked)  # no runId
    assert bad.status == 400
    row = entry_of(locked, bad)
    assert (row["action"], row["result"], row["status"]) == ("job.delegate", "failed", 400)
    for path, headers in (("/api/jobs", {}), ("/api/jobs", {"X-API-Key": "wrong"}),
                          ("/api/audit", {})):
        refused = locked.get(path, headers=headers)
        assert refused.status == 401
        row = entry_of(locked, refused)
        assert (row["actor"], row["action"], row["result"]) == (
            "nobody", f"GET {path}", "refused")
    assert entry_of(locked, locked.delete("/api/runners/nobody"))["action"] == "runner.remove"


def test_tokens_of_runners(locked: Hub) -> None:
    made = locked.post("/api/runners/register", {"name": "audited-1"}, headers=AUTH)
    token = made.data["token"]
    assert entry_of(locked, made)["action"] == "runner.register"
    again = locked.get("/api/jobs/delegate", headers={"Authorization": f"Bearer {token}"})
    assert again.status in (404, 405)
    forbidden = locked.get("/api/audit", headers={"Authorization": f"Bearer {token}"})
    assert forbidden.status == 403
    row = entry_of(locked, forbidden)
    assert row["actor"] == f"runner:{made.data['id']}" and row["result"] == "refused"
    assert token not in json.dumps(audit(locked))


def test_reads_leave_nothing(locked: Hub) -> None:
    reply = locked.get("/api/jobs", headers=AUTH)
    marker = locked.post("/api/runners/register", {"name": "marker"}, headers=AUTH)
    entry_of(locked, marker)
    assert reply.headers["X-Request-Id"] not in {row["requestId"] for row in audit(locked)}


def test_a_flood_of_refusals_is_counted(make_hub: Callable[..., Hub]) -> None:
    hub = make_hub({"DOCKER_HOST": NOWHERE, "RUNNERHUB_API_KEY": KEY}).start()
    for _ in range(150):
        assert hub.get("/api/jobs", headers={"X-API-Key": "guess"}).status == 401

    def told() -> bool:
        hub.get("/api/jobs", headers={"X-API-Key": "guess"})
        return any(row["detail"] for row in audit(hub))
    wait_for(told, what="a row tells how many were not written")
    rows = [row for row in audit(hub) if row["result"] == "refused"]
    hidden = sum(row["detail"]["suppressed"] for row in rows if row["detail"])
    assert hidden > 0 and len(rows) < 150 and len(rows) + hidden >= 150


def test_pages_and_filters(locked: Hub) -> None:
    made = [delegate(locked, runId=f"page-{n}") for n in range(5)]
    entry_of(locked, made[-1])
    first = locked.get("/api/audit?limit=2&action=job.delegate", headers=AUTH)
    assert [row["object"] for row in first.data] == [
        made[4].data["delegationId"], made[3].data["delegationId"]]
    following = locked.get(f"/api/audit?limit=2&action=job.delegate&before={first.json['next']}",
                           headers=AUTH)
    assert following.data[0]["object"] == made[2].data["delegationId"]
    up = locked.get("/api/audit?after=0&limit=3", headers=AUTH)
    assert [row["seq"] for row in up.data] == [1, 2, 3]
    assert audit(locked, "&actor=stranger") == []
    assert locked.get("/api/audit?limit=0", headers=AUTH).status == 400
    assert locked.get("/api/audit?startDate=x", headers=AUTH).status == 400


def test_export(locked: Hub) -> None:
    delegate(locked, runId="export", repository="acme/app")
    entry_of(locked, locked.delete("/api/runners/=1+1", headers=AUTH))
    lines = run(locked, "audit", "export").stdout.splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))
    table = list(csv.DictReader(io.StringIO(
        run(locked, "audit", "export", "--format", "csv").stdout, newline="")))
    assert [row["hash"] for row in table][:len(rows)] == [row["hash"] for row in rows]
    # No cell is a formula.
    assert any(row["object"] == "'=1+1" for row in table)
    assert locked.get("/api/audit/export?format=xml", headers=AUTH).status == 400


def test_verify_and_list_for_people(locked: Hub) -> None:
    made = delegate(locked, runId="people")
    entry_of(locked, made)
    intact = run(locked, "audit", "verify")
    assert intact.returncode == 0 and "Intact." in intact.stdout, intact
    noted = intact.stdout.split()[-1]
    assert run(locked, "audit", "verify", "--noted", noted).returncode == 0
    wrong = noted[:-4] + ("0000" if not noted.endswith("0000") else "1111")
    broken = run(locked, "audit", "verify", "--noted", wrong)
    assert broken.returncode == 1 and "was noted" in broken.stdout
    assert run(locked, "audit", "verify", "--noted", "nonsense").returncode == 1
    shown = run(locked, "audit", "list", "--action", "job.delegate", "-n", "1")
    assert made.data["delegationId"] in shown.stdout and "--before=" in shown.stderr


def test_meddling_shows(make_hub: Callable[..., Hub]) -> None:
    hub = make_hub({"DOCKER_HOST": NOWHERE, "RUNNERHUB_API_KEY": KEY}).start()
    for n in range(3):
        last = hub.post("/api/runners/register", {"name": f"r-{n}"}, headers=AUTH)
    entry_of(hub, last)
    hub.terminate()
    with sqlite3.connect(os.path.join(hub.state_dir, "runnerhub.db")) as db:
        db.execute("UPDATE audit_logs SET actor = 'somebody else' WHERE seq = 2")
    hub.start()
    report = hub.get("/api/audit/verify", headers=AUTH).data
    assert report["intact"] is False and report["brokenAt"] == 2


def test_a_kill_loses_no_row_that_was_seen(make_hub: Callable[..., Hub]) -> None:
    hub = make_hub({"DOCKER_HOST": NOWHERE, "RUNNERHUB_API_KEY": KEY}).start()
    entry_of(hub, hub.post("/api/runners/register", {"name": "r"}, headers=AUTH))
    hub.kill9()
    hub.start()
    entry_of(hub, hub.post("/api/runners/register", {"name": "s"}, headers=AUTH))
    report = hub.get("/api/audit/verify", headers=AUTH).data
    assert report["intact"] and report["rows"] == 2
