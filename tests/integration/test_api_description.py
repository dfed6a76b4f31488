"""What the hub says of itself: openapi.json, metrics, health, system. Each is
held against what the hub really does."""

import os
import re
import uuid
from typing import Any, Callable

import pytest

import json_schema
import prometheus
from fixtures import ROOT
from http_raw import Peer
from hub import Hub, wait_for

NOWHERE = "unix:///nonexistent/engine.sock"


@pytest.fixture(scope="module")
def live(make_module_hub: Callable[..., Hub]) -> Hub:
    """A hub that has done a bit of everything."""
    hub = make_module_hub({"RUNNERHUB_SESSION_FIRST_LEASE": "600"}).start()
    hub.wait_status(hub.delegate([
        {"run": "echo a=1 >> $GITHUB_OUTPUT; echo hi >> $GITHUB_STEP_SUMMARY; echo out"},
        {"run": "exit 3", "continueOnError": True}]), "completed")
    hub.wait_status(hub.delegate(["exit 1"]), "failed")
    session = hub.delegate()
    hub.wait_status(session, "running")
    hub.post(f"/api/jobs/{session}/cancel")
    hub.wait_status(session, "cancelled")
    return hub


@pytest.fixture(scope="module")
def away(make_module_hub: Callable[..., Hub]) -> Hub:
    return make_module_hub({"DOCKER_HOST": NOWHERE}).start()


@pytest.fixture(scope="module")
def document(live: Hub) -> dict[str, Any]:
    return live.get("/api/openapi.json").json


# -- openapi.json -----------------------------------------------------------------

def documented(document: dict) -> set[tuple[str, str]]:
    return {(method.upper(), path) for path, methods in document["paths"].items()
            for method in methods}


def test_every_documented_route_is_served(away: Hub, document: dict) -> None:
    for method, path in documented(document):
        target = (path.replace("{id}", str(uuid.uuid4())).replace("{step}", "0")
                  .replace("{name}", "N"))
        with Peer(away.port) as peer:
            body = b"" if method in ("GET", "DELETE") else b"{}"
            peer.send(f"{method} {target} HTTP/1.1\r\nHost: localhost\r\n"
                      f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
            status, headers = peer.head()
            assert status != 405, f"{method} {path}"
            if "json" in headers["content-type"] and "content-length" in headers:
                text = peer.read_exactly(int(headers["content-length"]))
                assert b"endpoint_not_found" not in text, f"{method} {path}"
    away.post("/api/queue/resume")  # pause and drain were among them


def test_every_served_route_is_documented(document: dict) -> None:
    with open(os.path.join(ROOT, "src/api/routes.c"), encoding="ascii") as source:
        rows = re.findall(r'\{"([A-Z]+)", "(/[^"]*)"', source.read())
    served = {(method, re.sub(r":(\w+)", r"{\1}", path)) for method, path in rows
              if path != "/" and not path.startswith("/dashboard")}  # those are for people
    assert len(served) > 10 and served == documented(document)


def test_every_reference_resolves(document: dict) -> None:
    found = json_schema.refs(document)
    assert len(found) > 20
    for ref in found:
        json_schema.resolve(document, ref)
    used = {ref.rsplit("/", 1)[1] for ref in found}
    assert used == set(document["components"]["schemas"]), "a schema that nothing uses"


def test_path_parameters_are_described(document: dict) -> None:
    for path, methods in document["paths"].items():
        for operation in methods.values():
            in_path = [p["name"] for p in operation["parameters"] if p["in"] == "path"]
            assert in_path == re.findall(r"\{(\w+)\}", path)
            assert operation["summary"]


def answer_schema(document: dict, path: str, method: str = "get") -> dict:
    responses = document["paths"][path][method]["responses"]
    (status,) = set(responses) - {"default"}
    return responses[status]["content"]["application/json"]["schema"]


@pytest.mark.parametrize("path", [
    "/health", "/api/jobs", "/api/jobs?limit=1", "/api/runners", "/api/system",
    "/api/jobs/{id}", "/api/jobs/{id}/logs", "/api/jobs/{id}/logs?format=json",
    "/api/jobs/{id}/events"])
def test_an_answer_is_as_described(live: Hub, document: dict, path: str) -> None:
    schema = answer_schema(document, path.split("?")[0])
    for job in live.get("/api/jobs").data:
        reply = live.get(path.replace("{id}", job["id"]))
        assert reply.status == 200
        json_schema.validate(document, schema, reply.json)
        if "{id}" not in path:
            break


def test_a_delegation_and_an_error_are_as_described(live: Hub, document: dict) -> None:
    schema = answer_schema(document, "/api/jobs/delegate", "post")
    body = {"jobId": "1", "runId": str(uuid.uuid4()), "repository": "a/b", "steps": [
        {"run": "true"}], "unknown": 1}
    reply = live.post("/api/jobs/delegate", body)
    assert reply.status == 201
    json_schema.validate(document, schema, reply.json)
    live.wait_end(reply.data["delegationId"])
    error = document["components"]["schemas"]["Error"]
    for bad in (live.get("/nowhere"), live.get("/api/jobs?limit=0"),
                live.post("/api/jobs/delegate", b"{"), live.get("/api/jobs/x")):
        json_schema.validate(document, error, bad.json)
    accepted = document["components"]["schemas"]["Delegation"]["properties"]
    of_sessions = {"profile", "container", "services", "nested", "keepLog"}
    assert of_sessions < set(accepted)
    for names in (set(accepted) - of_sessions, set(accepted) - {"steps"}):
        fields = body | {name: body.get(name) for name in names} | {"runId": str(uuid.uuid4())}
        if "steps" not in names:
            del fields["steps"]
        reply = live.post("/api/jobs/delegate", fields)
        assert reply.json["warnings"] == ['unknown field "unknown" was ignored']
        live.post(f"/api/jobs/{reply.data['delegationId']}/cancel")
        live.wait_end(reply.data["delegationId"])


# -- metrics -------------------------------------------------------------------------

P = "github_runnerhub_"


def measured_waits(hub: Hub) -> float:
    wait = prometheus.parse(hub.get("/metrics").text)[P + "job_wait_time_seconds"]
    return wait.samples[P + "job_wait_time_seconds_count", ()]


def test_metrics_are_well_formed_and_true(live: Hub) -> None:
    reply = live.get("/metrics")
    assert reply.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    families = prometheus.parse(reply.text)
    wait_for(lambda: measured_waits(live) >= 3, what="three containers are removed")
    kept = {"jobs_total": "counter", "jobs_by_status": "gauge",
            "job_wait_time_seconds": "histogram", "job_duration_seconds": "histogram",
            "runners_total": "untyped", "runners_by_type": "gauge", "runners_by_status": "gauge",
            "pool_utilization": "gauge", "uptime_seconds": "gauge"}
    for name, kind in kept.items():
        assert families[P + name].type == kind, name
    assert families[P + "pool_utilization"].value(repository="") >= 0
    total = {job["status"] for job in live.get("/api/jobs").data}
    assert total >= {"completed", "failed", "cancelled"}
    for status in total:
        there = live.get(f"/api/jobs?status={status}").json["pagination"]["total"]
        assert families[P + "jobs_by_status"].value(status=status) == there
        assert families[P + "jobs_total"].value(status=status) == there
    phases = {dict(labels).get("phase") for _, labels in families[P + "job_phase_seconds"].samples}
    assert len(phases) >= 5
    assert families[P + "engine_up"].value() == 1
    assert families[P + "log_bytes_total"].value() > 0


def test_metrics_have_two_addresses(live: Hub) -> None:
    names = [set(prometheus.parse(live.get(path).text)) for path in ("/metrics", "/api/metrics")]
    assert names[0] == names[1]


def test_a_cancelled_waiting_job_is_counted(away: Hub) -> None:
    def cancelled() -> float:
        families = prometheus.parse(away.get("/metrics").text)
        return families[P + "jobs_total"].value(status="cancelled")
    before = cancelled()
    away.post(f"/api/jobs/{away.delegate()}/cancel")
    assert cancelled() == before + 1


def test_the_longest_wait_is_measured(away: Hub) -> None:
    job_id = away.delegate()

    def oldest() -> float:
        families = prometheus.parse(away.get("/metrics").text)
        return families[P + "queue_oldest_wait_seconds"].value()
    wait_for(lambda: oldest() > 0)
    assert prometheus.parse(away.get("/metrics").text)[P + "queue_waiting"].value() >= 1
    away.post(f"/api/jobs/{job_id}/cancel")


# -- health ------------------------------------------------------------------------------

def test_health_of_a_hub_that_can_work(live: Hub) -> None:
    reply = wait_for(lambda: (r := live.get("/health")).status == 200 and r)
    assert "success" not in reply.json and reply.json["status"] == "healthy"
    assert reply.json["checks"] == {"database": "pass", "engine": "pass", "queue": "pass"}


def test_health_while_the_engine_is_away(away: Hub) -> None:
    reply = away.get("/health")
    assert reply.status == 503 and reply.json["status"] == "degraded"
    assert reply.json["checks"] == {"database": "pass", "engine": "fail", "queue": "pass"}
    job_id = away.delegate(["true"])

    def waiting() -> Any:
        return (job := away.job(job_id))["waiting"]["code"] == "engine_down" and job
    job = wait_for(waiting, what="the job says why it waits")
    assert job["status"] == "queued" and "engine" in job["waiting"]["reason"]
    assert away.post(f"/api/jobs/{job_id}/cancel").status == 200
    assert away.job(job_id)["status"] == "cancelled"
    assert away.job(job_id)["waiting"] is None


def test_the_engines_absence_is_told_with_its_reason(away: Hub) -> None:
    engine = wait_for(lambda: (e := away.get("/api/system").data["engine"])["error"] and e)
    assert engine["up"] is False and "/nonexistent/engine.sock" in engine["error"]
    assert engine["host"] == NOWHERE


def test_head_is_answered_like_get(live: Hub) -> None:
    with Peer(live.port) as peer:
        peer.send(b"HEAD /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        reply = peer.reply(to_head=True)
        assert reply.status == 200 and int(reply.headers["content-length"]) > 50
        assert peer.ask(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").status == 200
