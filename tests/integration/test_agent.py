"""The agent in real containers, driven by a hub stand-in (agent_hub.py)."""

from __future__ import annotations

import base64
import os
import secrets
import socket
import struct
import subprocess
import time
from typing import Callable

import pytest

from agent_box import (CAPS, Sandbox, agent_image, docker, hub,  # noqa: F401
                       sandbox, wait_for)
from agent_hub import (CANCELLED, DEADLINE_S, JOB, NOT_STARTED, OOM, PING, RUN,
                       SIGNALED, STEP_NONE, TIMEOUT, Hub, frame)


# ---- channel ----


def test_hello_and_ping(sandbox: Callable[..., Sandbox]) -> None:
    hub = sandbox().hub
    assert hub.hello is not None
    assert (hub.hello.version, hub.hello.first, hub.hello.next) == (2, 0, 0)
    assert (hub.hello.last_seq, hub.hello.active_step) == (0, STEP_NONE)
    assert hub.hello.nonce != 0
    hub.send(frame(PING) * 3)
    hub.pump(lambda: hub.pongs == 3)


def test_memory_is_small(sandbox: Callable[..., Sandbox]) -> None:
    box = sandbox()
    assert box.rss_kib() < 1024


def numbers(count: int) -> str:
    return "".join(f"{i}\n" for i in range(1, count + 1))


def test_nothing_is_lost_while_the_hub_is_away(sandbox: Callable[..., Sandbox]) -> None:
    box = sandbox()
    hub = box.hub
    hub.job("app")
    count = 2_000_000
    hub.start(1, f"seq 1 {count}; echo done >&2")
    hub.pump(lambda: 1 in hub.steps and len(hub.steps[1].out[1]) > 100_000)
    hub.close()

    def blocked() -> bool:
        (seq,) = [l.split()[0] for l in docker("top", box.id, "-o", "pid,comm").splitlines()
                  if l.split()[1] == "seq"]
        with open(f"/proc/{seq}/syscall") as f:
            return f.read().startswith("1 0x1 ")  # in write(1, ...)

    wait_for("the writer blocks", blocked)
    assert box.rss_kib() < 1536
    hub.listen()
    hello = hub.accept()
    assert hello.active_step == 1
    assert hello.first <= hub.offset <= hello.next
    step = hub.wait_end(1)
    assert step.end is not None and step.end.code == 0
    assert step.stdout == numbers(count)
    assert step.stderr == "done\n"


def test_reconnects_without_gap_or_double(hub: Hub) -> None:
    count = 300_000
    hub.start(1, f"seq 1 {count}")
    reached = 0
    for _ in range(12):
        reached += 100_000
        hub.pump(lambda: len(hub.step(1).out[1]) > reached or hub.step(1).end is not None)
        hub.hang_up()
        hello = hub.accept()
        assert hello.last_seq == 2
        assert hello.first <= hub.offset <= hello.next
    assert hub.wait_end(1).stdout == numbers(count)


def test_unacknowledged_records_come_again(hub: Hub) -> None:
    hub.auto_ack = False
    first = hub.run(1, "echo once")
    assert first.stdout == "once\n"
    hub.hang_up()
    hub.offset, hub.steps = 0, {}  # this hub lost everything it had read
    hello = hub.accept()
    assert hello.first == 0
    hub.pump(lambda: hub.step(1).end is not None)
    assert hub.step(1).stdout == "once\n"


def test_a_command_is_carried_out_once(hub: Hub) -> None:
    raw = hub.start(1, "echo x >>/tmp/count")
    hub.wait_end(1)
    hub.hang_up()
    assert hub.accept().last_seq == 2
    hub.send(raw)
    hub.send(raw)
    assert hub.run(2, "wc -l </tmp/count").stdout.strip() == "1"


@pytest.mark.parametrize("bad", [
    frame(RUN, struct.pack("<I", 99)),  # a gap in the numbers
    frame(JOB, b"\x02"),
    frame(200),
    struct.pack("<IBBH", 2**24, PING, 0, 0),  # longer than any frame
    frame(17, struct.pack("<Q", 2**40)),  # an ACK from the future
    frame(17, b""),
], ids=["gap", "no_seq", "unknown", "too_long", "future_ack", "empty_ack"])
def test_a_broken_hub_is_hung_up_on(hub: Hub, bad: bytes) -> None:
    hub.send(bad)
    with pytest.raises((ConnectionError, OSError)):
        hub.pump(lambda: False)
    hub.hang_up()
    assert hub.accept().last_seq == 1
    assert hub.run(1, "echo fine").stdout == "fine\n"


def test_a_malformed_step_is_refused(hub: Hub) -> None:
    whole = hub.run_body("echo no")
    for number in range(0, len(whole), 7):
        hub.command(RUN, whole[:number], number)
        end = hub.wait_end(number).end
        assert end is not None and (end.code, end.flags) == (126, NOT_STARTED)
        assert "the command's" in end.reason
    assert hub.run(999, "echo fine").stdout == "fine\n"


def test_a_wrong_welcome_is_refused(sandbox: Callable[..., Sandbox]) -> None:
    hub = sandbox().hub
    hub.job("app")
    hub.run(1, "echo some records")
    for offset in (1, hub.offset + 1, 2**63):
        hub.hang_up()
        hub.send_welcome = False
        hub.accept()
        hub.welcome(offset)
        with pytest.raises((ConnectionError, OSError)):
            hub.pump(lambda: False)
    hub.hang_up()
    hub.send_welcome = True
    hub.accept()
    assert hub.run(2, "echo fine").stdout == "fine\n"


def test_speaks_over_its_standard_streams(agent_image: str, build_dir: str) -> None:
    agent = os.path.join(build_dir, "src", "agent", "runnerhub-agent")
    name = f"runnerhub-test-stdio-{secrets.token_hex(6)}"
    ours, theirs = socket.socketpair()
    process = subprocess.Popen(
        ["docker", "run", "--rm", "-i", "--name", name, *CAPS, "--network", "none",
         "-v", f"{agent}:/.hub-agent:ro", "--entrypoint", "/.hub-agent", agent_image,
         "-"], stdin=theirs, stdout=theirs)
    theirs.close()
    hub = Hub("")
    hub.conn = ours
    try:
        hub.pump(lambda: hub.hello is not None)
        hub.welcome()
        hub.job("app")
        assert hub.run(1, "echo over stdio; seq 1 50000 | tail -n 1").stdout == \
            "over stdio\n50000\n"
        hub.hello = None
        hub.send(frame(PING, stream=1))  # as a hub that has just attached
        hub.pump(lambda: hub.hello is not None)
        hub.welcome()
        assert hub.run(2, "echo again").stdout == "again\n"
        hub.command(35)
        assert process.wait(DEADLINE_S) == 0
    finally:
        ours.close()
        subprocess.run(["docker", "rm", "-f", name], capture_output=True)
        process.wait(DEADLINE_S)


def test_exit_ends_the_container(sandbox: Callable[..., Sandbox]) -> None:
    box = sandbox()
    box.hub.job("app")
    box.hub.start(1, "sleep 1000")
    box.hub.pump(lambda: box.hub.step(1).pid is not None)
    box.hub.command(35)
    assert docker("wait", box.id) == "0"


# ---- steps ----


def test_output_exit_code_and_usage(hub: Hub) -> None:
    step = hub.run(1, "echo out; echo err >&2; head -c 3 /dev/zero; exit 3")
    assert step.stdout == "out\n\0\0\0"
    assert step.stderr == "err\n"
    assert step.pid is not None and step.pid > 1
    assert step.end is not None
    assert (step.end.code, step.end.flags, step.end.reason) == (3, 0, "")
    assert step.end.maxrss > 100_000
    assert step.end.utime_us + step.end.stime_us > 0


def test_a_step_has_a_clean_start(hub: Hub) -> None:
    descriptors = hub.run(1, argv=["ls", "/proc/self/fd"]).stdout
    assert descriptors.split() == ["0", "1", "2", "3"]  # 3: what ls reads
    assert hub.run(2, argv=["cat"]).stdout == ""
    step = hub.run(3, argv=["cat", "/proc/self/status", "/proc/self/oom_score_adj",
                            "/proc/self/stat"])
    lines = step.stdout.splitlines()
    status = dict(l.split(":\t", 1) for l in lines if ":\t" in l)
    for name in ("SigBlk", "SigIgn", "CapPrm", "CapEff"):
        assert status[name] == "0" * 16, name
    assert lines[-2] == "500"
    stat = lines[-1].rsplit(")", 1)[1].split()
    group, session = int(stat[2]), int(stat[3])
    assert group == session == step.pid


def test_signals_and_failures_to_start(hub: Hub) -> None:
    end = hub.run(1, "kill -9 $$").end
    assert end is not None and (end.code, end.flags) == (9, SIGNALED)
    end = hub.run(2, argv=["no-such-program"]).end
    assert end is not None and (end.code, end.flags) == (127, NOT_STARTED)
    assert "no-such-program: command not found" in end.reason
    end = hub.run(3, argv=["/etc/passwd"]).end
    assert end is not None and (end.code, end.flags) == (126, NOT_STARTED)
    assert "/etc/passwd" in end.reason
    end = hub.run(4, "true", cwd="missing").end
    assert end is not None and (end.code, end.flags) == (126, NOT_STARTED)
    assert "/github/workspace/missing" in end.reason
    end = hub.run(5, "true", shell="no-such-shell -e").end
    assert end is not None and end.code == 127
    end = hub.run(6, argv=["echo", "x" * 200_000]).end
    assert end is not None and end.flags == NOT_STARTED
    assert hub.run(7, "exit 200").end.code == 200


def test_shells_and_directories(hub: Hub) -> None:
    assert hub.run(1, "false; echo not reached").stdout == ""
    step = hub.run(2, "echo $0", shell="sh -x {0} extra")
    assert step.stdout.startswith("/github/temp/step_2")
    assert "+ echo" in step.stderr
    hub.run(3, "mkdir -p sub/bin; printf '#!/bin/sh\\necho fake bash \"$@\"\\n' "
               ">sub/bin/bash; chmod +x sub/bin/bash; "
               "echo $PWD/sub/bin >>$GITHUB_PATH")
    assert hub.run(4, "echo hi").stdout == "fake bash -eo pipefail /github/temp/step_4.sh\n"
    assert hub.run(5, argv=["pwd"], cwd="sub").stdout == "/github/workspace/sub\n"
    assert hub.run(6, argv=["pwd"], cwd="/tmp").stdout == "/tmp\n"
    assert "step_4" not in hub.run(7, argv=["ls", "/github/temp"]).stdout


@pytest.mark.parametrize("user,want", [
    ("app", "1234 1235 44 1235 /home/app"),
    ("1234", "1234 1235 44 1235 /home/app"),
    ("app:video", "1234 44 44 /home/app"),
    ("4000:4001", "4000 4001 4001 /github/home"),
    ("4000", "4000 0 0 /github/home"),
    ("lost", "1300 1300 50 1300 /github/home"),
    ("", "0 0 0 /root"),
])
def test_users(sandbox: Callable[..., Sandbox], user: str, want: str) -> None:
    hub = sandbox().hub
    hub.job(user, workspace="/srv/deep/er")
    step = hub.run(1, "echo $(id -u) $(id -g) $(id -G | tr ' ' '\\n' | sort -n) $HOME; "
                      "touch file $HOME/f $RUNNER_TEMP/f; pwd")
    first, second = step.stdout.splitlines()
    uid, gid, *rest = first.split()
    assert [uid, gid, *sorted(rest[:-1], key=lambda g: int(g)), rest[-1]] == \
        [*want.split()[:2], *sorted(want.split()[2:-1], key=int), want.split()[-1]]
    assert second == "/srv/deep/er"
    assert step.end is not None and step.end.code == 0, step.stderr


def test_an_unknown_user_runs_nothing(sandbox: Callable[..., Sandbox]) -> None:
    hub = sandbox().hub
    end = hub.run(1, "echo too early").end
    assert end is not None and end.flags == NOT_STARTED
    hub.job("nobody-here")
    step = hub.run(2, "echo never")
    assert step.stdout == ""
    assert step.end is not None and step.end.flags == NOT_STARTED
    assert "nobody-here" in step.end.reason
    assert any("nobody-here" in n for n in hub.step(STEP_NONE).notes)


def test_one_step_at_a_time(hub: Hub) -> None:
    hub.start(1, "while [ ! -e /tmp/go ]; do sleep 0.01; done")
    hub.start(2, "echo no")
    end = hub.wait_end(2).end
    assert end is not None and end.flags == NOT_STARTED
    hub.cancel(0)
    end = hub.wait_end(1).end
    assert end is not None and end.flags & CANCELLED


# ---- environment and files ----


def test_environment_order(hub: Hub) -> None:
    hub.run(1, "echo JOB_VAR=exported >>$GITHUB_ENV; echo BOTH=exported >>$GITHUB_ENV")
    step = hub.run(2, "echo $FROM_IMAGE $JOB_VAR $BOTH $CI $RUNNER_TEMP; echo $PATH",
                   env={"BOTH": "step", "CI": "true"})
    assert step.stdout.splitlines() == [
        "yes exported step true /github/temp",
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]


def test_file_commands(hub: Hub) -> None:
    step = hub.run(1, r"""
echo "PLAIN=one=1" >>$GITHUB_ENV
printf 'MULTI<<END\nline 1\nline 2\nEND\n' >>$GITHUB_ENV
echo "NODE_OPTIONS=--x" >>$GITHUB_ENV
echo "GITHUB_SHA=fake" >>$GITHUB_ENV
echo "nonsense" >>$GITHUB_ENV
echo /first >>$GITHUB_PATH; echo /second >>$GITHUB_PATH
echo "result=has s3cr3t-value in it" >>$GITHUB_OUTPUT
printf 'doc<<E\na\nb\nE\n' >>$GITHUB_OUTPUT
echo "# summary s3cr3t-value" >>$GITHUB_STEP_SUMMARY
""")
    assert step.outputs == {"result": "has *** in it", "doc": "a\nb"}
    assert step.summary == b"# summary ***\n"
    assert len(step.notes) == 3
    assert "GITHUB_ENV line 6" in step.notes[0] and "NODE_OPTIONS" in step.notes[0]
    assert "GITHUB_ENV line 7" in step.notes[1]
    assert "GITHUB_ENV line 8" in step.notes[2]
    step = hub.run(2, 'echo "$PLAIN|$MULTI|$NODE_OPTIONS|$GITHUB_SHA"; echo $PATH; '
                      "cat $GITHUB_ENV $GITHUB_OUTPUT $GITHUB_PATH $GITHUB_STEP_SUMMARY")
    assert step.stdout.splitlines() == [
        "one=1|line 1", "line 2||",
        "/second:/first:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
    assert step.outputs == {}


def test_hostile_file_commands(hub: Hub) -> None:
    step = hub.run(1, "ln -sf /etc/passwd $GITHUB_ENV; rm $GITHUB_OUTPUT; "
                      "mkfifo $GITHUB_OUTPUT; rm $GITHUB_PATH; mkdir $GITHUB_PATH; "
                      "head -c 2000000 /dev/zero >$GITHUB_STEP_SUMMARY")
    assert step.end is not None and step.end.code == 0
    notes = sorted(step.notes)
    assert len(notes) == 4
    assert notes[0] == "GITHUB_ENV is ignored: it is a symbolic link"
    assert notes[1] == "GITHUB_OUTPUT is ignored: it is not a regular file"
    assert notes[2] == "GITHUB_PATH is ignored: it is not a regular file"
    assert notes[3].startswith("GITHUB_STEP_SUMMARY is ignored: it is longer")
    step = hub.run(2, "rm -rf /github/file_commands/*; echo still here")
    assert step.stdout == "still here\n" and step.notes == []


def test_large_outputs_and_summary(hub: Hub) -> None:
    step = hub.run(1, "i=0; while [ $i -lt 2000 ]; do echo k$i=$i; i=$((i+1)); done "
                      ">$GITHUB_OUTPUT; printf big= >>$GITHUB_OUTPUT; "
                      "head -c 300000 /dev/zero | tr '\\0' b >>$GITHUB_OUTPUT; "
                      "head -c 1000000 /dev/zero | tr '\\0' s >$GITHUB_STEP_SUMMARY; "
                      "i=0; while [ $i -lt 100 ]; do echo bad; i=$((i+1)); done "
                      ">$GITHUB_ENV")
    assert len(step.outputs) == 2001
    assert step.outputs["k1999"] == "1999"
    assert step.outputs["big"] == "b" * 300_000
    assert step.summary == b"s" * 1_000_000
    assert len(step.notes) == 21


# ---- masks ----


def test_secrets_are_masked(hub: Hub) -> None:
    encoded = base64.b64encode(b"x s3cr3t-value y").decode()
    step = hub.run(1, "printf s3cr; sleep 0.05; printf '3t-val'; sleep 0.05; echo ue; "
                      f"echo {encoded}; echo s3cr3t-value >&2", env={})
    assert step.stdout.startswith("***\n")
    assert "s3cr3t" not in step.stdout + step.stderr
    assert "***" in step.stdout.splitlines()[1]
    assert step.stderr == "***\n"
    end = hub.run(2, argv=["s3cr3t-value"]).end
    assert end is not None and end.reason.startswith("***: command not found")


def test_add_mask_is_found_in_any_split(hub: Hub) -> None:
    step = hub.run(1, "printf 'a\\n  ::add-'; sleep 0.05; printf 'mask::ab'; "
                      "sleep 0.05; printf 'cdef\\nx ::add-mask::no-mask\\n"
                      "abcdef no-mask'")
    assert step.stdout == "a\n  ::add-mask::***\nx ::add-mask::no-mask\n*** no-mask"


def test_add_mask(hub: Hub) -> None:
    step = hub.run(1, "echo before; echo '::add-mask::run%25time'; echo run%25time "
                      "run%time; echo run%time >&2; echo ':: add-mask'; "
                      "echo x=run%time >>$GITHUB_OUTPUT")
    assert step.stdout == "before\n::add-mask::***\n*** ***\n:: add-mask\n"
    assert step.outputs == {"x": "***"}
    assert hub.run(2, "echo late run%time; printf ::add-mask::open-end").stdout == \
        "late ***\n::add-mask::***"
    assert hub.run(3, "echo open-end").stdout == "***\n"


# ---- processes ----


def test_timeout(hub: Hub) -> None:
    end = hub.run(1, "sleep 1000", timeout_ms=100).end
    assert end is not None
    assert (end.code, end.flags) == (15, TIMEOUT | SIGNALED)
    step = hub.run(2, "trap 'echo bye; exit 5' TERM; while :; do sleep 0.01; done",
                   timeout_ms=100)
    assert step.stdout == "bye\n"
    assert step.end is not None and (step.end.code, step.end.flags) == (5, TIMEOUT)
    end = hub.run(3, "trap '' TERM; while :; do sleep 0.01; done", timeout_ms=100,
                  grace_ms=100).end
    assert end is not None
    assert (end.code, end.flags) == (9, TIMEOUT | SIGNALED)
    assert hub.run(4, "exit 0", timeout_ms=60_000).end.flags == 0


def test_cancel(hub: Hub) -> None:
    hub.cancel(0)  # nothing runs: nothing happens
    hub.start(1, "sleep 1000")
    hub.cancel(60_000)
    end = hub.wait_end(1).end
    assert end is not None and (end.code, end.flags) == (15, CANCELLED | SIGNALED)
    hub.start(2, "trap '' TERM; echo up; while :; do sleep 0.01; done")
    hub.pump(lambda: hub.step(2).stdout == "up\n")
    hub.cancel(60_000)
    hub.cancel(0)  # impatient
    end = hub.wait_end(2).end
    assert end is not None and (end.code, end.flags) == (9, CANCELLED | SIGNALED)


def test_a_cancel_right_behind_the_start(hub: Hub) -> None:
    """The process has been forked, and may not be in its own group yet."""
    for step in range(1, 200):
        hub.start(step, argv=["sleep", "1000"])
        hub.cancel(60_000)
        end = hub.wait_end(step).end
        assert end is not None and (end.code, end.flags) == (15, CANCELLED | SIGNALED)


def test_a_fork_bomb_is_ended(sandbox: Callable[..., Sandbox]) -> None:
    hub = sandbox("--pids-limit", "128").hub
    hub.job("app")
    hub.start(1, "trap '' TERM; (sh -c 'while :; do setsid sleep 1000 & done' "
                 "|| echo full) 2>/dev/null & exec sleep 1000")
    hub.pump(lambda: "full" in hub.step(1).stdout)
    hub.cancel(100)
    end = hub.wait_end(1).end
    assert end is not None and (end.code, end.flags) == (9, CANCELLED | SIGNALED)
    alive = hub.run(2, "ls -d /proc/[0-9]* | wc -l; pidof sleep || echo none").stdout
    assert int(alive.split()[0]) < 8 and alive.split()[1] == "none"


def test_a_full_process_table_is_told(sandbox: Callable[..., Sandbox]) -> None:
    box = sandbox("--pids-limit", "64")
    box.hub.job("app")
    docker("update", "--pids-limit", "1", box.id)
    end = box.hub.run(1, "true").end
    assert end is not None and (end.code, end.flags) == (126, NOT_STARTED)
    assert "limit of processes" in end.reason
    docker("update", "--pids-limit", "64", box.id)
    assert box.hub.run(2, "echo again").stdout == "again\n"


def test_processes_of_other_uids_are_ended(sandbox: Callable[..., Sandbox]) -> None:
    hub = sandbox().hub
    hub.job("")  # root in the container may become others
    hub.start(1, "trap '' TERM; for u in 1234 1300; do setpriv --reuid $u sleep 1000 & "
                 "done 2>/dev/null; su app -c 'sleep 1000' & su lost -c 'sleep 1000' & "
                 "echo up; exec sleep 1000")
    hub.pump(lambda: hub.step(1).stdout == "up\n")
    hub.cancel(100)
    hub.wait_end(1)
    assert hub.run(2, "pidof sleep || echo none").stdout == "none\n"


def test_background_output_belongs_to_its_step(hub: Hub) -> None:
    step = hub.run(1, "(while [ ! -e /tmp/go ]; do sleep 0.01; done; echo late; "
                      "sleep 1000) & echo now")
    assert step.stdout == "now\n"
    second = hub.run(2, "touch /tmp/go; echo second")
    hub.pump(lambda: hub.step(1).stdout == "now\nlate\n")
    assert second.stdout == "second\n"
    assert hub.run(3, "pidof sleep >/dev/null && echo alive").stdout == "alive\n"


def test_many_background_pipes_are_bounded(hub: Hub) -> None:
    for number in range(1, 20):
        hub.run(number, "(trap '' PIPE; exec sleep 1000) &", timeout_ms=60_000)
    notes = [n for s in hub.steps.values() for n in s.notes]
    assert any("no longer read" in n for n in notes)
    assert hub.run(99, "echo fine").stdout == "fine\n"


def test_orphans_are_reaped(hub: Hub) -> None:
    hub.run(1, "for i in 1 2 3 4 5 6 7 8; do (sleep 0.01 &) ; done")
    step = hub.run(2, "while pidof sleep >/dev/null; do sleep 0.01; done; "
                      "grep -l 'State:.Z' /proc/[0-9]*/status || echo no zombies")
    assert step.stdout == "no zombies\n"


def test_a_root_step_cannot_reach_into_the_agent(sandbox: Callable[..., Sandbox]) -> None:
    hub = sandbox().hub
    hub.job("", masks=["never-seen"])
    step = hub.run(1, "for f in environ mem maps fd/0 auxv; do "
                      "head -c 1 /proc/1/$f 2>/dev/null && echo READ $f; done; "
                      "for f in 0 3 4 5; do readlink /proc/1/fd/$f; done; "
                      "kill -9 1; kill -TERM 1; "
                      "echo x >/.hub-agent; rm -f /.hub-agent; exit 0")
    assert step.stdout == ""
    assert hub.run(2, "echo agent lives").stdout == "agent lives\n"


# ---- memory ----


def test_out_of_memory_is_told(sandbox: Callable[..., Sandbox]) -> None:
    limit = 48 * 1024 * 1024
    hub = sandbox("--memory", str(limit), "--memory-swap", str(limit)).hub
    hub.job("app")
    end = hub.run(1, "exec tail /dev/zero").end
    assert end is not None
    assert end.flags == OOM | SIGNALED and end.code == 9
    assert end.oom_kills >= 1
    assert end.mem_limit == limit
    assert end.mem_peak > limit * 0.9
    end = hub.run(2, "tail /dev/zero || exit 7").end
    assert end is not None
    assert (end.code, end.flags) == (7, OOM)
    end = hub.run(3, "true").end
    assert end is not None and (end.flags, end.oom_kills) == (0, 0)
