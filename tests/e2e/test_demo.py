"""What a newcomer does first: the demo, kept and not kept."""

import json
import os
import re
import subprocess
import urllib.request
import uuid

import pytest

from fixtures import ROOT

DEMO = os.path.join(ROOT, "scripts", "demo")


class Demo:
    """The demo with a hub whose id we know, so that what it leaves is told
    from what other hubs have on the engine at this moment."""

    def __init__(self, engine, runnerhub: str, folder):
        self.engine = engine
        self.id = str(uuid.uuid4())
        self.program = folder / "runnerhub"
        self.program.write_text(
            "#!/bin/sh\n"
            f"[ \"$1\" != serve ] || printf {self.id} >\"$RUNNERHUB_STATE_DIR/hub-id\"\n"
            f"exec {runnerhub} \"$@\"\n")
        self.program.chmod(0o755)

    def run(self, *args: str, **env: str) -> str:
        result = subprocess.run([DEMO, *(args or (str(self.program),))], capture_output=True,
                                text=True, stdin=subprocess.DEVNULL, env={**os.environ, **env})
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout + result.stderr

    def has(self) -> list[str]:
        """What belongs to it on the engine."""
        label = f"runnerhub.hub={self.id}"
        images = self.engine.call("GET", "/images/json", query={
            "filters": json.dumps({"label": [label]})})
        return [found["Id"] for found in
                self.engine.containers(label) + self.engine.networks(label) + images]


@pytest.fixture
def demo(runnerhub, engine, tmp_path):
    """The demo is one per checkout: one that a person keeps is in the way."""
    kept = os.path.join(ROOT, "build", "demo-kept")
    assert not os.path.exists(kept), "end the demo that is kept: scripts/demo stop"
    yield Demo(engine, runnerhub, tmp_path)
    if os.path.exists(kept):
        subprocess.run([DEMO, "stop"], check=False)


def test_demo_shows_a_job_and_a_component_and_leaves_nothing(demo):
    said = demo.run()
    for part in ("GREETING is: left by step 2", "a program of my own in PATH",
                 "uid=1001(runner)", "no engine socket in here", "part 5 of 5",
                 "this line went to stderr", "completed", "container removed",
                 "A page that says hello", "Component:default/hello is ready",
                 "<h1>Hello from a component</h1>", "Hello: serving port 8080",
                 "response:200", "Component:default/hello is stopped"):
        assert part in said, f"{part!r} is missing in:\n{said}"
    assert demo.has() == []


def test_demo_masks_its_secret(demo):
    said = demo.run()
    assert "s3cr3t" not in said
    assert "the token is ***" in said
    assert "in base64 it is ***" in said


def test_kept_demo_serves_until_it_is_stopped(demo):
    said = demo.run(KEEP="1")
    url = re.search(r"serving at (http://127\.0\.0\.1:\d+)", said)[1]
    with urllib.request.urlopen(url + "/health", timeout=60) as answer:
        assert b'"healthy"' in answer.read()
    assert demo.has() != []
    demo.run("stop")
    with pytest.raises(OSError):
        urllib.request.urlopen(url + "/health", timeout=60)
    assert demo.has() == []
