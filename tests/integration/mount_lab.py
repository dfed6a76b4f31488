"""What stands between a portal's frontend and the hub: the ways of mounting
it, as small proxies with the habits of the real ones.

    Proxy(hub.url + "/api/runner", kept=FEW, tells=False)  # a portal's proxy
    Proxy(hub.url + "/api/runner", gzips=True)             # a plugin that pipes
    Proxy(hub.url, prefix="")                              # a reverse proxy
    Nginx(hub.url)                                         # a real one
    PageServer("<script>...</script>")                     # a page elsewhere

A portal's proxy cuts headers both ways and does not tell the hub that its
client has left: it reads on and throws away.
"""

import gzip
import http.client
import os
import socket
import subprocess
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from hub import free_port, wait_for

# What proxies of portals let through (components-api 6.4).
REQUEST_FEW = {"content-type", "content-length", "accept", "user-agent", "cache-control"}
REPLY_FEW = {"content-type", "content-length", "cache-control", "last-modified", "expires",
             "pragma", "content-language"}
_HOP = {"connection", "transfer-encoding", "keep-alive", "host", "date", "server"}


def shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # it is closed


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "Proxy"

    def log_message(self, *_: Any) -> None:
        pass

    def _forward(self) -> http.client.HTTPResponse:
        proxy = self.server
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        sent = {name: value for name, value in self.headers.items()
                if name.lower() not in _HOP and proxy.lets_in(name)}
        sent.update(proxy.adds)
        self.upstream = http.client.HTTPConnection(proxy.host, proxy.hub_port, timeout=120)
        self.upstream.connect()
        self.socket = self.upstream.sock  # the answer's from its head on
        proxy.upstreams.append(self.socket)
        # The target as it came: a bare "?" too.
        self.upstream.putrequest(self.command, proxy.path + self.path[len(proxy.prefix):],
                                 skip_accept_encoding=True)
        for name, value in sent.items():
            self.upstream.putheader(name, value)
        self.upstream.putheader("Connection", "close")
        self.upstream.endheaders(body or None)
        return self.upstream.getresponse()

    def _head(self, answer: http.client.HTTPResponse, squeezed: bool) -> None:
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in _HOP and self.server.lets_out(name) and not (
                    squeezed and name.lower() == "content-length"):
                self.send_header(name, value)
        if squeezed:
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True

    def _pipe(self, answer: http.client.HTTPResponse, squeezed: bool) -> None:
        left = False
        held = b""
        while piece := answer.read1(65536):
            held += piece if squeezed else b""
            if left or squeezed:
                continue  # nobody is told
            try:
                self.wfile.write(piece)
                left = self._has_left() and not self.server.tells
            except OSError:
                left = True
            if left and self.server.tells:
                return
        if squeezed:
            self.wfile.write(gzip.compress(held))

    def _has_left(self) -> bool:
        self.connection.settimeout(0.001)
        try:
            return self.connection.recv(1, socket.MSG_PEEK) == b""
        except OSError:
            return False
        finally:
            self.connection.settimeout(None)

    def _watch(self) -> None:
        """Tells the hub at once when the client leaves."""
        try:
            if self.connection.recv(1) == b"":
                shut(self.socket)
        except OSError:
            pass

    def _serve(self) -> None:
        answer = self._forward()
        squeezed = (self.server.gzips and "gzip" in self.headers.get("Accept-Encoding", "")
                    and "no-transform" not in answer.getheader("Cache-Control", ""))
        self._head(answer, squeezed)
        if self.server.tells and answer.getheader("Content-Length") is None:
            threading.Thread(target=self._watch, daemon=True).start()
        try:
            self._pipe(answer, squeezed)
        except (OSError, http.client.HTTPException, ValueError):
            pass
        self.upstream.close()

    do_GET = do_POST = do_OPTIONS = do_HEAD = _serve


class Proxy(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, target: str, prefix: str = "/api/runner", kept: bool = True,
                 forwards: bool = True, tells: bool = True, gzips: bool = False,
                 adds: dict[str, str] | None = None):
        """kept: headers pass; forwards: that of the user's token does."""
        super().__init__(("127.0.0.1", 0), _Handler)
        parts = urlsplit(target)
        self.host, self.hub_port, self.path = parts.hostname or "", parts.port or 80, parts.path
        self.prefix, self.kept, self.forwards = prefix, kept, forwards
        self.tells, self.gzips, self.adds = tells, gzips, adds or {}
        self.port = self.server_address[1]
        self.upstreams: list[socket.socket] = []
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def lets_in(self, name: str) -> bool:
        if name.lower() == "authorization":
            return self.forwards
        return self.kept or name.lower() in REQUEST_FEW

    def lets_out(self, name: str) -> bool:
        return self.kept or name.lower() in REPLY_FEW

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> "Proxy":
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join()
        for upstream in self.upstreams:  # those it has kept, too
            shut(upstream)


_NGINX = """daemon off;
master_process off;
pid {place}/pid;
error_log stderr;
events {{}}
http {{
  access_log off;
  client_body_temp_path {place}/body;
  proxy_temp_path {place}/proxy;
  fastcgi_temp_path {place}/none;
  uwsgi_temp_path {place}/none;
  scgi_temp_path {place}/none;
  server {{
    listen 127.0.0.1:{port};
    location /api/runner/ {{
      proxy_pass {hub};
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_read_timeout 1h;
    }}
  }}
}}
"""


class Nginx:
    """The configuration of docs/BACKSTAGE.md, way D, in front of a hub."""

    def __init__(self, hub: str):
        self.port = free_port()
        self._place = tempfile.TemporaryDirectory(prefix="runnerhub-nginx-")
        config = os.path.join(self._place.name, "nginx.conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write(_NGINX.format(place=self._place.name, port=self.port, hub=hub))
        self._process = subprocess.Popen(["nginx", "-c", config, "-p", self._place.name],
                                         stderr=subprocess.PIPE)

    def __enter__(self) -> "Nginx":
        wait_for(self._answers, what="nginx answers")
        return self

    def _answers(self) -> bool:
        assert self._process.poll() is None, self._process.stderr.read().decode()
        try:
            socket.create_connection(("127.0.0.1", self.port)).close()
        except OSError:
            return False
        return True

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.communicate()
        self._place.cleanup()


class PageServer:
    """One page, at an origin of its own."""

    def __init__(self, page: str, policy: str = ""):
        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                pass

            def do_GET(self) -> None:
                body = page.encode() if self.path == "/" else b""
                self.send_response(200 if body else 204)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                if policy:
                    self.send_header("Content-Security-Policy", policy)
                self.end_headers()
                self.wfile.write(body)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.origin = f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
