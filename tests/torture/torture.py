#!/usr/bin/python3
"""Kills the hub again and again under a stream of small jobs, and holds what
it left against the engine, the store, the logs and a counter that only the
steps themselves can move.

    RUNNERHUB_BUILD=build/test tests/torture/torture.py --kills 1000 [--seed S]

Every acknowledged job must be there exactly once and reach the end that its
plan names; no step may begin twice; no line of a log may be missing; nothing
may be left on the engine, in the state directory or among the host's network
interfaces. Exit code 0: all of that holds. The state of a failed run stays.
"""

import argparse
import os
import random
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "integration"))

import fault_points  # noqa: E402
from engine_api import Engine  # noqa: E402
from hub import FINAL, Hub, sweep, wait_for  # noqa: E402
from survival import (StepCounter, check_history, check_nothing_left,  # noqa: E402
                      check_steps_once, full_log, log_is_ended, numbered, numbered_lines)

IMAGE = "runnerhub/test:latest"
OPEN_MAX = 10  # jobs on their way at once
CLIENTS = 2


@dataclass
class Plan:
    """A job and how it has to end."""

    key: str
    kind: str  # ok, fails, cancelled, session
    steps: int = 0
    lines: int = 0  # of each step
    failing: int = 0  # the step that fails, from 1
    body: dict = field(default_factory=dict)
    id: str = ""
    cancelled: bool = False  # the hub has acknowledged the wish

    def step_key(self, step: int) -> str:
        return f"{self.key}-{step}"

    def expected_lines(self) -> list[str]:
        last = self.failing or self.steps
        return numbered_lines(1, last * self.lines)


def make_plan(rng: random.Random, counter: StepCounter, number: int) -> Plan:
    kind = rng.choices(["ok", "fails", "cancelled", "session"], [60, 15, 15, 10])[0]
    plan = Plan(f"torture-{os.getpid()}-{number}", kind)
    plan.body = {"jobId": "torture", "runId": plan.key, "labels": [],
                 "repository": f"torture/repo-{number % 3}",
                 "priority": rng.choice([10, 50, 90])}
    if kind == "session":
        return plan
    plan.steps, plan.lines = rng.randint(1, 3), rng.choice([1, 50, 3000])
    plan.failing = rng.randint(1, plan.steps) if kind == "fails" else 0
    steps = []
    for n in range(1, plan.steps + 1):
        text = numbered((n - 1) * plan.lines + 1, n * plan.lines)
        if rng.random() < 0.3:
            text += f"\nsleep 0.{rng.randint(1, 4)}"
        if n == plan.failing:
            text += "\nexit 3"
        if kind == "cancelled" and n == plan.steps:
            text += "\nexec sleep 1000"
        steps.append(counter.step(plan.step_key(n), text))
    plan.body["steps"] = steps
    if rng.random() < 0.2:
        plan.body["resources"] = {"memory": "256m", "pids": 100}
    return plan


class Violation(Exception):
    """An invariant does not hold."""


class Torture:
    def __init__(self, binary: str, seed: int):
        self.rng = random.Random(seed)
        self.counter = StepCounter()
        self.hub = Hub(binary, Engine(), IMAGE, {
            "RUNNERHUB_HOST_SERVICES": "warn", "RUNNERHUB_SHUTDOWN_MODE": "handover",
            "RUNNERHUB_CAPACITY": "4", "RUNNERHUB_JOB_GRACE": "1s",
            "RUNNERHUB_SESSION_FIRST_LEASE": "2s", "LOG_LEVEL": "info"})
        self.lock = threading.Lock()
        self.flowing = threading.Event()  # clients delegate while it is set
        self.stopping = threading.Event()
        self.unchecked: list[Plan] = []
        self.acknowledged = 0
        self.made = 0
        self.in_flight = 0
        self.trouble: list[str] = []

    # -- the stream of jobs ------------------------------------------------------

    def next_plan(self) -> Plan | None:
        with self.lock:
            if len(self.unchecked) - self.ended() >= OPEN_MAX:
                return None
            self.made += 1
            self.in_flight += 1
            return make_plan(self.rng, self.counter, self.made)

    def ended(self) -> int:
        return sum(plan.body.get("ended", False) for plan in self.unchecked)

    def insist(self, method: str, path: str, body: dict | None = None):
        """Until the hub answers: it may be dead just now."""
        while True:
            try:
                reply = self.hub.request(method, path, body, timeout=30)
                if reply.status != 503:
                    return reply
            except OSError:
                pass
            if self.stopping.wait(0.02):
                raise Violation("the hub does not answer any more")

    def client(self) -> None:
        while not self.stopping.is_set():
            plan = self.next_plan() if self.flowing.wait(0.1) else None
            if plan is None:
                time.sleep(0.02)
                continue
            try:
                self.drive(plan)
            except Exception as error:
                if not self.stopping.is_set():
                    self.trouble.append(f"{plan.key}: {error!r}")
            finally:
                with self.lock:
                    self.in_flight -= 1

    def drive(self, plan: Plan) -> None:
        body = {k: v for k, v in plan.body.items() if k != "ended"}
        reply = self.insist("POST", "/api/jobs/delegate", body)
        if reply.status not in (200, 201):
            raise Violation(f"delegation answered {reply.status}: {reply.text}")
        plan.id = reply.data["delegationId"]
        with self.lock:
            self.acknowledged += 1
            self.unchecked.append(plan)
        if plan.kind == "cancelled":
            time.sleep(self.rng.random())
            reply = self.insist("POST", f"/api/jobs/{plan.id}/cancel")
            if reply.status not in (200, 202):
                raise Violation(f"cancel answered {reply.status}: {reply.text}")
            plan.cancelled = True

    def watch(self) -> None:
        """Notes which jobs have ended, so that new ones come."""
        while not self.stopping.is_set():
            with self.lock:
                some = [p for p in self.unchecked if not p.body.get("ended")][:OPEN_MAX]
            for plan in some:
                try:
                    if self.hub.job(plan.id)["status"] in FINAL:
                        plan.body["ended"] = True
                except (OSError, AssertionError):
                    break  # dead just now
            time.sleep(0.05)

    # -- the kills -----------------------------------------------------------------

    def boot(self, fault: str = "", pool: int = 0) -> None:
        self.hub.env.update(RUNNERHUB_FAULT=fault, RUNNERHUB_POOL_SIZE=str(pool))
        self.hub.start(wait_healthy=False)

    def kill(self) -> None:
        """At a random moment, or at a named point that it may come to."""
        self.hub.kill9()
        fault = ""
        if self.rng.random() < 0.3:
            point = self.rng.choice([*fault_points.LIFE, *fault_points.RECOVERY])
            fault = f"{point}:{self.rng.randint(1, 5)}"
        self.boot(fault, self.rng.randint(0, 2))
        until = time.monotonic() + self.rng.choice([0.02, 0.1, 0.3, 0.6, 1.2]) * self.rng.random()
        while time.monotonic() < until and self.hub.process.poll() is None:
            time.sleep(0.005)
        code = self.hub.process.poll()
        if code not in (None, -9):
            raise Violation(f"the hub ended with {code}\n{self.hub.log_tail()}")

    # -- the invariants --------------------------------------------------------------

    def settle(self) -> None:
        """A hub that lives, without warm sandboxes, until all jobs ended."""
        self.flowing.clear()
        self.hub.kill9()
        self.boot()
        wait_for(self.hub._answers, what="the hub answers")
        wait_for(lambda: self.in_flight == 0 or self.trouble, 120, "all are acknowledged")
        for plan in self.unchecked:
            self.hub.wait_end(plan.id, timeout=180)
        check_nothing_left(self.hub)

    def check_job(self, plan: Plan) -> None:
        job = self.hub.job(plan.id)
        check_history(self.hub, plan.id)
        check_steps_once(self.hub, plan.id)
        counts = [self.counter.count(plan.step_key(n)) for n in range(1, plan.steps + 1)]
        lines = full_log(self.hub, plan.id).splitlines()
        expected = plan.expected_lines()
        if max(counts, default=0) > 1:
            raise Violation(f"steps began {counts} times")
        if plan.kind == "session":
            if job["code"] not in ("lease_expired",):
                raise Violation(f"the session ended {job['status']} {job['code']}")
        elif plan.kind == "cancelled":
            if job["status"] != "cancelled" or lines != expected[:len(lines)]:
                raise Violation(f"ended {job['status']} {job['code']} {job['error']}, "
                                f"{len(lines)} lines")
        else:
            last = plan.failing or plan.steps
            status = "failed" if plan.failing else "completed"
            if job["status"] != status or job["exitCode"] != (3 if plan.failing else 0):
                raise Violation(f"ended {job['status']} {job['code']} {job['error']}")
            if counts != [1] * last + [0] * (plan.steps - last):
                raise Violation(f"steps began {counts} times")
            if lines != expected:
                raise Violation(f"{len(lines)} lines, expected {len(expected)}")
        wait_for(lambda: log_is_ended(self.hub, plan.id), 60, "the log is ended")

    def check_all(self) -> None:
        self.settle()
        for plan in self.unchecked:
            try:
                self.check_job(plan)
            except (Violation, AssertionError) as error:
                self.trouble.append(f"job {plan.id} ({plan.kind}): {error}")
        total = self.hub.get("/api/jobs?limit=1").json["pagination"]["total"]
        if total != self.acknowledged:
            self.trouble.append(f"{self.acknowledged} jobs acknowledged, {total} stored")
        reports = list(self.hub._sanitizer_reports())
        self.trouble += reports[:1]
        self.unchecked = []
        if self.trouble:
            raise Violation("\n".join(self.trouble[:10]))

    # -- all of it -------------------------------------------------------------------

    def run(self, kills: int, every: int) -> None:
        threads = [threading.Thread(target=self.client) for _ in range(CLIENTS)]
        threads.append(threading.Thread(target=self.watch))
        began = time.monotonic()
        self.boot()
        for thread in threads:
            thread.start()
        try:
            for done in range(1, kills + 1):
                self.flowing.set()
                self.kill()
                if done % every == 0 or done == kills:
                    self.check_all()
                    print(f"{done}/{kills} kills, {self.acknowledged} jobs, "
                          f"{time.monotonic() - began:.0f} s: all as it should be", flush=True)
        finally:
            self.stopping.set()
            for thread in threads:
                thread.join()
            self.counter.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--check-every", type=int, default=25)
    args = parser.parse_args()
    build = os.path.abspath(os.environ.get("RUNNERHUB_BUILD",
                                           os.path.join(ROOT, "build", "test")))
    subprocess.run([os.path.join(ROOT, "scripts", "image"), "--user", "root", IMAGE],
                   check=True, stdout=subprocess.DEVNULL)
    print(f"torture: {args.kills} kills, --seed {args.seed}", flush=True)
    torture = Torture(os.path.join(build, "src", "cmd", "runnerhub"), args.seed)
    try:
        torture.run(args.kills, args.check_every)
        torture.hub.close()
        sweep(torture.hub.engine)
    except (Violation, AssertionError) as error:
        print(f"torture: FAILED after {torture.acknowledged} jobs, --seed {args.seed}\n"
              f"{error}\nstate and log: {torture.hub.dir}", flush=True)
        if torture.hub.process is not None:
            torture.hub.kill9()
        return 1
    print(f"torture: {args.kills} kills, {torture.acknowledged} jobs: none lost, none run "
          "twice, no line missing, nothing left", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
