"""The pytest files of several suites, in a few lanes at once.

The tests wait for the engine most of the time, so a lane per core would leave
the machine idle. A lane runs one file at a time, each in a pytest process of
its own, and takes the next one from a common queue, longest first; what a
file said is printed whole when it is done.

So a test may not expect to be alone on the machine: what it makes bears a name,
a label or a port of its own, and it looks at nothing else.

A few failures are tried once more, alone, when the lanes are empty. One that
passes then counts as passed, but is named as unsteady at the end of the run: it
is a defect of the test or of what it tests, and to be looked for.
"""

import glob
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LANES = 3

# Seconds per file, as `tests/run.py --record` last measured them. They only
# order the queue: a file that is missing here is taken for a long one.
DURATIONS = os.path.join(ROOT, "tests", "durations.json")
UNKNOWN_SECONDS = 1000

NOTHING_COLLECTED = 5

# More failures than these are no accident: none of them is tried again.
SECOND_TRIES = 3


@dataclass
class Result:
    """One file that was run."""

    name: str  # "integration/test_hook.py"
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0
    failures: dict[str, str] = field(default_factory=dict)  # a case -> its error
    unsteady: list[str] = field(default_factory=list)


def _cases(report: str, result: Result) -> None:
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        bad = [found for kind in ("failure", "error") for found in case.findall(kind)]
        if bad:
            said = (bad[0].get("message") or "").partition("\n")[0]
            # A case that failed and could not clean up appears twice.
            result.failures.setdefault(f"tests/{result.name}::{case.get('name')}", said[:160])
            result.failed = len(result.failures)
        elif case.find("skipped") is not None:
            result.skipped += 1
        else:
            result.passed += 1


def _pytest(*args: str) -> list[str]:
    return [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", *args]


class Run:
    """The files of one run; its lanes are threads that wait for pytest."""

    def __init__(self, env: dict[str, str], temp: str, only: str | None):
        self.env = env
        self.temp = temp
        self.only = only
        self.lock = threading.Lock()  # the queue, the results, the terminal
        self.queue: list[str] = []
        self.results: list[Result] = []

    def _pytest(self, number: str, *args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            _pytest("--tb=short", f"--junitxml={self.temp}/{number}.xml",
                    f"--basetemp={self.temp}/{number}", *args),
            env=self.env, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace")

    def _file(self, name: str, number: int) -> None:
        result = Result(name)
        report = os.path.join(self.temp, f"{number}.xml")
        begun = time.monotonic()
        done = self._pytest(str(number), os.path.join(ROOT, "tests", name),
                            *(["-k", self.only] if self.only else []))
        result.seconds = time.monotonic() - begun
        if os.path.exists(report):
            _cases(report, result)
        # A crash or an interrupt must show in the sum.
        if done.returncode not in (0, NOTHING_COLLECTED) and result.failed == 0:
            result.failed = 1
            result.failures[f"tests/{name}"] = f"pytest ended with {done.returncode}"
        with self.lock:
            self.results.append(result)
            print(f"== {name}\n{done.stdout}", end="", flush=True)

    def try_again(self) -> None:
        """The few cases that failed, each alone on the machine."""
        if sum(len(result.failures) for result in self.results) > SECOND_TRIES:
            return
        for result in self.results:
            for case in list(result.failures):
                done = self._pytest("again", os.path.join(ROOT, case))
                print(f"== {case}, alone\n{done.stdout}", end="", flush=True)
                if done.returncode == 0:
                    result.failed -= 1
                    result.passed += 1
                    result.unsteady.append(f"{case} - {result.failures.pop(case)}")

    def _lane(self) -> None:
        while True:
            with self.lock:
                if not self.queue:
                    return
                name = self.queue.pop(0)
                number = len(self.queue)
            self._file(name, number)

    def run(self, names: list[str], lanes: int) -> None:
        self.queue = list(names)
        threads = [threading.Thread(target=self._lane) for _ in range(lanes)]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        except KeyboardInterrupt:
            # The terminal told each pytest as well: let them clean up.
            with self.lock:
                self.queue = []
            for thread in threads:
                thread.join()
            raise


def _collected(env: dict[str, str], names: list[str], only: str) -> list[str]:
    """The files that have a test for this -k: most have none."""
    files = [os.path.join(ROOT, "tests", name) for name in names]
    done = subprocess.run(_pytest("--collect-only", "-k", only, *files),
                          env=env, cwd=ROOT, capture_output=True, text=True)
    if done.returncode not in (0, NOTHING_COLLECTED):
        return names  # running them will tell why
    found = {line.partition("::")[0] for line in done.stdout.splitlines() if "::" in line}
    return [name for name in names if os.path.join("tests", name) in found]


def _seconds() -> dict[str, float]:
    with open(DURATIONS, encoding="ascii") as file:
        return json.load(file)


def _record(results: list[Result]) -> None:
    known = _seconds()
    known.update({result.name: round(result.seconds) for result in results
                  if not result.failed})
    kept = {name: known[name] for name in sorted(known)
            if os.path.exists(os.path.join(ROOT, "tests", name))}
    with open(DURATIONS, "w", encoding="ascii") as file:
        json.dump(kept, file, indent=0)
        file.write("\n")


def run(env: dict[str, str], suites: list[str], only: str | None = None,
        lanes: int = LANES, record: bool = False) -> list[Result]:
    """Runs every file of these suites."""
    names = [os.path.relpath(path, os.path.join(ROOT, "tests")) for suite in suites
             for path in sorted(glob.glob(os.path.join(ROOT, "tests", suite, "test_*.py")))]
    if only:
        names = _collected(env, names, only)
    seconds = _seconds()
    names.sort(key=lambda name: -seconds.get(name, UNKNOWN_SECONDS))
    # A test may leave mounts or foreign owners there: never our failure.
    with tempfile.TemporaryDirectory(prefix="runnerhub-pytest-",
                                     ignore_cleanup_errors=True) as temp:
        work = Run(env, temp, only)
        work.run(names, lanes)
        work.try_again()
    if record and not only:
        _record(work.results)
    return work.results
