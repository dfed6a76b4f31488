"""A HashiCorp Vault for tests: KV version 2, AppRole, tokens and health, with
the answers that HashiCorp documents, and faults on demand.

Written from the API documentation alone; shares nothing with src/secrets.
"""

import json
import ssl
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "hvs.fake0123456789"
ROLE_ID, SECRET_ID = "role-of-tests", "secret-of-tests"


class FakeVault:
    def __init__(self, certificate: tuple[str, str] | None = None, mount: str = "secret",
                 namespace: str | None = None):
        self.mount, self.namespace = mount, namespace
        # path -> versions; a version is (data or None when deleted, metadata)
        self.secrets: dict[str, dict[str, Any]] = {}
        self.tokens: dict[str, dict[str, Any]] = {TOKEN: {"until": None, "renewable": False}}
        self.denied: set[str] = set()     # paths that the policy refuses
        self.login_ttl = 3600             # seconds, of an AppRole's token
        self.renewals_left = 1000         # then renew-self is refused
        self.status: int | None = None    # of every answer: sealed and the like
        self.hang = threading.Event()     # set: calls wait until it is clear
        self.seen: list[tuple[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            self._scheme = "https"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    # -- the test's side ---------------------------------------------------
    @property
    def url(self) -> str:
        name = "localhost" if self._scheme == "https" else "127.0.0.1"
        return f"{self._scheme}://{name}:{self._server.server_port}"

    def close(self) -> None:
        self.hang.clear()
        self._server.shutdown()
        self._server.server_close()

    def put(self, path: str, custom: dict[str, str] | None = None, **fields: Any) -> None:
        with self.lock:
            version = self.secrets.get(path, {}).get("version", 0) + 1
            self.secrets[path] = {"data": fields, "custom": custom, "version": version,
                                  "deleted": ""}

    def delete(self, path: str) -> None:
        with self.lock:
            self.secrets[path]["deleted"] = "2026-01-02T03:04:05.6Z"

    def reads(self, path: str) -> int:
        return self.seen.count(("GET", f"/v1/{self.mount}/data/{path}"))

    def count(self, method: str, path: str) -> int:
        return self.seen.count((method, path))

    def revoke_all(self) -> None:
        with self.lock:
            self.tokens.clear()

    # -- what Vault answers ------------------------------------------------
    def _token(self, headers: Any) -> dict[str, Any] | None:
        token = self.tokens.get(headers.get("X-Vault-Token", ""))
        if token and token["until"] is not None and token["until"] <= time.monotonic():
            return None
        return token

    def answer(self, method: str, path: str, headers: Any, body: Any) -> tuple[int, Any]:
        if path.startswith("/v1/sys/health"):
            return self.status or 200, {"initialized": True, "sealed": self.status == 503}
        if self.status:
            return self.status, {"errors": ["Vault is sealed" if self.status == 503 else "away"]}
        if headers.get("X-Vault-Request") != "true":
            return 412, {"errors": ["missing X-Vault-Request"]}
        if headers.get("X-Vault-Namespace") != self.namespace:
            return 403, {"errors": ["permission denied"]}
        with self.lock:
            if (method, path) == ("POST", "/v1/auth/approle/login"):
                return self._login(body)
            token = self._token(headers)
            if token is None:
                return 403, {"errors": ["permission denied", "invalid token"]}
            if (method, path) == ("GET", "/v1/auth/token/lookup-self"):
                return 200, {"data": {"ttl": self._ttl(token), "renewable": token["renewable"]}}
            if (method, path) == ("POST", "/v1/auth/token/renew-self"):
                return self._renew(token)
            if method == "GET" and path.startswith(f"/v1/{self.mount}/data/"):
                return self._read(path.removeprefix(f"/v1/{self.mount}/data/"))
        return 404, {"errors": [f"no handler for route {path}"]}

    @staticmethod
    def _ttl(token: dict[str, Any]) -> int:
        return 0 if token["until"] is None else max(1, int(token["until"] - time.monotonic()))

    def _login(self, body: Any) -> tuple[int, Any]:
        if body != {"role_id": ROLE_ID, "secret_id": SECRET_ID}:
            return 400, {"errors": ["invalid role or secret ID"]}
        name = f"hvs.login-{uuid.uuid4().hex}"
        self.tokens[name] = {"until": time.monotonic() + self.login_ttl, "renewable": True}
        return 200, {"auth": {"client_token": name, "accessor": "a", "policies": ["default"],
                              "lease_duration": self.login_ttl, "renewable": True}}

    def _renew(self, token: dict[str, Any]) -> tuple[int, Any]:
        if not token["renewable"] or self.renewals_left <= 0:
            return 400, {"errors": ["lease is not renewable"]}
        self.renewals_left -= 1
        token["until"] = time.monotonic() + self.login_ttl
        return 200, {"auth": {"lease_duration": self.login_ttl, "renewable": True}}

    def _read(self, path: str) -> tuple[int, Any]:
        if path in self.denied:
            return 403, {"errors": ["1 error occurred:\n\t* permission denied\n\n"]}
        secret = self.secrets.get(path)
        if secret is None:
            return 404, {"errors": []}
        metadata = {"created_time": "2026-01-01T00:00:00Z", "custom_metadata": secret["custom"],
                    "deletion_time": secret["deleted"], "destroyed": False,
                    "version": secret["version"]}
        if secret["deleted"]:
            return 404, {"data": {"data": None, "metadata": metadata}}
        return 200, {"data": {"data": secret["data"], "metadata": metadata}}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        vault = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(size)) if size else None
                vault.seen.append((self.command, self.path.split("?")[0]))
                vault.headers.append(dict(self.headers))
                while vault.hang.is_set():
                    time.sleep(0.02)
                status, reply = vault.answer(self.command, self.path, self.headers, body)
                text = json.dumps(reply).encode()
                try:
                    self.send_response(status)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(text)))
                    self.end_headers()
                    self.wfile.write(text)
                except OSError:
                    pass  # the hub did not wait for it

            do_GET = do_POST = do_PUT = _serve

            def log_message(self, *_: Any) -> None:
                pass

        return Handler
