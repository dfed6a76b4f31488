"""A GitHub Enterprise Server for tests: the REST calls about self-hosted
runners and (fake_repositories.py) repositories, with the shapes that GitHub
documents, and faults on demand.

Written from GitHub's REST API reference alone; shares nothing with src/github.
"""

import json
import re
import ssl
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable

from fake_apps import Apps
from fake_repositories import Repositories

TOKEN = "ghp_fake0123456789"

_SCOPE = r"/(repos/[^/]+/[^/]+|orgs/[^/]+|enterprises/[^/]+)"


@dataclass
class Fault:
    """What the next calls get instead of their answer."""
    status: int = 500
    body: Any = None           # JSON, or bytes as they are
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0         # held back for so long, or until release
    times: int = 1
    path: str = ""             # only paths that contain it


@dataclass
class Seen:
    method: str
    path: str
    headers: dict[str, str]


class FakeGithub:
    def __init__(self, certificate: tuple[str, str] | None = None):
        self.runners: dict[str, list[dict]] = {}   # by scope, "repos/o/r"
        self.scopes = {"repos/acme/app", "orgs/acme"}
        self.minted: list[tuple[str, str, str]] = []  # scope, kind, token
        self.seen: list[Seen] = []
        self.faults: list[Fault] = []
        self.released = threading.Event()
        self._next_id = 23
        self._lock = threading.Lock()
        self.apps = Apps()
        self.repositories = Repositories(self.take_fault, self.released, TOKEN, self.apps)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True)
            self._scheme = "https"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        host = "localhost" if self._scheme == "https" else "127.0.0.1"
        return f"{self._scheme}://{host}:{self._server.server_address[1]}"

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self.repositories.close()

    # -- what tests arrange --------------------------------------------------
    def fail(self, **fault: Any) -> None:
        self.faults.append(Fault(**fault))

    def add_runner(self, scope: str, name: str, busy: bool = False,
                   ephemeral: bool = False) -> dict:
        with self._lock:
            self._next_id += 1
            runner = {"id": self._next_id, "runner_group_id": 1, "name": name,
                      "os": "linux", "status": "online", "busy": busy,
                      "ephemeral": ephemeral,
                      "labels": [{"id": 20, "name": "self-hosted", "type": "read-only"}]}
            self.runners.setdefault(scope, []).append(runner)
            return runner

    def names(self, scope: str) -> list[str]:
        return [runner["name"] for runner in self.runners.get(scope, [])]

    def take_fault(self, path: str) -> Fault | None:
        with self._lock:
            for fault in self.faults:
                if fault.path in path:
                    fault.times -= 1
                    if fault.times == 0:
                        self.faults.remove(fault)
                    return fault
        return None

    # -- the calls -----------------------------------------------------------
    def mint(self, scope: str, kind: str) -> tuple[int, Any]:
        token = f"A{kind[:3].upper()}{len(self.minted):06}TOKEN"
        self.minted.append((scope, kind, token))
        return 201, {"token": token, "expires_at": "2099-01-01T00:00:00.000-08:00"}

    def list(self, scope: str, query: dict[str, str]) -> tuple[int, Any]:
        found = [r for r in self.runners.get(scope, [])
                 if query.get("name") in (None, r["name"])]
        size, page = int(query.get("per_page", 30)), int(query.get("page", 1))
        return 200, {"total_count": len(found),
                     "runners": found[(page - 1) * size:page * size]}

    def one(self, scope: str, method: str, runner_id: int) -> tuple[int, Any]:
        runners = self.runners.get(scope, [])
        for runner in runners:
            if runner["id"] != runner_id:
                continue
            if method == "GET":
                return 200, runner
            if runner["busy"]:
                return 422, {"message": f"Bad request - Runner \"{runner['name']}\" is "
                             "still running a job"}
            runners.remove(runner)
            return 204, None
        return 404, {"message": "Not Found"}

    def answer(self, method: str, path: str, query: dict[str, str]) -> tuple[int, Any]:
        match = re.fullmatch(_SCOPE + r"/actions/runners(?:/([a-z0-9-]+))?", path)
        if not match or match.group(1) not in self.scopes:
            return 404, {"message": "Not Found"}
        scope, rest = match.groups()
        if method == "POST" and rest in ("registration-token", "remove-token"):
            return self.mint(scope, rest.removesuffix("-token"))
        if method == "GET" and rest is None:
            return self.list(scope, query)
        if rest is not None and rest.isdigit():
            return self.one(scope, method, int(rest))
        return 404, {"message": "Not Found"}

    # -- HTTP ----------------------------------------------------------------
    def _handler(self) -> Callable[..., BaseHTTPRequestHandler]:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: Any) -> None:
                pass

            def _send(self, status: int, body: Any, headers: dict[str, str]) -> None:
                data = body if isinstance(body, bytes) else (
                    b"" if body is None else json.dumps(body).encode())
                try:
                    self.send_response(status)
                    for name, value in headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(data)))
                    self.end_headers()
                    self.wfile.write(data)
                except OSError:
                    self.close_connection = True  # the peer has given up

            def _refusal(self) -> tuple[int, Any] | None:
                """What GitHub refuses before it looks at the path."""
                if not self.headers.get("User-Agent"):
                    return 403, {"message": "Request forbidden by administrative rules"}
                if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                    return 401, {"message": "Bad credentials"}
                if (self.headers.get("Accept") != "application/vnd.github+json"
                        or not self.headers.get("X-GitHub-Api-Version")):
                    return 415, {"message": "Unsupported Media Type"}
                return None

            def _answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                sent = self.rfile.read(length)
                path, _, text = self.path.partition("?")
                query = dict(part.split("=", 1) for part in text.split("&") if part)
                query = {k: re.sub("%([0-9A-Fa-f]{2})",
                                   lambda m: chr(int(m.group(1), 16)), v)
                         for k, v in query.items()}
                fake.seen.append(Seen(self.command, self.path, dict(self.headers)))
                fault = fake.take_fault(path)
                if fault:
                    if fault.seconds:
                        fake.released.wait(fault.seconds)
                    self._send(fault.status, fault.body, fault.headers)
                    return
                if not path.startswith("/api/v3/"):
                    self._send(404, {"message": "Not Found"}, {})
                    return
                path = path.removeprefix("/api/v3")
                if fake.apps.takes(self.command, path):
                    self._send(*fake.apps.answer(path, dict(self.headers), sent), {})
                    return
                if fake.repositories.takes(self.command, path):
                    self._send(*fake.repositories.answer(
                        f"{fake.url}/api/v3", path, query, dict(self.headers)))
                    return
                status, body = self._refusal() or fake.answer(self.command, path, query)
                self._send(status, body, {"Content-Type": "application/json"})

            do_GET = do_POST = do_DELETE = _answer

        return Handler


def main() -> None:
    """By hand: python3 tests/fakes/fake_github.py"""
    fake = FakeGithub()
    print(f"RUNNERHUB_GITHUB_URL={fake.url} GITHUB_TOKEN={TOKEN}", flush=True)
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    main()
