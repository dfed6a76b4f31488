"""What tests on a real engine stand on: a build, an engine, an image, a hub.

Imported by the conftest.py of tests/integration and tests/e2e.

RUNNERHUB_BUILD names the build directory (build/test, else build/dev). The
engine is the one that answers, else one that scripts/engine starts for this
run and stops after it. A machine without any fails the tests: nothing is
skipped silently. Under tests/run.py, which runs several of us at once, engine
and images are there already (RUNNERHUB_TEST_PREPARED).
"""

import os
import subprocess
from typing import Callable, Iterator

import pytest

from engine_api import Engine
from hub import Hub, sweep

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# Their images stay on an engine that was there before: another run may use
# them at the same time, and they cost 5 MB once.
IMAGE = "runnerhub/test:latest"
RUNNER_IMAGE = "runnerhub/test-runner:latest"


def _script(*command: str) -> str:
    """One of scripts/, unless tests/run.py did it for all."""
    if "RUNNERHUB_TEST_PREPARED" in os.environ:
        return "prepared"
    result = subprocess.run([os.path.join(ROOT, "scripts", command[0]), *command[1:]],
                            capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if result.returncode != 0:
        pytest.exit(f"scripts/{' '.join(command)} failed:\n{result.stderr}", 1)
    return result.stdout.strip()


@pytest.fixture(scope="session")
def build_dir() -> str:
    named = os.environ.get("RUNNERHUB_BUILD")
    candidates = [named] if named else ["build/test", "build/dev"]
    for candidate in candidates:
        path = os.path.abspath(os.path.join(ROOT, candidate))
        if os.path.exists(os.path.join(path, "build.ninja")):
            return path
    pytest.exit(f"no build in {' or '.join(candidates)}: run make test-unit first", 1)


@pytest.fixture(scope="session")
def runnerhub(build_dir: str) -> str:
    """The path of the program under test."""
    path = os.path.join(build_dir, "src", "cmd", "runnerhub")
    assert os.access(path, os.X_OK), f"{path} is not built"
    return path


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    started = _script("engine", "ensure") == "started"
    engine = Engine()
    assert engine.answers()
    yield engine
    sweep(engine)
    if started:
        _script("engine", "stop")


@pytest.fixture(scope="session")
def image(engine: Engine) -> str:
    """A small image with busybox and bash whose commands run as root."""
    _script("image", "--user", "root", IMAGE)
    return IMAGE


@pytest.fixture(scope="session")
def runner_image(engine: Engine) -> str:
    """The same, whose commands run as uid 1001."""
    _script("image", "--user", "runner", RUNNER_IMAGE)
    return RUNNER_IMAGE


def _hubs(runnerhub: str, engine: Engine, image: str) -> Iterator[Callable[..., Hub]]:
    hubs: list[Hub] = []

    def make(env: dict[str, str] | None = None, args: list[str] | None = None) -> Hub:
        hubs.append(Hub(runnerhub, engine, image, env, args))
        return hubs[-1]

    yield make
    problems = []
    for hub in hubs:
        try:
            hub.close()
        except AssertionError as problem:
            problems.append(str(problem))
    assert not problems, "\n".join(problems)


@pytest.fixture
def make_hub(runnerhub: str, engine: Engine, image: str) -> Iterator[Callable[..., Hub]]:
    """make_hub(env={...}, args=[...]) gives a hub that is not started yet;
    all are stopped and checked at the end of the test."""
    yield from _hubs(runnerhub, engine, image)


@pytest.fixture(scope="module")
def make_module_hub(runnerhub: str, engine: Engine, image: str) -> Iterator[Callable[..., Hub]]:
    """The same for a hub that the tests of one file share: it is checked at
    the end of the file."""
    yield from _hubs(runnerhub, engine, image)


@pytest.fixture
def hub(make_hub: Callable[..., Hub]) -> Hub:
    """A started hub with its own state directory and no warm sandboxes."""
    return make_hub().start()
