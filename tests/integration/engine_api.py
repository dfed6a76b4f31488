"""The container engine's HTTP API for tests: plain calls over its socket.

Tests look at the engine by themselves, not through the hub: what the hub
says about a container is what they check.
"""

import http.client
import json
import os
import socket
import urllib.parse
from typing import Any

API = "/v1.41"


class EngineError(Exception):
    def __init__(self, status: int, body: str):
        super().__init__(f"engine answered {status}: {body.strip()}")
        self.status = status


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float):
        super().__init__("engine", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Engine:
    """One engine; host as in DOCKER_HOST (unix:///path or tcp://host:port)."""

    def __init__(self, host: str | None = None):
        host = host or os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
        self.host = f"unix://{host}" if host.startswith("/") else host

    def _connection(self, timeout: float) -> http.client.HTTPConnection:
        if self.host.startswith("unix://"):
            return _UnixConnection(self.host[len("unix://"):], timeout)
        return http.client.HTTPConnection(self.host[len("tcp://"):], timeout=timeout)

    def call(self, method: str, path: str, body: Any = None,
             query: dict[str, str] | None = None, timeout: float = 120) -> Any:
        """The parsed answer (None when empty); EngineError from status 400 on."""
        if query:
            path += "?" + urllib.parse.urlencode(query)
        data = None if body is None else json.dumps(body)
        headers = {} if data is None else {"Content-Type": "application/json"}
        connection = self._connection(timeout)
        try:
            connection.request(method, API + path, data, headers)
            response = connection.getresponse()
            text = response.read().decode("utf-8", "replace")
        finally:
            connection.close()
        if response.status >= 400:
            raise EngineError(response.status, text)
        try:
            return json.loads(text) if text.strip() else None
        except json.JSONDecodeError:
            return text

    def read_all(self, path: str, timeout: float = 600) -> int:
        """Reads an answer to its end without keeping it; its size."""
        connection = self._connection(timeout)
        try:
            connection.request("GET", API + path)
            response = connection.getresponse()
            if response.status >= 400:
                raise EngineError(response.status, response.read().decode())
            total = 0
            while part := response.read1(1 << 20):
                total += len(part)
            return total
        finally:
            connection.close()

    def answers(self) -> bool:
        try:
            self.call("GET", "/_ping", timeout=5)
            return True
        except (OSError, http.client.HTTPException, EngineError):
            return False

    def containers(self, *labels: str, running_only: bool = False) -> list[dict]:
        """The containers that bear all labels ("name" or "name=value")."""
        return self.call("GET", "/containers/json", query={
            "all": "0" if running_only else "1",
            "filters": json.dumps({"label": list(labels)}),
        })

    def networks(self, *labels: str) -> list[dict]:
        return self.call("GET", "/networks", query={
            "filters": json.dumps({"label": list(labels)})})

    def inspect(self, container: str) -> dict:
        return self.call("GET", f"/containers/{container}/json")

    def kill(self, container: str) -> None:
        self.call("POST", f"/containers/{container}/kill")

    def remove(self, container: str) -> None:
        try:
            self.call("DELETE", f"/containers/{container}", query={"force": "1"})
        except EngineError as error:
            if error.status != 404:
                raise

    def remove_network(self, network: str) -> None:
        try:
            self.call("DELETE", f"/networks/{network}")
        except EngineError as error:
            if error.status != 404:
                raise
