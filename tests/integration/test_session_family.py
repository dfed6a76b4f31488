"""Sessions inside of sessions, which start beside their parent and end with
it, and a runner that begins another job."""

import os
import re
import subprocess
from typing import Any, Callable, Iterator

import pytest

from hub import Hub, Reply, wait_for
from session_api import Output, bearer, complete, open_session, run_step, start_step
from survival import check_nothing_left

KEY = "the-api-key-of-these-tests"
NESTED = {"nested": {"work": "/work"}}
ENV = {"RUNNERHUB_API_KEY": KEY, "RUNNERHUB_CAPACITY": "1",
       "RUNNERHUB_SESSION_FIRST_LEASE": "600", "RUNNERHUB_SESSION_LEASE": "600",
       "RUNNERHUB_SHUTDOWN_MODE": "handover"}


@pytest.fixture(scope="module")
def hub(make_module_hub: Callable[..., Hub]) -> Hub:
    return make_module_hub(ENV).start()


def token_of(hub: Hub, session: str, key: str = "token") -> str:
    """As a process inside of the session has it."""
    return run_step(hub, session, key, KEY,
                    command=["sh", "-c", 'printf %s "$RUNNERHUB_TOKEN"'])[0].decode()


@pytest.fixture
def parent(hub: Hub) -> Iterator[str]:
    session = open_session(hub, KEY, **NESTED)
    yield session
    end(hub, session)


def end(hub: Hub, session: str) -> None:
    if status(hub, session)["status"] == "running":
        complete(hub, session, KEY)


def status(hub: Hub, session: str) -> dict:
    return hub.job(session, headers=bearer(KEY))


def delegate(hub: Hub, token: str, **fields: Any) -> Reply:
    return hub.post("/api/jobs/delegate", {
        "jobId": "inside", "runId": os.urandom(8).hex(), "repository": "test/repo", **fields},
        headers=bearer(token))


def test_a_child_needs_no_slot_and_shares_the_work(hub: Hub, parent: str, image: str) -> None:
    token = token_of(hub, parent)
    run_step(hub, parent, "write", KEY, run="echo shared > /work/file")
    child = open_session(hub, token, container={"image": image, "userMountVolumes": [
        {"sourceVolumePath": "/work", "targetVolumePath": "/__w", "readOnly": False}]})
    assert run_step(hub, child, "read", token, command=["cat", "/__w/file"])[0] == b"shared\n"
    complete(hub, child, token)
    assert status(hub, parent)["status"] == "running"


def test_a_child_opens_although_the_hub_is_drained(hub: Hub, parent: str) -> None:
    token = token_of(hub, parent)
    hub.post("/api/queue/drain", headers=bearer(KEY))
    try:
        child = open_session(hub, token)
        assert run_step(hub, child, "say", token, run="echo in")[0] == b"in\n"
        complete(hub, child, token)
    finally:
        hub.post("/api/queue/resume", headers=bearer(KEY))


def test_a_job_beside_waits_all_the_same(hub: Hub, parent: str) -> None:
    open_session(hub, token_of(hub, parent))
    job = hub.delegate(["true"], headers=bearer(KEY))
    assert status(hub, job)["waiting"]["code"] == "capacity"
    complete(hub, parent, KEY)
    hub.wait_status(job, "completed", headers=bearer(KEY))


def test_the_command_line_shows_a_family(hub: Hub, image: str, runnerhub: str) -> None:
    parent = open_session(hub, KEY, services=[{
        "image": image, "contextName": "db", "entryPoint": "sleep",
        "entryPointArgs": ["600"]}], **NESTED)
    child = open_session(hub, token_of(hub, parent))

    def show(session: str) -> str:
        return subprocess.run([runnerhub, "job", "show", session], check=True,
                              capture_output=True, text=True, env={
                                  **hub.env, "RUNNERHUB_URL": hub.url,
                                  "RUNNERHUB_TOKEN": KEY}).stdout
    shown = show(parent)
    assert re.search(f"^  services +db, .*: {image}$", shown, re.M), shown
    assert re.search(r"^  lease until +2", shown, re.M), shown
    assert re.search(f"^  {child} +running +", shown, re.M), shown
    assert re.search(f"^  inside of +{parent}$", show(child), re.M)
    complete(hub, parent, KEY)
    assert "lease until" not in show(parent)
    assert " is db, " in hub.get(f"/api/jobs/{parent}/logs?format=json",
                                 headers=bearer(KEY)).text


def test_children_end_with_their_parent(hub: Hub, parent: str) -> None:
    token = token_of(hub, parent)
    children = [open_session(hub, token) for _ in range(2)]
    step = start_step(hub, children[0], "left", token, run="sleep 600")
    complete(hub, parent, KEY)
    for child in children:
        job = hub.wait_status(child, "cancelled", headers=bearer(KEY))
        assert job["code"] == "parent_ended"
    with Output(hub, children[0], step, token=KEY) as output:
        assert output.all()[2]["exitCode"] == 137
    check_nothing_left(hub)
    late = delegate(hub, token)
    assert late.status in (401, 409), late.text


def test_how_many_children(hub: Hub, parent: str) -> None:
    token = token_of(hub, parent)
    children = [open_session(hub, token) for _ in range(4)]
    refused = delegate(hub, token)
    assert refused.json["code"] == "too_many_sessions"
    complete(hub, children[0], token)
    # Its place is free when its container is gone.
    wait_for(lambda: delegate(hub, token).status == 201, what="a fifth may be opened")


def test_one_generation(hub: Hub, parent: str) -> None:
    refused = delegate(hub, token_of(hub, parent), **NESTED)
    assert refused.status == 400 and "nested" in refused.json["error"], refused.text


@pytest.mark.parametrize("how", ["terminate", "kill9"])
def test_a_family_outlives_the_hub(make_hub: Callable[..., Hub], how: str) -> None:
    hub = make_hub(ENV).start()
    parent = open_session(hub, KEY, **NESTED)
    token = token_of(hub, parent)
    child = open_session(hub, token)
    assert run_step(hub, child, "a", token, run="echo a")[0] == b"a\n"
    getattr(hub, how)()
    hub.start()
    wait_for(lambda: hub.post(f"/api/jobs/{child}/steps", {"key": "b", "run": "echo b"},
                              headers=bearer(token)).status == 201, what="it is taken over")
    with Output(hub, child, 1, token=token) as output:
        assert output.all()[0] == b"b\n"
    # The parent reaches the new hub over its agent, and has room for three.
    assert token_of(hub, parent, "again") == token
    for _ in range(3):
        open_session(hub, token)
    assert delegate(hub, token).json["code"] == "too_many_sessions"
    complete(hub, parent, KEY)
    assert hub.wait_status(child, "cancelled", headers=bearer(KEY))["code"] == "parent_ended"
    check_nothing_left(hub)


def test_a_parent_that_ended_while_the_hub_was_away(make_hub: Callable[..., Hub],
                                                    engine: Any) -> None:
    hub = make_hub(ENV).start()
    parent = open_session(hub, KEY, **NESTED)
    child = open_session(hub, token_of(hub, parent))
    container = status(hub, parent)["containerId"]
    hub.kill9()
    engine.remove(container)
    hub.start()
    assert hub.wait_status(parent, "failed", headers=bearer(KEY))["code"] == "container_lost"
    assert hub.wait_status(child, "cancelled", headers=bearer(KEY))["code"] == "parent_ended"
    check_nothing_left(hub)


# -- one job a runner ---------------------------------------------------------------


def new_runner(hub: Hub, name: str) -> str:
    return hub.post("/api/runners/register", {"name": name}, headers=bearer(KEY)).data["token"]


def test_a_runner_that_begins_another_job_ends_the_one_before(hub: Hub) -> None:
    token, other = new_runner(hub, "one"), new_runner(hub, "two")
    same = {"jobId": "build", "runId": "run-of-this-test"}
    first = open_session(hub, token, **NESTED, **same)
    waiting = delegate(hub, other, **NESTED).data["delegationId"]
    # Said twice, it is the same job.
    again = delegate(hub, token, **NESTED, **same)
    assert (again.status, again.data["delegationId"]) == (200, first)
    assert status(hub, first)["status"] == "running"
    second = delegate(hub, token, **NESTED).data["delegationId"]
    job = hub.wait_status(first, "cancelled", headers=bearer(KEY))
    assert job["code"] == "replaced" and "another job" in job["error"]
    # One that still waits is replaced, too; another runner's is not touched.
    third = delegate(hub, other, **NESTED).data["delegationId"]
    wait_for(lambda: status(hub, waiting)["code"] == "replaced" or None)
    for session in (second, third):
        hub.wait_status(session, "running", headers=bearer(KEY))
        complete(hub, session, KEY)
    check_nothing_left(hub)


def test_plain_sessions_stay(hub: Hub) -> None:
    token = new_runner(hub, "three")
    first = open_session(hub, token)
    second = delegate(hub, token).data["delegationId"]
    assert status(hub, first)["status"] == "running"
    complete(hub, first, KEY)
    hub.wait_status(second, "running", headers=bearer(KEY))
    complete(hub, second, KEY)
