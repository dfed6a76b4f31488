"""Sessions as a client of docs/SESSIONS.md drives them, for the tests."""

import http.client
import json
import socket
import struct
from typing import Any, Iterator, Optional

from hub import Hub

STDOUT, STDERR, END = 1, 2, 3


def bearer(token: Optional[str]) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


class Output:
    """The frames of a step's output, as they come."""

    def __init__(self, hub: Hub, session: str, step: int, query: str = "",
                 token: Optional[str] = None) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=120)
        self.connection.request("GET", f"/api/jobs/{session}/steps/{step}/output{query}",
                                headers=bearer(token))
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200, self.answer.read()

    def __enter__(self) -> "Output":
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def _exactly(self, count: int) -> bytes:
        data = self.answer.read(count)
        assert len(data) == count, f"the stream ended within a frame: {data!r}"
        return data

    def frame(self) -> tuple[int, bytes]:
        """The next one; those without content only say that somebody is there."""
        while True:
            stream, zeros, length = struct.unpack(">B3sI", self._exactly(8))
            assert zeros == b"\0\0\0" and stream in (STDOUT, STDERR, END)
            data = self._exactly(length)
            if data:
                return stream, data

    def frames(self) -> Iterator[tuple[int, bytes]]:
        while True:
            stream, data = self.frame()
            yield stream, data
            if stream == END:
                assert self.answer.read() == b"", "something behind the last frame"
                return

    def all(self) -> tuple[bytes, bytes, dict[str, Any]]:
        """What it wrote to stdout and stderr, and its end."""
        out: dict[int, list[bytes]] = {STDOUT: [], STDERR: [], END: []}
        for stream, data in self.frames():
            out[stream].append(data)
        stdout, stderr, end = (b"".join(out[stream]) for stream in (STDOUT, STDERR, END))
        return stdout, stderr, json.loads(end)


def open_session(hub: Hub, token: Optional[str] = None, **fields: Any) -> str:
    """Delegated and running."""
    session = hub.delegate(headers=bearer(token), **fields)
    hub.wait_status(session, "running", headers=bearer(token))
    return session


def start_step(hub: Hub, session: str, key: str, token: Optional[str] = None,
               **fields: Any) -> int:
    reply = hub.post(f"/api/jobs/{session}/steps", {"key": key, **fields}, headers=bearer(token))
    assert reply.status == 201, f"{reply.status}: {reply.text}"
    return reply.data["step"]


def run_step(hub: Hub, session: str, key: str, token: Optional[str] = None,
             **fields: Any) -> tuple[bytes, bytes, dict[str, Any]]:
    step = start_step(hub, session, key, token, **fields)
    with Output(hub, session, step, token=token) as output:
        return output.all()


def session_token(hub: Hub, session: str, token: Optional[str] = None) -> str:
    """What a nested session's processes have, for sessions inside of it."""
    stdout, stderr, _ = run_step(hub, session, "its-token", token,
                                 command=["sh", "-c", "echo $RUNNERHUB_TOKEN"])
    assert stdout.startswith(b"rhs_"), stdout + stderr
    return stdout.decode().strip()


class UnixConnection(http.client.HTTPConnection):
    """HTTP over the hub's unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("hub", timeout=120)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def complete(hub: Hub, session: str, token: Optional[str] = None, **fields: Any) -> None:
    job = hub.get(f"/api/jobs/{session}", headers=bearer(token)).data
    reply = hub.post(f"/api/jobs/{session}/proxy-complete",
                     {"status": "completed", "runId": job["runId"], "jobId": job["jobId"],
                      **fields}, headers=bearer(token))
    assert reply.status == 200, reply.text
