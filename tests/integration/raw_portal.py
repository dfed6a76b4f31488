"""A portal's frontend as bytes: its five requests as its HTTP client writes
them, and answers with nothing lost (reason phrase, chunks, what is not there)."""

import json
import socket
from typing import Any, NamedTuple

DEADLINE_S = 60.0


class Answer(NamedTuple):
    line: str
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def status(self) -> int:
        return int(self.line.split(" ", 2)[1])

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def all(self, name: str) -> list[str]:
        return [v for n, v in self.headers if n.lower() == name.lower()]

    def header(self, name: str) -> str | None:
        """The only one of that name."""
        found = self.all(name)
        assert len(found) <= 1, f"{name} stands {len(found)} times: {found}"
        return found[0] if found else None

    def error(self, status: int, name: str) -> dict:
        """The envelope, in each of its parts."""
        assert self.status == status, (self.line, self.body)
        assert (self.header("Content-Type") or "").startswith("application/json")
        assert self.json["error"]["name"] == name, self.json
        assert self.json["response"] == {"statusCode": status}
        assert set(self.json) == {"error", "request", "response"}
        return self.json


class Stream:
    """An answer that goes on."""

    def __init__(self, port: int, request: bytes, receive_buffer: int = 0):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(DEADLINE_S)
        self.socket.connect(("127.0.0.1", port))
        self.socket.sendall(request)
        self.rest = b""
        self.ended = False

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def more(self) -> bool:
        data = self.socket.recv(65536)
        self.rest += data
        self.ended = data == b""
        return not self.ended

    def until(self, mark: bytes) -> bytes:
        while mark not in self.rest:
            assert self.more(), f"it ended without {mark!r}: {self.rest[-300:]!r}"
        head, self.rest = self.rest.split(mark, 1)
        return head

    def head(self) -> Answer:
        lines = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        pairs = [tuple(line.split(": ", 1)) for line in lines[1:]]
        return Answer(lines[0], pairs, b"")  # type: ignore[arg-type]

    def to_end(self) -> bytes:
        while self.more():
            pass
        return self.rest


def ask(port: int, method: str, target: str, body: bytes = b"",
        headers: dict[str, str] | None = None, host: str | None = None) -> Answer:
    """One request as it stands here, one answer."""
    with Stream(port, request(port, method, target, body, headers, host)) as stream:
        head = stream.head()
        length = head.header("Content-Length")
        if method == "HEAD" or head.status in (204, 304):
            return head
        if length is None:
            return head._replace(body=stream.to_end())
        while len(stream.rest) < int(length):
            assert stream.more(), "the body is cut"
        return head._replace(body=stream.rest)


def request(port: int, method: str, target: str, body: bytes = b"",
            headers: dict[str, str] | None = None, host: str | None = None) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", f"host: {host or f'localhost:{port}'}",
             "connection: keep-alive"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if method == "POST":
        lines += [f"content-length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Client:
    """The five requests; base: as discovery gives it."""

    def __init__(self, port: int, base: str = "/api/runner",
                 headers: dict[str, str] | None = None):
        self.port, self.base, self.headers = port, base, headers or {}

    def _post(self, path: str, body: dict) -> Answer:
        text = json.dumps(body, separators=(",", ":")).encode()
        return ask(self.port, "POST", self.base + path, text,
                   {"Content-Type": "application/json", **self.headers})

    def get(self, path: str, headers: dict[str, str] | None = None) -> Answer:
        return ask(self.port, "GET", self.base + path, headers={**self.headers, **(headers or {})})

    def start(self, ref: Any, query: str = "") -> Answer:
        return self._post("/start" + query, {"entityRef": ref})

    def stop(self, instance: Any) -> Answer:
        return self._post("/stop", {"instanceId": instance})

    def status(self, instance: str) -> Answer:
        return self.get(f"/instances/{instance}")

    def list(self) -> Answer:
        return self.get("/instances")

    def logs(self, instance: str, query: str = "") -> Answer:
        return self.get(f"/instances/{instance}/logs?{query}")

    def follow(self, path: str, headers: dict[str, str] | None = None,
               receive_buffer: int = 0) -> Stream:
        return Stream(self.port, request(self.port, "GET", self.base + path, b"",
                                         {**self.headers, **(headers or {})}), receive_buffer)
