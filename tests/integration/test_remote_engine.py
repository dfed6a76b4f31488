"""An engine of another machine: reached over tcp://, where nothing of ours can
be mounted. A proxy on loopback stands for the other machine's port."""

import os
import socket
import threading
from typing import Iterator

import pytest

from engine_api import Engine
from hub import FINAL, Hub, wait_for


class TcpProxy:
    """Forwards each TCP connection to the engine's socket, both ways, and
    passes half-closes on: an attach depends on them."""

    def __init__(self, unix_path: str):
        self.unix_path = unix_path
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            engine = socket.socket(socket.AF_UNIX)
            engine.connect(self.unix_path)
            self.open.update((client, engine))
            for source, sink in ((client, engine), (engine, client)):
                threading.Thread(target=self._copy, args=(source, sink),
                                 daemon=True).start()

    @staticmethod
    def _copy(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def cut(self) -> None:
        """Every connection breaks, as when a network goes away."""
        for end in list(self.open):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.open.clear()

    def close(self) -> None:
        self.listener.close()
        self.cut()


@pytest.fixture
def proxy(engine: Engine) -> Iterator[TcpProxy]:
    assert engine.host.startswith("unix://")
    proxy = TcpProxy(engine.host.removeprefix("unix://"))
    yield proxy
    proxy.close()


@pytest.fixture
def hub(runnerhub: str, engine: Engine, image: str,
        proxy: TcpProxy) -> Iterator[Hub]:
    hub = Hub(runnerhub, engine, image,
              env={"DOCKER_HOST": f"tcp://127.0.0.1:{proxy.port}"})
    with hub.start() as running:
        yield running


COUNT = 3000
LINES = "".join(f"line {n}\n" for n in range(1, COUNT + 1))


def delegate(hub: Hub, script: str, **more: object) -> str:
    body = {"jobId": "far", "runId": "1", "repository": "o/r",
            "steps": [{"name": "work", "run": script}], **more}
    return hub.post("/api/jobs/delegate", body).data["delegationId"]


def ended(hub: Hub, job: str) -> dict:
    return wait_for(lambda: (lambda j: j if j["status"] in FINAL else None)(
        hub.get(f"/api/jobs/{job}").data), what="the job ends")


def text(hub: Hub, job: str) -> str:
    return hub.get(f"/api/jobs/{job}/logs").data["logs"]


def test_a_job_runs_without_a_mount_of_ours(hub: Hub, engine: Engine) -> None:
    job = delegate(hub, "cat /proc/1/cmdline | tr '\\0' ' '; echo; exit 4",
                   secrets={"TOKEN": "correct-horse"})
    result = ended(hub, job)
    assert (result["status"], result["exitCode"]) == ("failed", 4)
    assert "agent -" in text(hub, job)


def volumes(engine: Engine, hub_id: str) -> list[str]:
    found = engine.call("GET", "/volumes").get("Volumes") or []
    return [v["Name"] for v in found
            if v["Name"].startswith(f"runnerhub-agent-{hub_id[:8]}")]


COUNT_SLOWLY = (f"i=0; while [ $i -lt {COUNT} ]; do i=$((i+1)); "
                "echo line $i; [ $((i % 500)) -ne 0 ] || sleep 0.2; done")


def test_a_cut_connection_loses_and_doubles_nothing(
        hub: Hub, proxy: TcpProxy) -> None:
    job = delegate(hub, COUNT_SLOWLY)
    wait_for(lambda: "line 400\n" in text(hub, job), what="it prints")
    proxy.cut()
    assert ended(hub, job)["status"] == "completed"
    assert text(hub, job) == LINES


def test_a_hub_killed_in_the_middle_goes_on(hub: Hub, engine: Engine) -> None:
    job = delegate(hub, COUNT_SLOWLY)
    wait_for(lambda: "line 400\n" in text(hub, job), what="it prints")
    hub.kill9()
    hub.start()
    assert ended(hub, job)["status"] == "completed"
    assert text(hub, job) == LINES
    history = hub.get(f"/api/jobs/{job}/events").data
    assert [e["status"] for e in history if e["type"] == "status"] == [
        "assigned", "running", "completed"]
    # The hub that stops has filled no volume itself, and removes it all the same.
    hub_id = hub.get("/api/system").data["hubId"]
    assert volumes(engine, hub_id)
    hub.terminate()
    assert not volumes(engine, hub_id)
