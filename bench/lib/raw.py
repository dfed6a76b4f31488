"""Floors: what the engine alone takes, over the same socket as the hub.

Plain create, start, wait and remove; attach and exec streams read to their
end. One connection per call, as short as the API allows.
"""

import contextlib
import json
import socket
import threading
import time
from typing import Any, Iterator

from engine_api import API, Engine, EngineError

from lib.context import IMAGE

LABEL = "runnerhub.bench"

# Network modes as they appear in the tables.
NETWORKS = {
    "no network": {"NetworkDisabled": True},
    "bridge": {"HostConfig": {"NetworkMode": "bridge"}},
}


def spec(command: list[str], network: str = "no network", **host: Any) -> dict[str, Any]:
    mode = NETWORKS[network]
    return {
        "Image": IMAGE, "Cmd": command, "Labels": {LABEL: "1"},
        **{key: value for key, value in mode.items() if key != "HostConfig"},
        "HostConfig": {"LogConfig": {"Type": "none"}, **mode.get("HostConfig", {}), **host},
    }


@contextlib.contextmanager
def container(engine: Engine, **fields: Any) -> Iterator[str]:
    created = engine.call("POST", "/containers/create", fields)["Id"]
    try:
        yield created
    finally:
        engine.remove(created)


def run_once(engine: Engine, command: list[str], network: str) -> dict[str, float]:
    """create, attach, start, first byte, end, removed: seconds from the start."""
    begin = time.perf_counter()
    moments = {}
    created = engine.call("POST", "/containers/create", spec(command, network))["Id"]
    try:
        stream = hijack(engine, "POST", f"/containers/{created}/attach?stream=1&stdout=1")
        engine.call("POST", f"/containers/{created}/start")
        moments["started"] = time.perf_counter() - begin
        if stream.recv(1):
            moments["first byte"] = time.perf_counter() - begin
        while stream.recv(65536):
            pass
        stream.close()
        engine.call("POST", f"/containers/{created}/wait")
        moments["ended"] = time.perf_counter() - begin
    finally:
        engine.remove(created)
    moments["removed"] = time.perf_counter() - begin
    return moments


def hijack(engine: Engine, method: str, path: str, body: Any = None,
           timeout: float = 300) -> socket.socket:
    """A call whose answer goes on as a stream; positioned after the head."""
    if not engine.host.startswith("unix://"):
        raise RuntimeError("streams are measured on a unix socket only")
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(timeout)
    connection.connect(engine.host[len("unix://"):])
    data = json.dumps(body).encode() if body is not None else b""
    connection.sendall(
        f"{method} {API}{path} HTTP/1.1\r\nHost: engine\r\nConnection: Upgrade\r\n"
        f"Upgrade: tcp\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(data)}\r\n\r\n".encode() + data)
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        if not byte:
            raise EngineError(0, "the engine closed the stream")
        head += byte
    status = int(head.split()[1])
    if status not in (101, 200):
        raise EngineError(status, connection.recv(4096).decode("utf-8", "replace"))
    return connection


def read_to_end(stream: socket.socket) -> int:
    total = 0
    buffer = bytearray(1 << 20)
    while count := stream.recv_into(buffer):
        total += count
    return total


def exec_once(engine: Engine, container_id: str, command: list[str]) -> float:
    begin = time.perf_counter()
    made = engine.call("POST", f"/containers/{container_id}/exec",
                       {"Cmd": command, "AttachStdout": True, "AttachStderr": True})["Id"]
    stream = hijack(engine, "POST", f"/exec/{made}/start", {"Detach": False, "Tty": False})
    read_to_end(stream)
    stream.close()
    state = engine.call("GET", f"/exec/{made}/json")
    if state["Running"] or state["ExitCode"] != 0:
        raise RuntimeError(f"exec ended oddly: {state}")
    return time.perf_counter() - begin


def containers_per_second(engine: Engine, count: int, parallel: int) -> float:
    """create, start, wait, remove of `true`, without network."""
    left = list(range(count))
    lock = threading.Lock()
    problems: list[Exception] = []

    def worker() -> None:
        while True:
            with lock:
                if not left or problems:
                    return
                left.pop()
            try:
                with container(engine, **spec(["true"])) as made:
                    engine.call("POST", f"/containers/{made}/start")
                    engine.call("POST", f"/containers/{made}/wait")
            except (OSError, EngineError) as problem:
                problems.append(problem)

    threads = [threading.Thread(target=worker) for _ in range(parallel)]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]
    return count / (time.perf_counter() - begin)
