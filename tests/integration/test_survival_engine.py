"""The hub against an engine that lets it down: the scripted fake, which runs
the agent as a real process. No job is lost or run twice, and the reason that
is told is the true one."""

import os
import sys
import uuid
from typing import Iterator

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                                "fakes"))

from fake_engine import FakeEngine  # noqa: E402
from hub import Hub, wait_for  # noqa: E402
from survival import check_history, check_steps_once, sandbox_dirs  # noqa: E402

IMAGE = "busybox:latest"


@pytest.fixture
def fake(tmp_path) -> Iterator[FakeEngine]:
    with FakeEngine(str(tmp_path / "engine.sock"), images={IMAGE: {}},
                    pullable={"far:latest": {}}) as engine:
        yield engine


class FakeHub(Hub):
    """The containers that it looks at are the fake's."""

    fake: FakeEngine

    def containers(self) -> list[dict]:
        return self.fake.model.list_containers(True, [f"runnerhub.hub={self.hub_id}"])

    def networks(self) -> list[dict]:
        return []

    def _remove_leftovers(self) -> list[str]:
        return [f"container {c['Names']}" for c in self.containers()]


@pytest.fixture
def hub(runnerhub: str, fake: FakeEngine) -> Iterator[FakeHub]:
    hub = FakeHub(runnerhub, fake, IMAGE, {  # type: ignore[arg-type]
        "DOCKER_HOST": fake.host, "RUNNERHUB_NETWORK": "none",
        "RUNNERHUB_RETRY_BACKOFF": "10ms", "RUNNER_MEMORY_MB": "256", "RUNNERHUB_SHUTDOWN_MODE": "handover"})
    hub.fake = fake
    with hub:
        yield hub


class Tally:
    """A file of this machine that the fake's containers can append to."""

    def __init__(self) -> None:
        self.path = f"/dev/shm/runnerhub-tally-{uuid.uuid4()}"

    def step(self, name: str, then: str = "true") -> dict:
        return {"name": name, "run": f"echo {name} >> {self.path}; {then}"}

    def names(self) -> list[str]:
        if not os.path.exists(self.path):
            return []
        with open(self.path, encoding="ascii") as lines:
            return lines.read().split()


@pytest.fixture
def tally() -> Iterator[Tally]:
    tally = Tally()
    yield tally
    if os.path.exists(tally.path):
        os.unlink(tally.path)


def nothing_left(hub: FakeHub) -> bool:
    return not hub.containers() and not sandbox_dirs(hub)


def check_done_once(hub: FakeHub, tally: Tally, job_id: str, *names: str) -> list[str]:
    hub.wait_status(job_id, "completed")
    assert tally.names() == list(names)
    check_steps_once(hub, job_id)
    wait_for(lambda: nothing_left(hub), what="nothing is left")
    return check_history(hub, job_id)


def wait_engine(hub: Hub, up: bool) -> None:
    wait_for(lambda: hub.get("/health").json["checks"]["engine"] == ("pass" if up else "fail"),
             what=f"the engine is {'up' if up else 'down'}")


RETRIED = ["queued", "assigned", "pending", "queued", "assigned", "running", "completed"]


# -- one call fails ----------------------------------------------------------------


@pytest.mark.parametrize("rule, path", [
    ({"method": "POST", "path": "/containers/create", "call": 1,
      "action": "drop_after"}, RETRIED),
    ({"method": "POST", "path": "/containers/create", "call": 1,
      "action": "drop_before"}, RETRIED),
    ({"method": "POST", "path": "/containers/create", "call": 1,
      "action": "half"}, RETRIED),
    ({"method": "POST", "path": "/start$", "call": 1, "action": "status",
      "status": 500, "message": "no cgroup left"}, RETRIED),
    ({"method": "GET", "path": "/images/.*/json", "call": 1, "action": "status",
      "status": 500, "message": "layer store busy"}, RETRIED),
], ids=["create-reply-lost", "create-lost", "create-half-answered", "start-500", "image-500"])
def test_an_infrastructure_failure_is_retried_and_leaves_nothing(
        rule: dict, path: list[str], hub: FakeHub, fake: FakeEngine, tally: Tally) -> None:
    hub.start()
    wait_engine(hub, True)
    fake.script([rule])
    job_id = hub.delegate([tally.step("1"), tally.step("2")])
    assert check_done_once(hub, tally, job_id, "1", "2") == path


def test_a_start_that_fails_twice_is_told_while_the_job_waits(
        hub: FakeHub, fake: FakeEngine, tally: Tally) -> None:
    hub.env["RUNNERHUB_RETRY_BACKOFF"] = "1s"
    hub.start()
    wait_engine(hub, True)
    fake.script([{"method": "POST", "path": "/start$", "call": n, "action": "status",
                  "status": 500, "message": "no cgroup left"} for n in (1, 2)])
    job_id = hub.delegate([tally.step("1")])
    job = hub.wait_status(job_id, "pending")
    assert "no cgroup left" in job["reason"], job
    path = check_done_once(hub, tally, job_id, "1")
    assert path == RETRIED[:4] + RETRIED[1:4] + RETRIED[4:]
    assert hub.job(job_id)["tries"] == 3


def test_when_the_retries_are_used_up_the_job_fails_with_the_last_reason(
        hub: FakeHub, fake: FakeEngine, tally: Tally) -> None:
    hub.env["RUNNERHUB_JOB_RETRIES"] = "2"
    hub.start()
    wait_engine(hub, True)
    fake.script([{"method": "POST", "path": "/start$", "action": "status",
                  "status": 500, "message": "no cgroup left"}])
    job = hub.wait_status(hub.delegate([tally.step("1")]), "failed")
    assert "no cgroup left" in job["error"] and job["tries"] <= 3, job
    assert tally.names() == []
    wait_for(lambda: nothing_left(hub), what="nothing is left")


def test_a_container_that_cannot_be_removed_goes_later(
        hub: FakeHub, fake: FakeEngine, tally: Tally) -> None:
    hub.start()
    wait_engine(hub, True)
    fake.script([{"method": "DELETE", "path": "/containers/", "call": 1,
                  "action": "status", "status": 500, "message": "device busy"}])
    job_id = hub.delegate([tally.step("1")])
    hub.wait_status(job_id, "completed")
    wait_for(lambda: "cannot remove the container" in hub.log(), what="the removal fails")
    assert hub.containers()
    hub.terminate()
    hub.start()  # the chores would do it within a minute, too
    wait_for(lambda: nothing_left(hub), what="nothing is left")
    assert tally.names() == ["1"]


def test_a_slow_engine_only_takes_longer(
        hub: FakeHub, fake: FakeEngine, tally: Tally) -> None:
    fake.script([{"path": path, "delay_ms": 300}
                 for path in ("/create", "/start$", "/json", "/info", "_ping", "/containers/")])
    hub.start()
    jobs = [hub.delegate([tally.step(str(n))]) for n in range(3)]
    for job_id in jobs:
        assert hub.wait_status(job_id, "completed")["tries"] == 1
    assert sorted(tally.names()) == ["0", "1", "2"]
    wait_for(lambda: nothing_left(hub), what="nothing is left")


def test_a_pull_that_fails_first_succeeds_later(
        hub: FakeHub, fake: FakeEngine, tally: Tally) -> None:
    hub.env["RUNNER_PULL_POLICY"] = "if-missing"
    hub.start()
    wait_engine(hub, True)
    fake.script([{"method": "POST", "path": "/images/create", "call": n,
                  "action": "status", "status": 500,
                  "message": "Get https://registry: i/o timeout"} for n in (1, 2)])
    job_id = hub.delegate([tally.step("1")], image="far:latest")
    path = check_done_once(hub, tally, job_id, "1")
    assert path == RETRIED[:4] + RETRIED[1:4] + RETRIED[4:]
    events = hub.get(f"/api/jobs/{job_id}/events").data
    waits = [e for e in events if e["status"] == "pending"]
    assert all("i/o timeout" in e["reason"] for e in waits), waits


# -- the engine goes away ------------------------------------------------------------


def test_while_the_engine_is_away_jobs_wait_and_running_ones_go_on(
        hub: FakeHub, fake: FakeEngine, tally: Tally) -> None:
    hub.start()
    wait_engine(hub, True)
    release = tally.path + ".go"
    running = hub.delegate([
        tally.step("1", f"while [ ! -e {release} ]; do sleep 0.1; done; rm {release}"),
        tally.step("2")])
    wait_for(lambda: tally.names() == ["1"], what="the step begins")
    fake.stop()
    wait_engine(hub, False)
    waiting = hub.delegate([tally.step("3")])
    wait_for(lambda: hub.job(waiting)["waiting"]["code"] == "engine_down",
             what="the job says why it waits")
    with open(release, "w", encoding="ascii"):
        pass
    hub.wait_status(running, "completed")  # without any engine
    assert hub.job(waiting)["status"] in ("queued", "pending")
    fake.start()
    check_done_once(hub, tally, waiting, "1", "2", "3")
    check_steps_once(hub, running)


def test_an_engine_restart_that_ended_containers_is_told_and_nothing_rerun(
        hub: FakeHub, fake: FakeEngine, tally: Tally) -> None:
    hub.start()
    wait_engine(hub, True)
    jobs = [hub.delegate([tally.step(str(n), "exec sleep 1000")]) for n in (1, 2)]
    wait_for(lambda: len(tally.names()) == 2, what="the steps begin")
    fake.stop(end_containers=True)
    wait_engine(hub, False)
    fake.start()
    for job_id in jobs:
        job = hub.wait_status(job_id, "failed")
        assert job["code"] == "engine_restarted", job
        check_history(hub, job_id)
    assert sorted(tally.names()) == ["1", "2"]
    wait_for(lambda: nothing_left(hub), what="nothing is left")


def test_an_engine_that_tells_deaths_while_it_goes_is_a_restart_too(
        hub: FakeHub, fake: FakeEngine, tally: Tally) -> None:
    """dockerd closes its door, ends the containers, and says so on the event
    stream that is still open."""
    hub.start()
    wait_engine(hub, True)
    job_id = hub.delegate([tally.step("1", "exec sleep 1000")])
    wait_for(lambda: tally.names() == ["1"], what="the step begins")
    fake.script([{"path": "_ping", "action": "drop_before"}])
    for container in list(fake.model.containers.values()):
        fake.model.end(container.id, 137)
    assert hub.wait_status(job_id, "failed")["code"] == "engine_restarted"
    fake.script([])
    wait_for(lambda: nothing_left(hub), what="nothing is left")


def test_a_cut_event_stream_hides_no_death(
        hub: FakeHub, fake: FakeEngine, tally: Tally) -> None:
    fake.script([{"path": "/events", "call": 1, "action": "cut", "events": 1}])
    hub.start()
    wait_engine(hub, True)
    job_id = hub.delegate([tally.step("1", "exec sleep 1000")])
    wait_for(lambda: tally.names() == ["1"], what="the step begins")
    container = hub.job(job_id)["containerId"]
    fake.model.end(container, 9)
    job = hub.wait_status(job_id, "failed")
    assert job["code"] in ("container_died", "engine_restarted"), job
    wait_for(lambda: nothing_left(hub), what="nothing is left")


def test_the_hub_starts_without_an_engine_and_recovers_when_it_comes(
        hub: FakeHub, fake: FakeEngine, tally: Tally) -> None:
    hub.start()
    wait_engine(hub, True)
    release = tally.path + ".go"
    running = hub.delegate([
        tally.step("1", f"while [ ! -e {release} ]; do sleep 0.1; done; rm {release}"),
        tally.step("2")])
    wait_for(lambda: tally.names() == ["1"], what="the step begins")
    hub.kill9()
    fake.stop()
    hub.start()
    wait_engine(hub, False)
    waiting = hub.delegate([tally.step("3")])
    with open(release, "w", encoding="ascii"):
        pass
    assert hub.job(running)["status"] == "running"
    fake.start()
    hub.wait_status(running, "completed")
    hub.wait_status(waiting, "completed")
    assert tally.names().count("1") == 1 and sorted(tally.names()) == ["1", "2", "3"]
    wait_for(lambda: nothing_left(hub), what="nothing is left")


def test_the_engine_goes_in_the_middle_of_recovery(
        hub: FakeHub, fake: FakeEngine, tally: Tally) -> None:
    """The first attempt adopts some of the jobs, the second the others."""
    hub.env["RUNNERHUB_CAPACITY"] = "3"
    hub.start()
    wait_engine(hub, True)
    release = tally.path + ".go"
    jobs = [hub.delegate([tally.step(f"{n}a", f"while [ ! -e {release} ]; do sleep 0.1; done"),
                          tally.step(f"{n}b")]) for n in range(3)]
    wait_for(lambda: len(tally.names()) == 3, what="the steps begin")
    hub.kill9()
    fake.script([{"method": "GET", "path": "/containers/[0-9a-f]+/json", "call": 2,
                  "action": "drop_before"},
                 {"method": "GET", "path": "/containers/json", "call": 1,
                  "action": "status", "status": 500, "message": "not yet"}])
    hub.start()
    with open(release, "w", encoding="ascii"):
        pass
    for job_id in jobs:
        hub.wait_status(job_id, "completed")
        check_steps_once(hub, job_id)
        assert check_history(hub, job_id) == ["queued", "assigned", "running", "completed"]
    os.unlink(release)
    assert sorted(tally.names()) == [f"{n}{step}" for n in range(3) for step in "ab"]
    wait_for(lambda: nothing_left(hub), what="nothing is left")


# -- warm sandboxes --------------------------------------------------------------------


def test_warm_sandboxes_that_cannot_start_leave_nothing_and_come_later(
        hub: FakeHub, fake: FakeEngine, tally: Tally) -> None:
    hub.env["RUNNERHUB_POOL_SIZE"] = "1"
    fake.script([{"method": "POST", "path": "/containers/create", "call": 1,
                  "action": "drop_after"}])
    hub.start()
    wait_for(lambda: hub.get("/api/system").data["pool"]["ready"] == 1,
             what="a sandbox is warm")
    wait_for(lambda: len(hub.containers()) == 1, what="the lost one is gone")
    job_id = hub.delegate([tally.step("1")])
    hub.wait_status(job_id, "completed")
    assert hub.get("/api/system").data["pool"]["hits"] == 1
    assert tally.names() == ["1"]
