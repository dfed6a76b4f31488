"""What a newcomer does first: the demo, kept and not kept."""

import os
import re
import subprocess
import urllib.request

import pytest

from fixtures import ROOT

DEMO = os.path.join(ROOT, "scripts", "demo")
IMAGE = "runnerhub/demo:latest"


def ours(engine) -> set[str]:
    """Everything on the engine that belongs to any hub."""
    return ({c["Id"] for c in engine.containers("runnerhub.managed=true")}
            | {n["Id"] for n in engine.networks("runnerhub.managed=true")})


def run_demo(runnerhub: str, *args: str, **env: str) -> str:
    result = subprocess.run([DEMO, *(args or (runnerhub,))], capture_output=True, text=True,
                            stdin=subprocess.DEVNULL, env={**os.environ, **env})
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


@pytest.fixture
def no_demo_kept():
    """The demo is one per checkout: one that a person keeps is in the way."""
    kept = os.path.join(ROOT, "build", "demo-kept")
    assert not os.path.exists(kept), "end the demo that is kept: scripts/demo stop"
    yield
    if os.path.exists(kept):
        subprocess.run([DEMO, "stop"], check=False)


def test_demo_shows_a_job_and_leaves_nothing(runnerhub, engine, no_demo_kept):
    before = ours(engine)
    said = run_demo(runnerhub)
    for part in ("GREETING is: left by step 2", "a program of my own in PATH",
                 "uid=1001(runner)", "no engine socket in here", "part 5 of 5",
                 "this line went to stderr", "completed", "container removed"):
        assert part in said, f"{part!r} is missing in:\n{said}"
    assert not ours(engine) - before


def test_demo_masks_its_secret(runnerhub, engine, no_demo_kept):
    said = run_demo(runnerhub)
    assert "s3cr3t" not in said
    assert "the token is ***" in said
    assert "in base64 it is ***" in said


def test_kept_demo_serves_until_it_is_stopped(runnerhub, engine, no_demo_kept):
    before = ours(engine)
    said = run_demo(runnerhub, KEEP="1")
    url = re.search(r"serving at (http://127\.0\.0\.1:\d+)", said)[1]
    with urllib.request.urlopen(url + "/health", timeout=60) as answer:
        assert b'"healthy"' in answer.read()
    run_demo(runnerhub, "stop")
    with pytest.raises(OSError):
        urllib.request.urlopen(url + "/health", timeout=60)
    assert not ours(engine) - before
