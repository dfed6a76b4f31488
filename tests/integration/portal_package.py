"""The portal plugin as a portal gets it: packed, installed, and bundled with
the stories of backstage/tests, which run in jsdom."""

import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import tarfile
from contextlib import contextmanager
from typing import IO, Iterator

from hub import wait_for

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SOURCE = os.path.join(ROOT, "backstage")
NAME = "@runnerhub/backstage-plugin-runner"


MODULES = {**os.environ, "NODE_PATH": os.path.join(SOURCE, "node_modules")}

# Deadlines, so that what does not come is told: seconds.
INSTALL, STEP, STORY, OTHERS = 900, 600, 600, 1800
# A registry that accepts and says nothing shall not be waited for five minutes
# for each file; and what npm asks it besides the packages, nobody needs.
REGISTRY = ["--fetch-timeout=60000", "--fetch-retries=3", "--no-audit", "--no-fund",
            "--no-update-notifier"]


def _run(what: str, words: list[str], seconds: float,
         env: dict[str, str] | None = None) -> None:
    """To its end, or to the deadline: then it may say what holds it."""
    # The unpacked plugin finds its peers as it would among a portal's packages.
    with subprocess.Popen(words, cwd=SOURCE, text=True, stdin=subprocess.DEVNULL,
                          env=MODULES | (env or {}), stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, start_new_session=True) as process:
        late = ""
        try:
            said, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            late = f" has not ended within {seconds:g} s"
            os.killpg(process.pid, signal.SIGTERM)  # npm's programs, too
            try:
                said, _ = process.communicate(timeout=10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                said, _ = process.communicate()
        assert process.returncode == 0 and not late, f"{what}{late or ' failed'}:\n{said}"


def _npm(*args: str, seconds: float = STEP) -> None:
    _run(f"npm {' '.join(args)} in backstage/ (npm ci needs the npm registry once)",
         ["npm", *args], seconds)


def _taken(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _alone() -> Iterator[None]:
    """Test runs of one checkout share its node_modules and its dist."""
    os.makedirs(os.path.join(SOURCE, "node_modules"), exist_ok=True)
    with open(os.path.join(SOURCE, ".deps-stamp.lock"), "w", encoding="ascii") as lock:
        wait_for(lambda: _taken(lock), OTHERS, "another test run is done with backstage/")
        yield


def _install() -> None:
    """npm ci, when the lock file has changed since the last time."""
    stamp = os.path.join(SOURCE, "node_modules", ".deps-stamp")
    with open(os.path.join(SOURCE, "package-lock.json"), "rb") as lock:
        wanted = hashlib.sha256(lock.read()).hexdigest()
    if os.path.exists(stamp):
        with open(stamp, encoding="ascii") as file:
            if file.read() == wanted:
                return
    _npm("ci", "--prefer-offline", *REGISTRY, seconds=INSTALL)
    with open(stamp, "w", encoding="ascii") as file:
        file.write(wanted)


def build(into: str) -> str:
    """Checks, packs and unpacks the plugin and bundles its tests; returns the
    directory that has package/ and bundles/."""
    with _alone():
        _install()
        _npm("run", "--silent", "lint")
        _npm("run", "--silent", "build")
        _npm("pack", "--silent", "--pack-destination", into)
        packed = [name for name in os.listdir(into) if name.endswith(".tgz")]
        assert len(packed) == 1, packed
        with tarfile.open(os.path.join(into, packed[0])) as archive:
            archive.extractall(into)
        _npm("run", "--silent", "bundle-tests", "--",
             f"--alias:{NAME}={os.path.join(into, 'package', 'dist', 'index.js')}",
             f"--outdir={os.path.join(into, 'bundles')}")
    return into


def tests() -> list[str]:
    folder = os.path.join(SOURCE, "tests")
    return sorted(name.partition(".")[0] for name in os.listdir(folder)
                  if name.endswith((".test.ts", ".test.tsx")))


def run(built: str, name: str, env: dict[str, str]) -> None:
    """One file of tests; what it said is in the failure."""
    bundle = os.path.join(built, "bundles", f"{name}.test.js")
    _run(f"{name}.test", [shutil.which("node") or "node", "--require",
                          os.path.join(SOURCE, "tests", "deadline.cjs"), bundle],
         STORY, env)
