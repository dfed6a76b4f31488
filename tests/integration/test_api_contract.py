"""The jobs of the API as its callers know them: delegate, show, list, cancel,
and what a proxy says of its session."""

import json
import re
import subprocess
import uuid
from typing import Any, Callable

import pytest

from engine_api import EngineError
from hub import Hub, Reply, wait_for

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
CONTRACT_FIELDS = {
    "id", "githubJobId", "jobId", "runId", "repository", "workflow", "runnerName",
    "status", "runnerId", "containerId", "labels", "createdAt", "startedAt",
    "completedAt", "exitCode", "error", "metadata"}
NOWHERE = "unix:///nonexistent/engine.sock"
UNKNOWN = "00000000-0000-4000-8000-000000000000"

DELEGATE_BY_CURL = (
    "curl -X POST http://localhost:3000/api/jobs/delegate"
    ' -H "Content-Type: application/json"'
    """ -d '{"jobId":"test-123","runId":"run-456","repository":"test/repo","""
    '"workflow":"Test Workflow","runnerName":"proxy-test",'
    """"labels":["self-hosted","ubuntu-latest"]}'""")


@pytest.fixture(scope="module")
def parked(make_module_hub: Callable[..., Hub]) -> Hub:
    """A hub whose engine is away: jobs are taken, and wait."""
    return make_module_hub({"DOCKER_HOST": NOWHERE}).start()


@pytest.fixture(scope="module")
def live(make_module_hub: Callable[..., Hub]) -> Hub:
    return make_module_hub({"RUNNERHUB_CAPACITY": "4", "RUNNER_MEMORY_MB": "64",
                            "RUNNERHUB_SESSION_FIRST_LEASE": "600"}).start()


def refused(reply: Reply, status: int, *words: str) -> None:
    assert reply.status == status, f"{reply.status} {reply.text}"
    body = reply.json
    assert body["success"] is False and body["code"] and "data" not in body
    for word in words:
        assert word in body["error"], body["error"]


def request(**fields: Any) -> dict[str, Any]:
    return {"jobId": "1", "runId": f"run-{uuid.uuid4()}", "repository": "test/repo", **fields}


# -- the commands of the documentation -----------------------------------------

def test_the_documented_commands_work_without_configuration(make_hub: Callable[..., Hub]) -> None:
    hub = make_hub()
    kept = ("PATH", "PORT", "RUNNERHUB_STATE_DIR", "DOCKER_HOST", "ASAN_OPTIONS", "UBSAN_OPTIONS")
    full, hub.env = hub.env, {k: v for k, v in hub.env.items() if k in kept}
    hub.start()

    def by_hand(command: str) -> Any:
        done = subprocess.run(["sh", "-c", command.replace(":3000", f":{hub.port}")],
                              capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    health = wait_for(lambda: (seen := by_hand("curl http://localhost:3000/health"))
                      ["status"] == "healthy" and seen)
    assert health["checks"] == {"database": "pass", "engine": "pass", "queue": "pass"}
    assert TIME.fullmatch(health["timestamp"])
    first = by_hand(DELEGATE_BY_CURL)
    assert first == {"success": True, "data": {"delegationId": first["data"]["delegationId"],
                                               "status": "queued"}}
    job = hub.job(first["data"]["delegationId"])
    assert job["jobId"] == "test-123" and job["runId"] == "run-456"
    assert job["githubJobId"] is None and job["session"]["containerId"] is None
    assert job["workflow"] == "Test Workflow" and job["runnerName"] == "proxy-test"
    assert job["labels"] == ["self-hosted", "ubuntu-latest"]
    again = by_hand(DELEGATE_BY_CURL)
    assert again["data"]["delegationId"] == first["data"]["delegationId"]
    hub.post(f"/api/jobs/{job['id']}/cancel")
    hub.env = full


# -- delegate --------------------------------------------------------------------

def test_a_job_has_every_field_of_the_contract(parked: Hub) -> None:
    body = request(jobId="4711", workflow="Build", runnerName="proxy-1", labels=["a", "b"],
                   sha="abc", ref="refs/heads/main", eventName="push", actor="ada")
    reply = parked.post("/api/jobs/delegate", body)
    assert reply.status == 201 and reply.data["status"] == "queued"
    assert "warnings" not in reply.json
    job_id = reply.data["delegationId"]
    assert str(uuid.UUID(job_id)) == job_id
    job = parked.job(job_id)
    assert CONTRACT_FIELDS <= job.keys()
    assert job["id"] == job_id and job["githubJobId"] == 4711 and job["jobId"] == "4711"
    assert job["labels"] == ["a", "b"]
    assert TIME.fullmatch(job["createdAt"])
    assert job["metadata"]["delegatedAt"] == job["createdAt"]
    assert job["metadata"]["proxyRunner"] == "proxy-1" and job["metadata"]["sha"] == "abc"
    for field in ("runnerId", "containerId", "startedAt", "completedAt", "exitCode", "error"):
        assert job[field] is None, field


def test_absent_fields_are_null(parked: Hub) -> None:
    job = parked.job(parked.delegate())
    assert job["workflow"] is None and job["runnerName"] is None and job["labels"] == []
    assert job["metadata"]["proxyRunner"] is None and job["priority"] == 50


@pytest.mark.parametrize("field", ["jobId", "runId", "repository"])
def test_a_missing_field_is_named(parked: Hub, field: str) -> None:
    body = request()
    del body[field]
    refused(parked.post("/api/jobs/delegate", body), 400, field)
    refused(parked.post("/api/jobs/delegate", body | {field: None}), 400, field)


def test_a_repeat_answers_the_same_job(parked: Hub) -> None:
    body = request(labels=["x"], steps=[{"run": "true"}])
    first = parked.post("/api/jobs/delegate", body)
    again = parked.post("/api/jobs/delegate", dict(reversed(body.items())))
    assert (first.status, again.status) == (201, 200)
    assert again.data == {"delegationId": first.data["delegationId"], "status": "queued"}
    parked.post(f"/api/jobs/{first.data['delegationId']}/cancel")
    late = parked.post("/api/jobs/delegate", body)
    assert late.status == 200 and late.data == first.data | {"status": "cancelled"}


@pytest.mark.parametrize("change", [{"labels": ["y"]}, {"steps": [{"run": "false"}]},
                                    {"secrets": {"A": "other"}}, {"image": "other"}])
def test_the_same_key_with_other_content_is_a_conflict(parked: Hub, change: dict) -> None:
    body = request(labels=["x"], steps=[{"run": "true"}])
    assert parked.post("/api/jobs/delegate", body).status == 201
    refused(parked.post("/api/jobs/delegate", body | change), 409)
    other_attempt = parked.post("/api/jobs/delegate", body | change | {"attempt": 2})
    assert other_attempt.status == 201


def test_unknown_fields_are_warned_about(parked: Hub) -> None:
    reply = parked.post("/api/jobs/delegate", request(
        colour="red", steps=[{"run": "true", "nmae": "x"}], resources={"disk": 1}))
    assert reply.status == 201
    warnings = "\n".join(reply.json["warnings"])
    for field in ("colour", "steps[0].nmae", "resources.disk"):
        assert field in warnings


# -- show, unknown things ----------------------------------------------------------

@pytest.mark.parametrize("method, path", [
    ("GET", ""), ("GET", "/logs"), ("GET", "/events"), ("POST", "/cancel"),
    ("PATCH", "/status"), ("POST", "/proxy-complete")])
@pytest.mark.parametrize("job_id", [UNKNOWN, "123", "not-a-uuid", UNKNOWN + "0", "%20", "é"])
def test_a_job_that_is_not_there_is_404(parked: Hub, method: str, path: str, job_id: str) -> None:
    body = {"status": "completed", "runId": "r", "jobId": "j"} if method != "GET" else None
    quoted = job_id.replace("é", "%C3%A9")
    reply = parked.request(method, f"/api/jobs/{quoted}{path}", body)
    refused(reply, 404)
    assert reply.json["error"] == "Job not found"


@pytest.mark.parametrize("path", ["/", "/api", "/api/job", "/api/jobs/x/y/z", "/healthz",
                                  "/api/jobs//logs"])
def test_an_unknown_path_is_404(parked: Hub, path: str) -> None:
    reply = parked.get(path)
    refused(reply, 404)
    assert reply.json == {"success": False, "error": "Endpoint not found",
                          "code": "endpoint_not_found"}


def test_another_method_is_405_and_told(parked: Hub) -> None:
    reply = parked.delete("/api/jobs")
    refused(reply, 405)
    assert reply.headers["Allow"] == "GET"


# -- list ------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def seven(parked: Hub) -> list[str]:
    """Seven jobs of a repository of their own, oldest first; two cancelled."""
    ids = [parked.delegate(repository="list/seven") for _ in range(7)]
    for job_id in ids[:2]:
        assert parked.post(f"/api/jobs/{job_id}/cancel").status == 200
    return ids


def ids_of(reply: Reply) -> list[str]:
    return [job["id"] for job in reply.data]


def test_a_list_is_newest_first_in_pages(parked: Hub, seven: list[str]) -> None:
    newest = list(reversed(seven))
    whole = parked.get("/api/jobs?repository=list/seven")
    assert ids_of(whole) == newest
    assert whole.json["success"] is True
    assert whole.json["pagination"] == {"page": 1, "limit": 20, "total": 7, "totalPages": 1}
    for page, expected in ((1, newest[:3]), (2, newest[3:6]), (3, newest[6:]), (4, [])):
        reply = parked.get(f"/api/jobs?repository=list/seven&limit=3&page={page}")
        assert ids_of(reply) == expected
        assert reply.json["pagination"] == {"page": page, "limit": 3, "total": 7, "totalPages": 3}
    for job in whole.data:
        assert CONTRACT_FIELDS <= job.keys()


def test_a_list_by_status(parked: Hub, seven: list[str]) -> None:
    def of(status: str) -> list[str]:
        return ids_of(parked.get(f"/api/jobs?repository=list/seven&status={status}"))
    assert of("cancelled") == [seven[1], seven[0]]
    assert of("queued") == list(reversed(seven[2:]))
    for status in ("pending", "assigned", "running", "completed", "failed"):
        assert of(status) == []


def test_a_list_by_date(parked: Hub, seven: list[str]) -> None:
    def between(**dates: str) -> list[str]:
        query = "".join(f"&{name}={value}" for name, value in dates.items())
        return ids_of(parked.get("/api/jobs?repository=list/seven" + query))
    created = [parked.job(job_id)["createdAt"] for job_id in seven]
    today = created[0][:10]
    newest = list(reversed(seven))
    assert between(startDate=created[0]) == newest
    assert between(startDate="2001-01-01", endDate="2999-12-31T23:59:59Z") == newest
    for never in ({"startDate": "2999-01-01"}, {"endDate": "2001-01-01"}, {"endDate": "0001-01-01"}):
        assert between(**never) == []
    if created[-1][:10] == today:  # a day is meant whole
        assert between(startDate=today, endDate=today) == newest
    late = between(startDate=created[4])
    assert set(late) == {i for i, at in zip(seven, created) if at >= created[4]}


@pytest.mark.parametrize("query, name", [
    ("limit=0", "limit"), ("limit=101", "limit"), ("limit=-1", "limit"), ("limit=abc", "limit"),
    ("limit=", "limit"), ("limit=1e2", "limit"), ("limit=99999999999999999999", "limit"),
    ("page=0", "page"), ("page=-1", "page"), ("page=x", "page"),
    ("status=finished", "status"), ("status=", "status"),
    ("startDate=yesterday", "startDate"), ("endDate=2026-13-01", "endDate"),
    ("startDate=2026-02-30", "startDate"), ("endDate=", "endDate")])
def test_a_bad_value_is_named(parked: Hub, query: str, name: str) -> None:
    refused(parked.get(f"/api/jobs?{query}"), 400, f'"{name}"')


# -- cancel -------------------------------------------------------------------------------

def cancel(hub: Hub, job_id: str) -> int:
    reply = hub.post(f"/api/jobs/{job_id}/cancel")
    assert reply.json["success"] is True and reply.json["message"]
    return reply.status


def test_cancel_while_it_waits(parked: Hub) -> None:
    job_id = parked.delegate(["true"])
    assert cancel(parked, job_id) == 200
    job = parked.job(job_id)
    assert job["status"] == "cancelled" and TIME.fullmatch(job["completedAt"])
    assert job["startedAt"] is None and job["exitCode"] is None and job["error"]
    assert [cancel(parked, job_id) for _ in range(2)] == [200, 200]
    assert parked.job(job_id) == job


def test_cancel_while_it_runs_and_after(live: Hub) -> None:
    job_id = live.delegate(["sleep 86400"])
    live.wait_status(job_id, "running")
    assert {cancel(live, job_id), cancel(live, job_id)} <= {200, 202}
    job = live.wait_end(job_id)
    assert job["status"] == "cancelled" and job["code"] == "cancelled"
    assert cancel(live, job_id) == 200
    done = live.delegate(["true"])
    live.wait_status(done, "completed")
    assert cancel(live, done) == 200
    assert live.job(done)["status"] == "completed"


def test_a_completed_job(live: Hub) -> None:
    job = live.wait_status(live.delegate(["echo hello"]), "completed")
    assert job["exitCode"] == 0 and job["error"] is None
    times = [job[name] for name in ("createdAt", "startedAt", "completedAt")]
    assert all(TIME.fullmatch(at) for at in times) and times == sorted(times)
    assert re.fullmatch("[0-9a-f]{64}", job["containerId"])
    assert live.logs(job["id"]) == "hello\n"


# -- sessions -----------------------------------------------------------------------------

def set_status(hub: Hub, job_id: str, **body: Any) -> Reply:
    return hub.patch(f"/api/jobs/{job_id}/status", body)


def complete(hub: Hub, job: dict, **body: Any) -> Reply:
    return hub.post(f"/api/jobs/{job['id']}/proxy-complete",
                    {"status": "completed", "runId": job["runId"], "jobId": job["jobId"]} | body)


def test_only_a_session_takes_a_status(live: Hub) -> None:
    job_id = live.delegate(["sleep 86400"])
    job = live.wait_status(job_id, "running")
    refused(set_status(live, job_id, status="completed"), 409)
    refused(complete(live, job), 409)
    assert live.job(job_id)["status"] == "running"
    cancel(live, job_id)


def test_a_bad_status_is_refused(parked: Hub) -> None:
    job_id = parked.delegate()
    refused(set_status(parked, job_id, status="done"), 400, "Invalid status")
    refused(set_status(parked, job_id, status=7), 400, "status")
    refused(set_status(parked, job_id), 400, "status")
    refused(parked.patch(f"/api/jobs/{job_id}/status", b"{"), 400, "JSON")
    refused(parked.patch(f"/api/jobs/{job_id}/status", b"[]"), 400, "JSON")


@pytest.mark.parametrize("status", ["pending", "queued", "assigned", "running", "completed"])
def test_a_waiting_session_cannot_skip_its_states(parked: Hub, status: str) -> None:
    job_id = parked.delegate()
    refused(set_status(parked, job_id, status=status), 409)
    assert parked.job(job_id)["status"] == "queued"


def test_a_session_is_driven_to_its_end(live: Hub) -> None:
    job_id = live.delegate(runnerName="proxy-7")
    before = live.wait_status(job_id, "running")
    assert before["session"]["leaseUntil"] and TIME.fullmatch(before["leaseUntil"])
    runner = str(uuid.uuid4())
    reply = set_status(live, job_id, status="running", runnerId=runner)
    assert reply.data["status"] == "running" and reply.data["runnerId"] == runner
    refused(set_status(live, job_id, status="queued"), 409)
    refused(complete(live, before, runId="other"), 409)
    refused(complete(live, before, runId=None), 400, "runId")
    refused(complete(live, before, status=None), 400, "status")
    assert complete(live, before).json == {"success": True, "message": "Completion recorded"}
    job = live.wait_status(job_id, "completed")
    assert job["error"] is None
    assert complete(live, before).status == 200  # said twice
    refused(set_status(live, job_id, status="failed"), 409)
    refused(set_status(live, job_id, status="running"), 409)


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_a_session_ends_as_its_proxy_says(live: Hub, status: str) -> None:
    job_id = live.delegate()
    live.wait_status(job_id, "running")
    assert set_status(live, job_id, status=status).data["status"] == status
    job = live.wait_status(job_id, status)
    assert job["error"]


def container_is_gone(hub: Hub, container: str) -> bool:
    try:
        hub.engine.inspect(container)
        return False
    except EngineError as error:
        return error.status == 404


def test_a_lease_that_nobody_renews_expires(make_hub: Callable[..., Hub]) -> None:
    hub = make_hub({"RUNNERHUB_SESSION_FIRST_LEASE": "1", "RUNNERHUB_SESSION_LEASE": "2"}).start()
    undriven = hub.delegate()
    job = hub.wait_status(undriven, "failed")
    assert job["code"] == "lease_expired" and "1 s" in job["error"]
    assert "nobody drove it" in job["error"]
    wait_for(lambda: container_is_gone(hub, job["containerId"]), what="the container is removed")
    driven = hub.delegate()
    hub.wait_status(driven, "running")
    assert set_status(hub, driven, status="running").status == 200
    job = hub.wait_status(driven, "failed")
    assert job["code"] == "lease_expired" and "the proxy has vanished" in job["error"]


def test_undriven_sessions_hold_half_of_the_capacity(make_hub: Callable[..., Hub]) -> None:
    hub = make_hub({"RUNNERHUB_CAPACITY": "4", "RUNNER_MEMORY_MB": "64",
                    "RUNNERHUB_SESSION_FIRST_LEASE": "600"}).start()
    first, second = hub.delegate(), hub.delegate()
    hub.wait_status(first, "running")
    hub.wait_status(second, "running")
    third = hub.delegate()
    assert hub.job(third)["waiting"]["code"] == "session_limit"
    job = hub.delegate(["true"])  # jobs pass by
    hub.wait_status(job, "completed")
    assert hub.job(third)["waiting"]["code"] == "session_limit"
    assert set_status(hub, first, status="running").status == 200
    hub.wait_status(third, "running")
