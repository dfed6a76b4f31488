"""Sessions through everything that happens to them: restarts and deaths of the
hub in the middle of a step, leases, ends, sessions inside of sessions."""

import contextlib
import json
import threading
from typing import Any, Callable, Iterator

import pytest

from engine_api import Engine
from hub import Hub, Reply, wait_for
from session_api import (END, STDOUT, Output, complete, open_session, run_step,
                         start_step)
from survival import (check_history, check_nothing_left,
                      check_steps_once, marks, wait_dead)

LEASE = {"RUNNERHUB_SESSION_FIRST_LEASE": "600", "RUNNERHUB_SESSION_LEASE": "600"}


@pytest.fixture(scope="module")
def live(make_module_hub: Callable[..., Hub]) -> Hub:
    return make_module_hub({**LEASE, "RUNNERHUB_CAPACITY": "4"}).start()


@pytest.fixture
def session(live: Hub) -> Iterator[str]:
    opened = open_session(live)
    yield opened
    if live.job(opened)["status"] == "running":
        complete(live, opened)


def post_step(hub: Hub, session: str, key: str, **fields: Any) -> Reply:
    return hub.post(f"/api/jobs/{session}/steps", {"key": key, **fields})


def send_input(hub: Hub, session: str, step: int, offset: int, data: bytes,
               end: bool = False) -> Reply:
    return hub.post(f"/api/jobs/{session}/steps/{step}/input?offset={offset}"
                    f"&end={'true' if end else 'false'}", data,
                    headers={"Content-Type": "application/octet-stream"})


def finish(hub: Hub, session: str, step: int) -> tuple[bytes, dict[str, Any]]:
    """All that the step wrote, from its first byte, and its end."""
    with Output(hub, session, step) as output:
        out, _, end = output.all()
    return out, end


# -- steps ------------------------------------------------------------------------


def test_steps_follow_one_another_in_one_place(live: Hub, session: str) -> None:
    assert run_step(live, session, "a", run="echo kept > file; exit 3")[2]["exitCode"] == 3
    out, _, end = run_step(live, session, "b", name="look", command=["cat", "file"])
    assert out == b"kept\n" and end["exitCode"] == 0
    first, second = live.job(session)["steps"]
    assert (first["status"], first["exitCode"]) == ("failed", 3)
    assert (second["name"], second["status"]) == ("look", "completed")
    complete(live, session, status="failed", exitCode=3, error="as told")
    job = live.job(session)
    assert (job["exitCode"], job["error"]) == (3, "as told")
    assert [s["exitCode"] for s in job["steps"]] == [3, 0]


def test_one_step_at_a_time(live: Hub, session: str) -> None:
    step = start_step(live, session, "first", command=["cat"], input=True)
    refused = post_step(live, session, "second", command=["true"])
    assert (refused.status, refused.json["code"]) == (409, "step_running")
    assert post_step(live, session, "first", command=["cat"], input=True).status == 200
    assert send_input(live, session, step, 0, b"", end=True).status == 200
    assert finish(live, session, step)[1]["exitCode"] == 0
    assert run_step(live, session, "second", command=["true"])[2]["exitCode"] == 0


def test_arguments_and_variables_arrive_as_they_are(live: Hub, session: str) -> None:
    out, _, _ = run_step(live, session, "args", workingDirectory="/", command=[
        "sh", "-c", 'printf "%s|" "$#" "$1" "$2"; pwd', "sh", "", "a b\n"])
    assert out == b"2||a b\n|/\n"
    out, _, _ = run_step(live, session, "env", command=["env"],
                         env={"INPUT_FETCH-DEPTH": "1\n2", "EMPTY": ""},
                         prependPath=["/first", "/second"])
    assert b"\nINPUT_FETCH-DEPTH=1\n2\n" in out and b"\nEMPTY=\n" in out
    assert b"PATH=/first:/second:/" in out


@pytest.mark.parametrize("body", [{"command": ["true"]}, {"key": "k"}, {"key": "k", "run": 7},
                                  {"key": "k", "container": {"image": "x"}}])
def test_a_wrong_step_is_refused_and_none(live: Hub, session: str, body: dict) -> None:
    assert live.post(f"/api/jobs/{session}/steps", body).status == 400
    assert live.job(session)["steps"] == []


def test_a_step_too_large_for_one_frame(live: Hub, session: str) -> None:
    large = {"BIG": "x" * (1024 * 1024)}
    reply = post_step(live, session, "large", command=["true"], env=large)
    assert reply.json["code"] == "step_too_large" and live.job(session)["steps"] == []


def test_who_is_no_running_session_takes_no_steps(live: Hub, session: str) -> None:
    complete(live, session)
    over = post_step(live, session, "late", command=["true"])
    assert (over.status, over.json["code"]) == (409, "session_not_running")
    job = live.delegate(["true"])
    refused = post_step(live, job, "a", command=["true"])
    assert (refused.status, refused.json["code"]) == (409, "not_a_session")
    live.wait_end(job)


# -- input ------------------------------------------------------------------------


def test_input_of_any_length_arrives(live: Hub, session: str) -> None:
    step = start_step(live, session, "sum", command=["sha256sum"], input=True)
    data, at = bytes(range(256)) * 4096 * 3, 0
    while at < len(data):
        piece = data[at:at + 700_001]
        reply = send_input(live, session, step, at, piece, end=at + len(piece) == len(data))
        at += len(piece)
        assert reply.data == {"offset": at}
    import hashlib
    assert finish(live, session, step)[0].split()[0].decode() == hashlib.sha256(data).hexdigest()


def test_input_repeated_missing_and_too_late(live: Hub, session: str) -> None:
    step = start_step(live, session, "rules", command=["cat"], input=True)
    assert send_input(live, session, step, 0, b"one ").data == {"offset": 4}
    assert send_input(live, session, step, 0, b"one ").data["offset"] == 4
    assert send_input(live, session, step, 2, b"e two ").data == {"offset": 8}
    gap = send_input(live, session, step, 9, b"x")
    assert (gap.status, gap.json["code"]) == (409, "input_gap") and "8" in gap.json["error"]
    assert send_input(live, session, step, 8, b"end", end=True).data == {"offset": 11}
    assert finish(live, session, step)[0] == b"one two end"
    assert send_input(live, session, step, 11, b"late").status == 200
    assert send_input(live, session, 99, 0, b"x").status == 404


def test_a_step_that_does_not_read_holds_its_proxy_back(live: Hub, session: str) -> None:
    step = start_step(live, session, "slow", input=True, run="sleep 600")
    answers: list[Reply] = []
    sender = threading.Thread(target=lambda: answers.append(
        send_input(live, session, step, 0, b"x" * 1_000_000)))
    sender.start()
    assert live.post(f"/api/jobs/{session}/steps/{step}/signal",
                     {"signal": "KILL"}).status == 200
    sender.join(60)
    assert answers[0].status == 200, answers[0].text  # nobody takes the rest
    assert finish(live, session, step)[1]["exitCode"] == 137


# -- ends -------------------------------------------------------------------------


def test_an_end_with_a_running_step_reaches_its_followers(live: Hub, session: str) -> None:
    step = start_step(live, session, "endless", run="echo begun; sleep 600")
    with Output(live, session, step) as output:
        assert output.frame() == (STDOUT, b"begun\n")
        complete(live, session)
        stream, end = output.frame()
    assert stream == END and json.loads(end)["exitCode"] != 0
    assert live.job(session)["steps"][0]["status"] == "failed"


def test_a_cancelled_step_says_its_last_words(live: Hub, session: str) -> None:
    step = start_step(live, session, "trap",
                      run="trap 'echo last words; exit 9' TERM; echo begun; "
                          "while :; do sleep 0.05; done")
    with Output(live, session, step) as output:
        assert output.frame() == (STDOUT, b"begun\n")
        live.post(f"/api/jobs/{session}/cancel")
        out, _, end = output.all()
    assert out == b"last words\n" and end["exitCode"] == 9
    assert live.wait_end(session)["status"] == "cancelled"


def test_a_container_that_dies_ends_step_and_session(live: Hub, session: str,
                                                     engine: Engine) -> None:
    step = start_step(live, session, "victim", run="echo begun; sleep 600")
    with Output(live, session, step) as output:
        assert output.frame() == (STDOUT, b"begun\n")
        engine.remove(live.job(session)["containerId"])
        end = output.all()[2]
    assert end["exitCode"] == 137 and end["error"]
    job = live.wait_end(session)
    assert (job["status"], job["code"]) == ("failed", "container_died")


def test_a_vanished_proxy_frees_its_container(make_hub: Callable[..., Hub]) -> None:
    hub = make_hub({"RUNNERHUB_SESSION_LEASE": "1"}).start()
    session = open_session(hub)
    step = start_step(hub, session, "left", run="sleep 600")
    job = hub.wait_end(session)
    assert (job["status"], job["code"]) == ("failed", "lease_expired")
    assert finish(hub, session, step)[1]["exitCode"] == 137
    assert "github_runnerhub_session_leases_lost_total 1\n" in hub.get("/metrics").text
    check_nothing_left(hub)


def test_a_session_has_a_limit_of_its_own(make_hub: Callable[..., Hub]) -> None:
    """A job of GitHub may run for hours; the hub's limit is for its own steps."""
    hub = make_hub({"RUNNER_JOB_TIMEOUT": "1000", "RUNNERHUB_SESSION_TIMEOUT": "3s"}).start()
    session = open_session(hub)
    job = hub.wait_status(session, "failed")
    assert job["code"] == "job_timeout" and "3 s" in job["error"]


def test_a_log_that_nobody_shall_keep(live: Hub) -> None:
    session = open_session(live, keepLog=False)
    out, _, _ = run_step(live, session, "a", run="echo a secret")
    assert out == b"a secret\n"
    complete(live, session)
    job = live.job(session)
    assert [s["exitCode"] for s in job["steps"]] == [0]
    wait_for(lambda: "a secret" not in live.logs(session), what="the log is gone")


# -- restarts ---------------------------------------------------------------------


WORK = "i=0; while [ $i -lt 400 ]; do echo line $i; i=$((i+1)); sleep 0.005; done; exit 4"


def follow(hub: Hub, session: str, step: int, have: bytes) -> tuple[bytes, dict | None]:
    """Goes on behind what it has, until the end or the connection's."""
    try:
        with Output(hub, session, step, f"?skip={len(have)}") as output:
            for stream, data in output.frames():
                if stream == END:
                    return have, json.loads(data)
                have += data
    except (OSError, AssertionError):
        pass  # the hub went
    return have, None


@pytest.mark.parametrize("how", ["terminate", "kill9"])
def test_a_step_outlives_the_hub(make_hub: Callable[..., Hub], how: str) -> None:
    hub = make_hub({**LEASE, "RUNNERHUB_SHUTDOWN_MODE": "handover"}).start()
    session = open_session(hub)
    assert run_step(hub, session, "before", run="echo before")[0] == b"before\n"
    step = start_step(hub, session, "work", run=WORK)
    have, end = b"", None
    with Output(hub, session, step) as output:
        have += output.frame()[1]
    getattr(hub, how)()
    hub.start()
    again = wait_for(lambda: (r := post_step(hub, session, "work", run=WORK)).status != 503
                     and r, what="the session is taken over")
    assert again.status == 200 and again.data == {"step": step}
    while end is None:
        have, end = follow(hub, session, step, have)
    assert have.decode().splitlines() == [f"line {n}" for n in range(400)]
    assert end["exitCode"] == 4
    assert run_step(hub, session, "after", run="echo after")[0] == b"after\n"
    assert [s["exitCode"] for s in hub.job(session)["steps"]] == [0, 4, 0]
    check_steps_once(hub, session)
    complete(hub, session)
    check_history(hub, session)
    check_nothing_left(hub)


@pytest.mark.parametrize("how", ["terminate", "kill9"])
def test_input_outlives_the_hub(make_hub: Callable[..., Hub], how: str) -> None:
    hub = make_hub({**LEASE, "RUNNERHUB_SHUTDOWN_MODE": "handover"}).start()
    session = open_session(hub)
    step = start_step(hub, session, "cat", command=["cat"], input=True)
    first, second = b"a" * 100_000, b"b" * 400_000
    assert send_input(hub, session, step, 0, first).data == {"offset": len(first)}
    getattr(hub, how)()
    hub.start()
    # An answer that was lost: all of it once more, from what it knew.
    reply = wait_for(lambda: (r := send_input(hub, session, step, 0, first)).status != 503 and r,
                     what="the session is taken over")
    assert reply.status == 200 and reply.data["offset"] >= len(first)
    assert send_input(hub, session, step, len(first), second, end=True).status == 200
    out, end = finish(hub, session, step)
    assert out == first + second and end["exitCode"] == 0
    complete(hub, session)


def test_calls_of_a_hub_that_stops_are_repeated(make_hub: Callable[..., Hub]) -> None:
    hub = make_hub({**LEASE, "RUNNERHUB_SHUTDOWN_MODE": "handover"}).start()
    session = open_session(hub)
    step = start_step(hub, session, "slow", input=True, run="sleep 600")
    answers: list[int] = []

    def send() -> None:
        try:
            answers.append(send_input(hub, session, step, 0, b"x" * 1_000_000).status)
        except OSError:
            answers.append(0)  # the connection went with the hub
    sender = threading.Thread(target=send)
    sender.start()
    hub.terminate()
    sender.join(60)
    assert answers[0] in (0, 503)
    hub.start()
    wait_for(lambda: hub.post(f"/api/jobs/{session}/steps/{step}/signal",
                              {"signal": "KILL"}).status == 200, what="it is taken over")
    assert finish(hub, session, step)[1]["exitCode"] == 137
    complete(hub, session)


def test_a_container_that_ended_while_the_hub_was_away(make_hub: Callable[..., Hub],
                                                       engine: Engine) -> None:
    hub = make_hub({**LEASE, "RUNNERHUB_SHUTDOWN_MODE": "handover"}).start()
    session = open_session(hub)
    step = start_step(hub, session, "lost", run="echo begun; sleep 600")
    with Output(hub, session, step) as output:
        assert output.frame() == (STDOUT, b"begun\n")
    container = hub.job(session)["containerId"]
    hub.kill9()
    engine.remove(container)
    hub.start()
    assert hub.wait_end(session)["code"] == "container_lost"
    out, end = finish(hub, session, step)
    assert out == b"begun\n" and end["exitCode"] == 137 and end["error"]


def armed(make_hub: Callable[..., Hub], point: str) -> tuple[Hub, str]:
    hub = make_hub({**LEASE, "RUNNERHUB_SHUTDOWN_MODE": "handover",
                    "RUNNERHUB_FAULT": point}).start()
    return hub, open_session(hub)


def next_hub(hub: Hub) -> None:
    assert wait_dead(hub), "it did not die"
    hub.env.pop("RUNNERHUB_FAULT")
    hub.start()


def check_one_step(hub: Hub, session: str) -> None:
    assert marks(hub, session, "step_given") == [0]
    check_steps_once(hub, session)
    check_history(hub, session)
    check_nothing_left(hub)


def test_a_step_that_was_never_sent_is_given_again(make_hub: Callable[..., Hub]) -> None:
    hub, session = armed(make_hub, "after_step_given")
    body = {"run": "echo once; exit 5"}
    with pytest.raises(OSError):
        post_step(hub, session, "a", **body)
    next_hub(hub)
    reply = wait_for(lambda: (r := post_step(hub, session, "a", **body)).status != 503 and r,
                     what="the session is taken over")
    assert reply.data == {"step": 0}
    out, end = finish(hub, session, 0)
    assert out == b"once\n" and end["exitCode"] == 5
    complete(hub, session)
    check_one_step(hub, session)


def test_an_end_that_was_not_stored_comes_again(make_hub: Callable[..., Hub]) -> None:
    hub, session = armed(make_hub, "after_session_cut")
    start_step(hub, session, "a", run="sleep 600")
    # The hub may die before its answer is out.
    with contextlib.suppress(OSError):
        assert hub.post(f"/api/jobs/{session}/cancel").status == 202
    next_hub(hub)
    assert hub.wait_end(session)["status"] == "cancelled"
    assert finish(hub, session, 0)[1]["status"] in ("failed", "cancelled")
    check_one_step(hub, session)
