#!/usr/bin/python3
"""Runs the test suites on a finished build and adds up what they say.

    tests/run.py [--build DIR] [--only NAME] [--lanes N] [--record]
                 unit|fuzz|integration|e2e ...

unit counts the cases that each cmocka program reports, fuzz one per target
(its whole corpus replayed), integration and e2e the pytest cases, whose files
run in a few lanes at once (lanes.py). The last line is `N passed, N failed`;
a crash, a sanitizer report or a suite that cannot run counts as failed. The
exit code is 1 when anything failed.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Iterator

sys.dont_write_bytecode = True

import lanes  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

SANITIZERS = {
    "ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=1:"
    "strict_string_checks=1:check_initialization_order=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1:"
    f"suppressions={ROOT}/tests/tsan.supp",
}


@dataclass
class Tally:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def add(self, other: "Tally") -> None:
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped


def environment(build: str) -> dict[str, str]:
    env = dict(os.environ, RUNNERHUB_BUILD=build, PYTHONDONTWRITEBYTECODE="1")
    for name, value in SANITIZERS.items():
        env.setdefault(name, value)
    return env


def cmocka_cases(entry: dict) -> Tally:
    """What one test program said; a program that died counts one failure."""
    said = entry.get("stdout", "") + entry.get("stderr", "")
    passed = sum(map(int, re.findall(r"\[  PASSED  \] (\d+) test", said)))
    failed = sum(map(int, re.findall(r"\[  FAILED  \] (\d+) test", said)))
    if entry["result"] == "OK":
        return Tally(passed=max(passed, 1), failed=failed)
    return Tally(passed=passed, failed=max(failed, 1))


def run_meson(build: str, suite: str, only: str | None) -> Tally:
    log = os.path.join(build, "meson-logs", "testlog.json")
    if os.path.exists(log):
        os.unlink(log)
    command = ["meson", "test", "-C", build, "--no-rebuild", "--suite", suite,
               "--print-errorlogs", "--timeout-multiplier", "10"]
    command += [only] if only else []
    code = subprocess.run(command, env=environment(build), cwd=ROOT).returncode
    if not os.path.exists(log):
        # meson writes no log when a suite is empty: that is no failure.
        return Tally(failed=1 if code else 0)
    tally = Tally()
    with open(log, encoding="utf-8") as lines:
        for line in lines:
            tally.add(cmocka_cases(json.loads(line)))
    return tally


def script(*command: str) -> str | None:
    """What one of scripts/ answered; None when it failed."""
    result = subprocess.run([os.path.join(ROOT, "scripts", command[0]), *command[1:]],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    return result.stdout.strip() if result.returncode == 0 else None


@contextmanager
def prepared(env: dict[str, str]) -> Iterator[None]:
    """One engine and its test images for all lanes. Where that fails nothing
    is passed on: the tests that need them try for themselves and tell."""
    begun = script("engine", "ensure")
    try:
        if (begun and script("image", "--user", "root", "runnerhub/test:latest")
                and script("image", "--user", "runner", "runnerhub/test-runner:latest")):
            env["RUNNERHUB_TEST_PREPARED"] = "1"
        yield
    finally:
        if begun == "started":
            script("engine", "stop")


def run_pytest(suites: list[str], args: argparse.Namespace) -> dict[str, Tally]:
    env = environment(args.build)
    tallies = {suite: Tally() for suite in suites}
    with prepared(env):
        results = lanes.run(env, suites, args.only, args.lanes, args.record)
    for result in results:
        tallies[result.name.partition("/")[0]].add(
            Tally(result.passed, result.failed, result.skipped))
    for result in results:
        for case, said in result.failures.items():
            print(f"FAILED {case} - {said}")
        for line in result.unsteady:
            print(f"UNSTEADY {line}: it passed when it was tried again, alone")
    return tallies


MESON_SUITES = ("unit", "fuzz")
PYTEST_SUITES = ("integration", "e2e")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build/test")
    parser.add_argument("--only", help="name of a test program, or pytest -k")
    parser.add_argument("--lanes", type=int, default=lanes.LANES,
                        help="how many pytest files at once")
    parser.add_argument("--record", action="store_true",
                        help="keep how long each pytest file took")
    parser.add_argument("suites", nargs="+", choices=MESON_SUITES + PYTEST_SUITES)
    args = parser.parse_args()
    args.build = os.path.abspath(os.path.join(ROOT, args.build))
    tallies = {suite: run_meson(args.build, suite, args.only)
               for suite in args.suites if suite in MESON_SUITES}
    suites = [suite for suite in args.suites if suite in PYTEST_SUITES]
    if suites:
        tallies.update(run_pytest(suites, args))
    total = Tally()
    for suite, tally in tallies.items():
        print(f"{suite}: {tally.passed} passed, {tally.failed} failed, "
              f"{tally.skipped} skipped", flush=True)
        total.add(tally)
    if total.passed + total.failed == 0:
        print("no test ran")
        total.failed = 1
    print(f"{total.passed} passed, {total.failed} failed", flush=True)
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
