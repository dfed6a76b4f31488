"""The command line and a real hub: one job from delegation to exit code."""

import json
import os
import subprocess
from typing import Callable

import pytest

from hub import Hub, wait_for

Run = Callable[..., subprocess.CompletedProcess]


@pytest.fixture
def run(runnerhub: str, hub: Hub, tmp_path) -> Run:
    def call(*args: str, stdin: str = "", **env: str) -> subprocess.CompletedProcess:
        kept = {name: os.environ[name] for name in
                ("PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "GCOV_PREFIX")
                if name in os.environ}
        return subprocess.run([runnerhub, *args], cwd=tmp_path, input=stdin,
                              env={**kept, "HOME": str(tmp_path),
                                   "RUNNERHUB_URL": hub.url, **env},
                              capture_output=True, text=True, timeout=300)
    return call


def test_delegate_and_follow(run: Run) -> None:
    shown = run("job", "delegate", "--repo", "me/app", "--env", "WHO=world",
                "--secret", "TOKEN", "--step", "hello: echo hello $WHO; echo $TOKEN",
                "--step", "echo oops >&2; exit 7", "--follow", TOKEN="hunter2hunter2")
    assert shown.returncode == 7, shown.stderr
    assert shown.stdout == "hello world\n***\noops\n"
    assert "failed with exit code 7" in shown.stderr


def test_show_logs_list_of_an_ended_job(run: Run) -> None:
    delegated = run("job", "delegate", "--repo", "me/app", "--step", "count: seq 5",
                    "--wait", "--json")
    assert delegated.returncode == 0, delegated.stderr
    job = json.loads(delegated.stdout)
    assert run("job", "logs", job["id"]).stdout == "1\n2\n3\n4\n5\n"
    assert run("job", "logs", "-n", "2", job["id"]).stdout == "4\n5\n"
    entries = [json.loads(line) for line in
               run("job", "logs", "--format=json", job["id"]).stdout.splitlines()]
    assert "".join(e.get("text", "") for e in entries) == "1\n2\n3\n4\n5\n"
    shown = run("job", "show", job["id"])
    assert "completed" in shown.stdout and "count" in shown.stdout
    assert "sandbox made ready" in shown.stdout
    listed = json.loads(run("job", "list", "--json", "--repo", "me/app").stdout)
    assert [j["id"] for j in listed] == [job["id"]]
    assert run("job", "wait", job["id"]).returncode == 0


def test_tail_of_a_running_job(run: Run, hub: Hub) -> None:
    job = hub.delegate(["seq 5; exec sleep 600"])
    wait_for(lambda: run("job", "logs", "-n", "2", job).stdout == "4\n5\n",
             what="its output is there")
    assert run("job", "logs", job).stdout == "1\n2\n3\n4\n5\n"
    assert run("job", "cancel", job).returncode == 0
    assert run("job", "wait", job).returncode == 130
    assert run("job", "cancel", job).returncode == 0  # again changes nothing


def test_following_outlives_a_restart_of_the_hub(
        runnerhub: str, make_hub: Callable[..., Hub]) -> None:
    hub = make_hub({"RUNNERHUB_SHUTDOWN_MODE": "handover"}).start()
    job = hub.delegate(["echo before; while [ ! -e /tmp/go ]; do sleep 0.1; "
                        "[ $((i = i + 1)) -lt 30 ] || touch /tmp/go; done; echo after"])
    follow = subprocess.Popen([runnerhub, "job", "logs", "-f", job, "--url", hub.url],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert follow.stdout is not None
    assert follow.stdout.readline() == "before\n"
    hub.kill9()
    hub.start()
    rest, errors = follow.communicate(timeout=120)
    assert (follow.returncode, rest, errors) == (0, "after\n", "")
    hub.wait_end(job)


def test_the_hub_names_what_is_wrong_with_a_job(run: Run) -> None:
    shown = run("job", "delegate", "--repo", "nonsense", "--step", "true")
    assert shown.returncode == 1
    assert "repository" in shown.stderr
    shown = run("job", "show", "not-an-id")
    assert (shown.returncode, shown.stderr) == (1, "runnerhub: Job not found\n")


def test_health_and_doctor_ask_the_running_hub(run: Run, hub: Hub) -> None:
    # right after its start it may not have heard of the engine yet
    wait_for(lambda: run("health").returncode == 0, what="the hub is healthy")
    report = json.loads(run("doctor", "--json", RUNNERHUB_STATE_DIR=hub.state_dir,
                            DOCKER_HOST="/nowhere").stdout)
    checks = {c["name"]: c for c in report["checks"]}
    assert checks["hub"]["verdict"] == "ok"
    assert checks["store"]["text"] == "the running hub says that its store commits"
