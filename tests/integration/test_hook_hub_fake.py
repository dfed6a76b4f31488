"""runnerhub-hook before a hub that answers badly, goes away and comes back:
what the runner is told, and that no byte of output is lost or doubled."""

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any, Iterator

import pytest

from fixtures import ROOT
from hook_runner import Runner, hook, runners  # noqa: F401

sys.path.insert(0, os.path.join(ROOT, "tests", "fakes"))

from fake_hub import TOKEN, FakeHub, wait_until  # noqa: E402


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub() as fake:
        yield fake


@pytest.fixture
def runner(hook, engine, hub) -> Iterator[Runner]:  # noqa: F811
    for make in runners(hook, engine):
        runner = make(env={"RUNNERHUB_HOOK_DIRECT": "", "RUNNERHUB_URL": hub.url,
                           "RUNNERHUB_TOKEN": TOKEN, "GITHUB_REPOSITORY": "me/app"})
        yield runner
        hub.stop()  # a keeper sees its session over, or nothing any more
        hub.jobs.clear()
        hub.start()


def prepared(runner: Runner) -> dict[str, Any]:
    runner.prepare(runner.container("fake:1")).ok()
    return runner.state


def script(text: str) -> dict[str, Any]:
    """A step of the fake runs on this machine."""
    return {"entryPoint": "sh", "entryPointArgs": ["-c", "'" + text + "'"],
            "environmentVariables": {}, "prependPath": [], "workingDirectory": "/tmp"}


def keepers(session: str) -> list[int]:
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if file.read().split(b"\0")[:3] == [b"runnerhub-hook", b"keep",
                                                    session.encode()]:
                    found.append(int(pid))
        except OSError:
            pass
    return found


# -- the delegation and the answer -----------------------------------------------------


def test_what_is_delegated_and_answered(runner, hub):
    runner.env.update(GITHUB_RUN_ATTEMPT="3", GITHUB_SHA="abc", GITHUB_WORKFLOW="CI",
                      GITHUB_REF="refs/heads/main", GITHUB_EVENT_NAME="push",
                      GITHUB_ACTOR="mona")
    hub.notes = ["pulling redis:7"]
    os.symlink(runner.temp, runner.root + "/link")
    fields = dict(createOptions="--cpus 1", portMappings=["80"], registry={
        "username": "mona", "password": "hunter2", "serverUrl": "ghcr.io"},
        environmentVariables={"A": "b=c", "with-dash": ""}, Unknown=1)
    container = runner.container("node:20", **fields)
    container["userMountVolumes"] = [{"sourceVolumePath": runner.root + "/link",
                                      "targetVolumePath": "/x", "readOnly": True}]
    answer = runner.prepare(container, [runner.container("redis:7")]).ok()
    job = next(iter(hub.jobs.values()))
    assert (job["runId"], job["attempt"], job["repository"]) == ("7", 3, "me/app")
    assert job["jobId"].startswith(f"build@{runner.name}#") and len(job["jobId"][-8:]) == 8
    assert job["runnerName"] == runner.name and job["keepLog"] is False
    assert (job["sha"], job["ref"], job["workflow"], job["eventName"], job["actor"]) == (
        "abc", "refs/heads/main", "CI", "push", "mona")
    sent = job["container"]
    for name in ("image", "createOptions", "portMappings", "registry", "environmentVariables"):
        assert sent[name] == container[name]
    assert "Unknown" not in sent
    assert sent["userMountVolumes"][0]["sourceVolumePath"] == os.path.realpath(runner.temp)
    assert os.path.dirname(sent["probe"]["path"]) == os.path.realpath(runner.temp)
    assert not os.path.exists(sent["probe"]["path"])
    assert [s["image"] for s in job["services"]] == ["redis:7"]
    assert answer.response == {
        "state": {"session": job["id"], "network": "fakenet", "container": "c" * 64,
                  "services": [f"{0:064x}"]},
        "context": {"container": {"id": "c" * 64, "network": "fakenet", "ports": {}},
                    "services": [{"id": f"{0:064x}", "image": "redis:7", "ports": {},
                                  "network": "fakenet"}]},
        "isAlpine": False}


def test_legs_of_a_matrix_are_different_jobs(runner, hub):
    first = prepared(runner)
    runner.cleanup().ok()
    assert prepared(runner)["session"] != first["session"]
    assert len({job["jobId"] for job in hub.jobs.values()}) == 2


def test_a_repeated_delegation_is_one_session(runner, hub):
    hub.fault("POST", "/delegate", "forget")
    prepared(runner)
    assert len(hub.jobs) == 1


@pytest.mark.parametrize("env, says", [
    ({"RUNNERHUB_URL": ""}, "neither RUNNERHUB_URL"),
    ({"RUNNERHUB_URL": "ftp://hub"}, "the scheme is not known"),
    ({"RUNNERHUB_TOKEN": "wrong"}, "wants a valid key"),
    ({"RUNNERHUB_TOKEN": "two words"}, "token"),
    ({"RUNNERHUB_TOKEN": "", "RUNNERHUB_TOKEN_FILE": "/nowhere/token"}, "RUNNERHUB_TOKEN_FILE"),
    ({"GITHUB_REPOSITORY": ""}, "GITHUB_REPOSITORY is not set"),
])
def test_a_wrong_setting_is_one_line(runner, hub, env, says):
    kept = dict(runner.env)
    runner.env.update(env)
    answer = runner.prepare(runner.container("fake:1"))
    runner.env.update(kept)
    assert answer.code == 1 and answer.response is None
    assert len(answer.log.splitlines()) == 1 and says in answer.errors[0]
    assert hub.jobs == {}


def test_the_token_comes_from_a_file(runner, hub):
    path = runner.root + "/token"
    with open(path, "w", encoding="utf-8") as file:
        file.write(TOKEN + "\n")
    runner.env.update(RUNNERHUB_TOKEN="", RUNNERHUB_TOKEN_FILE=path)
    prepared(runner)
    assert runner.call("run_script_step", script("echo hello")).ok().log == "hello\n"


def test_the_hubs_refusal_is_told(runner, hub):
    hub.fault("POST", "/delegate", "status", status=400, code="invalid_field",
              error="Field \"container.createOptions\": --privileged needs a grant")
    answer = runner.prepare(runner.container("fake:1"))
    assert answer.code == 1 and "needs a grant" in answer.errors[0]


# -- output through everything that may happen to a connection --------------------------


@pytest.mark.parametrize("after", [0, 1, 7, 8, 9, 100, 65600])
def test_output_goes_on_where_it_broke(runner, hub, after):
    prepared(runner)
    hub.fault("GET", "/output", "cut", after=after)
    answer = runner.call("run_script_step", script("seq 30000; exit 7"))
    assert answer.code == 7
    assert answer.log == "".join(f"{n}\n" for n in range(1, 30001))
    assert sum("/output" in path for _, path in hub.calls) == 2


def test_a_hub_that_is_restarted_in_the_middle(runner, hub):
    prepared(runner)
    go = runner.root + "/go"
    call = runner.start("run_script_step", script(
        f"echo first; until [ -e {go} ]; do sleep 0.05; done; echo last; exit 4"))
    assert call.read_line() == "first\n"
    hub.fault("GET", "/output", "refuse")
    hub.fault("GET", "/output", "status", status=503, error="starting")
    hub.stop()
    with open(go, "w", encoding="utf-8"):
        pass
    wait_until(lambda: hub.steps[runner.state["session"]][0].end)
    hub.start()
    answer = call.end()
    assert (answer.code, answer.log) == (4, "last\n")


def test_a_step_whose_answer_is_lost_runs_once(runner, hub):
    prepared(runner)
    hub.fault("POST", "/steps", "forget")
    assert runner.call("run_script_step", script("echo once")).ok().log == "once\n"
    assert len(hub.steps[runner.state["session"]]) == 1


def test_a_step_that_still_runs_is_ended_first(runner, hub):
    prepared(runner)
    call = runner.start("run_script_step", script("echo begun; sleep 600"))
    assert call.read_line() == "begun\n"
    call.process.kill()
    call.end()
    hub.fault("POST", "/steps", "status", status=409, code="step_running", error="it runs")
    answer = runner.call("run_script_step", script("echo next")).ok()
    assert answer.log.endswith("is ended first.\nnext\n")
    assert hub.steps[runner.state["session"]][0].end["exitCode"] == 137


def test_the_words_of_an_end_without_code(runner, hub):
    prepared(runner)
    call = runner.start("run_script_step", script("echo begun; sleep 600"))
    assert call.read_line() == "begun\n"
    step = hub.steps[runner.state["session"]][0]
    with step.changed:
        step.end = {"exitCode": None, "status": "failed",
                    "error": "the container ran out of memory"}
        step.changed.notify_all()
    answer = call.end()
    assert answer.code == 1 and answer.errors == ["the container ran out of memory"]


def test_a_container_step_goes_as_one(runner, hub):
    prepared(runner)
    hub.fault("POST", "/steps", "status", status=400, error="stop here")
    assert "stop here" in runner.call("run_container_step", runner.container(
        None, dockerfile="/x/Dockerfile", entryPointArgs=["a"])).errors[0]
    assert hub.steps[runner.state["session"]] == []


# -- signals ----------------------------------------------------------------------------


def test_sigint_then_sigterm(runner, hub):
    prepared(runner)
    call = runner.start("run_script_step", script(
        "trap \"echo int\" INT; trap \"echo term; exit 3\" TERM; echo begun; "
        "while :; do sleep 0.05; done"))
    assert call.read_line() == "begun\n"
    call.cancel()
    assert call.read_line() == "int\n"
    call.cancel(signal.SIGTERM)
    answer = call.end()
    # The shell may say that its sleep was terminated.
    assert answer.code == 3 and "term" in answer.log.splitlines(), answer
    assert answer.log.endswith("The step was cancelled.\n")


def test_a_deaf_step_is_killed_within_the_runners_patience(runner, hub):
    prepared(runner)
    call = runner.start("run_script_step", script(
        "trap \"\" INT TERM; echo begun; while :; do sleep 0.05; done"))
    assert call.read_line() == "begun\n"
    begun = time.monotonic()
    call.cancel()
    answer = call.end()
    assert time.monotonic() - begun < 10, "the runner would have killed it"
    assert answer.code == 137


def test_a_cancel_while_the_hub_is_away(runner, hub):
    """The hook ends in time; what runs is the keeper's and the hub's."""
    prepared(runner)
    call = runner.start("run_script_step", script("echo begun; sleep 600"))
    assert call.read_line() == "begun\n"
    hub.stop()
    begun = time.monotonic()
    call.cancel()
    answer = call.end()
    assert time.monotonic() - begun < 10, "the runner would have killed it"
    assert answer.code == 1 and "was cancelled and did not end" in answer.errors[-1]
    hub.start()


def test_a_cancel_while_it_waits_for_the_hub(runner, hub):
    hub.stop()
    call = runner.start("prepare_job", {"container": runner.container("fake:1"),
                                        "services": []})
    assert "The hub is away" in call.read_line()
    begun = time.monotonic()
    call.cancel()
    assert call.end().code == 1 and time.monotonic() - begun < 10
    hub.start()
    assert [name for name in os.listdir(runner.temp) if name.startswith(".")] == []


def test_a_hub_that_comes_back_while_it_is_waited_for(runner, hub):
    hub.stop()
    call = runner.start("prepare_job", {"container": runner.container("fake:1"),
                                        "services": []})
    assert "The hub is away" in call.read_line()
    hub.start()
    assert "The hub is back." in call.end().ok().log


# -- the end ------------------------------------------------------------------------------


def test_cleanup(runner, hub):
    assert runner.cleanup().ok().log == ""
    state = prepared(runner)
    runner.cleanup().ok()
    assert hub.jobs[state["session"]]["status"] == "completed"
    runner.cleanup().ok()
    assert runner.call("cleanup_job", {}, state={"session": str(7)}).ok().log == ""


def test_a_cleanup_without_a_hub_is_bounded_and_told(runner, hub):
    prepared(runner)
    hub.stop()
    begun = time.monotonic()
    answer = runner.cleanup().ok()
    assert 15 < time.monotonic() - begun < 60
    assert "::warning::The hub was not told of the job's end" in answer.log
    hub.start()


# -- the keeper ---------------------------------------------------------------------------


def test_the_keeper_renews_and_ends_with_the_session(runner, hub):
    hub.lease = 1
    state = prepared(runner)
    beat = ("POST", f"/api/jobs/{state['session']}/heartbeat")
    wait_until(lambda: hub.calls.count(beat) >= 3, "a third heartbeat")
    (pid,) = keepers(state["session"])
    with open(f"/proc/{pid}/environ", "rb") as file:
        assert {entry.split(b"=")[0] for entry in file.read().split(b"\0") if entry} == {
            b"RUNNERHUB_URL", b"RUNNERHUB_TOKEN"}
    assert os.readlink(f"/proc/{pid}/cwd") == "/"
    assert {os.readlink(f"/proc/{pid}/fd/{n}") for n in (0, 1, 2)} == {"/dev/null"}
    hub.stop()  # it bears that
    hub.start()
    seen = hub.calls.count(beat)
    wait_until(lambda: hub.calls.count(beat) > seen, "a heartbeat after the restart")
    runner.cleanup().ok()
    wait_until(lambda: keepers(state["session"]) == [], "the keeper's end")


def test_a_worker_that_is_killed_ends_the_session(runner, hub):
    """The worker starts the hook and is killed -9 before cleanup_job."""
    request = json.dumps({"command": "prepare_job", "state": None,
                          "responseFile": runner.root + "/answer",
                          "args": {"container": runner.container("fake:1"), "services": []}})
    worker = subprocess.Popen(
        [sys.executable, "-c",
         "import subprocess, sys, time\n"
         "subprocess.run(['bash', '-e', sys.argv[1]], input=sys.argv[2].encode() + b'\\n')\n"
         "print('ready', flush=True)\ntime.sleep(600)", runner.shim, request],
        cwd=runner.workspace, env=runner.environment(), stdout=subprocess.PIPE, text=True)
    while worker.stdout.readline() != "ready\n":
        pass
    (job,) = hub.jobs.values()
    assert job["status"] == "running" and len(keepers(job["id"])) == 1
    worker.kill()
    worker.communicate()
    wait_until(lambda: job["status"] == "failed", "the session's end")
    assert "worker ended" in job["error"]
    wait_until(lambda: keepers(job["id"]) == [], "the keeper's end")


def rss_kib(pid: int) -> int:
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        for line in file:
            if line.startswith("Rss:"):
                return int(line.split()[1])
    raise AssertionError("no Rss")


def test_memory_of_those_that_wait(runner, hub):
    state = prepared(runner)
    (keeper,) = keepers(state["session"])
    wait_until(lambda: any("heartbeat" in path for _, path in hub.calls))
    call = runner.start("run_script_step", script("echo begun; sleep 600"))
    assert call.read_line() == "begun\n"
    waiting = rss_kib(call.process.pid)
    call.cancel()
    call.end()
    print(f"hook {waiting} KiB, keeper {rss_kib(keeper)} KiB")
    with open(runner.hook, "rb") as program:
        sanitized = b"__asan_init" in program.read()
    if not sanitized:
        assert waiting < 6 * 1024 and rss_kib(keeper) < 6 * 1024


# -- job hooks ----------------------------------------------------------------------------


def job_hook(runner: Runner, event: str, **env: str) -> subprocess.CompletedProcess:
    shim = os.path.join(os.path.dirname(runner.shim), f"runnerhub-{event}.sh")
    with open(os.path.join(ROOT, "deploy", "hooks", os.path.basename(shim)),
              encoding="utf-8") as file:
        text = file.read()
    with open(shim, "w", encoding="utf-8") as file:
        file.write(text)
    return subprocess.run(["bash", "-e", shim], cwd=runner.workspace, text=True,
                          env={**runner.environment(), **env}, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


@pytest.mark.parametrize("event", ["job-started", "job-completed"])
def test_a_job_is_reported(runner, hub, event):
    assert job_hook(runner, event, GITHUB_RUN_ATTEMPT="2", GITHUB_ACTOR="mona").returncode == 0
    assert hub.reports == [{"event": event, "repository": "me/app", "runId": "7", "job": "build",
                            "attempt": "2", "actor": "mona", "runner": runner.name}]


def test_a_job_is_refused(runner, hub):
    hub.verdict = {"allowed": False, "reason": "not on a\nFriday"}
    told = job_hook(runner, "job-started")
    assert told.returncode == 1
    assert told.stdout == "::error::The hub refuses the job: not on a%0AFriday\n"


@pytest.mark.parametrize("mode, code, kind", [
    ("", 0, "::warning::"), ("report", 0, "::warning::"), ("require", 1, "::error::"),
    ("requier", 1, "::error::")])
def test_a_job_hook_without_a_hub(runner, hub, mode, code, kind):
    hub.stop()
    told = job_hook(runner, "job-started", RUNNERHUB_JOB_HOOK=mode)
    assert told.returncode == code and told.stdout.startswith(kind), told.stdout
    hub.start()
