"""A hub stand-in for tests of the agent, written from src/agent/wire.h."""

from __future__ import annotations

import os
import socket
import struct
import time
from dataclasses import dataclass, field
from typing import Callable, Iterable

HELLO, PONG, WELCOME, ACK, PING = 1, 2, 16, 17, 18
TUN_OPEN, TUN_DATA, TUN_ACK, TUN_CLOSE = 3, 4, 5, 6
TUN_DATA_DOWN, TUN_ACK_DOWN, TUN_CLOSE_DOWN = 19, 20, 21
JOB, RUN, CANCEL, EXIT, SIGNAL, INPUT = 32, 33, 34, 35, 36, 37
RECORD_BASE = 64
OUT, STEP_START, STEP_END, OUTPUTS, SUMMARY, NOTE, TAKEN = 64, 65, 66, 67, 68, 69, 70
STEP_NONE = 0xFFFF
SIGNALED, TIMEOUT, CANCELLED, OOM, NOT_STARTED = 1, 2, 4, 8, 16
RUN_INPUT, RUN_PIPES = 1, 2
RING_BYTES = 512 * 1024
INPUT_MAX = 256 * 1024
WINDOW = 64 * 1024
TUNNELS_MAX = 32
DEADLINE_S = 60.0


def string(s: str | bytes) -> bytes:
    raw = s.encode() if isinstance(s, str) else s
    return struct.pack("<I", len(raw)) + raw


def strings(items: Iterable[str | bytes]) -> bytes:
    items = list(items)
    return struct.pack("<I", len(items)) + b"".join(map(string, items))


def pairs(d: dict[str, str] | None) -> bytes:
    d = d or {}
    flat = b"".join(string(k) + string(v) for k, v in d.items())
    return struct.pack("<I", len(d)) + flat


def frame(kind: int, payload: bytes = b"", step: int = 0, stream: int = 0) -> bytes:
    return struct.pack("<IBBH", len(payload), kind, stream, step) + payload


class Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, fmt: str) -> tuple:
        size = struct.calcsize(fmt)
        self.at += size
        return struct.unpack(fmt, self.data[self.at - size : self.at])

    def string(self) -> bytes:
        (n,) = self.take("<I")
        self.at += n
        return self.data[self.at - n : self.at]


@dataclass
class End:
    code: int
    flags: int
    utime_us: int
    stime_us: int
    maxrss: int
    oom_kills: int
    mem_limit: int
    mem_peak: int
    reason: str


@dataclass
class Step:
    out: dict[int, bytearray] = field(
        default_factory=lambda: {1: bytearray(), 2: bytearray()}
    )
    pid: int | None = None
    end: End | None = None
    outputs: dict[str, str] = field(default_factory=dict)
    summary: bytearray = field(default_factory=bytearray)
    notes: list[str] = field(default_factory=list)
    taken: int = 0

    @property
    def stdout(self) -> str:
        return self.out[1].decode(errors="replace")

    @property
    def stderr(self) -> str:
        return self.out[2].decode(errors="replace")


@dataclass
class Tunnel:
    """A connection of the container; what came of it, in order."""

    data: bytearray = field(default_factory=bytearray)
    window: int = WINDOW  # what may be sent down
    unacknowledged: int = 0
    closed: bool = False


@dataclass
class Hello:
    version: int
    nonce: int
    first: int
    next: int
    last_seq: int
    active_step: int


class Hub:
    """Listens on a unix socket; keeps what a real hub would keep durably.

    close() and listen() play the death and return of a hub: offset, buffer
    of the half record and steps stay, the connection goes.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.listener: socket.socket | None = None
        self.conn: socket.socket | None = None
        self.inbuf = b""
        self.offset = 0
        self.seq = 0
        self.hello: Hello | None = None
        self.steps: dict[int, Step] = {}
        self.pongs = 0
        self.tunnels: dict[int, Tunnel] = {}
        self.tunnel_ack = True
        self.auto_ack = True
        self.send_welcome = True

    # -- connection --

    def listen(self) -> None:
        try:
            os.unlink(self.path)
        except FileNotFoundError:
            pass
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(self.path)
        os.chmod(self.path, 0o666)
        self.listener.listen(8)

    def accept(self) -> Hello:
        assert self.listener is not None
        self.listener.settimeout(DEADLINE_S)
        self.conn, _ = self.listener.accept()
        self.conn.settimeout(DEADLINE_S)
        self.inbuf, self.hello, self.tunnels = b"", None, {}
        self.pump(lambda: self.hello is not None)
        assert self.hello is not None
        if self.send_welcome:
            self.welcome()
        return self.hello

    def welcome(self, offset: int | None = None) -> None:
        at = self.offset if offset is None else offset
        self.send(frame(WELCOME, struct.pack("<Q", at)))

    def hang_up(self) -> None:
        if self.conn is not None:
            self.conn.close()
        self.conn = None

    def close(self) -> None:
        self.hang_up()
        if self.listener is not None:
            self.listener.close()
            self.listener = None

    def send(self, data: bytes) -> None:
        assert self.conn is not None
        self.conn.sendall(data)

    # -- commands --

    def command(self, kind: int, body: bytes = b"", step: int = 0) -> bytes:
        self.seq += 1
        raw = frame(kind, struct.pack("<I", self.seq) + body, step)
        self.send(raw)
        return raw

    def job(
        self,
        user: str = "",
        env: dict[str, str] | None = None,
        masks: Iterable[str | bytes] = (),
        workspace: str = "/github/workspace",
        flags: int = 0,
    ) -> bytes:
        body = string(user) + pairs(env) + strings(masks)
        return self.command(JOB, body + string(workspace) + struct.pack("<I", flags))

    def run_body(
        self,
        script: str | None = None,
        argv: list[str] | None = None,
        env: dict[str, str] | None = None,
        cwd: str = "",
        shell: str = "",
        timeout_ms: int = 0,
        grace_ms: int = 2000,
        flags: int | None = None,  # None: as a hub of version 1
        prepend: Iterable[str] = (),
    ) -> bytes:
        kind = 0 if script is not None else 1
        body = struct.pack("<I", kind) + string("a step")
        body += string(shell) + string(script or "") if kind == 0 else strings(argv or [])
        body += pairs(env) + string(cwd)
        body += struct.pack("<QI", timeout_ms, grace_ms)
        if flags is None and not prepend:
            return body
        return body + struct.pack("<I", flags or 0) + strings(prepend)

    def start(self, step: int, script: str | None = None, **kw) -> bytes:
        return self.command(RUN, self.run_body(script, **kw), step)

    def run(self, step: int, script: str | None = None, **kw) -> Step:
        self.start(step, script, **kw)
        return self.wait_end(step)

    def cancel(self, grace_ms: int) -> None:
        self.command(CANCEL, struct.pack("<I", grace_ms))

    def signal(self, step: int, number: int) -> None:
        self.command(SIGNAL, struct.pack("<I", number), step)

    def input(self, step: int, offset: int, data: bytes, end: bool = False) -> bytes:
        head = struct.pack("<QI", offset, 1 if end else 0)
        return self.command(INPUT, head + data, step)

    def feed(self, step: int, data: bytes) -> None:
        """All of the input, as fast as the step takes it; then its end."""
        sent = 0
        while True:
            room = INPUT_MAX - (sent - self.step(step).taken)
            piece = data[sent : sent + room]
            last = sent + len(piece) == len(data)
            if piece or last:
                self.input(step, sent, piece, last)
                sent += len(piece)
            if last:
                return
            taken = self.step(step).taken
            self.pump(lambda: self.step(step).taken > taken)

    # -- tunnels --

    def down(self, number: int, data: bytes) -> None:
        """As much as the window takes, then the rest."""
        tunnel = self.tunnels[number]
        while data:
            self.pump(lambda: tunnel.window > 0 or tunnel.closed)
            if tunnel.closed:
                return
            piece, data = data[: tunnel.window], data[tunnel.window :]
            tunnel.window -= len(piece)
            self.send(frame(TUN_DATA_DOWN, struct.pack("<I", number) + piece))

    def tunnel_passed(self, number: int) -> None:
        """Acknowledges what has come of it."""
        tunnel = self.tunnels[number]
        passed, tunnel.unacknowledged = tunnel.unacknowledged, 0
        self.send(frame(TUN_ACK_DOWN, struct.pack("<II", number, passed)))

    def close_down(self, number: int) -> None:
        self.send(frame(TUN_CLOSE_DOWN, struct.pack("<I", number)))

    def tunnel_frame(self, kind: int, body: bytes) -> None:
        (number,) = struct.unpack_from("<I", body)
        if kind == TUN_OPEN:
            assert number not in self.tunnels
            self.tunnels[number] = Tunnel()
            return
        tunnel = self.tunnels[number]
        assert not tunnel.closed
        if kind == TUN_ACK:
            tunnel.window += struct.unpack_from("<I", body, 4)[0]
            assert tunnel.window <= WINDOW
        elif kind == TUN_CLOSE:
            tunnel.closed = True
        else:
            tunnel.data += body[4:]
            tunnel.unacknowledged += len(body) - 4
            assert tunnel.unacknowledged <= WINDOW
            if self.tunnel_ack:
                self.tunnel_passed(number)

    # -- records --

    def wait_end(self, step: int) -> Step:
        self.pump(lambda: step in self.steps and self.steps[step].end is not None)
        return self.steps[step]

    def step(self, number: int) -> Step:
        return self.steps.setdefault(number, Step())

    def pump(self, until: Callable[[], bool]) -> None:
        """Reads until the condition holds; fails at the deadline."""
        deadline = time.monotonic() + DEADLINE_S
        self.take_frames()
        while not until():
            left = deadline - time.monotonic()
            assert left > 0, f"nothing came in time; steps so far: {self.steps}"
            assert self.conn is not None
            self.conn.settimeout(left)
            data = self.conn.recv(256 * 1024)
            if not data:
                raise ConnectionError("the agent hung up")
            self.inbuf += data
            self.take_frames()

    def take_frames(self) -> None:
        before, at = self.offset, 0
        while len(self.inbuf) - at >= 8:
            size, kind, stream, step = struct.unpack_from("<IBBH", self.inbuf, at)
            assert size <= 1024 * 1024
            if len(self.inbuf) - at < 8 + size:
                break
            payload = self.inbuf[at + 8 : at + 8 + size]
            at += 8 + size
            if kind >= RECORD_BASE:
                self.offset += 8 + size
                self.record(kind, stream, step, payload)
            elif kind == HELLO:
                self.hello = Hello(*struct.unpack("<IQQQIH", payload))
            elif kind == PONG:
                self.pongs += 1
            elif TUN_OPEN <= kind <= TUN_CLOSE:
                self.tunnel_frame(kind, payload)
            else:
                raise AssertionError(f"frame of unknown type {kind}")
        self.inbuf = self.inbuf[at:]
        if self.auto_ack and self.offset != before:
            self.ack()

    def ack(self) -> None:
        try:
            self.send(frame(ACK, struct.pack("<Q", self.offset)))
        except OSError:
            pass  # the agent is gone: the next HELLO settles it

    def record(self, kind: int, stream: int, number: int, payload: bytes) -> None:
        step, body = self.step(number), Reader(payload)
        (wall_ns,) = body.take("<q")
        assert abs(wall_ns / 1e9 - time.time()) < 3600
        rest = payload[8:]
        if kind == OUT:
            assert len(payload) <= 64 * 1024
            step.out[stream] += rest
        elif kind == STEP_START:
            (step.pid,) = body.take("<I")
        elif kind == STEP_END:
            assert step.end is None, "a step ends once"
            values = body.take("<IIQQQQQQ")
            step.end = End(*values, reason=body.string().decode())
        elif kind == OUTPUTS:
            (count,) = body.take("<I")
            for _ in range(count):
                key, value = body.string(), body.string()
                step.outputs[key.decode()] = value.decode()
        elif kind == SUMMARY:
            step.summary += rest
        elif kind == TAKEN:
            (taken,) = body.take("<Q")
            assert taken > step.taken
            step.taken = taken
        elif kind == NOTE:
            step.notes.append(rest.decode())
        else:
            raise AssertionError(f"record of unknown type {kind}")
