"""A hub for tests of its clients: the calls of docs/SESSIONS.md, steps run as
processes of this machine, and faults on request.

    with FakeHub() as hub:
        hub.fault("GET", "/output", "cut", after=100)   # once, at that byte

Faults are taken once each, by the first call that matches: "refuse" closes the
connection unanswered, "forget" does the call and closes it unanswered, "cut"
ends a stream after so many bytes, "status" answers with a code and words.
"""

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.parse
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "rhr_" + "5" * 40


class Step:
    """One step: its output is kept, as (stream, bytes)."""

    def __init__(self, body: dict[str, Any]):
        self.body = body
        self.pieces: list[tuple[int, bytes]] = []
        self.end: dict[str, Any] | None = None
        self.changed = threading.Condition()
        self.taken = 0
        wants = body.get("input", False)
        env = {**os.environ, **body.get("env", {})}
        self.process = subprocess.Popen(
            body["command"], stdin=subprocess.PIPE if wants else subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env,
            cwd=body.get("workingDirectory"), start_new_session=True)
        self._readers = [threading.Thread(target=self._read, args=(n, stream), daemon=True)
                         for n, stream in ((1, self.process.stdout), (2, self.process.stderr))]
        for reader in self._readers:
            reader.start()
        threading.Thread(target=self._wait, daemon=True).start()

    def _read(self, number: int, stream: Any) -> None:
        while data := os.read(stream.fileno(), 65536):
            with self.changed:
                self.pieces.append((number, data))
                self.changed.notify_all()

    def _wait(self) -> None:
        code = self.process.wait()
        for reader in self._readers:
            reader.join()
        with self.changed:
            code = code if code >= 0 else 128 - code
            self.end = {"exitCode": code, "status": "completed" if code == 0 else "failed",
                        "error": None}
            self.changed.notify_all()

    def signal(self, name: str) -> None:
        try:
            os.killpg(self.process.pid, getattr(signal, "SIG" + name))
        except ProcessLookupError:
            pass

    def frames(self, skip: int):
        """Frames behind so many bytes of output, as they come."""
        at = 0
        while True:
            with self.changed:
                while at == len(self.pieces) and self.end is None:
                    self.changed.wait()
                if at == len(self.pieces):
                    break
                stream, data = self.pieces[at]
            at += 1
            cut = min(skip, len(data))
            skip -= cut
            if data[cut:]:
                yield struct.pack(">B3xI", stream, len(data) - cut) + data[cut:]
        end = json.dumps(self.end).encode()
        yield struct.pack(">B3xI", 3, len(end)) + end


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, port: int, hub: "FakeHub"):
        self.hub = hub
        self.open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        kind = sys.exc_info()[0]
        if kind is None or not issubclass(kind, OSError):
            super().handle_error(request, client_address)


class FakeHub:
    """Sessions by id in `jobs`; `calls` are (method, path) as they came."""

    def __init__(self) -> None:
        self.jobs: dict[str, dict[str, Any]] = {}
        self.steps: dict[str, list[Step]] = {}
        self.calls: list[tuple[str, str]] = []
        self.lease = 60
        self.notes: list[str] = []
        self.reports: list[dict[str, Any]] = []
        self.verdict: dict[str, Any] = {"allowed": True}
        self._faults: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self._server: _Server | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def fault(self, method: str, path: str, action: str, **more: Any) -> None:
        self._faults.append({"method": method, "path": path, "action": action, **more})

    def take_fault(self, method: str, path: str) -> dict[str, Any]:
        with self._lock:
            self.calls.append((method, path))
            for fault in self._faults:
                if fault["method"] == method and fault["path"] in path:
                    self._faults.remove(fault)
                    return fault
        return {"action": None}

    def start(self) -> "FakeHub":
        self._server = _Server(self.port, self)
        threading.Thread(target=self._server.serve_forever,
                         kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def stop(self) -> None:
        """It is away; what it knows stays."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            for connection in list(self._server.open):
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # it has ended by itself
            self._server = None

    def __enter__(self) -> "FakeHub":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
        for steps in self.steps.values():
            for step in steps:
                step.signal("KILL")

    # -- what the calls do

    def delegate(self, body: dict[str, Any]) -> dict[str, Any]:
        for job in self.jobs.values():
            if job["jobId"] == body["jobId"]:
                return {"delegationId": job["id"]}
        job = {**body, "id": str(uuid.uuid4()), "status": "running", "error": None}
        job["session"] = {
            "containerId": "c" * 64 if body.get("container") else None, "image": "fake",
            "network": "fakenet", "ports": {}, "isAlpine": False, "path": "/bin",
            "services": [{"id": f"{n:064x}", "image": s["image"], "names": [], "ports": {},
                          "network": "fakenet"} for n, s in enumerate(body["services"])]}
        self.jobs[job["id"]] = job
        self.steps[job["id"]] = []
        return {"delegationId": job["id"]}

    def step(self, job: str, body: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            for number, step in enumerate(self.steps[job]):
                if step.body["key"] == body["key"]:
                    return {"step": number}
            self.steps[job].append(Step(body))
            return {"step": len(self.steps[job]) - 1}

    def shown(self, job: str) -> dict[str, Any]:
        steps = [{"status": "running" if s.end is None else s.end["status"]}
                 for s in self.steps[job]]
        return {**self.jobs[job], "steps": steps}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        pass

    def _answer(self, status: int, data: Any, **more: Any) -> None:
        text = json.dumps({"success": status < 300, "data": data, **more}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _stream(self, pieces: Any, cut: int | None) -> None:
        """Chunked; with cut the connection ends at that byte of the body."""
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in pieces:
            if cut is not None:
                piece, cut = piece[:cut], cut - len(piece)
            if piece:
                self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            if cut is not None and cut <= 0:
                self.wfile.flush()
                self._drop()
                return
        self.wfile.write(b"0\r\n\r\n")

    def _drop(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _call(self) -> None:
        assert isinstance(self.server, _Server)
        hub = self.server.hub
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = hub.take_fault(self.command, self.path)
        if fault["action"] == "refuse":
            self._drop()
        elif fault["action"] == "status":
            self._answer(fault["status"], None, error=fault["error"], code=fault.get("code"))
        elif self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._answer(401, None, error="Unauthorized")
        else:
            self._do(hub, body, fault)

    do_GET = do_POST = _call

    def _do(self, hub: FakeHub, body: bytes, fault: dict[str, Any]) -> None:
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        parts = url.path.split("/")[2:]
        if parts[0] == "jobs" and parts[1] != "delegate" and parts[1] not in hub.jobs:
            self._answer(404, None, error="Job not found", code="job_not_found")
            return
        if parts[-1] == "output":
            self._stream(hub.steps[parts[1]][int(parts[3])].frames(int(query["skip"])),
                         fault.get("after"))
            return
        if parts[-1] == "logs":
            self._stream([json.dumps({"kind": "note", "note": note}).encode() + b"\n"
                          for note in hub.notes], fault.get("after"))
            return
        data = self._plain(hub, parts, query, body)
        if fault["action"] == "forget":
            self._drop()
        else:
            self._answer(200, data)

    def _plain(self, hub: FakeHub, parts: list[str], query: dict[str, str], body: bytes) -> Any:
        if parts[0] == "runners":
            hub.reports.append({"event": parts[2], **json.loads(body)})
            return hub.verdict
        if parts[1] == "delegate":
            return hub.delegate(json.loads(body))
        job = hub.jobs[parts[1]]
        if len(parts) == 2:
            return hub.shown(parts[1])
        if parts[2] == "heartbeat":
            return {"status": job["status"], "leaseSeconds": hub.lease}
        if parts[2] == "proxy-complete":
            said = json.loads(body)
            assert (said["runId"], said["jobId"]) == (job["runId"], job["jobId"])
            job.update(status=said["status"], error=said.get("error"),
                       exitCode=said.get("exitCode"))
            return None
        if len(parts) == 3:
            return hub.step(parts[1], json.loads(body))
        step = hub.steps[parts[1]][int(parts[3])]
        step.signal(json.loads(body)["signal"])
        return None


def wait_until(condition: Any, what: str = "it") -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, f"{what} never came true"
        time.sleep(0.01)
