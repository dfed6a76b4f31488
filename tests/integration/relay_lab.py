"""A runner's directory whose worker is the relay, the stand-ins of listener
and worker around it, and the image in which the latter lives."""

import base64
import json
import os
import shutil
import subprocess
import sys
import uuid
from typing import Any, Callable, Iterator

import pytest

from engine_api import Engine
from fixtures import ROOT
from hub import Hub, wait_for

STANDINS = os.path.join(ROOT, "tests", "standins")
sys.path.insert(0, STANDINS)

import frames  # noqa: E402
from listener import Listener  # noqa: E402

WORKER_IMAGE = "runnerhub/test-worker:latest"


@pytest.fixture(scope="session")
def worker_image(engine: Engine, runner_image: str, tmp_path_factory) -> str:
    """The image with the stand-in of a worker where a runner's image has its
    own; its commands run as uid 1001."""
    context = tmp_path_factory.mktemp("worker-image")
    subprocess.run(["gcc", "-static", "-O1", "-o", context / "Runner.Worker",
                    os.path.join(STANDINS, "worker.c")], check=True)
    (context / "Dockerfile").write_text(
        f"FROM {runner_image}\nCOPY Runner.Worker /home/runner/bin/Runner.Worker\n")
    subprocess.run(["docker", "build", "-q", "-t", WORKER_IMAGE, str(context)], check=True,
                   env={**os.environ, "DOCKER_HOST": engine.host, "DOCKER_BUILDKIT": "0"},
                   stdout=subprocess.DEVNULL)
    return WORKER_IMAGE


def job(script: str, **fields: Any) -> dict[str, Any]:
    """A job message whose "worker" runs script in its work directory. The id
    is a new one, as GitHub's are."""
    text = base64.b64encode(script.encode()).decode()
    return frames.job(steps=[{"inputs": f"STANDIN:{text}:"}],
                      **{"jobId": str(uuid.uuid4()), **fields})


def when(kind: int, then: str) -> str:
    """A script that waits for a message of that kind."""
    return f"until [ -e frame-{kind} ]; do usleep 20000; done; {then}"


class Relay:
    """One relay under a stand-in listener."""

    def __init__(self, root: str, env: dict[str, str]):
        self.log_path = os.path.join(root, f"relay-{os.urandom(4).hex()}.log")
        with open(self.log_path, "wb") as log:
            self.listener = Listener(root, env, log.fileno())

    @property
    def pid(self) -> int:
        return self.listener.worker.pid

    @property
    def output(self) -> str:
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return log.read()

    def wait_output(self, text: str) -> None:
        def there() -> bool:
            assert text in self.output or self.listener.worker.poll() is None, self.output
            return text in self.output
        wait_for(there, 120, f"the relay prints {text!r}")

    def wait(self, timeout: float = 180) -> int:
        code = self.listener.wait(timeout)
        assert "Sanitizer" not in self.output, self.output
        return code


class Runner:
    """A configured runner, of which only the listener is missing."""

    def __init__(self, root: str, relay: str, hub: Hub, image: str):
        self.root = root
        self.relays: list[Relay] = []
        os.makedirs(os.path.join(root, "bin"))
        shutil.copy(relay, os.path.join(root, "bin", "Runner.Worker"))
        with open(os.path.join(root, ".runner"), "w", encoding="utf-8-sig") as file:
            json.dump({"agentId": 7, "agentName": "box-7", "workFolder": "_work",
                       "serverUrl": "https://example.invalid/", "secret": "not-for-anyone"},
                      file)
        self.env = {name: os.environ[name] for name in
                    ("PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS")
                    if name in os.environ}
        self.env.update(RUNNERHUB_URL=hub.url, RUNNERHUB_WORKER_IMAGE=image)

    def take_relay_away(self) -> str:
        """The worker is the runner's own again; where the relay went."""
        worker = os.path.join(self.root, "bin", "Runner.Worker")
        program = os.path.join(self.root, "runnerhub-worker")
        os.rename(worker, program)
        with open(worker, "wb") as file:
            file.write(b"the runner's own")
        return program

    def start(self, **env: str) -> Relay:
        self.relays.append(Relay(self.root, {**self.env, **env}))
        return self.relays[-1]

    def run(self, script: str, **fields: Any) -> tuple[int, str]:
        relay = self.start()
        relay.listener.send_job(job(script, **fields))
        code = relay.wait()
        return code, relay.output

    def close(self) -> None:
        for relay in self.relays:
            relay.listener.close()


@pytest.fixture
def make_runner(build_dir: str, worker_image: str, tmp_path) -> Iterator[Callable[[Hub], Runner]]:
    """make_runner(hub) gives a runner of that hub."""
    made: list[Runner] = []

    def make(hub: Hub) -> Runner:
        made.append(Runner(str(tmp_path / f"runner-{len(made)}"),
                           f"{build_dir}/src/worker/runnerhub-worker", hub, worker_image))
        return made[-1]

    yield make
    for runner in made:
        runner.close()


def jobs_of(hub: Hub) -> list[dict]:
    return hub.get("/api/jobs?limit=100").data


def last_job(hub: Hub) -> dict:
    return hub.job(max(jobs_of(hub), key=lambda found: found["createdAt"])["id"])
