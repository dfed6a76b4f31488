"""The hub is killed, stopped and started while jobs run on a real engine: no
job is lost, none runs twice, no byte of a log is missing, and nobody else's
objects are touched."""

import contextlib
import os
import signal
import subprocess
from typing import Any, Callable, Iterator

import pytest

from engine_api import Engine
from hub import Hub, wait_for
from survival import (StepCounter, check_history, check_nothing_left, check_steps_once,
                      full_log, numbered, numbered_lines, unique_run)

FLOOD = 400_000  # lines; far more than the agent and its pipes can hold


@pytest.fixture(scope="module", autouse=True)
def neighbours(engine: Engine, image: str) -> Iterator[None]:
    """A container of nobody and one of another hub, with a network: after
    all the deaths of this module they are as they were."""
    other = {"runnerhub.managed": "true", "runnerhub.hub": "another-hub",
             "runnerhub.sandbox.id": "0ff4e8f0-0000-4000-8000-000000000001"}
    made = []
    for labels in ({}, other):
        made.append(engine.call("POST", "/containers/create", {
            "Image": image, "Labels": labels, "Entrypoint": ["sleep", "infinity"],
            "HostConfig": {"NetworkMode": "none"}})["Id"])
        engine.call("POST", f"/containers/{made[-1]}/start")
    network = engine.call("POST", "/networks/create", {
        "Name": unique_run(), "Labels": other,
        "IPAM": {"Config": [{"Subnet": "10.217.239.0/24"}]}})["Id"]
    try:
        yield
        assert all(engine.inspect(container)["State"]["Running"] for container in made)
        assert network in [n["Id"] for n in engine.networks("runnerhub.hub=another-hub")]
    finally:
        for container in made:
            engine.remove(container)
        engine.remove_network(network)


@pytest.fixture(scope="module")
def counter() -> Iterator[StepCounter]:
    counter = StepCounter()
    yield counter
    counter.close()


@pytest.fixture
def open_hub(make_hub: Callable[..., Hub]) -> Callable[..., Hub]:
    """A hub whose steps reach the counter."""
    def make(**env: str) -> Hub:
        return make_hub(env={"RUNNERHUB_HOST_SERVICES": "warn",
                             "RUNNERHUB_SHUTDOWN_MODE": "handover", **env}).start()
    return make


def container_of(hub: Hub, job_id: str) -> str:
    return hub.job(job_id)["containerId"]


def cpu_ticks(engine: Engine, container: str) -> int:
    """What the container's processes have used so far, as the kernel counts."""
    ticks = 0
    for process in engine.call("GET", f"/containers/{container}/top")["Processes"]:
        try:
            with open(f"/proc/{process[1]}/stat", encoding="ascii", errors="replace") as stat:
                fields = stat.read().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        except FileNotFoundError:
            pass  # it has ended meanwhile
    return ticks


def wait_held_back(engine: Engine, container: str) -> None:
    """Until nothing moves in the container any more."""
    seen: list[int] = []

    def still() -> bool:
        seen.append(cpu_ticks(engine, container))
        return len(seen) > 12 and len(set(seen[-12:])) == 1
    wait_for(still, what="the flooding step is held back")


def log_bytes(hub: Hub, job_id: str) -> int:
    path = os.path.join(hub.state_dir, "logs", job_id[-2:], job_id + ".log")
    return os.path.getsize(path) if os.path.exists(path) else 0


# -- kill -9 ---------------------------------------------------------------------


def test_a_flood_survives_three_deaths_without_a_gap(
        open_hub: Callable[..., Hub], counter: StepCounter) -> None:
    hub, run = open_hub(), unique_run()
    held = counter.hold(f"{run}-flooded")  # so that no death comes too late
    job_id = hub.delegate([
        counter.step(f"{run}-1", numbered(1, FLOOD) + counter.step(f"{run}-flooded")["run"]),
        counter.step(f"{run}-2", numbered(FLOOD + 1, FLOOD + 9))])
    total = sum(len(f"line {n}\n") for n in range(1, FLOOD + 1))
    for part in (1, 2, 3):
        wait_for(lambda: log_bytes(hub, job_id) >= total * part // 4, what="the log grows")
        hub.kill9()
        hub.start()
    held.set()
    assert hub.wait_status(job_id, "completed")["exitCode"] == 0
    assert full_log(hub, job_id).splitlines() == numbered_lines(1, FLOOD + 9)
    assert [counter.count(f"{run}-{n}") for n in (1, 2)] == [1, 1]
    check_steps_once(hub, job_id)
    assert check_history(hub, job_id) == ["queued", "assigned", "running", "completed"]
    check_nothing_left(hub)


def test_while_the_hub_is_away_the_writer_is_held_back(
        open_hub: Callable[..., Hub], engine: Engine, counter: StepCounter) -> None:
    hub, run = open_hub(), unique_run()
    job_id = hub.delegate([counter.step(f"{run}-begin", numbered(1, FLOOD)),
                           counter.step(f"{run}-behind")])
    wait_for(lambda: log_bytes(hub, job_id), what="the flood begins")
    container = container_of(hub, job_id)
    hub.kill9()
    wait_held_back(engine, container)
    assert counter.count(f"{run}-behind") == 0
    hub.start().wait_status(job_id, "completed")
    assert full_log(hub, job_id).splitlines() == numbered_lines(1, FLOOD)
    assert counter.count(f"{run}-behind") == 1


def test_a_step_that_ends_while_the_hub_is_away_counts(
        open_hub: Callable[..., Hub], engine: Engine, counter: StepCounter) -> None:
    """And the next step waits for the next hub."""
    hub, run = open_hub(), unique_run()
    held = counter.hold(f"{run}-1")
    job_id = hub.delegate([
        counter.step(f"{run}-1", counter.step(f"{run}-last-words", "exit 7")["run"]),
        {"run": counter.step(f"{run}-2")["run"], "name": "2", "shell": "bash -e",
         "if": "failure"}])
    wait_for(lambda: counter.count(f"{run}-1"), what="the step begins")
    container = container_of(hub, job_id)
    hub.kill9()
    held.set()
    wait_for(lambda: counter.count(f"{run}-last-words"), what="the step goes on")
    wait_held_back(engine, container)
    assert counter.count(f"{run}-2") == 0
    job = hub.start().wait_status(job_id, "failed")
    assert (job["code"], job["exitCode"]) == ("step_failed", 7)
    assert [counter.count(f"{run}-{n}") for n in (1, 2)] == [1, 1]


# -- the container goes ------------------------------------------------------------


SLEEPS = ["echo begun; exec sleep 1000"]


def running_job(hub: Hub) -> tuple[str, str]:
    job_id = hub.delegate(SLEEPS)
    wait_for(lambda: "begun" in hub.logs(job_id), what="the step prints")
    return job_id, container_of(hub, job_id)


def test_a_container_killed_by_hand_fails_its_job_with_the_truth(
        open_hub: Callable[..., Hub], engine: Engine) -> None:
    hub = open_hub()
    job_id, container = running_job(hub)
    engine.kill(container)
    job = hub.wait_status(job_id, "failed")
    assert job["code"] == "container_died" and "137" in job["error"], job
    assert full_log(hub, job_id) == "begun\n"
    check_nothing_left(hub)


@pytest.mark.parametrize("how", ["kill", "remove"])
def test_a_container_that_goes_while_the_hub_is_away_is_told_as_lost(
        how: str, open_hub: Callable[..., Hub], engine: Engine) -> None:
    hub = open_hub()
    job_id, container = running_job(hub)
    hub.kill9()
    getattr(engine, how)(container)
    job = hub.start().wait_status(job_id, "failed")
    assert job["code"] == "container_lost" and "while the hub was away" in job["error"], job
    assert full_log(hub, job_id) == "begun\n"
    check_history(hub, job_id)
    check_nothing_left(hub)


def test_a_job_cancelled_just_before_the_death_ends_cancelled(
        open_hub: Callable[..., Hub]) -> None:
    hub = open_hub(RUNNERHUB_FAULT="before_end")
    job_id, _ = running_job(hub)
    with contextlib.suppress(OSError):  # it may die before its answer is out
        hub.post(f"/api/jobs/{job_id}/cancel")
    wait_for(lambda: hub.process.poll() is not None, what="the hub dies")
    hub.kill9()
    hub.env["RUNNERHUB_FAULT"] = ""
    assert hub.start().wait_end(job_id)["status"] == "cancelled"
    check_nothing_left(hub)


# -- SIGTERM -----------------------------------------------------------------------


def lines_of_log(hub: Hub, words: str) -> int:
    return sum(words in line for line in hub.log().splitlines())


def test_handover_leaves_the_job_to_the_next_hub(
        open_hub: Callable[..., Hub], engine: Engine, counter: StepCounter) -> None:
    hub, run = open_hub(), unique_run()
    go = f"/tmp/{run}.go"
    flood = f"{numbered(1, FLOOD - 1)}; until [ -e {go} ]; do sleep 0.05; done; " + \
        numbered(FLOOD, FLOOD)
    job_id = hub.delegate([counter.step(f"{run}-1", flood), counter.step(f"{run}-2")])
    wait_for(lambda: log_bytes(hub, job_id), what="the flood begins")
    container = container_of(hub, job_id)
    assert hub.terminate() == 0
    assert engine.inspect(container)["State"]["Running"]
    made = engine.call("POST", f"/containers/{container}/exec", {"Cmd": ["touch", go]})
    engine.call("POST", f"/exec/{made['Id']}/start", {"Detach": True})
    hub.start().wait_status(job_id, "completed")
    assert container_of(hub, job_id) == container
    assert full_log(hub, job_id).splitlines() == numbered_lines(1, FLOOD)
    assert [counter.count(f"{run}-{n}") for n in (1, 2)] == [1, 1]
    check_nothing_left(hub)


def test_drain_waits_for_the_end_of_the_job(
        open_hub: Callable[..., Hub], counter: StepCounter) -> None:
    hub, run = open_hub(RUNNERHUB_SHUTDOWN_MODE="drain"), unique_run()
    job_id = hub.delegate([counter.step(f"{run}-1", numbered(1, FLOOD))])
    wait_for(lambda: log_bytes(hub, job_id), what="the flood begins")
    assert hub.terminate() == 0
    assert not hub.containers()
    hub.start()
    assert hub.job(job_id)["status"] == "completed"
    assert lines_of_log(hub, "job taken over") == 0
    assert full_log(hub, job_id).splitlines() == numbered_lines(1, FLOOD)


def test_drain_hands_over_what_outlasts_its_limit(
        open_hub: Callable[..., Hub], engine: Engine) -> None:
    hub = open_hub(RUNNERHUB_SHUTDOWN_MODE="drain", RUNNERHUB_DRAIN_TIMEOUT="200ms")
    job_id, container = running_job(hub)
    assert hub.terminate() == 0
    assert engine.inspect(container)["State"]["Running"]
    hub.start()
    wait_for(lambda: lines_of_log(hub, "job taken over"), what="the job is adopted")
    hub.post(f"/api/jobs/{job_id}/cancel")
    assert hub.wait_end(job_id)["status"] == "cancelled"
    check_nothing_left(hub)


def test_a_second_sigterm_does_not_wait(
        open_hub: Callable[..., Hub], engine: Engine) -> None:
    hub = open_hub(RUNNERHUB_SHUTDOWN_MODE="drain", RUNNERHUB_DRAIN_TIMEOUT="1h")
    job_id, container = running_job(hub)
    os.kill(hub.pid, signal.SIGTERM)
    wait_for(lambda: lines_of_log(hub, "waiting for running jobs"), what="the hub drains")
    assert hub.post("/api/jobs/delegate", {
        "jobId": "late", "runId": unique_run(), "repository": "a/b"}).status == 503
    assert hub.terminate() == 128 + signal.SIGTERM
    assert engine.inspect(container)["State"]["Running"]
    hub.start().post(f"/api/jobs/{job_id}/cancel")
    assert hub.wait_end(job_id)["status"] == "cancelled"


# -- two hubs ----------------------------------------------------------------------


def test_a_second_hub_on_the_same_state_is_refused(
        open_hub: Callable[..., Hub], runnerhub: str) -> None:
    hub = open_hub()
    job_id, _ = running_job(hub)
    second: Any = subprocess.run(
        [runnerhub, "serve"], env={**hub.env, "PORT": "0"}, cwd=hub.dir,
        capture_output=True, text=True, timeout=120)
    assert second.returncode != 0
    assert hub.state_dir in second.stderr and "another hub" in second.stderr
    assert len(second.stderr.strip().splitlines()) == 1, second.stderr
    assert hub.job(job_id)["status"] == "running"
    hub.post(f"/api/jobs/{job_id}/cancel")
    hub.wait_end(job_id)


# -- our network goes --------------------------------------------------------------


def test_a_network_that_was_pruned_is_made_again(
        open_hub: Callable[..., Hub], engine: Engine) -> None:
    """An idle hub's network looks unused: `docker network prune` takes it."""
    hub = open_hub()
    hub.wait_status(hub.delegate(["true"]), "completed")
    wait_for(lambda: not hub.containers(), what="the container is gone")
    for network in hub.networks():
        engine.remove_network(network["Id"])
    job_id = hub.delegate(["ip route"])
    hub.wait_status(job_id, "completed")
    assert "default via" in full_log(hub, job_id)
    check_nothing_left(hub)
