"""Raw sockets against an HTTP server: what clients that misbehave would send."""

import select
import socket
import ssl
import subprocess
import time
from typing import Callable, NamedTuple, Optional, Union

DEADLINE_S = 60.0  # generous: sanitizers on a busy machine


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


def wait_for(condition: Callable[[], object], what: str) -> None:
    """Asks until it is true; fails only after a generous deadline."""
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.01)


class Peer:
    """One connection, with a buffer for what was read beyond a reply."""

    tls: Optional[ssl.SSLContext] = None  # of all that go to a port

    def __init__(self, where: Union[int, str], receive_buffer: Optional[int] = None,
                 tls: Optional[ssl.SSLContext] = None) -> None:
        """A port of this machine, or the path of a unix socket."""
        self.socket = socket.socket(socket.AF_INET if isinstance(where, int) else socket.AF_UNIX)
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(DEADLINE_S)
        self.socket.connect(("127.0.0.1", where) if isinstance(where, int) else where)
        tls = tls or (self.tls if isinstance(where, int) else None)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self.rest = b""

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def send_unless_refused(self, data: bytes) -> None:
        """A server may refuse and close while we still send."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def half_close(self) -> None:
        # Below TLS, which would forget its session: half of our peers end so.
        socket.socket.shutdown(self.socket, socket.SHUT_WR)

    def readable(self, seconds: float) -> bool:
        return bool(self.rest) or bool(select.select([self.socket], [], [], seconds)[0])

    def _more(self) -> bool:
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            return False
        self.rest += data
        return bool(data)

    def read_until(self, mark: bytes) -> bytes:
        while mark not in self.rest:
            assert self._more(), f"the connection ended before {mark!r}: {self.rest[:200]!r}"
        head, self.rest = self.rest.split(mark, 1)
        return head + mark

    def read_exactly(self, count: int) -> bytes:
        while len(self.rest) < count:
            assert self._more(), f"the connection ended {count - len(self.rest)} bytes early"
        data, self.rest = self.rest[:count], self.rest[count:]
        return data

    def read_to_end(self) -> bytes:
        while self._more():
            pass
        data, self.rest = self.rest, b""
        return data

    def head(self) -> tuple[int, dict[str, str]]:
        lines = self.read_until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        version, status = lines[0].split(" ", 2)[:2]
        assert version == "HTTP/1.1", lines[0]
        headers = dict(line.split(": ", 1) for line in lines[1:] if line)
        return int(status), {name.lower(): value for name, value in headers.items()}

    def chunk(self) -> bytes:
        size = int(self.read_until(b"\r\n"), 16)
        data = self.read_exactly(size)
        assert self.read_exactly(2) == b"\r\n"
        return data

    def reply(self, to_head: bool = False) -> Reply:
        status, headers = self.head()
        body = b""
        if to_head or status in (204, 304):
            pass
        elif headers.get("transfer-encoding") == "chunked":
            while piece := self.chunk():
                body += piece
        elif "content-length" in headers:
            body = self.read_exactly(int(headers["content-length"]))
        else:
            body = self.read_to_end()
        return Reply(status, headers, body)

    def ask(self, data: bytes) -> Reply:
        self.send(data)
        return self.reply()

    def get(self, path: str) -> Reply:
        return self.ask(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())


class EchoServer:
    """tests/unit/http_echo_server.c as a process of its own."""

    always: tuple[str, ...] = ()  # knobs of all

    def __init__(self, build_dir: str, *knobs: str) -> None:
        self.process = subprocess.Popen([f"{build_dir}/tests/unit/http_echo_server", *self.always, *knobs],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdin and self.process.stdout
        self.port = int(self.process.stdout.readline())

    def __enter__(self) -> "EchoServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def peer(self, receive_buffer: Optional[int] = None) -> Peer:
        return Peer(self.port, receive_buffer)

    def get(self, path: str) -> Reply:
        with self.peer() as peer:
            return peer.get(path)

    def release(self) -> None:
        assert self.process.stdin
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def stop(self) -> None:
        """In order; the exit status tells leaks and streams not closed."""
        if self.process.returncode is None:
            self.process.communicate(timeout=DEADLINE_S)
        assert self.process.returncode == 0
