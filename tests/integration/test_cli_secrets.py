"""`runnerhub secret`: a value comes from a file, a pipe or a prompt, and is
seen nowhere."""

import json
import os
import pty
import sqlite3
import subprocess
from typing import Callable

import pytest

from hub import Hub
from scripted_hub import ScriptedHub

VALUE = "correct-horse-battery-staple"
Run = Callable[..., subprocess.CompletedProcess]


@pytest.fixture(scope="module")
def hub(make_module_hub: Callable[..., Hub]) -> Hub:
    return make_module_hub({"DOCKER_HOST": "unix:///nonexistent/engine.sock"}).start()


@pytest.fixture
def run(runnerhub: str, hub: Hub, tmp_path) -> Run:
    def call(*args: str, stdin: str = "") -> subprocess.CompletedProcess:
        done = subprocess.run([runnerhub, "secret", *args], cwd=tmp_path, input=stdin,
                              env={**os.environ, "RUNNERHUB_URL": hub.url},
                              capture_output=True, text=True, timeout=120, check=False)
        assert VALUE not in done.stdout + done.stderr + hub.log()
        return done
    return call


def names(run: Run) -> list[str]:
    return [one["name"] for one in json.loads(run("list", "--json").stdout)]


def stored(hub: Hub) -> int:
    """Bytes of the last value, without its seal."""
    with sqlite3.connect(f"file:{hub.state_dir}/runnerhub.db?mode=ro", uri=True) as db:
        sealed, = db.execute("SELECT max(length(sealed)) FROM named_secrets").fetchone()
    return sealed - 45


def test_a_value_is_read_from_a_pipe_listed_and_deleted(run: Run, hub: Hub) -> None:
    for text in (VALUE, VALUE + "\n"):
        assert run("set", "PIPED", stdin=text).returncode == 0
        assert stored(hub) == len(VALUE)
    shown = run("list")
    assert shown.stdout.split("\n")[0].split() == ["NAME", "USE", "REPOSITORIES", "CREATED",
                                                   "CHANGED"]
    assert shown.stdout.split("\n")[1].startswith("PIPED")
    assert run("delete", "PIPED").returncode == 0
    again = run("delete", "PIPED")
    assert (again.returncode, again.stderr) == (1, "runnerhub: Secret not found\n")
    assert names(run) == []


def test_a_value_is_read_from_a_file(run: Run, hub: Hub, tmp_path) -> None:
    (tmp_path / "key.pem").write_text("line one\nline two\n")
    assert run("set", "FILED", "--file", "key.pem").returncode == 0
    assert stored(hub) == len("line one\nline two")
    assert run("set", "FILED", "-F", "-", stdin=VALUE).returncode == 0
    assert stored(hub) == len(VALUE)
    assert run("delete", "FILED").returncode == 0
    missing = run("set", "FILED", "-F", "nowhere")
    assert missing.returncode == 1 and "nowhere" in missing.stderr


def test_a_value_on_the_command_line_is_refused(run: Run) -> None:
    assert run("set", "A", "value").returncode == 2
    assert names(run) == []


@pytest.mark.parametrize("stdin, message", [
    ("", "empty"), ("\n", "empty"), ("x" * 32769, "more than 32768 bytes"),
    ("a\0b", "NUL")])
def test_a_value_that_cannot_be_is_refused(run: Run, stdin: str, message: str) -> None:
    done = run("set", "BAD", stdin=stdin)
    assert done.returncode == 1 and message in done.stderr
    assert names(run) == []


def test_the_longest_value_fits(run: Run, hub: Hub) -> None:
    assert run("set", "LONG", stdin="x" * 32768 + "\n").returncode == 0
    assert stored(hub) == 32768
    assert run("delete", "LONG").returncode == 0


def test_a_person_is_asked_and_nothing_is_echoed(run: Run, runnerhub: str, hub: Hub) -> None:
    leader, follower = pty.openpty()
    with subprocess.Popen([runnerhub, "secret", "set", "ASKED", "--url", hub.url],
                          stdin=follower, stdout=follower, stderr=follower) as process:
        os.close(follower)
        seen = b""
        while b"not shown): " not in seen:
            seen += os.read(leader, 1000)
        os.write(leader, VALUE.encode() + b"\n")
        assert process.wait(120) == 0
    os.set_blocking(leader, False)
    try:
        seen += os.read(leader, 10000)
    except OSError:  # the other end is closed
        pass
    os.close(leader)
    assert VALUE.encode() not in seen
    assert stored(hub) == len(VALUE) and names(run) == ["ASKED"]
    assert run("delete", "ASKED").returncode == 0


def test_what_is_no_text_is_refused(run: Run, tmp_path) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    done = run("set", "BAD", "-F", "bytes")
    assert done.returncode == 1 and "no UTF-8 text" in done.stderr


def test_more_than_a_page_is_listed(runnerhub: str) -> None:
    def page(first: int, last: int) -> tuple[int, object]:
        return 200, {"success": True, "data": [{"name": f"n{i:04}"} for i in range(first, last)]}

    script = ScriptedHub()
    script.on("GET", "/api/secrets", page(0, 1000), page(1000, 1003))
    done = subprocess.run([runnerhub, "secret", "list", "--json", "--url", script.url],
                          capture_output=True, text=True, timeout=120, check=True)
    script.close()
    assert [one["name"] for one in json.loads(done.stdout)] == [f"n{i:04}" for i in range(1003)]
    assert [asked["query"] for asked in script.seen] == [
        {"limit": "1000"}, {"limit": "1000", "after": "n0999"}]
