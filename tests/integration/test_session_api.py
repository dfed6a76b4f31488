"""The calls that drive a session: steps, their output as frames, signals,
input, the lease, the end."""

import json
import time
from typing import Callable

import pytest

from hub import Hub, wait_for
from session_api import (STDERR, STDOUT, Output, complete, open_session, run_step,
                         start_step)


@pytest.fixture(scope="module")
def live(make_module_hub: Callable[..., Hub]) -> Hub:
    return make_module_hub({"RUNNERHUB_SESSION_FIRST_LEASE": "600",
                            "RUNNERHUB_SESSION_LEASE": "600"}).start()


@pytest.fixture(scope="module")
def session(live: Hub) -> str:
    return open_session(live)


# -- steps and their output --------------------------------------------------------

def test_a_step_streams_both_streams_and_its_end(live: Hub, session: str) -> None:
    out, err, end = run_step(live, session, "both", run="echo out; echo err >&2; exit 7")
    assert (out, err) == (b"out\n", b"err\n")
    assert (end["exitCode"], end["status"]) == (7, "failed")
    assert "exited with code 7" in end["error"]
    out, _, end = run_step(live, session, "words", command=["echo", "a b", "c"])
    assert out == b"a b c\n" and end == {"exitCode": 0, "status": "completed", "error": None}


def test_a_key_is_one_step(live: Hub, session: str) -> None:
    step = start_step(live, session, "once", command=["true"])
    again = live.post(f"/api/jobs/{session}/steps", {"key": "once", "command": ["true"]})
    assert again.status == 200 and again.data == {"step": step}
    with Output(live, session, step) as output:
        assert output.all()[2]["exitCode"] == 0
    shown = live.get(f"/api/jobs/{session}/steps/{step}").data
    assert shown["status"] == "completed" and shown["exitCode"] == 0


def test_output_can_be_taken_up_anywhere(live: Hub, session: str) -> None:
    text = "".join(f"line {n} of many\n" for n in range(20000)).encode()
    step = start_step(live, session, "many",
                      run="i=0; while [ $i -lt 20000 ]; do echo line $i of many; i=$((i+1)); done")
    for skip in (0, 1, 4096, 65536, len(text) - 1, len(text), len(text) + 10):
        with Output(live, session, step, f"?skip={skip}") as output:
            out, err, end = output.all()
            assert out == text[skip:] and err == b"" and end["exitCode"] == 0
    reply = live.get(f"/api/jobs/{session}/steps/{step}/output?format=text&skip=5")
    assert reply.headers["Content-Type"].startswith("text/plain") and reply.body == text[5:]


def test_output_comes_while_the_step_runs(live: Hub, session: str) -> None:
    step = start_step(live, session, "live", command=["cat"], input=True)
    with Output(live, session, step) as output:
        offset = 0
        for word in (b"one\n", b"two\n"):
            reply = live.post(f"/api/jobs/{session}/steps/{step}/input?offset={offset}", word)
            offset += len(word)
            assert reply.data == {"offset": offset}
            assert output.frame() == (STDOUT, word)
        busy = live.post(f"/api/jobs/{session}/steps", {"key": "other", "command": ["true"]})
        assert busy.status == 409 and busy.json["code"] == "step_running"
        gap = live.post(f"/api/jobs/{session}/steps/{step}/input?offset=99", b"x")
        assert gap.status == 409 and gap.json["code"] == "input_gap"
        again = live.post(f"/api/jobs/{session}/steps/{step}/input?offset=4&end=true", b"two\n")
        assert again.data == {"offset": 8}
        assert output.all() == (b"", b"", {"exitCode": 0, "status": "completed", "error": None})


def test_a_signal_reaches_the_step(live: Hub, session: str) -> None:
    step = start_step(live, session, "signal",
                      run="trap 'echo got it >&2; exit 3' INT; echo ready; while :; do sleep 0.05; done")
    with Output(live, session, step) as output:
        assert output.frame() == (STDOUT, b"ready\n")
        assert live.post(f"/api/jobs/{session}/steps/{step}/signal", {"signal": "INT"}).status == 200
        assert output.frame() == (STDERR, b"got it\n")
        assert output.all()[2]["exitCode"] == 3
    over = live.post(f"/api/jobs/{session}/steps/{step}/signal", {"signal": "KILL"})
    assert over.status == 200
    for body in ({"signal": "STOP"}, {"signal": 9}, {}, []):
        assert live.post(f"/api/jobs/{session}/steps/{step}/signal", body).status == 400


def test_the_output_of_a_late_step_begins_at_once(live: Hub) -> None:
    """Its first byte must not wait for all that was written before."""
    session = open_session(live)
    run_step(live, session, "big", command=["sh", "-c", "head -c 60000000 /dev/zero"])
    for n in range(5):
        out, _, _ = run_step(live, session, f"late{n}", command=["echo", f"late {n}"])
        assert out == f"late {n}\n".encode()
    with Output(live, session, 0, "?skip=59999990") as output:
        assert output.all()[0] == b"\0" * 10
    for n in range(5):
        with Output(live, session, n + 1) as output:
            assert output.all()[0] == f"late {n}\n".encode()
    complete(live, session)


@pytest.mark.parametrize("path", ["steps/99/output", "steps/99", "steps/65534/output",
                                  "steps/65535/output", "steps/-1/output", "steps/01/output",
                                  "steps/0x1/output", "steps/1e1", "steps//output",
                                  "steps/18446744073709551616", "steps/%30%31"])
def test_a_step_that_is_none_is_not_found(live: Hub, session: str, path: str) -> None:
    assert live.get(f"/api/jobs/{session}/{path}").status == 404


@pytest.mark.parametrize("query", ["skip=-1", "skip=x", "skip=9223372036854775808", "format=json"])
def test_a_bad_parameter_is_named(live: Hub, session: str, query: str) -> None:
    step = start_step(live, session, f"p{abs(hash(query))}", command=["true"])
    reply = live.get(f"/api/jobs/{session}/steps/{step}/output?{query}")
    assert reply.status == 400 and query.split("=")[0] in reply.json["error"]
    with Output(live, session, step) as output:
        output.all()


def test_output_of_a_job_with_steps(live: Hub) -> None:
    job = live.delegate(["echo one", "echo two; exit 4"])
    live.wait_end(job)
    with Output(live, job, 0) as output:
        assert output.all() == (b"one\n", b"", {"exitCode": 0, "status": "completed", "error": None})
    with Output(live, job, 1) as output:
        out, _, end = output.all()
        assert out == b"two\n" and end["exitCode"] == 4
    assert live.get(f"/api/jobs/{job}/steps/1").data["exitCode"] == 4
    refused = live.post(f"/api/jobs/{job}/heartbeat")
    assert refused.status == 409 and refused.json["code"] == "not_a_session"


# -- the session --------------------------------------------------------------------

def test_the_job_shows_its_session(live: Hub, session: str) -> None:
    job = live.job(session)
    assert job["session"]["leaseUntil"] == job["leaseUntil"] and job["parentId"] is None
    assert job["session"]["containerId"] == job["containerId"]
    plain = live.delegate(["true"])
    assert live.job(plain)["session"] is None
    live.wait_end(plain)


def test_logs_until_running(live: Hub) -> None:
    session = live.delegate()
    reply = live.get(f"/api/jobs/{session}/logs?follow=true&format=json&until=running", timeout=120)
    assert reply.status == 200 and live.job(session)["status"] == "running"
    for line in reply.text.splitlines():
        assert "kind" in json.loads(line)
    complete(live, session)
    reply = live.get(f"/api/jobs/{session}/logs?follow=true&until=running")
    assert reply.status == 200
    for query in ("until=running", "follow=true&until=ended"):
        assert live.get(f"/api/jobs/{session}/logs?{query}").status == 400


def test_a_heartbeat_tells_status_and_lease(live: Hub) -> None:
    session = open_session(live)
    assert live.post(f"/api/jobs/{session}/heartbeat").data == {
        "status": "running", "leaseSeconds": 600}
    complete(live, session, status="failed", exitCode=9, error="the proxy says so")
    job = live.job(session)
    assert (job["status"], job["exitCode"], job["error"]) == ("failed", 9, "the proxy says so")
    assert live.post(f"/api/jobs/{session}/heartbeat").data["status"] == "failed"
    over = live.post(f"/api/jobs/{session}/steps", {"key": "a", "command": ["true"]})
    assert over.status == 409 and over.json["code"] == "session_not_running"


@pytest.mark.parametrize("fields", [{"status": "running"}, {"exitCode": "1"}, {"exitCode": 2 ** 31},
                                    {"error": 1}, {"error": "x" * 4097}])
def test_an_end_that_makes_no_sense_is_refused(live: Hub, session: str, fields: dict) -> None:
    job = live.job(session)
    reply = live.post(f"/api/jobs/{session}/proxy-complete",
                      {"status": "completed", "runId": job["runId"], "jobId": job["jobId"], **fields})
    assert reply.status == 400 and live.job(session)["status"] == "running"


def test_who_reads_the_output_keeps_the_lease(make_hub: Callable[..., Hub]) -> None:
    hub = make_hub({"RUNNERHUB_SESSION_LEASE": "1",
                    "RUNNERHUB_SESSION_FIRST_LEASE": "10"}).start()
    session = open_session(hub)
    step = start_step(hub, session, "quiet", command=["cat"], input=True)
    with Output(hub, session, step):
        begun = hub.job(session)["leaseUntil"]
        wait_for(lambda: hub.job(session)["leaseUntil"] > begun, what="the lease is renewed")
        end = time.monotonic() + 3  # three leases: nothing else keeps it
        wait_for(lambda: time.monotonic() > end)
        assert hub.job(session)["status"] == "running"
    job = hub.wait_status(session, "failed")
    assert job["code"] == "lease_expired"
    with Output(hub, session, step) as output:
        end_frame = output.all()[2]
        assert end_frame["status"] == "failed" and end_frame["error"]


def test_input_is_bounded(live: Hub, session: str) -> None:
    step = start_step(live, session, "bounded", command=["wc", "-c"], input=True)
    path = f"/api/jobs/{session}/steps/{step}/input"
    assert live.post(path, b"x" * (1024 * 1024 + 1)).status == 413
    assert live.post(path + "?end=true", b"x" * (1024 * 1024)).data == {"offset": 1024 * 1024}
    with Output(live, session, step) as output:
        assert output.all()[0].strip() == b"1048576"
