"""Pause, drain and resume; what the queue tells of itself; the same by the
command line; ended jobs that are run again."""

from typing import Any, Callable

import pytest

from hub import Hub, wait_for


@pytest.fixture(scope="module")
def shared(make_module_hub: Callable[..., Hub]) -> Hub:
    return make_module_hub({"RUNNERHUB_CAPACITY": "2", "RUNNER_MEMORY_MB": "64"}).start()


@pytest.fixture
def hub(shared: Hub) -> Any:
    yield shared
    assert shared.post("/api/queue/resume").data["paused"] is False


def waits(hub: Hub, job: str) -> str:
    waiting = hub.get(f"/api/jobs/{job}").data["waiting"]
    return waiting["code"] if waiting else ""


def mode(hub: Hub) -> tuple[bool, bool]:
    queue = hub.get("/api/queue").data
    assert hub.get("/api/system").data["queue"] == {
        key: queue[key] for key in ("paused", "draining", "since")}
    return queue["paused"], queue["draining"]


def metric(hub: Hub) -> str:
    return next(line.split()[1] for line in hub.get("/metrics").text.splitlines()
                if line.startswith("github_runnerhub_queue_paused "))


# -- the queue as a whole -----------------------------------------------------------

def test_a_paused_queue_accepts_and_starts_nothing(hub: Hub) -> None:
    running = hub.delegate(["until [ -e /tmp/go ]; do sleep 0.05; done"])
    hub.wait_status(running, "running")
    assert hub.post("/api/queue/pause").data["paused"] is True
    assert mode(hub) == (True, False) and metric(hub) == "1"
    waiting = hub.delegate(["echo late"], repository="the/paused")
    assert waits(hub, waiting) == "queue_paused"
    queue = hub.get("/api/queue").data
    assert (queue["waiting"], queue["running"], queue["capacity"]) == (1, 1, 2)
    assert queue["oldestWaitSeconds"] >= 0 and queue["since"]
    assert queue["byRepository"][0] == {"repository": "the/paused",
                                        "waiting": 1, "running": 0}
    assert hub.get("/health").json["status"] == "healthy"
    hub.post(f"/api/jobs/{running}/cancel")  # what runs can be ended
    hub.wait_status(running, "cancelled")
    assert hub.get(f"/api/jobs/{waiting}").data["status"] == "queued"
    assert hub.post("/api/queue/resume").data["paused"] is False
    assert hub.wait_status(waiting, "completed")["exitCode"] == 0
    assert mode(hub) == (False, False) and metric(hub) == "0"
    assert hub.get("/api/queue").data["oldestWaitSeconds"] is None


def test_a_draining_hub_refuses_new_jobs(hub: Hub) -> None:
    assert hub.post("/api/queue/drain").data["draining"] is True
    assert mode(hub) == (True, True)
    refused = hub.post("/api/jobs/delegate", {"jobId": "1", "runId": "1",
                                              "repository": "a/b", "steps": [{"run": "true"}]})
    assert refused.status == 503 and refused.json["code"] == "queue_draining"
    assert int(refused.headers["Retry-After"]) > 0
    hub.post("/api/queue/resume")
    hub.wait_status(hub.delegate(["true"]), "completed")


def test_the_command_line_does_the_same(hub: Hub) -> None:
    assert "paused" in hub.cli("queue", "pause").stdout
    assert mode(hub) == (True, False)
    assert "refused" in hub.cli("queue", "drain").stdout
    assert mode(hub) == (True, True)
    assert hub.cli("queue").stdout.startswith("draining")
    assert hub.cli("queue", "resume").stdout.startswith("open")
    assert hub.cli("queue", "stop").returncode == 2


def test_a_pause_outlives_a_restart_and_is_audited(make_hub: Callable[..., Hub]) -> None:
    hub = make_hub({"RUNNERHUB_CAPACITY": "1"}).start()
    since = hub.post("/api/queue/pause").data["since"]
    job = hub.delegate(["true"])
    hub.kill9()
    hub.start()
    assert mode(hub) == (True, False)
    assert hub.get("/api/queue").data["since"][:19] == since[:19]
    wait_for(lambda: waits(hub, job) == "queue_paused")
    hub.post("/api/queue/resume")
    hub.wait_status(job, "completed")
    actions = [row["action"] for row in hub.get("/api/audit").data]
    assert "queue.pause" in actions and "queue.resume" in actions


# -- one more attempt -----------------------------------------------------------------

def retry(hub: Hub, job: str) -> Any:
    return hub.post(f"/api/jobs/{job}/retry")


def test_an_ended_job_runs_again_with_the_same_content(hub: Hub) -> None:
    first = hub.delegate([{"name": "say", "run": "echo $WORD; exit 3"}], env={"WORD": "again"},
                         workflow="CI", labels=["a"], priority=70, sha="abc", jobId="one")
    before = hub.wait_status(first, "failed")
    reply = retry(hub, first)
    assert reply.status == 201
    second = reply.data["delegationId"]
    after = hub.wait_status(second, "failed")
    assert after["attempt"] == before["attempt"] + 1
    for key in ("jobId", "runId", "repository", "workflow", "labels", "priority", "exitCode"):
        assert after[key] == before[key], key
    assert after["metadata"]["retryOf"] == first and after["metadata"]["sha"] == "abc"
    assert hub.get(f"/api/jobs/{second}/logs").data["logs"] == "again\n"
    repeat = retry(hub, first)  # a second press of the button
    assert repeat.status == 200 and repeat.data["delegationId"] == second


def test_what_cannot_run_again_says_why(hub: Hub) -> None:
    session = hub.delegate()
    hub.wait_status(session, "running")
    assert retry(hub, session).json["code"] == "job_not_ended"
    hub.post(f"/api/jobs/{session}/cancel")
    hub.wait_status(session, "cancelled")
    assert retry(hub, session).json["code"] == "is_session"
    secret = hub.delegate(["true"], secrets={"TOKEN": "hunter2hunter2"})
    job = hub.wait_status(secret, "completed")
    refused = retry(hub, secret)
    assert (refused.status, refused.json["code"], job["hasSecrets"]) == (409, "secrets_gone", True)
    assert retry(hub, "00000000-0000-7000-8000-000000000000").json["code"] == "job_not_found"


def test_the_command_line_waits_for_the_next_attempt(hub: Hub) -> None:
    first = hub.delegate(["echo once more; exit 4"])
    hub.wait_status(first, "failed")
    shown = hub.cli("job", "retry", first, "--follow")
    assert (shown.returncode, shown.stdout) == (4, "once more\n")
    assert hub.cli("job", "retry", first).stdout.strip() != first
