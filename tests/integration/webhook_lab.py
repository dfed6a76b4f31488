"""A receiver of webhooks: notes what comes and answers as a test wants."""

import hashlib
import hmac
import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable

from hub import Hub, wait_for


@dataclass
class Delivery:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def event(self) -> str:
        return self.headers["x-runnerhub-event"]

    @property
    def id(self) -> str:
        return self.headers["x-runnerhub-delivery"]


class Receiver:
    """Any path answers 204, or what `answer` says: a status, or a status and
    headers. With `hold` set nothing is answered until `release`."""

    def __init__(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver._take(self)

            def log_message(self, *_: Any) -> None:
                pass

        self.deliveries: list[Delivery] = []
        self.answer: Callable[[Delivery], Any] = lambda delivery: 204
        self.open = threading.Event()
        self.open.set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever,
                                        kwargs={"poll_interval": 0.05})
        self._thread.start()

    def _take(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("Content-Length", "0"))
        body = handler.rfile.read(length)
        delivery = Delivery(handler.path, {
            key.lower(): value for key, value in handler.headers.items()}, body)
        self.deliveries.append(delivery)
        self.open.wait(60)
        answer = self.answer(delivery)
        status, headers = answer if isinstance(answer, tuple) else (answer, {})
        try:
            handler.send_response(status)
            for key, value in headers.items():
                handler.send_header(key, value)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
        except OSError:
            pass  # the hub was killed, or gave up

    def hold(self) -> None:
        self.open.clear()

    def release(self) -> None:
        self.open.set()

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    def url(self, path: str = "/hook", host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def at(self, path: str) -> list[Delivery]:
        return [one for one in list(self.deliveries) if one.path == path]

    def events(self, path: str) -> list[str]:
        return [one.event for one in self.at(path)]

    def wait(self, path: str, count: int = 1) -> list[Delivery]:
        wait_for(lambda: len(self.at(path)) >= count,
                 what=f"{count} deliveries at {path}")
        return self.at(path)

    def close(self) -> None:
        self.release()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def signature(secret: str, delivery: Delivery) -> str:
    """As a receiver computes it from what came."""
    stamp = delivery.headers["x-runnerhub-timestamp"]
    return "sha256=" + hmac.new(secret.encode(), stamp.encode() + b"." +
                                delivery.body, hashlib.sha256).hexdigest()


def add(hub: Hub, name: str, url: str, **fields: Any) -> dict:
    return hub.post("/api/webhooks", {"name": name, "url": url, **fields}).data


def show(hub: Hub, webhook: dict) -> dict:
    return next(one for one in hub.get("/api/webhooks").data
                if one["id"] == webhook["id"])


def deliveries(hub: Hub, webhook: dict) -> list[dict]:
    return hub.get(f"/api/webhooks/{webhook['id']}/deliveries?limit=100").data


def remove_all(hub: Hub) -> None:
    for webhook in hub.get("/api/webhooks").data:
        hub.delete(f"/api/webhooks/{webhook['id']}")
