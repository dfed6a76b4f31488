"""The hub dies at each named point of a job's life. The next hub finishes the
job: once, with its whole log, and nothing is left over."""

import os
import queue
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Callable, Iterator

import pytest

import fault_points
from hub import Hub
from survival import (StepCounter, can_connect, check_history, check_nothing_left,
                      check_steps_once, full_log, log_is_ended, numbered,
                      numbered_lines, read_follow, unique_run, wait_dead, wait_for)

LANES = 3  # hubs that die at the same time, each with its own state directory
LINES = 300


@dataclass(frozen=True)
class Case:
    point: str
    passage: int = 1
    warm: bool = False
    first: str | None = None  # where an earlier hub has died already

    def __str__(self) -> str:
        return (f"{self.point}-{self.passage}-{'warm' if self.warm else 'cold'}"
                + (f"-behind-{self.first}" if self.first else ""))


CASES = [Case(point, n, warm)
         for warm in (False, True)
         for point, passages in fault_points.LIFE.items() for n in passages]
CASES += [Case(point, 1, warm, first)
          for warm in (False, True)
          for point, first in fault_points.RECOVERY.items()]


def test_each_point_of_the_sources_has_a_test() -> None:
    sources = set(fault_points.in_sources())
    tested = {*fault_points.LIFE, *fault_points.RECOVERY, *fault_points.EARLY_END,
              *fault_points.SESSION, *fault_points.COMPONENT,
              *fault_points.ROTATION["text"], *fault_points.ROTATION["file"],
              *fault_points.WEBHOOK, *fault_points.WEBHOOK_GATE, *fault_points.UNIT}
    assert sources == tested, "adjust tests/integration/fault_points.py"
    for point, test in fault_points.UNIT.items():
        with open(os.path.join(fault_points.ROOT, "tests", "unit", test),
                  encoding="utf-8") as source:
            assert f'"{point}:1"' in source.read(), f"{test} does not die at {point}"


class Lane:
    """One hub after the other on one state directory."""

    def __init__(self, make: Callable[..., Hub], counter: StepCounter):
        self.hub = make(env={"RUNNERHUB_HOST_SERVICES": "warn",
                             "RUNNERHUB_SHUTDOWN_MODE": "handover"})
        self.counter = counter

    def boot(self, fault: str, warm: bool) -> None:
        """A hub that may die before it answers."""
        if self.hub.process is not None:
            self.hub.kill9()
        self.hub.env.update(RUNNERHUB_FAULT=fault,
                            RUNNERHUB_POOL_SIZE="1" if warm else "0")
        self.hub.start(wait_healthy=False)
        wait_for(lambda: self.dead() or can_connect(self.hub), what="the hub listens")

    def dead(self) -> bool:
        assert self.hub.process is not None
        return self.hub.process.poll() is not None

    def wait_warm(self) -> None:
        def ready() -> bool:
            try:
                return self.dead() or self.hub.get("/api/system").data["pool"]["ready"] > 0
            except OSError:
                return False  # it is dying
        wait_for(ready, what="a sandbox is warm")

    def delegate(self, request: dict) -> str | None:
        """The job's id; None: the hub died before it could tell."""
        try:
            reply = self.hub.post("/api/jobs/delegate", request)
        except OSError:
            return None
        assert reply.status in (200, 201), reply.text
        return reply.data["delegationId"]

    def request(self, run: str) -> dict:
        half = LINES // 2
        return {"jobId": "fault", "runId": run, "repository": "test/faults",
                "steps": [self.counter.step(f"{run}-1", numbered(1, half)),
                          self.counter.step(f"{run}-2", numbered(half + 1, LINES))]}

    def run(self, case: Case) -> None:
        request = self.request(run := unique_run())
        self.boot(f"{case.first or case.point}:{case.passage}", case.warm)
        if case.warm:
            self.wait_warm()
        job_id = None if self.dead() else self.delegate(request)
        assert wait_dead(self.hub), f"the hub never came to {case.first or case.point}"
        if case.first:
            self.boot(case.point, False)
            assert wait_dead(self.hub), f"the hub never came to {case.point}"
        self.boot("", False)
        again = self.delegate(request)  # as a proxy that got no answer does
        assert again is not None and job_id in (None, again)
        self.check(again, run)

    def check(self, job_id: str, run: str) -> None:
        hub, half = self.hub, LINES // 2
        job = hub.wait_status(job_id, "completed")
        assert job["exitCode"] == 0
        counts = [self.counter.count(f"{run}-{n}") for n in (1, 2)]
        assert counts == [1, 1], f"steps began {counts} times"
        check_steps_once(hub, job_id)
        assert full_log(hub, job_id).splitlines() == numbered_lines(1, LINES)
        assert read_follow(hub, job_id).splitlines() == numbered_lines(1, LINES)
        assert check_history(hub, job_id)[-2:] == ["running", "completed"]
        wait_for(lambda: log_is_ended(hub, job_id), what="the log is ended")
        check_nothing_left(hub)
        assert half * 2 == LINES


@pytest.fixture(scope="module")
def outcomes(runnerhub: str, engine: Any, image: str,
             request: pytest.FixtureRequest) -> Iterator[dict[Case, Future]]:
    """All chosen cases run in a few lanes at once; a test waits for its own."""
    chosen = [item.callspec.params["case"] for item in request.session.items
              if item.fspath == request.fspath and hasattr(item, "callspec")
              and "case" in item.callspec.params]
    counter = StepCounter()
    waiting: queue.SimpleQueue[Case] = queue.SimpleQueue()
    results: dict[Case, Future] = {case: Future() for case in chosen}
    hubs: list[Hub] = []

    def make(env: dict[str, str]) -> Hub:
        hubs.append(Hub(runnerhub, engine, image, env))
        return hubs[-1]

    def work() -> None:
        lane = Lane(make, counter)
        while True:
            try:
                case = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                lane.run(case)
                results[case].set_result(None)
            except BaseException as error:  # the test tells it
                results[case].set_exception(error)

    for case in chosen:
        waiting.put(case)
    threads = [threading.Thread(target=work) for _ in range(LANES)]
    for thread in threads:
        thread.start()
    yield results
    for thread in threads:
        thread.join()
    counter.close()
    for hub in hubs:
        hub.close()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_hub_dies_and_the_job_is_done_once(
        case: Case, outcomes: dict[Case, Future]) -> None:
    outcomes[case].result(timeout=600)


@pytest.mark.parametrize("why", ["cancel", "timeout"])
def test_the_hub_dies_behind_the_step_that_it_ended(
        why: str, make_hub: Callable[..., Hub]) -> None:
    """The next hub tells the reason, not that the step failed, and runs no
    further step, whatever its condition."""
    hub = make_hub(env={"RUNNERHUB_FAULT": "after_step_cut_short"}).start()
    job_id = hub.delegate(
        ["echo begun; exec sleep 1000",
         {"name": "always", "run": "echo never", "if": "always"}],
        timeoutSeconds=2 if why == "timeout" else 3600)
    wait_for(lambda: "begun" in hub.logs(job_id), what="the step prints")
    if why == "cancel":
        try:
            assert hub.post(f"/api/jobs/{job_id}/cancel").status in (200, 202)
        except OSError:
            pass  # it died before the answer was out: the wish is on disk
    assert wait_dead(hub)
    hub.env["RUNNERHUB_FAULT"] = ""
    job = hub.start().wait_end(job_id)
    assert (job["status"], job["code"]) == {
        "cancel": ("cancelled", "cancelled"), "timeout": ("failed", "job_timeout")}[why]
    assert full_log(hub, job_id) == "begun\n"
    check_steps_once(hub, job_id)
    check_nothing_left(hub)
