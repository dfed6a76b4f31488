"""The state directory's disk fills up under running jobs: new work is refused
with the reason, what runs is held back and loses nothing, and all of it goes
on when there is room again."""

import os
import subprocess
from typing import Callable, Iterator

import pytest

from hub import Hub, wait_for
from survival import (StepCounter, check_history, check_nothing_left, check_steps_once,
                      full_log, numbered, numbered_lines, unique_run)

LINES = 200_000  # 2 MB of log: more than the agent can hold


@pytest.fixture(scope="module")
def counter() -> Iterator[StepCounter]:
    counter = StepCounter()
    yield counter
    counter.close()


class Disk:
    """A small file system that a test can fill to the last byte."""

    def __init__(self, path: str):
        self.path = path
        self.filler = os.path.join(path, "filler")
        os.mkdir(path)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,mode=700", "disk", path],
                       check=True)

    def fill(self) -> None:
        with open(self.filler, "ab", buffering=0) as filler:
            for size in (1 << 20, 1 << 12, 1):
                try:
                    while filler.write(b"x" * size) == size:
                        pass
                except OSError:
                    pass  # no room for that much

    def free(self) -> None:
        os.unlink(self.filler)

    def close(self) -> None:
        subprocess.run(["umount", "-l", self.path], check=True)


@pytest.fixture
def disk(tmp_path) -> Iterator[Disk]:
    disk = Disk(str(tmp_path / "disk"))
    yield disk
    disk.close()


@pytest.fixture
def hub(disk: Disk, make_hub: Callable[..., Hub]) -> Iterator[Hub]:
    hub = make_hub(env={"RUNNERHUB_HOST_SERVICES": "warn", "RUNNERHUB_DISK_RESERVE": "4m",
                        "RUNNERHUB_SHUTDOWN_MODE": "handover", "RUNNERHUB_CAPACITY": "2"})
    hub.state_dir = os.path.join(disk.path, "state")
    hub.env["RUNNERHUB_STATE_DIR"] = hub.state_dir
    yield hub.start()
    if os.path.exists(disk.filler):
        disk.free()
    hub.close()  # before its disk goes
    hub.abandon()


def delegate(hub: Hub, run: str) -> tuple[int, str]:
    reply = hub.post("/api/jobs/delegate", {
        "jobId": "x", "runId": run, "repository": "a/b",
        "steps": [{"name": "x", "run": "echo small"}]})
    return reply.status, reply.json.get("code", "")


def held_back(hub: Hub) -> int:
    return hub.log().count("the log cannot be written, the job waits")


def flood(hub: Hub, counter: StepCounter, run: str) -> str:
    """A job that has begun and floods when the hold on it is released."""
    job_id = hub.delegate([counter.step(f"{run}-1", numbered(1, LINES)),
                           counter.step(f"{run}-2")])
    wait_for(lambda: counter.count(f"{run}-1"), what="the step begins")
    return job_id


def check_done(hub: Hub, counter: StepCounter, run: str, job_id: str) -> None:
    hub.wait_status(job_id, "completed")
    assert full_log(hub, job_id).splitlines() == numbered_lines(1, LINES)
    assert [counter.count(f"{run}-{n}") for n in (1, 2)] == [1, 1]
    check_steps_once(hub, job_id)
    check_history(hub, job_id)


def test_new_work_is_refused_and_running_work_waits_for_room(
        hub: Hub, disk: Disk, counter: StepCounter) -> None:
    run = unique_run()
    held = counter.hold(f"{run}-1")
    job_id = flood(hub, counter, run)
    disk.fill()
    wait_for(lambda: delegate(hub, unique_run()) == (503, "disk_full"),
             what="delegation is refused")
    held.set()
    wait_for(lambda: held_back(hub), what="the job is held back")
    assert counter.count(f"{run}-2") == 0
    assert hub.job(job_id)["status"] == "running"  # reading goes on
    assert hub.get(f"/api/jobs/{job_id}/logs?tail=1").status == 200
    disk.free()
    check_done(hub, counter, run, job_id)
    wait_for(lambda: delegate(hub, f"{run}-again")[0] in (200, 201),
             what="delegation is taken again")
    check_nothing_left(hub)


def test_a_hub_that_dies_and_starts_on_a_full_disk_loses_nothing(
        hub: Hub, disk: Disk, counter: StepCounter) -> None:
    run = unique_run()
    held = counter.hold(f"{run}-1")
    job_id = flood(hub, counter, run)
    disk.fill()
    held.set()
    wait_for(lambda: held_back(hub), what="the job is held back")
    hub.kill9()
    disk.fill()  # what the death has freed
    hub.start()
    wait_for(lambda: hub.job(job_id)["status"] == "running", what="the job is known")
    wait_for(lambda: delegate(hub, unique_run()) == (503, "disk_full"),
             what="delegation is refused")
    disk.free()
    check_done(hub, counter, run, job_id)
    check_nothing_left(hub)


def test_what_ends_on_a_full_disk_is_told_when_there_is_room(
        hub: Hub, disk: Disk, counter: StepCounter, engine) -> None:
    """A container that dies with output in its channel; a cancel is refused
    rather than forgotten."""
    run = unique_run()
    held = counter.hold(f"{run}-1")
    job_id = flood(hub, counter, run)
    disk.fill()
    held.set()
    wait_for(lambda: held_back(hub), what="the job is held back")
    refused = hub.post(f"/api/jobs/{job_id}/cancel")
    assert (refused.status, refused.json["code"]) == (503, "disk_full"), refused.text
    engine.kill(hub.job(job_id)["containerId"])
    disk.free()
    job = hub.wait_status(job_id, "failed")
    assert job["code"] == "container_died", job
    lines = full_log(hub, job_id).splitlines()
    assert lines[:-1] == numbered_lines(1, LINES)[:max(len(lines) - 1, 0)]
    check_history(hub, job_id)
    check_nothing_left(hub)
