"""The commands that talk to a hub, against a scripted one: what they ask,
what they show, and how they bear a hub that answers badly or goes away."""

import json
import os
import re
import signal
import subprocess
from typing import Callable, Iterator

import pytest

from scripted_hub import ScriptedHub

ID = "0190a000-0000-7000-8000-000000000001"

JOB = {
    "id": ID, "githubJobId": None, "jobId": "build", "runId": "r1", "attempt": 1,
    "repository": "me/app", "workflow": "CI", "runnerName": None,
    "status": "completed", "runnerId": None, "containerId": "c0ffee",
    "labels": ["linux", "x64"], "createdAt": "2026-01-31T12:00:00.000Z",
    "startedAt": "2026-01-31T12:00:01.000Z",
    "completedAt": "2026-01-31T12:00:03.500Z", "exitCode": 0, "error": None,
    "image": "busybox", "priority": 50, "waiting": None,
    "phases": {"queued": "2026-01-31T12:00:00.000Z", "assigned": None,
               "started": "2026-01-31T12:00:01.000Z"},
    "durations": {"queuedMs": 0.85, "ranMs": 2500.0, "removedMs": None},
    "steps": [{"name": "compile", "status": "success", "exitCode": 0,
               "durationMs": 1234.0},
              {"name": "test\u001b]0;x\u0007", "status": "failure", "exitCode": 7,
               "durationMs": 3, "error": "ran into 3 ms", "code": "step_timeout"},
              {"name": "last", "status": "failed", "exitCode": 9, "durationMs": 1,
               "error": "step 3 exited with code 9", "code": "step_failed"}],
}


class Script(ScriptedHub):
    def job(self, *states: dict) -> None:
        self.on("GET", f"/api/jobs/{ID}",
                *[(200, {"success": True, "data": {**JOB, **s}}) for s in states or ({},)])


@pytest.fixture
def script() -> Iterator[Script]:
    script = Script()
    yield script
    script.close()


Run = Callable[..., subprocess.CompletedProcess]


@pytest.fixture
def run(runnerhub: str, script: Script, tmp_path) -> Run:
    def call(*args: str, stdin: str = "", **env: str) -> subprocess.CompletedProcess:
        kept = {name: os.environ[name] for name in
                ("PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "GCOV_PREFIX")
                if name in os.environ}
        return subprocess.run([runnerhub, *args], cwd=tmp_path, input=stdin,
                              env={**kept, "HOME": str(tmp_path),
                                   "RUNNERHUB_URL": script.url, **env},
                              capture_output=True, text=True, timeout=120)
    return call


DELEGATED = (201, {"success": True, "data": {"delegationId": ID, "status": "queued"}})


# -- delegate ---------------------------------------------------------------------

def test_flags_become_a_delegation(run: Run, script: Script, tmp_path) -> None:
    script.on("POST", "/api/jobs/delegate", DELEGATED)
    (tmp_path / "token").write_text("from a file\n")
    shown = run("job", "delegate", "--repo", "me/app", "--run-id=r1", "--job-id", "build",
                "--attempt", "2", "-i", "busybox", "-s", "compile: make all",
                "--step", "echo a: b", "-e", "A=1=2", "--env", "B=", "--secret", "FROM_ENV",
                "--secret", "FROM_FILE=@token", "-l", "linux", "--label=x64", "-p", "70",
                "--timeout", "90s", "--cpus", "1.5", "-m", "512m", "--workflow", "CI",
                "--runner", "proxy-1", "--ref", "refs/heads/main", "--sha", "abc",
                FROM_ENV="from the environment")
    assert (shown.returncode, shown.stdout, shown.stderr) == (0, f"{ID}\n", "")
    assert json.loads(script.seen[0]["body"]) == {
        "repository": "me/app", "runId": "r1", "jobId": "build", "attempt": 2,
        "image": "busybox", "env": {"A": "1=2", "B": ""},
        "steps": [{"name": "compile", "run": "make all"}, {"run": "echo a: b"}],
        "secrets": {"FROM_ENV": "from the environment", "FROM_FILE": "from a file"},
        "labels": ["linux", "x64"], "priority": 70, "timeoutSeconds": 90,
        "resources": {"cpus": 1.5, "memory": 512 << 20}, "workflow": "CI",
        "runnerName": "proxy-1", "ref": "refs/heads/main", "sha": "abc"}


def test_a_yaml_file_has_types_and_flags_win(run: Run, script: Script, tmp_path) -> None:
    script.on("POST", "/api/jobs/delegate", DELEGATED)
    (tmp_path / "job.yaml").write_text(
        "repository: me/app\nrunId: '17'\npriority: 10\nimage: ~\n"
        "env: {NUMBER: 1, YES: true, EMPTY: }\n"
        "resources: {cpus: 0.5, memory: 1g}\n"
        "steps:\n- name: one\n  run: |\n    echo a\n    echo b\n"
        "  continueOnError: true\n  timeoutSeconds: 5\n")
    shown = run("job", "delegate", "--file", "job.yaml", "--priority", "99", "--step", "last")
    assert shown.returncode == 0, shown.stderr
    body = json.loads(script.seen[0]["body"])
    assert body.pop("jobId") == "cli"
    assert body == {
        "repository": "me/app", "runId": "17", "priority": 99, "image": None,
        "env": {"NUMBER": "1", "YES": "true", "EMPTY": ""},
        "resources": {"cpus": 0.5, "memory": "1g"},
        "steps": [{"name": "one", "run": "echo a\necho b\n", "continueOnError": True,
                   "timeoutSeconds": 5}, {"run": "last"}]}


def test_json_from_standard_input_gets_a_run_of_its_own(run: Run, script: Script) -> None:
    script.on("POST", "/api/jobs/delegate", DELEGATED)
    for _ in range(2):
        assert run("job", "delegate", "--file=-", stdin='{"steps": [{"run": "x"}]}').returncode == 0
    bodies = [json.loads(r["body"]) for r in script.seen]
    assert all(b["repository"] == "local/cli" for b in bodies)
    assert bodies[0]["runId"] != bodies[1]["runId"]


@pytest.mark.parametrize("text, message", [
    ('{"a": 1,}', "standard input:1: "),
    ("steps:\n  - run: x\n bad", "standard input:3: "),
    ("- a\n", "standard input: expected a map with repository, steps, ..."),
    ("", "standard input: expected a map"),
    ("a: &x 1\n", "standard input:1: anchors and aliases are not accepted here"),
])
def test_a_bad_job_file_is_named_with_its_line(
        run: Run, script: Script, text: str, message: str) -> None:
    shown = run("job", "delegate", "--file=-", stdin=text)
    assert shown.returncode == 1
    assert shown.stderr.startswith(f"runnerhub: {message}")
    assert script.seen == []


def test_warnings_of_the_hub_are_shown(run: Run, script: Script) -> None:
    script.on("POST", "/api/jobs/delegate", (201, {
        "success": True, "warnings": ["unknown field \"imgae\""],
        "data": {"delegationId": ID, "status": "queued"}}))
    shown = run("job", "delegate", "--step", "x", "--json")
    assert shown.stderr == 'runnerhub: warning: unknown field "imgae"\n'
    assert json.loads(shown.stdout)["delegationId"] == ID


def test_follow_prints_the_log_and_ends_with_the_jobs_code(run: Run, script: Script) -> None:
    script.on("POST", "/api/jobs/delegate", DELEGATED)
    script.on("GET", f"/api/jobs/{ID}/logs", (200, b"one\ntwo\xff\n".decode("latin-1").encode()))
    script.job({"status": "failed", "exitCode": 7, "error": "step 2 failed"})
    shown = run("job", "delegate", "--step", "x", "--follow")
    assert shown.returncode == 7
    assert shown.stdout == "one\ntwo\u00ff\n"
    assert shown.stderr == (f"runnerhub: job {ID}\nrunnerhub: job failed with exit code 7 "
                            "after 2.50 s: step 2 failed\n")


# -- logs -----------------------------------------------------------------------------

def test_a_broken_log_stream_is_taken_up_where_it_broke(run: Run, script: Script) -> None:
    path = f"/api/jobs/{ID}/logs"
    script.on("GET", path, (200, [b"0123", b"45"]), (200, [b"67"]), (200, b"89"))
    script.job()
    shown = run("job", "logs", "-f", ID)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout == "0123456789"
    assert [r["query"].get("offset") for r in script.asked(path)] == [None, "6", "8"]


def test_follow_goes_on_until_the_job_has_ended(run: Run, script: Script) -> None:
    path = f"/api/jobs/{ID}/logs"
    script.on("GET", path, (200, b"a"), (200, b"b"), (200, b"c"))
    script.job({"status": "running"}, {"status": "assigned"}, {"status": "completed"})
    assert run("job", "logs", "-f", ID).stdout == "abc"


def test_log_options_reach_the_hub(run: Run, script: Script) -> None:
    path = f"/api/jobs/{ID}/logs"
    script.on("GET", path, (200, {"success": True, "data": {"logs": "x\n", "truncated": False}}))
    script.job({"status": "running"})
    assert run("job", "logs", "-n", "5", "-t", ID).stdout == "x\n"
    assert script.asked(path)[0]["query"] == {"tail": "5", "timestamps": "true"}
    script.job()
    script.on("GET", path, (200, b'{"stream":"stdout"}\n'))
    shown = run("job", "logs", "--format", "json", ID)
    assert shown.stdout == '{"stream":"stdout"}\n'
    assert script.asked(path)[1]["query"] == {"follow": "true", "format": "json"}


# -- wait, show, list, cancel ------------------------------------------------------------

@pytest.mark.parametrize("end, code", [
    ({"status": "completed", "exitCode": 0}, 0),
    ({"status": "completed", "exitCode": None}, 0),
    ({"status": "failed", "exitCode": 42}, 42),
    ({"status": "failed", "exitCode": None}, 1),
    ({"status": "failed", "exitCode": 0}, 1),
    ({"status": "failed", "exitCode": 256}, 1),
    ({"status": "cancelled", "exitCode": None}, 130),
])
def test_wait_ends_with_the_jobs_code(run: Run, script: Script, end: dict, code: int) -> None:
    script.job({"status": "queued"}, {"status": "running"}, end)
    shown = run("job", "wait", ID)
    assert shown.returncode == code
    assert shown.stdout.startswith(end["status"])


def test_show_tells_all_and_lets_nothing_drive_the_terminal(run: Run, script: Script) -> None:
    script.job({"status": "pending", "exitCode": None, "waiting": {
        "code": "engine_down", "reason": "the engine does not answer"}})
    shown = run("job", "show", ID).stdout
    for text in (f"Job {ID}", "pending", "the engine does not answer (engine_down)",
                 "me/app", "linux, x64", "compile", "1.23 s", "ran into 3 ms",
                 "2026-01-31T12:00:01.000Z", "850 µs"):
        assert text in shown
    assert "exited with code" not in shown  # the column says it
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", shown)
    assert json.loads(run("job", "show", "--json", ID).stdout)["id"] == ID


def test_list_sends_filters_and_prints_columns(run: Run, script: Script) -> None:
    script.on("GET", "/api/jobs", (200, {
        "success": True, "data": [JOB, {**JOB, "id": "2", "status": "queued",
                                        "startedAt": None, "exitCode": None}],
        "pagination": {"page": 1, "limit": 2, "total": 5, "totalPages": 3}}))
    shown = run("job", "list", "--repo", "me/a b", "--status=running", "-n", "2",
                "--since", "2026-01-31")
    assert script.seen[0]["query"] == {"repository": "me/a b", "status": "running",
                                       "limit": "2", "startDate": "2026-01-31"}
    lines = shown.stdout.splitlines()
    assert lines[0].split() == ["ID", "STATUS", "EXIT", "REPOSITORY", "JOB", "TIME", "DELEGATED"]
    assert lines[1].split()[:7] == [ID, "completed", "0", "me/app", "build", "2.50", "s"]
    assert lines[0].index("STATUS") == lines[1].index("completed") == lines[2].index("queued")


def test_cancel(run: Run, script: Script) -> None:
    script.on("POST", f"/api/jobs/{ID}/cancel", (202, {"success": True, "message": "ok"}))
    assert run("job", "cancel", ID).returncode == 0
    assert script.seen[0]["method"] == "POST"


def test_an_id_is_encoded(run: Run, script: Script) -> None:
    shown = run("job", "show", "../../health?x")
    assert shown.returncode == 1
    assert script.seen[0]["path"] == "/api/jobs/..%2F..%2Fhealth%3Fx"


# -- answers that are errors --------------------------------------------------------------

def test_the_hubs_words_are_shown(run: Run, script: Script) -> None:
    script.on("GET", f"/api/jobs/{ID}", (404, {"success": False, "error": "Job not found",
                                               "code": "job_not_found"}))
    shown = run("job", "show", ID)
    assert (shown.returncode, shown.stderr) == (1, "runnerhub: Job not found\n")


def test_a_missing_key_says_what_to_set(run: Run, script: Script) -> None:
    script.on("GET", "/api/jobs", (401, {"success": False, "error": "Unauthorized"}))
    shown = run("job", "list")
    assert shown.returncode == 1
    assert "RUNNERHUB_TOKEN" in shown.stderr and "--token-file" in shown.stderr


def test_the_token_is_sent_and_never_shown(run: Run, script: Script, tmp_path) -> None:
    (tmp_path / "key").write_text("hunter2\n")
    script.on("GET", "/api/jobs", (500, b"<html>oops</html>"))
    for args, env in ((["--token-file", "key"], {}), ([], {"RUNNERHUB_TOKEN": "hunter2"}),
                      ([], {"RUNNERHUB_TOKEN_FILE": "key"}),
                      ([], {"RUNNERHUB_API_KEY": "hunter2hunter2"})):
        shown = run("job", "list", *args, **env)
        assert shown.returncode == 1
        assert "hunter2" not in shown.stdout + shown.stderr
        assert "status 500" in shown.stderr and "is that a hub?" in shown.stderr
        assert script.seen[-1]["headers"]["Authorization"].startswith("Bearer hunter2")


@pytest.mark.parametrize("body", [b"", b"not json", b"[]", b'{"success":true}', b'{"a":1'])
def test_an_answer_that_is_none_is_an_error(run: Run, script: Script, body: bytes) -> None:
    script.on("GET", f"/api/jobs/{ID}", (200, body))
    shown = run("job", "show", ID)
    assert shown.returncode == 1
    assert "is that a hub?" in shown.stderr


# -- health, events --------------------------------------------------------------------------

def test_health_exit_code(run: Run, script: Script) -> None:
    well = {"status": "healthy", "checks": {"database": "pass", "engine": "pass"}}
    ill = {"status": "degraded", "checks": {"database": "pass", "engine": "fail"}}
    script.on("GET", "/health", (200, well), (503, ill), (503, ill), (404, {"error": "no"}))
    shown = run("health")
    assert (shown.returncode, shown.stdout.split()) == (
        0, ["healthy", "database", "pass", "engine", "pass"])
    assert run("health").returncode == 1
    assert json.loads(run("health", "--json").stdout) == ill
    assert "is that a hub?" in run("health").stderr


def read_events(runnerhub: str, script: Script, want: int, *args: str) -> list[dict]:
    """Starts `events --json`, reads that many lines, interrupts it."""
    watch = subprocess.Popen([runnerhub, "events", "--json", "--url", script.url, *args],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert watch.stdout is not None
    lines = [watch.stdout.readline() for _ in range(want)]
    watch.send_signal(signal.SIGTERM)
    watch.communicate(timeout=60)
    return [json.loads(line) for line in lines]


def test_events_resume_after_the_last_one_seen(runnerhub: str, script: Script) -> None:
    def event(n: int) -> bytes:
        return (f"id: {n}\nevent: job:status\ndata: "
                f'{{"jobId":"{ID}","status":"running"}}\n\n').encode()

    script.on("GET", "/api/events", (200, [b"retry: 1\n\n", event(1)[:20], event(1)[20:]]),
              (200, [b": alive\n\n", event(2), event(3) + b"id: 4\nda"]), (200, [event(4)]))
    events = read_events(runnerhub, script, 4, "--job", ID, "--repo", "me/app")
    assert [e["id"] for e in events] == ["1", "2", "3", "4"]
    assert events[0] == {"id": "1", "event": "job:status",
                         "data": {"jobId": ID, "status": "running"}}
    asked = script.asked("/api/events")
    assert asked[0]["query"] == {"jobId": ID, "repository": "me/app"}
    # "id: 4" came before the break, its data did not: it was not seen
    assert [r["headers"].get("Last-Event-ID") for r in asked[:3]] == [None, "1", "3"]
