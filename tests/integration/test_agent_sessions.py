"""What a session asks of the agent: input, pipes, signals, tunnels."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import socket
import struct
from typing import Callable

import pytest

from agent_box import Sandbox, agent_image, hub, sandbox, wait_for  # noqa: F401
from agent_hub import (CANCELLED, DEADLINE_S, INPUT_MAX, PING, RUN_INPUT, RUN_PIPES, SIGNALED,
                       TUN_ACK_DOWN, TUN_CLOSE_DOWN, TUN_DATA_DOWN, TUNNELS_MAX, WINDOW,
                       Hub, frame)

MUCH = 50 * 1024 * 1024
TUNNEL = 1  # flag of WIRE_JOB


def noise(size: int) -> bytes:
    return (os.urandom(1 << 20) * (size // (1 << 20) + 1))[:size]


# ---- input ----


def test_much_input_arrives_unchanged(hub: Hub) -> None:
    data = noise(MUCH)
    hub.start(1, "sha256sum", flags=RUN_INPUT)
    hub.feed(1, data)
    step = hub.wait_end(1)
    assert step.stdout.split()[0] == hashlib.sha256(data).hexdigest()
    assert step.taken == len(data)


def test_input_waits_for_a_slow_reader(sandbox: Callable[..., Sandbox]) -> None:
    box = sandbox()
    hub = box.hub
    hub.job("app")
    hub.start(1, "mkfifo /tmp/go; echo ready; read go </tmp/go; wc -c", flags=RUN_INPUT)
    hub.pump(lambda: hub.step(1).stdout == "ready\n")
    # The pipe takes a part, the agent holds the rest; what is beyond is not
    # kept: it does not make the agent grow.
    hub.input(1, 0, bytes(INPUT_MAX))
    hub.pump(lambda: hub.step(1).taken > 0)
    taken = hub.step(1).taken
    assert 0 < taken < INPUT_MAX
    hub.input(1, INPUT_MAX, bytes(INPUT_MAX))
    assert box.rss_kib() < 1536
    with open(f"/proc/{box.host_pid()}/root/tmp/go", "w") as go:
        go.write("\n")
    hub.pump(lambda: hub.step(1).taken == INPUT_MAX + taken)
    hub.input(1, INPUT_MAX + taken, b"", end=True)
    assert hub.wait_end(1).stdout == f"ready\n{INPUT_MAX + taken}\n"


def test_known_input_is_passed_over_and_a_gap_ignored(hub: Hub) -> None:
    hub.start(1, "cat", flags=RUN_INPUT)
    hub.input(1, 0, b"one ")
    hub.input(1, 0, b"one ")
    hub.input(1, 2, b"e two ")
    hub.input(1, 50, b"far away", end=True)
    hub.input(1, 0, b"one", end=True)  # an end within what is there: no end
    hub.input(7, 8, b"another step's", end=True)
    hub.input(1, 8, b"three")
    hub.input(1, 13, b"", end=True)
    hub.input(1, 13, b"behind the end")
    step = hub.wait_end(1)
    assert step.stdout == "one two three"
    assert step.taken == 13


def test_input_goes_on_after_a_reconnect(hub: Hub) -> None:
    data = noise(3 << 20)
    hub.start(1, "sha256sum", flags=RUN_INPUT)
    sent = 0
    while sent < len(data):
        hub.hang_up()
        hub.accept()
        # As a hub that forgot where it was: everything untaken once more.
        start = hub.step(1).taken
        piece = data[start : start + INPUT_MAX]
        hub.input(1, start, piece)
        sent = start + len(piece)
        hub.pump(lambda: hub.step(1).taken == sent)
    assert hub.step(1).end is None  # its end of file is not the channel's
    hub.input(1, sent, b"", end=True)
    assert hub.wait_end(1).stdout.split()[0] == hashlib.sha256(data).hexdigest()


def test_input_that_nobody_reads_counts_as_taken(hub: Hub) -> None:
    hub.start(1, "exec <&-; echo closed; read x </tmp/never || :; sleep 1000",
              flags=RUN_INPUT)
    hub.pump(lambda: "closed" in hub.step(1).stdout)
    hub.feed(1, bytes(4 * INPUT_MAX))
    hub.pump(lambda: hub.step(1).taken == 4 * INPUT_MAX)
    assert hub.step(1).end is None
    hub.cancel(0)
    hub.wait_end(1)


def test_a_step_without_input_reads_nothing(hub: Hub) -> None:
    hub.start(1, "cat; echo end", flags=0)
    hub.input(1, 0, b"lost")
    assert hub.wait_end(1).stdout == "end\n"
    assert hub.step(1).taken == 0
    # The next one begins at 0, whatever the last one left.
    hub.start(2, "sleep 1000", flags=RUN_INPUT)
    hub.input(2, 0, bytes(INPUT_MAX))
    hub.cancel(0)
    hub.wait_end(2)
    hub.start(3, "cat", flags=RUN_INPUT)
    hub.input(3, 0, b"mine", end=True)
    assert hub.wait_end(3).stdout == "mine"


def test_input_is_nowhere_else(hub: Hub) -> None:
    """Not for processes of an earlier step: its descriptor is no one's."""
    hub.run(1, "sleep 1000 >/dev/null 2>&1 & echo $! >/tmp/pid")
    hub.start(2, "ls -l /proc/$(cat /tmp/pid)/fd /proc/$$/fd; cat", flags=RUN_INPUT)
    hub.input(2, 0, b"secret", end=True)
    step = hub.wait_end(2)
    before, own = step.stdout.split(f"/proc/{step.pid}/fd")
    assert "pipe" not in before
    assert "0 -> pipe" in own
    assert step.stdout.endswith("secret")


# ---- pipes ----


def test_pipes_are_named_in_the_words(hub: Hub) -> None:
    data = noise(2 << 20)
    hub.start(1, argv=["sh", "-c", "head -c 3000000 /dev/zero >&$2; sha256sum <&$1; "
                       "echo $1 $2; cat", "sh", "{in}", "{out}"], flags=RUN_PIPES)
    hub.feed(1, data)
    step = hub.wait_end(1)
    digest, numbers = step.stdout.splitlines()
    assert digest.split()[0] == hashlib.sha256(data).hexdigest()
    assert re.fullmatch(r"\d+ \d+", numbers) and len(set(numbers.split())) == 2
    assert step.end is not None and step.end.code == 0


def test_without_pipes_the_words_stay(hub: Hub) -> None:
    assert hub.run(1, argv=["echo", "{in}", "{out}"], flags=0).stdout == "{in} {out}\n"
    assert hub.run(2, argv=["ls", "/proc/self/fd"]).stdout.split() == ["0", "1", "2", "3"]


# ---- the rest of RUN ----


def test_directories_before_path(hub: Hub) -> None:
    path = "/bin:/usr/bin"
    assert hub.run(1, "echo $PATH", env={"PATH": path},
                   prepend=["/first", "/second", ""]).stdout == f"/first:/second:{path}\n"
    hub.run(2, "echo /added >>$GITHUB_PATH")
    assert hub.run(3, "echo $PATH", prepend=["/first"]).stdout.startswith("/first:/added:/")
    hub.start(4, "echo never", prepend=["/x" * 20000] * 2)
    end = hub.wait_end(4).end
    assert end is not None and end.code == 126 and "PATH" in end.reason


def test_command_files_of_the_driver_stay_its_own(hub: Hub) -> None:
    hub.run(1, "mkdir -p /tmp/commands; echo there >/tmp/commands/out")
    step = hub.run(2, "echo a=b >>$GITHUB_OUTPUT; echo C=d >>$GITHUB_ENV",
                   env={"GITHUB_OUTPUT": "/tmp/commands/out"})
    assert step.outputs == {} and step.notes == []
    step = hub.run(3, "cat /tmp/commands/out; echo C=$C")
    assert step.stdout == "there\na=b\nC=d\n"


def test_standard_streams_can_be_opened_by_name(hub: Hub) -> None:
    step = hub.run(1, "echo out >/dev/stdout; echo err >/dev/stderr")
    assert (step.stdout, step.stderr) == ("out\n", "err\n")
    hub.start(2, "cat /dev/stdin", flags=RUN_INPUT)
    hub.input(2, 0, b"in", end=True)
    assert hub.wait_end(2).stdout == "in"


# ---- signals ----

GRANDCHILD = """
trap 'echo main $0' %(name)s
cat >/tmp/child <<'END'
trap 'echo child; exit 0' %(name)s
echo ready
while :; do sleep 0.05; done
END
%(how)s sh /tmp/child
while ! [ -e /tmp/over ]; do sleep 0.05; done
"""


@pytest.mark.parametrize("name, how", [
    ("INT", ""), ("TERM", "setsid"), ("HUP", "sh -c 'setsid \"$@\"; exit' x"),
])
def test_a_signal_reaches_every_process(hub: Hub, name: str, how: str) -> None:
    hub.start(1, GRANDCHILD % {"name": name, "how": how + " "}, shell="sh -m")
    hub.pump(lambda: "ready" in hub.step(1).stdout)
    hub.signal(2, getattr(signal, f"SIG{name}"))  # another step: nothing
    hub.signal(1, 0)
    hub.signal(1, 1000)
    hub.signal(1, getattr(signal, f"SIG{name}"))
    hub.pump(lambda: "child" in hub.step(1).stdout and "main" in hub.step(1).stdout)
    assert hub.step(1).end is None
    hub.signal(1, signal.SIGKILL)
    end = hub.wait_end(1).end
    assert end is not None and (end.code, end.flags) == (9, SIGNALED)


def test_a_signal_reaches_those_whose_parents_it_ended(hub: Hub) -> None:
    """So many processes that those in the middle are gone before the agent has
    seen the last of them."""
    hub.start(1, """
trap 'echo main' HUP
for i in $(seq 300); do sleep 1000 & done
for i in $(seq 5); do sh -c 'setsid "$@"; exit' x sh -c '
    trap "echo child; exit" HUP; echo ready; while :; do sleep 0.05; done' & done
while ! [ -e /tmp/over ]; do sleep 0.05; done
""")
    hub.pump(lambda: hub.step(1).stdout.count("ready") == 5)
    hub.signal(1, signal.SIGHUP)
    hub.pump(lambda: "main" in hub.step(1).stdout and hub.step(1).stdout.count("child") == 5)
    hub.signal(1, signal.SIGKILL)
    hub.wait_end(1)


def test_a_signal_leaves_earlier_steps_alone(hub: Hub) -> None:
    hub.run(1, "sh -c 'trap \"echo hit\" USR1; while :; do sleep 0.05; done' & echo $! >/tmp/pid")
    hub.start(2, "echo ready; sleep 1000")
    hub.pump(lambda: "ready" in hub.step(2).stdout)
    hub.signal(2, signal.SIGUSR1)
    end = hub.wait_end(2).end
    assert end is not None and (end.code, end.flags) == (signal.SIGUSR1, SIGNALED)
    step = hub.run(3, "kill -0 $(cat /tmp/pid) && kill -USR1 $(cat /tmp/pid); sleep 0.2")
    assert step.end is not None and step.end.code == 0
    hub.pump(lambda: "hit" in hub.step(1).stdout)
    assert hub.step(1).stdout == "hit\n"
    hub.signal(3, signal.SIGKILL)  # it has ended: nothing
    assert hub.run(4, "echo fine").stdout == "fine\n"


def test_a_cancel_tells_what_left_its_group(hub: Hub) -> None:
    hub.start(1, "trap : TERM; setsid sh -c 'trap \"echo told; exit\" TERM; echo ready; "
                 "while :; do sleep 0.05; done'")
    hub.pump(lambda: "ready" in hub.step(1).stdout)
    hub.cancel(60_000)
    step = hub.wait_end(1)
    assert step.stdout == "ready\ntold\n"
    assert step.end is not None and step.end.flags & CANCELLED


# ---- tunnels ----


class Way:
    """The container's end of tunnels: its socket, reached from outside."""

    def __init__(self, box: Sandbox) -> None:
        self.box, self.hub = box, box.hub
        self.path = f"/proc/{box.host_pid()}/root/run/runnerhub/hub.sock"
        self.made: list[socket.socket] = []

    def connect(self) -> socket.socket:
        one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        one.settimeout(DEADLINE_S)
        one.connect(self.path)
        self.made.append(one)
        return one

    def open(self) -> tuple[socket.socket, int]:
        """A connection, and its number at the hub."""
        known = set(self.hub.tunnels)
        one = self.connect()
        self.hub.pump(lambda: set(self.hub.tunnels) > known)
        (number,) = set(self.hub.tunnels) - known
        return one, number

    def data(self, number: int, want: bytes) -> None:
        self.hub.pump(lambda: len(self.hub.tunnels[number].data) >= len(want))
        assert self.hub.tunnels[number].data == want

    def settle(self) -> None:
        """Everything the hub said so far has been taken."""
        for _ in range(2):  # a PONG may overtake what the first one caused
            pongs = self.hub.pongs
            self.hub.send(frame(PING))
            self.hub.pump(lambda: self.hub.pongs > pongs)


@pytest.fixture
def way(sandbox: Callable[..., Sandbox]):
    box = sandbox()
    box.hub.job("app", flags=TUNNEL)
    assert box.hub.run(1, "ls -l /run/runnerhub/hub.sock").stdout.startswith("srw-rw-rw-")
    way = Way(box)
    yield way
    for one in way.made:
        one.close()


def read_all(one: socket.socket) -> bytes:
    parts = []
    while data := one.recv(1 << 16):
        parts.append(data)
    return b"".join(parts)


def test_no_tunnel_unless_asked_for(hub: Hub) -> None:
    assert hub.run(1, "ls /run/runnerhub").end.code != 0


def test_a_question_and_its_answer(way: Way) -> None:
    one, number = way.open()
    one.sendall(b"question")
    way.data(number, b"question")
    way.hub.down(number, b"answer")
    way.hub.close_down(number)
    assert read_all(one) == b"answer"
    other, next_number = way.open()
    assert next_number > number


def test_half_a_close_leaves_the_answer(way: Way) -> None:
    one, number = way.open()
    one.sendall(b"question")
    one.shutdown(socket.SHUT_WR)
    way.data(number, b"question")
    way.settle()
    assert not way.hub.tunnels[number].closed
    way.hub.down(number, b"answer " * 15_000)
    way.hub.close_down(number)
    assert read_all(one) == b"answer " * 15_000


def test_a_close_is_told_behind_the_last_bytes(way: Way) -> None:
    one, number = way.open()
    way.hub.tunnel_ack = False
    one.sendall(noise(2 * WINDOW))
    one.close()
    way.hub.pump(lambda: len(way.hub.tunnels[number].data) == WINDOW)
    way.settle()
    assert not way.hub.tunnels[number].closed
    way.hub.tunnel_ack = True
    way.hub.tunnel_passed(number)
    way.hub.pump(lambda: way.hub.tunnels[number].closed)
    assert len(way.hub.tunnels[number].data) == 2 * WINDOW
    # What was on its way meanwhile is no offence.
    way.hub.send(frame(TUN_DATA_DOWN, struct.pack("<I", number) + b"late"))
    way.hub.close_down(number)
    way.settle()


def test_half_closed_and_then_gone(way: Way) -> None:
    one, number = way.open()
    one.shutdown(socket.SHUT_WR)
    way.settle()
    one.close()
    way.hub.pump(lambda: way.hub.tunnels[number].closed)


def test_many_at_once_and_others_wait(way: Way) -> None:
    open_ones = [way.open() for _ in range(TUNNELS_MAX)]
    late = way.connect()
    late.sendall(b"late")
    for i, (one, number) in enumerate(open_ones):
        one.sendall(b"%d" % i * 5000)
    for i, (one, number) in enumerate(open_ones):
        way.data(number, b"%d" % i * 5000)
        way.hub.down(number, b"answer %d" % i)
    assert len(way.hub.tunnels) == TUNNELS_MAX
    way.hub.close_down(open_ones[0][1])
    way.hub.pump(lambda: len(way.hub.tunnels) == TUNNELS_MAX + 1)
    way.data(max(way.hub.tunnels), b"late")
    for i, (one, number) in enumerate(open_ones):
        way.hub.close_down(number)
        assert read_all(one) == b"answer %d" % i


def test_a_reconnect_ends_them_and_new_ones_wait(way: Way) -> None:
    one, first = way.open()
    one.sendall(b"before")
    way.data(first, b"before")
    way.hub.close()
    assert one.recv(1) == b""
    two = way.connect()
    two.sendall(b"while nobody is there")
    way.hub.listen()
    way.hub.accept()
    way.hub.pump(lambda: len(way.hub.tunnels) == 1)
    (number,) = way.hub.tunnels
    assert number > first
    way.data(number, b"while nobody is there")


def test_a_slow_reader_holds_only_itself_back(way: Way) -> None:
    slow, number = way.open()
    tunnel, much = way.hub.tunnels[number], noise(4 << 20)
    sent = 0
    while tunnel.window > 0:  # until its socket and the agent's window are full
        piece = much[sent : sent + tunnel.window]
        way.hub.down(number, piece)
        sent += len(piece)
        way.settle()
    assert sent < len(much)
    other, second = way.open()
    other.sendall(b"still here")
    way.data(second, b"still here")
    assert way.box.rss_kib() < 1536
    way.hub.close_down(number)
    assert read_all(slow) == much[:sent]


def test_one_that_floods_is_read_as_fast_as_the_hub(way: Way) -> None:
    way.hub.tunnel_ack = False
    flood, number = way.open()
    flood.setblocking(False)
    sent, data = 0, noise(1 << 20)
    with pytest.raises(BlockingIOError):
        while True:
            sent += flood.send(data)
    way.hub.pump(lambda: len(way.hub.tunnels[number].data) == WINDOW)
    way.settle()
    assert len(way.hub.tunnels[number].data) == WINDOW
    assert way.hub.run(2, "echo the job goes on").stdout == "the job goes on\n"
    assert way.box.rss_kib() < 1536


def receive(one: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += one.recv(size - len(data))
    return data


def test_tunnels_beside_much_output(way: Way) -> None:
    """Records, tunnels and commands on one channel do not mix."""
    size, rounds = 10_000, 30
    data = noise(size * rounds)
    ones = [way.open() for _ in range(4)]
    way.hub.start(2, "seq 1 400000")
    for at in range(0, len(data), size):
        for one, number in ones:
            one.sendall(data[at : at + size])
        for one, number in ones:
            way.data(number, data[: at + size])
            way.hub.down(number, data[at : at + size])
            assert receive(one, size) == data[at : at + size]
    assert way.hub.wait_end(2).stdout == "".join(f"{i}\n" for i in range(1, 400_001))


@pytest.mark.parametrize("bad", [
    frame(TUN_DATA_DOWN, struct.pack("<I", 99) + b"x"),
    frame(TUN_DATA_DOWN, struct.pack("<I", 1) + bytes(WINDOW + 1)),
    frame(TUN_ACK_DOWN, struct.pack("<II", 1, 1)),
    frame(TUN_ACK_DOWN, struct.pack("<I", 1)),
    frame(TUN_CLOSE_DOWN),
], ids=["unknown", "past_window", "past_ack", "short_ack", "no_number"])
def test_a_hub_that_breaks_the_rules_is_hung_up_on(way: Way, bad: bytes) -> None:
    one, number = way.open()
    assert number == 1
    way.hub.send(bad)
    with pytest.raises((ConnectionError, OSError)):
        way.hub.pump(lambda: False)
    way.hub.hang_up()
    way.hub.accept()
    assert one.recv(1) == b""
    assert way.hub.run(2, "echo fine").stdout == "fine\n"
