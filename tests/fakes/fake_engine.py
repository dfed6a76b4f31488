#!/usr/bin/python3
"""A scripted container engine for tests: the part of the Docker Engine API
that RunnerHub uses, over a unix socket, and faults on request.

As a module:

    with FakeEngine("/tmp/x/engine.sock", images={"busybox:latest": {}}) as fake:
        fake.script([{"method": "POST", "path": "/start$", "call": 1,
                      "action": "drop_after"}])

As a program: fake_engine.py /tmp/x/engine.sock [--image REF ...]

Faults are rules: `method` (default any), `path` (a regular expression looked
for in the path without its version), `call` (only the n-th matching call
since the script was set; default each), `delay_ms` and one `action`:
    "status"       answer `status` with {"message": `message`}, do nothing
    "drop_before"  close the connection, do nothing
    "drop_after"   do it, close the connection without an answer
    "half"         do it, send half of the answer, close
    "garbage"      send what is no HTTP, close
    "hang"         answer nothing until the peer goes away
    "cut"          a stream (events) ends in the middle of its `events`-th piece
Without an action the rule only delays. The same over HTTP, for programs:
    POST /_fake/script [rule, ...]    GET /_fake/calls
    POST /_fake/kill {"id", "exit_code"?, "oom"?}
    POST /_fake/emit {"action", "id", "attributes"?, "time_ns"?}
    POST /_fake/image {"ref", "config"?}
"""

import argparse
import http.server
import json
import os
import re
import select
import signal
import socket
import socketserver
import struct
import sys
import threading
import time
import urllib.parse
from typing import Any, Callable

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from fake_engine_model import Model, Refusal, labels_match, new_id  # noqa: E402


class Cut(Exception):
    """The connection ends here, by script."""


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256
    engine: "FakeEngine"

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        connection, _ = super().get_request()
        return connection, ("fake", 0)

    def handle_error(self, request: Any, client_address: Any) -> None:
        kind = sys.exc_info()[0]
        if kind is None or not issubclass(kind, (OSError, Cut)):
            super().handle_error(request, client_address)


class FakeEngine:
    """One engine at one socket. What it remembers survives stop and start."""

    def __init__(self, path: str, images: dict[str, dict] | None = None,
                 pullable: dict[str, dict] | None = None, api: str = "1.41",
                 api_min: str = "1.12", podman: bool = False):
        self.path = path
        self.host = "unix://" + path
        self.model = Model(images, pullable)
        self.api, self.api_min, self.podman = api, api_min, podman
        self.calls: list[dict[str, Any]] = []
        self._rules: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> "FakeEngine":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.model.close()

    def start(self) -> None:
        if os.path.exists(self.path):
            os.unlink(self.path)
        server = _Server(self.path, _Handler)
        server.engine = self
        self._server = server
        self._thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def stop(self, end_containers: bool = False) -> None:
        """The engine goes away: its socket refuses, open connections end.
        Containers stay as they are, or end with it."""
        if self._server is None:
            return
        server, self._server = self._server, None
        server.shutdown()
        server.server_close()
        self._thread.join()
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # ended by itself meanwhile
        if end_containers:
            for container in list(self.model.containers.values()):
                self.model.end(container.id, 137)

    @property
    def running(self) -> bool:
        return self._server is not None

    # -- the script -----------------------------------------------------------

    def script(self, rules: list[dict[str, Any]]) -> None:
        with self._lock:
            self._rules = [{**rule, "seen": 0} for rule in rules]

    def rule_for(self, method: str, path: str) -> dict[str, Any]:
        """The first rule that applies to this call; counts it for each."""
        found: dict[str, Any] = {}
        with self._lock:
            for rule in self._rules:
                if rule.get("method", method) != method or not re.search(rule["path"], path):
                    continue
                rule["seen"] += 1
                if not found and rule.get("call", rule["seen"]) == rule["seen"]:
                    found = rule
        return found

    def note(self, call: dict[str, Any]) -> None:
        with self._lock:
            call["n"] = len(self.calls) + 1
            self.calls.append(call)

    def paths(self, method: str | None = None) -> list[str]:
        """The paths called so far (without version), for assertions."""
        with self._lock:
            return [c["path"] for c in self.calls if method in (None, c["method"])]

    def connection(self, sock: socket.socket, opened: bool) -> None:
        with self._lock:
            (self._open.add if opened else self._open.discard)(sock)


Route = tuple[str, str, Callable[..., None]]


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    # -- life of a connection ---------------------------------------------------

    def setup(self) -> None:
        super().setup()
        self.engine = self.server.engine
        self.model = self.engine.model
        self.engine.connection(self.connection, True)

    def finish(self) -> None:
        self.engine.connection(self.connection, False)
        try:
            super().finish()
        except OSError:
            pass  # the peer went first

    def log_message(self, format: str, *args: object) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def _serve(self) -> None:
        url = urllib.parse.urlsplit(self.path)
        self.query = {k: v[0] for k, v in urllib.parse.parse_qs(url.query).items()}
        self.query_all = urllib.parse.parse_qs(url.query)
        version = re.match(r"/v(\d+\.\d+)(?=/)", url.path)
        path = url.path[version.end():] if version else url.path
        self.body = self._read_body()
        self.rule: dict[str, Any] = {}
        if path.startswith("/_fake/"):
            self._control(path)
            return
        self.rule = self.engine.rule_for(self.command, path)
        self.call = {"method": self.command, "path": path, "query": self.query,
                     "version": version.group(1) if version else "", "status": 0,
                     "body": self._json_or_none()}
        self.engine.note(self.call)
        try:
            self._before()
            self._check_version(version.group(1) if version else None)
            self._dispatch(path)
        except Refusal as refusal:
            self._json({"message": refusal.message}, refusal.status)
        except Cut:
            self.close_connection = True

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        data = b""
        while size := int(self.rfile.readline().strip() or b"0", 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data

    def _json_or_none(self) -> Any:
        try:
            return json.loads(self.body) if self.body else None
        except ValueError:
            return None

    # -- faults -------------------------------------------------------------------

    def _before(self) -> None:
        if "delay_ms" in self.rule:
            time.sleep(self.rule["delay_ms"] / 1000)
        action = self.rule.get("action")
        if action == "status":
            raise Refusal(self.rule["status"], self.rule.get("message", "by script"))
        if action == "garbage":
            self.wfile.write(b"this is no HTTP at all\r\n\r\n")
        if action == "hang":
            select.select([self.connection], [], [])
        if action in ("drop_before", "garbage", "hang"):
            raise Cut()

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.call_status(status)
        head = f"HTTP/1.1 {status} {self.responses.get(status, ('?',))[0]}\r\n"
        head += "".join(f"{k}: {v}\r\n" for k, v in headers.items())
        if status != 204 and status != 304:
            head += f"Content-Length: {len(body)}\r\n"
        answer = head.encode() + b"\r\n" + (b"" if self.command == "HEAD" else body)
        action = self.rule.get("action")
        if action == "drop_after":
            raise Cut()
        if action == "half":
            self.wfile.write(answer[:max(1, len(answer) // 2)])
            raise Cut()
        self.wfile.write(answer)

    def call_status(self, status: int) -> None:
        if hasattr(self, "call"):
            self.call["status"] = status

    def _json(self, value: Any, status: int = 200) -> None:
        self._send(status, {"Content-Type": "application/json"}, json.dumps(value).encode())

    def _empty(self, status: int = 204) -> None:
        self._send(status, {}, b"")

    def _stream(self, pieces: Any) -> None:
        """A chunked body, a JSON document per line; ends when the peer does."""
        self.call_status(200)
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                         b"Transfer-Encoding: chunked\r\n\r\n")
        if self.rule.get("action") in ("drop_after", "half"):
            raise Cut()
        count = 0
        for piece in pieces:
            count += 1
            line = json.dumps(piece).encode() + b"\n"
            if self.rule.get("action") == "cut" and count >= self.rule.get("events", 1):
                self.wfile.write(b"%x\r\n" % len(line) + line[:len(line) // 2])
                raise Cut()
            self.wfile.write(b"%x\r\n" % len(line) + line + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")

    # -- control ----------------------------------------------------------------------

    def _control(self, path: str) -> None:
        value = self._json_or_none() or {}
        if path == "/_fake/calls":
            self._json(self.engine.calls)
            return
        if path == "/_fake/script":
            self.engine.script(value)
        elif path == "/_fake/kill":
            self.model.end(value["id"], value.get("exit_code", 137), value.get("oom", False))
        elif path == "/_fake/emit":
            self.model.emit(value["action"], value["id"], value.get("attributes") or {},
                            value.get("time_ns"))
        elif path == "/_fake/image":
            self.model.add_image(value["ref"], value.get("config") or {})
        else:
            self._json({"message": "page not found"}, 404)
            return
        self._empty()

    # -- the API ----------------------------------------------------------------------

    def _check_version(self, wanted: str | None) -> None:
        def number(text: str) -> tuple[int, ...]:
            return tuple(int(part) for part in text.split("."))
        if wanted is None:
            return
        if number(wanted) > number(self.engine.api):
            raise Refusal(400, f"client version {wanted} is too new. Maximum supported API "
                               f"version is {self.engine.api}")
        if number(wanted) < number(self.engine.api_min):
            raise Refusal(400, f"client version {wanted} is too old. Minimum supported API "
                               f"version is {self.engine.api_min}, please upgrade your client "
                               "to a newer version")

    def _dispatch(self, path: str) -> None:
        for method, pattern, handler in ROUTES:
            match = re.fullmatch(pattern, path)
            if match and method == self.command:
                handler(self, *match.groups())
                return
        raise Refusal(404, "page not found")

    def _labels(self) -> list[str]:
        wanted = json.loads(self.query.get("filters") or "{}").get("label") or []
        return list(wanted)  # a list, or an object whose keys count

    def ping(self) -> None:
        self._send(200, {"Api-Version": self.engine.api, "Content-Type": "text/plain"}, b"OK")

    def version(self) -> None:
        name = "Podman Engine" if self.engine.podman else "Engine"
        self._json({"Components": [{"Name": name, "Version": "20.10.24"}], "Version": "20.10.24",
                    "ApiVersion": self.engine.api, "MinAPIVersion": self.engine.api_min,
                    "Os": "linux", "Arch": "amd64"})

    def info(self) -> None:
        self._json({"ID": "FAKE:ENGINE", "DockerRootDir": self.model.scratch,
                    "DefaultRuntime": "runc", "CgroupVersion": "2", "NCPU": os.cpu_count(),
                    "MemTotal": 8 * 2**30, "MemoryLimit": True, "PidsLimit": True,
                    "CpuCfsQuota": True, "SwapFree": 2**64 - 1,
                    "SecurityOptions": ["name=seccomp,profile=default"]})

    def container_create(self) -> None:
        container = self.model.create(self.query.get("name", ""), json.loads(self.body))
        self._json({"Id": container.id, "Warnings": []}, 201)

    def container_start(self, ref: str) -> None:
        self._empty(204 if self.model.start(ref) else 304)

    def container_kill(self, ref: str) -> None:
        self.model.kill(ref, self.query.get("signal", ""))
        self._empty()

    def container_remove(self, ref: str) -> None:
        self.model.remove(ref, self.query.get("force") in ("1", "true"))
        self._empty()

    def container_update(self, ref: str) -> None:
        self.model.container(ref).host.update(json.loads(self.body))
        self._json({"Warnings": []})

    def container_inspect(self, ref: str) -> None:
        self._json(self.model.inspect(ref))

    def container_list(self) -> None:
        everything = self.query.get("all") in ("1", "true")
        self._json(self.model.list_containers(everything, self._labels()))

    def container_wait(self, ref: str) -> None:
        container = self.model.container(ref)
        container.ended.wait()
        self._json({"StatusCode": container.exit_code})

    def container_logs(self, ref: str) -> None:
        """Both streams; a follower gets `follow_pieces` of the rule, and then
        the end, as dockerd does that loses sight of the file."""
        container = self.model.container(ref)
        pieces = list(container.log)
        if self.query.get("follow"):
            pieces = pieces[:self.rule.get("follow_pieces", len(pieces))]
        self._send(200, {"Content-Type": "application/octet-stream"}, b"".join(
            struct.pack(">BxxxL", stream, len(data)) + data for stream, data in pieces))

    def container_archive(self, ref: str) -> None:
        self.model.put_archive(ref, self.query.get("path", "/"), self.body)
        self._empty(200)

    def container_attach(self, ref: str) -> None:
        container = self.model.container(ref)
        self.call_status(101)
        self.wfile.write(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
        sending = threading.Lock()

        def send(number: int, data: bytes) -> None:
            try:
                with sending:
                    self.connection.sendall(struct.pack(">BxxxL", number, len(data)) + data)
            except OSError:
                pass  # detached

        with self.model.lock:
            container.listeners.append(send)
        try:
            self._carry_stdin(container, send)
        finally:
            with self.model.lock:
                container.listeners.remove(send)
        raise Cut()

    def _carry_stdin(self, container: Any, send: Callable[[int, bytes], None]) -> None:
        """Peer to the process, or back to the peer when it only pretends."""
        while not container.ended.is_set():
            if not select.select([self.connection], [], [], 0.1)[0]:
                continue
            data = self.connection.recv(65536)
            if not data:
                return
            if container.pretends:
                send(1, data)
            else:
                container.process.stdin.write(data)
                container.process.stdin.flush()

    def exec_create(self, ref: str) -> None:
        container = self.model.container(ref)
        if container.state != "running":
            raise Refusal(409, f"Container {container.id} is not running")
        exec_id = new_id()
        self.model.execs[exec_id] = {"argv": json.loads(self.body)["Cmd"], "running": False}
        self._json({"Id": exec_id}, 201)

    def exec_start(self, exec_id: str) -> None:
        """Pretends: echoes its arguments; `exit N` ends with N."""
        argv = self._exec(exec_id)["argv"]
        self._exec(exec_id)["code"] = int(argv[1]) if argv[0] == "exit" else 0
        text = " ".join(argv).encode() + b"\n"
        self.call_status(200)
        self.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
                         b"Content-Type: application/vnd.docker.raw-stream\r\n\r\n")
        self.wfile.write(struct.pack(">BxxxL", 1, len(text)) + text)
        raise Cut()

    def exec_inspect(self, exec_id: str) -> None:
        """The exit code comes a moment after the output, as in the real one."""
        state = self._exec(exec_id)
        running = state.get("code") is not None and not state.get("asked")
        state["asked"] = True
        self._json({"ID": exec_id, "Running": running,
                    "ExitCode": None if running else state.get("code")})

    def _exec(self, exec_id: str) -> dict[str, Any]:
        if exec_id not in self.model.execs:
            raise Refusal(404, f"No such exec instance: {exec_id}")
        return self.model.execs[exec_id]

    def events(self) -> None:
        filters = {k: list(v) for k, v in json.loads(self.query.get("filters") or "{}").items()}
        since = self.query.get("since", "0")
        whole, _, fraction = since.partition(".")
        since_ns = int(whole) * 10**9 + int((fraction or "0").ljust(9, "0")[:9])

        def gone() -> bool:
            return bool(select.select([self.connection], [], [], 0)[0]) or not self.engine.running

        def wanted(event: dict[str, Any]) -> bool:
            labels = event["Actor"]["Attributes"]
            return (event["Type"] in filters.get("type", [event["Type"]])
                    and event["Action"] in filters.get("event", [event["Action"]])
                    and all(labels.get(w.partition("=")[0]) == w.partition("=")[2]
                            for w in filters.get("label", [])))

        self._stream(e for e in self.model.watch(since_ns, gone) if wanted(e))

    def image_inspect(self, ref: str) -> None:
        self._json(self.model.image(urllib.parse.unquote(ref)))

    def image_list(self) -> None:
        self._json([i for i in self.model.images.values()
                    if labels_match(i["Config"].get("Labels") or {}, self._labels())])

    def image_create(self) -> None:
        if "fromSrc" in self.query:
            self._stream([{"status": self.model.add_image(self.query["repo"], {})}])
            return
        ref = self.query["fromImage"]
        if "tag" in self.query:
            ref += ":" + self.query["tag"]
        if ref not in self.model.pullable:
            self._stream([{"status": f"Pulling from {ref}"},
                          {"errorDetail": {"message": f"manifest for {ref} not found: manifest "
                                                      "unknown"},
                           "error": f"manifest for {ref} not found"}])
            return
        self.model.add_image(ref, self.model.pullable[ref])
        self._stream([{"status": f"Pulling from {ref}", "id": "latest"},
                      {"status": "Downloading", "id": "abc", "progressDetail":
                          {"current": 1, "total": 2}, "progress": "[=> ]"},
                      {"status": "Pull complete", "id": "abc", "progressDetail": {}},
                      {"status": f"Status: Downloaded newer image for {ref}"}])

    def network_create(self) -> None:
        config = json.loads(self.body)
        if self.engine.podman:
            config["Options"] = {}  # what it does not know it forgets
        self._json({"Id": self.model.create_network(config)["Id"], "Warning": ""}, 201)

    def network_inspect(self, ref: str) -> None:
        self._json(self.model.network(ref))

    def network_list(self) -> None:
        self._json([n for n in self.model.networks.values()
                    if labels_match(n["Labels"], self._labels())])

    def network_remove(self, ref: str) -> None:
        self.model.remove_network(ref)
        self._empty()

    def volume_list(self) -> None:
        found = [v for v in self.model.volumes.values()
                 if labels_match(v["Labels"], self._labels())]
        self._json({"Volumes": found, "Warnings": None})

    def volume_create(self) -> None:
        config = json.loads(self.body)
        volume = self.model.volume(config["Name"])
        volume["Labels"] = config.get("Labels") or {}
        self._json(volume, 201)

    def volume_remove(self, name: str) -> None:
        self.model.remove_volume(name)
        self._empty()


ROUTES: list[Route] = [
    ("GET", "/_ping", _Handler.ping),
    ("GET", "/version", _Handler.version),
    ("GET", "/info", _Handler.info),
    ("GET", "/events", _Handler.events),
    ("POST", "/containers/create", _Handler.container_create),
    ("GET", "/containers/json", _Handler.container_list),
    ("GET", "/containers/([^/]+)/json", _Handler.container_inspect),
    ("POST", "/containers/([^/]+)/start", _Handler.container_start),
    ("POST", "/containers/([^/]+)/kill", _Handler.container_kill),
    ("POST", "/containers/([^/]+)/update", _Handler.container_update),
    ("POST", "/containers/([^/]+)/wait", _Handler.container_wait),
    ("GET", "/containers/([^/]+)/logs", _Handler.container_logs),
    ("POST", "/containers/([^/]+)/attach", _Handler.container_attach),
    ("PUT", "/containers/([^/]+)/archive", _Handler.container_archive),
    ("DELETE", "/containers/([^/]+)", _Handler.container_remove),
    ("POST", "/containers/([^/]+)/exec", _Handler.exec_create),
    ("POST", "/exec/([^/]+)/start", _Handler.exec_start),
    ("GET", "/exec/([^/]+)/json", _Handler.exec_inspect),
    ("GET", "/images/json", _Handler.image_list),
    ("POST", "/images/create", _Handler.image_create),
    ("GET", "/images/(.+)/json", _Handler.image_inspect),
    ("POST", "/networks/create", _Handler.network_create),
    ("GET", "/networks", _Handler.network_list),
    ("GET", "/networks/([^/]+)", _Handler.network_inspect),
    ("DELETE", "/networks/([^/]+)", _Handler.network_remove),
    ("POST", "/volumes/create", _Handler.volume_create),
    ("GET", "/volumes", _Handler.volume_list),
    ("DELETE", "/volumes/([^/]+)", _Handler.volume_remove),
]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("socket")
    parser.add_argument("--image", action="append", default=[], help="an image that is there")
    args = parser.parse_args()
    images: dict[str, dict] | None = {ref: {} for ref in args.image} or None
    with FakeEngine(args.socket, images=images):
        print(f"fake engine at unix://{args.socket}", flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
    return 0


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    sys.exit(main())
