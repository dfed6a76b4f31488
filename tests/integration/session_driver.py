"""A proxy that drives a session, for tests: opens one, runs steps in it and
reads their output as frames, looks at what is made for it on the engine."""

import io
import json
import tarfile
import urllib.error
import urllib.request
import uuid
from dataclasses import dataclass
from typing import Any

from engine_api import API, Engine
from hub import Hub, wait_for

LABEL = "runnerhub.session"


def build(engine: Engine, dockerfile: str) -> str:
    """A local image from a Dockerfile without context; its name."""
    name = f"sessiontest/{uuid.uuid4().hex[:8]}:1"
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        text = dockerfile.encode()
        info = tarfile.TarInfo("Dockerfile")
        info.size = len(text)
        archive.addfile(info, io.BytesIO(text))
    connection = engine._connection(300)
    connection.request("POST", f"{API}/build?t={name}&rm=1&networkmode=none", packed.getvalue(),
                       {"Content-Type": "application/x-tar"})
    assert "Successfully tagged" in connection.getresponse().read().decode()
    connection.close()
    return name


def made_for(engine: Engine, job: str) -> dict[str, list]:
    """All that bears the session's label."""
    chosen = json.dumps({"label": [f"{LABEL}={job}"]})
    return {
        "containers": engine.call("GET", "/containers/json",
                                  query={"all": "1", "filters": chosen}),
        "networks": engine.call("GET", "/networks", query={"filters": chosen}),
        "volumes": engine.call("GET", "/volumes", query={"filters": chosen})["Volumes"] or [],
        "images": engine.call("GET", "/images/json", query={"filters": chosen}),
    }


def nothing_left(engine: Engine, job: str) -> None:
    wait_for(lambda: not any(made_for(engine, job).values()), 60, "the session's things are gone")


@dataclass
class Output:
    """What was read of a step so far; end is the last frame's object."""
    out: bytes = b""
    err: bytes = b""
    end: dict | None = None

    @property
    def size(self) -> int:
        return len(self.out) + len(self.err)


class Session:
    """An open session; its id is `id`, what was made of it `made`."""

    def __init__(self, hub: Hub, token: str | None = None, **fields: Any):
        self.hub = hub
        self.id = self.open_as(token, **fields)
        self.job = hub.wait_status(self.id, "running")
        self.made = self.job["session"]

    def open_as(self, token: str | None, **fields: Any) -> str:
        """Only delegates; its id."""
        headers = {"Authorization": f"Bearer {token}"} if token else None
        reply = self.hub.post("/api/jobs/delegate", {
            "jobId": "test", "runId": uuid.uuid4().hex, "repository": "test/repo", **fields},
            headers=headers)
        assert reply.status == 201, reply.text
        return reply.data["delegationId"]

    def post(self, path: str, body: Any = None) -> Any:
        """Repeats what a hub that was just restarted asks to repeat."""
        def answer() -> Any:
            reply = self.hub.post(f"/api/jobs/{self.id}/{path}", body)
            again = reply.status >= 400 and reply.json.get("code") == "session_resuming"
            return None if again else reply
        return wait_for(answer, 60, "the session is taken over")

    def begin(self, **fields: Any) -> int:
        """Starts a step; its number."""
        fields.setdefault("key", uuid.uuid4().hex)
        reply = self.post("steps", fields)
        assert reply.status in (200, 201), reply.text
        return reply.data["step"]

    def signal(self, step: int, name: str) -> None:
        reply = self.post(f"steps/{step}/signal", {"signal": name})
        assert reply.status == 200, reply.text

    def read(self, step: int, until: bytes | None = None,
             output: Output | None = None) -> Output:
        """The output of a step to its end, or until stdout holds `until`;
        goes on behind what `output` has already."""
        output = output or Output()
        request = urllib.request.Request(
            f"{self.hub.url}/api/jobs/{self.id}/steps/{step}/output?skip={output.size}")
        with urllib.request.urlopen(request, timeout=120) as answer:
            while output.end is None and (until is None or until not in output.out):
                head = answer.read(8)
                assert len(head) == 8, "the output was cut"
                data = answer.read(int.from_bytes(head[4:], "big"))
                if head[0] == 1:
                    output.out += data
                elif head[0] == 2:
                    output.err += data
                else:
                    output.end = json.loads(data)
        return output

    def run(self, **fields: Any) -> Output:
        return self.read(self.begin(**fields))

    def end(self) -> None:
        reply = self.post("proxy-complete", {"status": "completed", "runId": self.job["runId"],
                                             "jobId": self.job["jobId"]})
        assert reply.status == 200, reply.text

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        if kind is None:
            self.end()
            nothing_left(self.hub.engine, self.id)
        else:
            self.hub.post(f"/api/jobs/{self.id}/cancel")
