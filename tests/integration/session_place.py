"""Drives build/tests/unit/session_probe: containers and networks of sessions
without a hub around them."""

import json
import os
import subprocess
import tempfile
import uuid
from contextlib import nullcontext
from typing import Any

from engine_api import Engine, EngineError
from engine_probe import Probe
from podman_machine import Machine


class SessionError(Exception):
    def __init__(self, answer: dict[str, str]):
        super().__init__(f"{answer['code']}: {answer['error']}")
        self.code = answer["code"]
        self.msg = answer["error"]


class Places:
    def __init__(self, build_dir: str, engine: Engine, image: str,
                 subnet: str = "10.214.0.0/16", mode: str = "isolated",
                 machine: Machine | None = None):
        self.engine = engine
        self.image = image
        self.hub_id = str(uuid.uuid4())
        self.state = tempfile.TemporaryDirectory(prefix="runnerhub-places-")
        self.probe = Probe(build_dir, engine.host)
        path = os.path.join(build_dir, "tests", "unit", "session_probe")
        assert os.access(path, os.X_OK), f"{path} is not built"
        with machine.processes() if machine else nullcontext():
            self.process = subprocess.Popen(
                [machine.program(path) if machine else path, engine.host, self.state.name,
                 self.hub_id, subnet, mode],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def close(self) -> None:
        """The probe removes what it made; afterwards nothing is left."""
        assert self.process.stdin
        self.process.stdin.close()
        ended = self.process.wait(timeout=120)
        label = f"runnerhub.hub={self.hub_id}"
        left = self.engine.containers(label) + self.engine.networks(label)
        for container in self.engine.containers(label):
            self.engine.remove(container["Id"])
        for network in self.engine.networks(label):
            self.engine.remove_network(network["Id"])
        self.state.cleanup()
        assert (ended, left) == (0, [])

    def __call__(self, do: str, **fields: Any) -> str:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps({"do": do, **fields}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise SessionError(answer)
        return answer["id"]

    def fails(self, do: str, **fields: Any) -> SessionError:
        try:
            answer = self(do, **fields)
        except SessionError as error:
            return error
        raise AssertionError(f"{do} {fields} succeeded: {answer}")


class Session:
    """One session with its network, work directories and containers."""

    def __init__(self, places: Places, grounds: list[dict[str, Any]] | None = None):
        self.places = places
        self.job = str(uuid.uuid4())
        self.grounds = grounds or []
        self.network = places("network", job=self.job)

    def _fields(self, wish: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
        return {"job": self.job, "image": self.places.image, "grounds": self.grounds,
                "wish": wish, **fields}

    def start(self, wish: dict[str, Any], **fields: Any) -> str:
        return self.places("start", **self._fields(wish, fields))

    def side(self, wish: dict[str, Any], **fields: Any) -> str:
        return self.places("side", **self._fields(wish, fields))

    def refused(self, wish: dict[str, Any], **fields: Any) -> SessionError:
        return self.places.fails("side", **self._fields(wish, fields))

    def run(self, container: str, script: str) -> str:
        done = self.places.probe("exec", container, 100000, "/bin/sh", "-c", script)
        return f"{done['output']}{'' if done['exit_code'] == 0 else done['exit_code']}".strip()

    def address(self, container: str) -> str:
        networks = self.places.engine.inspect(container)["NetworkSettings"]["Networks"]
        assert list(networks) == [self.network]
        return networks[self.network]["IPAddress"]

    def end(self) -> None:
        self.places("unnetwork", job=self.job)


def mount(source: str | None, target: str, read_only: bool = False) -> dict[str, Any]:
    return {"sourceVolumePath": source, "targetVolumePath": target, "readOnly": read_only}


def gone(engine: Engine, network: str) -> bool:
    try:
        engine.call("GET", f"/networks/{network}")
    except EngineError as error:
        return error.status == 404
    return False
