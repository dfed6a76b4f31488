"""The hub dies at each named point of a session's life with containers. The
next one goes on: a step runs at most once, its output comes whole, and at the
end nothing is left on the engine."""

import http.client
import os
from typing import Any, Callable

import pytest

import fault_points
from hub import FINAL, Hub, wait_for
from session_driver import Output, Session, made_for, nothing_left
from survival import unique_run, wait_dead

CASES = [(point, n) for point, passages in fault_points.SESSION.items() for n in passages]
LINES = 40


class Proxy:
    """Does what it wants of a session, again and again until it is done; what
    it has seen so far is kept when the hub dies in between."""

    def __init__(self, hub: Hub, image: str, work: str):
        self.hub, self.image, self.work = hub, image, work
        self.run = unique_run()
        self.output = Output()
        self.id: str | None = None

    def request(self) -> dict:
        return {"jobId": "fault", "runId": self.run, "repository": "test/faults",
                "nested": {"work": "/w"}, "container": {"image": self.image},
                "services": [{"image": self.image, "entryPoint": "tail",
                              "entryPointArgs": ["-f", "/dev/null"]}]}

    def step(self) -> dict:
        script = (f"'echo x >>/work/count; n=0; while [ $n -lt {LINES} ]; do n=$((n+1)); "
                  "echo $n; sleep 0.01; done; exit 3'")
        return {"key": "only", "container": {
            "dockerfile": f"{self.work}/Dockerfile", "entryPoint": "sh",
            "entryPointArgs": ["-c", script], "systemMountVolumes": [
                {"sourceVolumePath": self.work, "targetVolumePath": "/work"}]}}

    def go(self) -> None:
        """Raises OSError when the hub dies."""
        reply = self.hub.post("/api/jobs/delegate", self.request())
        assert reply.status in (200, 201), reply.text
        self.id = reply.data["delegationId"]
        status = wait_for(self._status, 120, "the session runs or has ended")
        if status in FINAL:
            return
        session = Session.__new__(Session)
        session.hub, session.id = self.hub, self.id
        session.job = self.hub.job(self.id)
        step = session.begin(**self.step())
        session.read(step, output=self.output)
        session.end()

    def _status(self) -> str | None:
        status = self.hub.get(f"/api/jobs/{self.id}").data["status"]
        return status if status in (*FINAL, "running") else None

    def count(self) -> int:
        path = f"{self.work}/count"
        return len(open(path, encoding="utf-8").read().split()) if os.path.exists(path) else 0


@pytest.mark.parametrize("point,passage", CASES)
def test_the_hub_dies_and_nothing_is_lost_or_left(
        make_hub: Callable[..., Hub], engine: Any, image: str, tmp_path: Any,
        point: str, passage: int) -> None:
    work = str(tmp_path)
    with open(f"{work}/Dockerfile", "w", encoding="utf-8") as file:
        file.write(f"FROM {image}\nENV A=b\n")
    hub = make_hub(env={"RUNNERHUB_HOST_SERVICES": "warn", "RUNNERHUB_WORK_ROOTS": work,
                        "RUNNERHUB_SHUTDOWN_MODE": "handover",
                        "RUNNERHUB_FAULT": f"{point}:{passage}"}).start()
    proxy = Proxy(hub, image, work)
    try:
        proxy.go()
    except (OSError, AssertionError, http.client.HTTPException) as problem:
        assert wait_dead(hub), problem
    else:
        assert wait_dead(hub), f"the hub never came to {point}"
    hub.env["RUNNERHUB_FAULT"] = ""
    hub.start()
    proxy.go()
    job = hub.wait_end(proxy.id)
    assert proxy.count() == 1 and job["status"] == "completed", job
    lines = proxy.output.out.decode().split("\n")
    at = lines.index("1")
    assert lines[at:] == [*map(str, range(1, LINES + 1)), ""], lines
    assert proxy.output.end["exitCode"] == 3
    nothing_left(engine, proxy.id)
    assert made_for(engine, proxy.id)["volumes"] == []
