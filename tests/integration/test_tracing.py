"""Trace contexts: taken from requests, kept with jobs, told to their steps,
to webhooks and in every line of the log; and the log itself."""

import json
import os
import re
import signal
from typing import Callable, Iterator

import pytest

from hub import Hub, wait_for
from webhook_lab import Receiver, add

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"
FORM = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


@pytest.fixture(scope="module")
def hub(make_module_hub: Callable[..., Hub]) -> Hub:
    return make_module_hub({"LOG_FORMAT": "json",
                            "RUNNERHUB_WEBHOOKS_ALLOW": "127.0.0.1"}).start()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


def lines(path: str) -> list[dict]:
    with open(path, encoding="utf-8") as log:
        return [json.loads(line) for line in log if line.startswith("{")]


def test_a_trace_goes_through_the_hub_into_the_job(
        hub: Hub, receiver: Receiver) -> None:
    webhook = add(hub, "traced", receiver.url(), events=["job.completed"])
    job_id = hub.delegate(["echo at $TRACEPARENT"], headers={"traceparent": PARENT})
    job = hub.wait_end(job_id)
    assert (job["traceId"], job["traceParent"]) == (TRACE, SPAN)
    told = FORM.search(hub.logs(job_id))
    assert told and told[1] == TRACE and told[2] != SPAN and told[3] == "01"
    sent = receiver.wait("/hook")[0]
    parent = FORM.fullmatch(sent.headers["traceparent"])
    assert parent and parent[1] == TRACE and parent[2] not in (SPAN, told[2])
    assert sent.json["data"]["job"]["traceId"] == TRACE
    about = [line for line in lines(hub.log_path) if line.get("trace_id") == TRACE]
    assert {"job delegated", "job starting", "job running", "step ended",
            "request", "engine asked"} <= {line["msg"] for line in about}
    hub.delete(f"/api/webhooks/{webhook['id']}")


def test_a_request_without_a_valid_one_begins_one(hub: Hub) -> None:
    seen = set()
    for header in (None, "", "00-" + "0" * 32 + f"-{SPAN}-01", PARENT + "-x",
                   PARENT.upper(), f"ff-{TRACE}-{SPAN}-01", "x" * 4000):
        reply = hub.get("/health", headers={} if header is None else {
            "traceparent": header})
        told = FORM.fullmatch(reply.headers["traceresponse"])
        assert told and told[1] != TRACE, header
        seen.add(told[1])
    assert len(seen) == 7
    reply = hub.get("/health", headers={"traceparent": f"42-{TRACE}-{SPAN}-00-later"})
    told = FORM.fullmatch(reply.headers["traceresponse"])
    assert told and told[1] == TRACE and told[3] == "00"


def test_a_job_without_a_traceparent_has_a_trace_of_its_own(hub: Hub) -> None:
    job_id = hub.delegate(["true"])
    job = hub.wait_end(job_id)
    assert re.fullmatch("[0-9a-f]{32}", job["traceId"])
    assert job["traceParent"] is None


def test_the_level_changes_while_the_hub_runs(hub: Hub) -> None:
    def debug_lines() -> int:
        return sum(line["level"] == "debug" for line in lines(hub.log_path))

    def set_level(level: str) -> None:
        assert hub.request("PUT", "/api/system/log-level", {"level": level}).status == 200
        assert hub.get("/api/system").data["logLevel"] == level

    hub.wait_end(hub.delegate(["true"]))
    assert debug_lines() > 0
    set_level("error")
    before = len(lines(hub.log_path))
    hub.wait_end(hub.delegate(["true"]))
    assert len(lines(hub.log_path)) == before
    set_level("debug")
    for bad in ({}, {"level": "loud"}, {"level": 1}, []):
        assert hub.request("PUT", "/api/system/log-level", bad).status == 400
    assert hub.get("/api/system").data["logLevel"] == "debug"


def test_debug_tells_each_decision_and_no_secret(hub: Hub) -> None:
    word = "do-not-tell-4711"
    job_id = hub.delegate(["echo $WORD"], secrets={"WORD": word})
    hub.wait_end(job_id)
    told = {line["msg"] for line in lines(hub.log_path)}
    assert {"engine asked", "job chosen to run", "job changed"} <= told
    asked = [line for line in lines(hub.log_path) if line["msg"] == "engine asked"]
    assert all({"method", "path", "for", "status", "ms"} <= set(line) for line in asked)
    changes = [(line.get("from"), line["to"]) for line in lines(hub.log_path)
               if line["msg"] == "job changed" and line["job"] == job_id
               and line["type"] == "status"]
    assert changes == [("queued", "assigned"), ("assigned", "running"),
                       ("running", "completed")]
    with open(hub.log_path, encoding="utf-8") as log:
        assert word not in log.read()


def test_the_log_goes_to_a_directory_and_is_reopened(make_hub: Callable[..., Hub]) -> None:
    hub = make_hub({"DOCKER_HOST": "unix:///nonexistent/engine.sock",
                    "LOG_FORMAT": "json"})
    directory = os.path.join(hub.dir, "logs", "deep")
    hub.env["LOG_DIR"] = directory
    hub.start()
    path = os.path.join(directory, "runnerhub.log")
    assert any(line["msg"] == "listening" for line in lines(path))
    os.rename(path, path + ".1")
    hub.get("/api/jobs")
    wait_for(lambda: any(line.get("route") == "/api/jobs" for line in lines(path + ".1")),
             what="lines still go to the old file")
    assert not os.path.exists(path)
    os.kill(hub.pid, signal.SIGHUP)
    wait_for(lambda: os.path.exists(path), what="the log is opened again")
    hub.get("/api/runners")
    wait_for(lambda: any(line.get("route") == "/api/runners" for line in lines(path)),
             what="lines go to the new file")
    with open(hub.log_path, encoding="utf-8") as stderr:
        assert '"msg"' not in stderr.read()
    assert hub.terminate() == 0
