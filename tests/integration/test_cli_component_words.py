"""The `component` commands against a scripted hub: what they ask, what they
show and end with, and how they bear a hub that goes away."""

import json
import os
import pty
import subprocess
from typing import Any, Callable, Iterator

import pytest

from scripted_hub import ScriptedHub

ID = "0190a000-0000-4000-8000-000000000001"
BASE = "/api/runner"
TITLES = ["Downloading Repository", "Extracting Files", "Building Docker Image",
          "Starting Container", "Monitoring Container"]
Run = Callable[..., subprocess.CompletedProcess]


def instance(done: int = 0, status: str = "starting", failed: bool = False,
             **more: Any) -> dict:
    """As far as `done` of its steps."""
    steps = []
    for n, title in enumerate(TITLES):
        step: dict[str, Any] = {"type": title.lower().replace(" ", "_"), "title": title,
                                "status": "pending"}
        if n <= done:
            step["startedAt"] = "2026-01-31T12:00:00.000Z"
            step["status"] = "in_progress"
        if n < done or (n == done and failed):
            step["completedAt"] = "2026-01-31T12:00:01.500Z"
            step["status"] = "failed" if n == done else "completed"
        steps.append(step)
    return {"id": ID, "componentRef": "Component:default/Hello", "status": status,
            "ports": [], "startedAt": "2026-01-31T12:00:00.000Z",
            "deploymentProgress": {"steps": steps, "currentStep": "x"}, **more}


def event(state: dict) -> bytes:
    return f"event: instance\ndata: {json.dumps(state)}\n\n".encode()


@pytest.fixture
def script() -> Iterator[ScriptedHub]:
    script = ScriptedHub()
    yield script
    script.close()


@pytest.fixture
def run(runnerhub: str, script: ScriptedHub, tmp_path) -> Run:
    def call(*args: str, **env: str) -> subprocess.CompletedProcess:
        kept = {name: os.environ[name] for name in
                ("PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "GCOV_PREFIX")
                if name in os.environ}
        return subprocess.run([runnerhub, "component", *args], cwd=tmp_path,
                              env={**kept, "HOME": str(tmp_path),
                                   "RUNNERHUB_URL": script.url, **env},
                              capture_output=True, text=True, timeout=120, check=False)
    return call


def starts(script: ScriptedHub, *connections: list[dict], base: str = BASE) -> None:
    script.on("POST", f"{base}/start", (201, instance()))
    script.on("GET", f"{base}/events",
              *[(200, [b": hello\n\n"] + [event(state) for state in states])
                for states in connections])


RUNNING = instance(5, "running", ports=[20123, 20124])


# -- start ------------------------------------------------------------------------

def test_each_step_is_a_line_and_the_links_are_the_output(run: Run, script: ScriptedHub) -> None:
    starts(script, [instance(0), instance(0), instance(2), RUNNING])
    done = run("start", "hello")
    assert (done.returncode, done.stdout) == (
        0, "http://localhost:20123\nhttp://localhost:20124\n")
    assert done.stderr.splitlines() == [
        f"Starting Component:default/Hello, instance {ID}",
        "[1/5] Downloading Repository ...",
        "[1/5] Downloading Repository: 1.50 s",
        "[2/5] Extracting Files: 1.50 s",
        "[3/5] Building Docker Image ...",
        "[3/5] Building Docker Image: 1.50 s",
        "[4/5] Starting Container: 1.50 s",
        "[5/5] Monitoring Container: 1.50 s",
        f"Component:default/Hello is ready. Its log: runnerhub component logs -f {ID}"]
    assert json.loads(script.asked(f"{BASE}/start")[0]["body"]) == {
        "entityRef": "component:default/hello"}
    assert script.asked(f"{BASE}/events")[0]["query"] == {"instance": ID}


@pytest.mark.parametrize("ref, sent", [
    ("Hello", "component:default/Hello"), ("team/Hello", "component:team/Hello"),
    ("api:Hello", "api:default/Hello"), ("api:team/Hello", "api:team/Hello")])
def test_a_short_reference_is_completed(run: Run, script: ScriptedHub, ref: str,
                                        sent: str) -> None:
    starts(script, [RUNNING])
    assert run("start", ref).returncode == 0
    assert json.loads(script.asked(f"{BASE}/start")[0]["body"]) == {"entityRef": sent}


def test_a_broken_stream_is_connected_again(run: Run, script: ScriptedHub) -> None:
    starts(script, [instance(0)], [instance(0), instance(1)], [], [RUNNING])
    done = run("start", "hello")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("[1/5] Downloading Repository ...") == 1
    assert len(script.asked(f"{BASE}/events")) == 4


def test_other_events_do_not_matter(run: Run, script: ScriptedHub) -> None:
    script.on("POST", f"{BASE}/start", (201, instance()))
    script.on("GET", f"{BASE}/events",
              (200, [b"event: other\ndata: x\n\n", event(RUNNING)]))
    assert run("start", "hello").returncode == 0


def test_a_failure_tells_why_and_the_last_lines(run: Run, script: ScriptedHub) -> None:
    starts(script, [instance(2), instance(2, "error", failed=True,
                                          error="The build failed. Look \x1b]0;x\x07here.")])
    script.on("GET", f"{BASE}/instances/{ID}/logs",
              (200, {"logs": "one\n\x1b[91mtwo\x1b[0m\x1b[2J\x1b\n"}))
    done = run("start", "hello")
    assert (done.returncode, done.stdout) == (1, "")
    assert "[3/5] Building Docker Image: failed after 1.50 s\n" in done.stderr
    told = done.stderr[done.stderr.index("runnerhub:"):]
    assert "\x1b" not in told and "The build failed. Look" in told
    assert "Its last lines:\n  one\n  two?\n" in told
    assert f"runnerhub component logs --build {ID}" in told
    assert script.asked(f"{BASE}/instances/{ID}/logs")[0]["query"] == {"tail": "20"}


def test_one_that_was_stopped_meanwhile_is_a_failure(run: Run, script: ScriptedHub) -> None:
    starts(script, [instance(1), instance(1, "stopping"), instance(1, "stopped")])
    done = run("start", "hello")
    assert done.returncode == 1 and "stopped before it was ready" in done.stderr


def test_detached_gives_the_id_and_follows_nothing(run: Run, script: ScriptedHub) -> None:
    script.on("POST", f"{BASE}/start", (201, instance()))
    assert run("start", "-d", "hello").stdout == f"{ID}\n"
    assert json.loads(run("start", "--detach", "--json", "hello").stdout) == instance()
    assert script.asked(f"{BASE}/events") == []
    assert run("start", "--detach", "--wait", "hello").returncode == 2


@pytest.mark.parametrize("end, code", [(RUNNING, 0), (instance(1, "error", error="no"), 1)])
def test_json_is_the_instance_at_its_end(run: Run, script: ScriptedHub, end: dict,
                                         code: int) -> None:
    starts(script, [instance(1), end])
    done = run("start", "--json", "hello")
    assert done.returncode == code and json.loads(done.stdout) == end


@pytest.mark.parametrize("status, name, message", [
    (404, "NotFoundError", "Entity not found: component:default/hello"),
    (409, "ConflictError", "Another component is already running: x is running."),
    (400, "InputError", "Component is not enabled for runner")])
def test_the_hubs_words_are_shown(run: Run, script: ScriptedHub, status: int, name: str,
                                  message: str) -> None:
    script.on("POST", f"{BASE}/start", (status, {
        "error": {"name": name, "message": message},
        "request": {"method": "POST", "url": "/start"}, "response": {"statusCode": status}}))
    done = run("start", "hello")
    assert (done.returncode, done.stderr) == (1, f"runnerhub: {message}\n")


def test_a_public_host_is_in_the_links(run: Run, script: ScriptedHub) -> None:
    starts(script, [{**RUNNING, "publicHost": "apps.example"}])
    assert run("start", "hello").stdout.startswith("http://apps.example:20123\n")


@pytest.mark.parametrize("path, base", [
    ("/runner,/api/runner", "/runner"), ("/a/b", "/a/b")])
def test_the_first_base_path_is_asked(run: Run, script: ScriptedHub, path: str,
                                      base: str) -> None:
    starts(script, [RUNNING], base=base)
    assert run("start", "hello", RUNNERHUB_COMPONENTS_PATH=path).returncode == 0


def test_a_terminal_sees_the_steps_in_place(runnerhub: str, script: ScriptedHub) -> None:
    building = instance(2)
    building["deploymentProgress"]["steps"][2]["progress"] = 40
    starts(script, [instance(0), building, RUNNING])
    leader, follower = pty.openpty()
    with subprocess.Popen([runnerhub, "component", "start", "hello", "--url", script.url],
                          stdin=follower, stdout=follower, stderr=follower,
                          env={**os.environ, "TERM": "xterm", "NO_COLOR": "1"}) as process:
        os.close(follower)
        seen = b""
        try:
            while True:
                seen += os.read(leader, 65536)
        except OSError:  # the other end is closed
            pass
        assert process.wait(120) == 0
    os.close(leader)
    text = seen.decode()
    assert "[1/5]" not in text and ", 40 %" in text
    assert "\x1b[5A" in text, "drawn over what was drawn before"
    last = text[text.rindex("\x1b[5A"):]
    assert [line.split()[0] for line in last.replace("\x1b[K", "").splitlines()[0:5]
            if "✓" in line] != [] and last.count("✓") == 5
    assert "http://localhost:20123" in last


# -- the others -----------------------------------------------------------------------

def test_list_shows_what_can_run_and_what_does(run: Run, script: ScriptedHub) -> None:
    script.on("GET", f"{BASE}/components", (200, {"items": [
        {"componentRef": "Component:default/Hello", "owner": "team-a",
         "description": "Says \x1b[31mhello"},
        {"componentRef": "API:x/Other"}]}))
    script.on("GET", f"{BASE}/instances", (200, {"items": [
        instance(1, "error"), RUNNING, {**RUNNING, "componentRef": "Component:default/Gone"}]}))
    rows = run("list").stdout.splitlines()
    assert rows[0].split() == ["COMPONENT", "STATUS", "PORTS", "OWNER", "DESCRIPTION"]
    assert rows[1].split()[:5] == ["Component:default/Hello", "running", "20123,", "20124",
                                   "team-a"]
    assert "\x1b" not in rows[1]
    assert rows[2].split() == ["API:x/Other", "-", "-", "-", "-"]
    listed = json.loads(run("list", "--json").stdout)
    assert listed[0]["instance"] == RUNNING and "instance" not in listed[1]


def test_list_reads_all_pages_and_tells_what_is_wrong(run: Run, script: ScriptedHub) -> None:
    problems = [{"file": "/c/catalog-info.yaml", "line": 3, "column": 5, "severity": "error",
                 "text": "no\x1b name"}, {"file": "/gone", "severity": "error", "text": "away"}]
    script.on("GET", f"{BASE}/components",
              (200, {"items": [{"componentRef": "Component:default/a"}], "total": 2,
                     "nextCursor": "component:default/a", "problems": problems}),
              (200, {"items": [{"componentRef": "Component:default/b"}], "total": 2,
                     "problems": problems}))
    script.on("GET", f"{BASE}/instances", (200, {"items": []}))
    done = run("list")
    assert [row.split()[0] for row in done.stdout.splitlines()[1:]] == [
        "Component:default/a", "Component:default/b"]
    assert script.asked(f"{BASE}/components")[1]["query"] == {"cursor": "component:default/a"}
    assert done.stderr == ("runnerhub: /c/catalog-info.yaml:3:5: no? name\n"
                           "runnerhub: /gone: away\n")


def test_status_of_all_leaves_out_what_has_ended(run: Run, script: ScriptedHub) -> None:
    ended = {**instance(1, "stopped"), "id": ID.replace("1", "2")}
    script.on("GET", f"{BASE}/instances", (200, {"items": [ended, RUNNING]}))
    assert [row.split()[2] for row in run("status").stdout.splitlines()[1:]] == ["running"]
    assert [row.split()[2] for row in run("status", "--all").stdout.splitlines()[1:]] == [
        "running", "stopped"]
    assert json.loads(run("status", "--json", "-a").stdout) == [ended, RUNNING]


def test_status_of_one_by_reference_is_of_its_newest(run: Run, script: ScriptedHub) -> None:
    older = {**instance(1, "error"), "id": ID.replace("1", "2")}
    script.on("GET", f"{BASE}/instances", (200, {"items": [older, RUNNING]}))
    script.on("GET", f"{BASE}/instances/{ID}/health", (200, {"health": {"status": "healthy"}}))
    script.on("GET", f"{BASE}/instances/{ID}/stats",
              (200, {"stats": {"CPUPerc": "0.17%", "MemUsage": "1.23MiB / 1GiB"}}))
    shown = run("status", "hello").stdout
    lines = {line.split()[0]: " ".join(line.split()[1:]) for line in shown.splitlines()[1:]}
    assert lines["status"] == "running" and lines["id"] == ID
    assert lines["health"] == "healthy" and lines["CPU"] == "0.17%"
    assert lines["memory"] == "1.23MiB / 1GiB"
    assert "http://localhost:20124" in shown
    missing = run("status", "nope")
    assert missing.returncode == 1
    assert "no instance of component:default/nope" in missing.stderr


@pytest.mark.parametrize("end,words", [
    ({"exitCode": 3}, "3"), ({"exitCode": 143, "signal": "SIGTERM"}, "143 (SIGTERM)"),
    ({"exitCode": 137, "signal": "SIGKILL", "outOfMemory": True}, "137 (out of memory)")])
def test_how_it_ended(run: Run, script: ScriptedHub, end: dict, words: str) -> None:
    script.on("GET", f"{BASE}/instances/{ID}", (200, {**instance(1, "error"), **end}))
    lines = [line.split(maxsplit=2) for line in run("status", ID).stdout.splitlines()]
    assert [line[2] for line in lines if line[:2] == ["exit", "code"]] == [words]


def test_logs_options_reach_the_hub(run: Run, script: ScriptedHub) -> None:
    target = f"{BASE}/instances/{ID}/logs"
    script.on("GET", f"{BASE}/instances/{ID}", (200, RUNNING))
    script.on("GET", target, (200, {"logs": "now\n"}))
    assert run("logs", "--tail", "7", "--build", ID).stdout == "now\n"
    assert script.asked(target)[0]["query"] == {"follow": "false", "tail": "7", "build": "true"}
    script.on("GET", target, (200, b"bytes\n"))
    script.on("GET", f"{BASE}/instances/{ID}", (200, instance(1, "stopped")))
    assert "bytes" in run("logs", ID).stdout, "one that has ended is streamed"
    assert script.asked(target)[-1]["query"] == {"follow": "true"}
    for bad in ("0", "-1", "x", ""):
        assert run("logs", "--tail", bad, ID).returncode == 2
    assert run("logs", "--json", "-f", ID).returncode == 2


LOGS = f"{BASE}/instances/{ID}/logs"


def follows(script: ScriptedHub, *states: dict) -> None:
    """As the instance is found at first, and behind each stream that ends well."""
    script.on("GET", f"{BASE}/instances/{ID}", *[(200, state) for state in states])


def test_a_broken_log_of_a_running_one_is_passed_over_to_where_it_broke(
        run: Run, script: ScriptedHub) -> None:
    follows(script, RUNNING, instance(5, "stopped"))
    script.on("GET", LOGS, (200, [b"0123"]), (200, [b"01", b"2345"]), (200, b"0123456789"))
    assert run("logs", "-f", ID).stdout == "0123456789"
    assert [asked["query"] for asked in script.asked(LOGS)] == [{"follow": "true"}] * 3


@pytest.mark.parametrize("args, state", [
    (["--build"], RUNNING), ([], instance(1))])
def test_a_broken_log_from_the_build_on_goes_on_where_it_broke(
        run: Run, script: ScriptedHub, args: list[str], state: dict) -> None:
    follows(script, state, instance(5, "error"))
    script.on("GET", LOGS, (200, [b"0123"]), (200, [b"4", b"5"]), (200, b"6789"))
    assert run("logs", "-f", *args, ID).stdout == "0123456789"
    assert [asked["query"]["since"] for asked in script.asked(LOGS)] == ["0", "4", "6"]


def test_a_tail_is_followed_from_where_it_ends(run: Run, script: ScriptedHub) -> None:
    follows(script, RUNNING, RUNNING, instance(5, "stopped"))
    script.on("GET", LOGS, (200, {"logs": "last\n", "next": 1000}),
              (200, [b"abc"]), (200, b"de"), (200, b"f"))
    assert run("logs", "-f", "-n", "1", ID).stdout == "last\nabcdef"
    assert [asked["query"] for asked in script.asked(LOGS)] == [
        {"follow": "false", "tail": "1"}, {"follow": "true", "since": "1000"},
        {"follow": "true", "since": "1003"}, {"follow": "true", "since": "1005"}]


def test_errors_tell_what_to_do(run: Run, script: ScriptedHub) -> None:
    errors = [{"code": "PORT_IN_USE", "message": "raw", "userMessage": "Busy. Do this.",
               "context": {"componentRef": "Component:default/Hello", "instanceId": ID,
                           "timestamp": "2026-01-31T12:00:00.000Z"}}]
    script.on("GET", f"{BASE}/errors", (200, {"errors": errors}))
    script.on("GET", f"{BASE}/instances/{ID}/errors", (200, {"errors": []}))
    shown = run("errors", "-n", "5").stdout
    assert shown.startswith("PORT_IN_USE  Component:default/Hello") and "Busy. Do this." in shown
    assert script.asked(f"{BASE}/errors")[0]["query"] == {"limit": "5"}
    assert json.loads(run("errors", "--json").stdout) == errors
    script.on("GET", f"{BASE}/instances/{ID}", (200, RUNNING))
    script.on("GET", f"{BASE}/instances", (200, {"items": [RUNNING]}))
    assert run("errors", ID).stdout == run("errors", "hello").stdout == ""
    assert len(script.asked(f"{BASE}/instances/{ID}/errors")) == 2
    assert run("errors", "-n", "x").returncode == 2
