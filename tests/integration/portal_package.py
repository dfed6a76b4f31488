"""The portal plugin as a portal gets it: packed, installed, and bundled with
the stories of backstage/tests, which run in jsdom."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tarfile
from contextlib import contextmanager
from typing import Iterator

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SOURCE = os.path.join(ROOT, "backstage")
NAME = "@runnerhub/backstage-plugin-runner"


MODULES = {**os.environ, "NODE_PATH": os.path.join(SOURCE, "node_modules")}


def _npm(*args: str) -> None:
    # The unpacked plugin finds its peers as it would among a portal's packages.
    result = subprocess.run(["npm", *args], cwd=SOURCE, capture_output=True, text=True,
                            stdin=subprocess.DEVNULL, env=MODULES)
    assert result.returncode == 0, (
        f"npm {' '.join(args)} failed in backstage/ (npm ci needs the npm registry "
        f"once):\n{result.stdout}{result.stderr}")


@contextmanager
def _alone() -> Iterator[None]:
    """Test runs of one checkout share its node_modules and its dist."""
    os.makedirs(os.path.join(SOURCE, "node_modules"), exist_ok=True)
    with open(os.path.join(SOURCE, ".deps-stamp.lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
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
    _npm("ci", "--prefer-offline")
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
    result = subprocess.run(
        [shutil.which("node") or "node", bundle], capture_output=True, text=True,
        env={**MODULES, **env},
        stdin=subprocess.DEVNULL)
    assert result.returncode == 0, result.stdout + result.stderr
