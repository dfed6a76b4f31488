#!/usr/bin/python3
"""Runs the test suites on a finished build and adds up what they say.

    tests/run.py [--build DIR] [--only NAME] unit|fuzz|integration|e2e ...

unit counts the cases that each cmocka program reports, fuzz one per target
(its whole corpus replayed), integration and e2e the pytest cases. The last
line is `N passed, N failed`; a crash, a sanitizer report or a suite that
cannot run counts as failed. The exit code is 1 when anything failed.
"""

import argparse
import glob
import json
import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass

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


def pytest_cases(path: str) -> Tally:
    tally = Tally()
    for suite in ElementTree.parse(path).getroot().iter("testsuite"):
        bad = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        skipped = int(suite.get("skipped", 0))
        tally.add(Tally(int(suite.get("tests", 0)) - bad - skipped, bad, skipped))
    return tally


def run_pytest(build: str, suite: str, only: str | None) -> Tally:
    folder = os.path.join(ROOT, "tests", suite)
    if not glob.glob(os.path.join(folder, "test_*.py")):
        return Tally()
    # A test may leave mounts or foreign owners there: never our failure.
    with tempfile.TemporaryDirectory(prefix="runnerhub-pytest-",
                                     ignore_cleanup_errors=True) as temp:
        report = os.path.join(temp, "report.xml")
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider",
                   "-q", "--tb=short", "--durations=5", f"--junitxml={report}",
                   f"--basetemp={temp}/tmp", folder] + (["-k", only] if only else [])
        code = subprocess.run(command, env=environment(build), cwd=ROOT).returncode
        if not os.path.exists(report):
            return Tally(failed=1)
        tally = pytest_cases(report)
    # 5: nothing was collected. Any other failure must show in the sum.
    if code not in (0, 5) and tally.failed == 0:
        tally.failed = 1
    return tally


SUITES = {
    "unit": run_meson,
    "fuzz": run_meson,
    "integration": run_pytest,
    "e2e": run_pytest,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build/test")
    parser.add_argument("--only", help="name of a test program, or pytest -k")
    parser.add_argument("suites", nargs="+", choices=sorted(SUITES))
    args = parser.parse_args()
    build = os.path.abspath(os.path.join(ROOT, args.build))
    total = Tally()
    for suite in args.suites:
        tally = SUITES[suite](build, suite, args.only)
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
