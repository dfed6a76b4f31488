"""What fakes that speak HTTP share: a server on a port of 127.0.0.1, with TLS
where a certificate is given, that remembers what came, gives faults on demand
and can be away for a while.

    class FakeThing(FakeServer):
        def respond(self, seen): return 200, {"a": "body"}, {}

    thing.fail(status=503, path="/part", times=3)   # the next such calls
    thing.fail(body=b"<html>")                      # bytes as they are
    thing.fail(seconds=60)                          # slow: until release or so long
    thing.down(); thing.up()                        # nobody listens, on the same port
    thing.seen, thing.asked("/part")                # requests that came
"""

import json
import socket
import ssl
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable


@dataclass
class Fault:
    """What the next calls get instead of their answer."""
    status: int = 500
    body: Any = None           # JSON, bytes as they are, None: see fault_body
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0         # held back for so long, or until release
    times: int = 1
    path: str = ""             # only paths that contain it


@dataclass
class Seen:
    method: str
    path: str                  # with its query, as it came
    headers: dict[str, str]
    body: bytes = b""


class FakeServer:
    content_type = "application/json"

    def __init__(self, certificate: tuple[str, str] | None = None):
        self.seen: list[Seen] = []
        self.faults: list[Fault] = []
        self.connections = 0       # that came, so far
        self._open: set[socket.socket] = set()
        self.released = threading.Event()
        self._certificate = certificate
        self._lock = threading.Lock()
        self._server: ThreadingHTTPServer | None = None
        self._port = 0
        self.up()

    # -- being there -----------------------------------------------------------
    @property
    def url(self) -> str:
        scheme, host = ("https", "localhost") if self._certificate else ("http", "127.0.0.1")
        return f"{scheme}://{host}:{self._port}"

    def up(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), self._handler())
        self._server.daemon_threads = True
        if self._certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self._certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def down(self) -> None:
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
            with self._lock:
                for one in self._open:  # those that wait for a next request, too
                    try:
                        one.shutdown(socket.SHUT_RDWR)
                    except OSError:
                        pass  # the peer has closed it

    def close(self) -> None:
        self.released.set()
        self.down()

    # -- what tests arrange ----------------------------------------------------
    def fail(self, **fault: Any) -> None:
        with self._lock:
            self.faults.append(Fault(**fault))

    def take_fault(self, path: str) -> Fault | None:
        with self._lock:
            for fault in self.faults:
                if fault.path in path:
                    fault.times -= 1
                    if fault.times == 0:
                        self.faults.remove(fault)
                    return fault
        return None

    def asked(self, path: str) -> list[Seen]:
        """The requests whose path contains this."""
        return [seen for seen in self.seen if path in seen.path]

    # -- what a fake says ------------------------------------------------------
    def respond(self, seen: Seen) -> tuple[int, Any, dict[str, str]]:
        """Status, body (JSON, bytes as they are, None: empty) and headers."""
        raise NotImplementedError

    def fault_body(self, seen: Seen, status: int) -> Any:
        """Of a fault that brings none."""
        return None

    # -- HTTP ------------------------------------------------------------------
    def _respond(self, seen: Seen) -> tuple[int, Any, dict[str, str]]:
        self.seen.append(seen)
        fault = self.take_fault(seen.path)
        if fault is None:
            return self.respond(seen)
        if fault.seconds:
            self.released.wait(fault.seconds)
        body = fault.body if fault.body is not None else self.fault_body(seen, fault.status)
        return fault.status, body, fault.headers

    def _handler(self) -> Callable[..., BaseHTTPRequestHandler]:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: Any) -> None:
                pass

            def handle(self) -> None:
                with fake._lock:
                    fake.connections += 1
                    fake._open.add(self.connection)
                try:
                    super().handle()
                except OSError:
                    pass  # the peer has given up
                finally:
                    with fake._lock:
                        fake._open.discard(self.connection)

            def _send(self, status: int, body: Any, headers: dict[str, str]) -> None:
                data = body if isinstance(body, bytes) else (
                    b"" if body is None else json.dumps(body, separators=(",", ":")).encode())
                try:
                    self.send_response(status)
                    for name, value in ({"Content-Type": fake.content_type} | headers).items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(data)))
                    self.end_headers()
                    self.wfile.write(data)
                except OSError:
                    self.close_connection = True  # the peer has given up

            def _answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                self._send(*fake._respond(Seen(
                    self.command, self.path, dict(self.headers), self.rfile.read(length))))

            do_GET = do_POST = do_DELETE = _answer

        return Handler
