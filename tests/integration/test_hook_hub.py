"""runnerhub-hook through a real hub: what only a hub can get wrong. The
conversations that both backends share are in test_hook.py."""

import json
import os
import subprocess
import sys
import uuid
from typing import Any, Iterator

import pytest

from fixtures import ROOT
from hook_runner import Runner, ThroughHub, hook, mount, runners  # noqa: F401
from hub import Hub, wait_for


@pytest.fixture(scope="module")
def hub(make_module_hub) -> Hub:
    return make_module_hub({"RUNNERHUB_SESSION_LEASE": "3s",
                            "RUNNERHUB_SHUTDOWN_MODE": "handover"}).start()


@pytest.fixture
def make_runner(hook, engine, hub) -> Iterator[Any]:  # noqa: F811
    yield from runners(hook, engine, ThroughHub(hub))


@pytest.fixture
def runner(make_runner) -> Runner:
    return make_runner()


def session_of(runner: Runner) -> dict[str, Any]:
    return runner.backend.hub.job(runner.state["session"])


def waiting_step(runner: Runner, last: str) -> Any:
    """Begins, then waits for a file; both ends print much."""
    call = runner.start("run_script_step", runner.script(
        "seq 20000; echo begun; until [ -e /__w/_temp/go ]; do sleep 0.05; done\n"
        f"seq 20000; {last}"))
    while (line := call.read_line()) != "begun\n":
        assert line, "it ended"
    return call


def let_go(runner: Runner) -> None:
    with open(runner.temp + "/go", "w", encoding="utf-8"):
        pass


MANY = "".join(f"{n}\n" for n in range(1, 20001))


@pytest.mark.parametrize("gone", ["killed", "restarted"])
def test_a_hub_that_is_gone_in_the_middle_of_a_step(runner, hub, image, gone):
    runner.prepare(runner.container(image)).ok()
    call = waiting_step(runner, "exit 9")
    if gone == "killed":
        hub.kill9()
    else:
        hub.terminate()
    let_go(runner)
    hub.start()
    answer = call.end()
    assert answer.code == 9 and answer.log == MANY, answer.log[-300:]
    assert runner.run("echo goes on").ok().log == "goes on\n"
    runner.cleanup().ok()
    assert session_of(runner)["status"] == "completed"


def test_a_hub_that_is_killed_between_steps_and_while_it_prepares(runner, hub, image):
    call = runner.start("prepare_job", {"container": None, "services": [runner.container(
        image, systemMountVolumes=[], entryPoint="sleep", entryPointArgs=["600"],
        workingDirectory=None, createOptions="--health-cmd true --health-interval 2s")]})
    wait_for(lambda: runner.backend.sessions(runner), what="the session")
    hub.kill9()
    hub.start()
    call.end().ok()
    runner.cleanup().ok()
    runner.prepare(runner.container(image)).ok()
    hub.kill9()
    hub.start()
    assert runner.run("echo goes on").ok().log == "goes on\n"


def start_worker(runner: Runner, image: str) -> subprocess.Popen:
    """A process that prepares a job and begins a step as the runner's worker
    does; it prints the state and then the step's first line."""
    program = (
        "import json, subprocess, sys\n"
        "shim, prepare, answer, step = sys.argv[1:]\n"
        "subprocess.run(['bash', '-e', shim], input=prepare.encode() + b'\\n', check=True,\n"
        "               stdout=subprocess.DEVNULL)\n"
        "state = json.load(open(answer))['state']\n"
        "print(json.dumps(state), flush=True)\n"
        "step = json.dumps({**json.loads(step), 'state': state})\n"
        "subprocess.run(['bash', '-e', shim], input=step.encode() + b'\\n')\n")
    prepare = {"command": "prepare_job", "responseFile": runner.root + "/answer", "state": None,
               "args": {"container": runner.container(image), "services": []}}
    step = {"command": "run_script_step", "responseFile": None,
            "args": runner.script("echo begun; sleep 98771")}
    return subprocess.Popen(
        [sys.executable, "-c", program, runner.shim, json.dumps(prepare),
         runner.root + "/answer", json.dumps(step)],
        cwd=runner.workspace, env=runner.environment(), stdout=subprocess.PIPE, text=True)


def test_a_worker_that_is_killed_in_the_middle_of_a_step(runner, hub, image):
    worker = start_worker(runner, image)
    runner.state = json.loads(worker.stdout.readline())
    assert worker.stdout.readline() == "begun\n"
    worker.kill()
    worker.stdout.close()
    worker.wait()
    job = wait_for(lambda: session_of(runner) if session_of(runner)["status"] == "failed"
                   else None, what="the session's end")
    assert "worker ended" in job["error"], job
    wait_for(lambda: runner.containers() + runner.networks() == [], what="nothing is left")


def keepers(session: str) -> list[int]:
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if file.read().split(b"\0")[1:3] == [b"keep", session.encode()]:
                    found.append(int(pid))
        except OSError:
            pass  # it has ended
    return found


def test_without_its_keeper_the_lease_ends_the_session(runner, hub, image):
    runner.prepare(runner.container(image)).ok()
    session = runner.state["session"]
    # Before, the first lease holds, which is longer.
    wait_for(lambda: f"/api/jobs/{session}/heartbeat" in hub.log(), what="its first heartbeat")
    (keeper,) = keepers(session)
    os.kill(keeper, 9)
    job = wait_for(lambda: session_of(runner) if session_of(runner)["status"] == "failed"
                   else None, what="the lease's end")
    assert job["code"] == "lease_expired"
    wait_for(lambda: runner.containers() == [], what="nothing is left")
    answer = runner.run("echo never")
    assert answer.code == 1 and "not running any more" in answer.errors[0]


def test_the_keeper_holds_the_lease_longer_than_it_lasts(runner, hub, image):
    runner.prepare(runner.container(image)).ok()
    session = runner.state["session"]
    wait_for(lambda: hub.log().count(f"/api/jobs/{session}/heartbeat") >= 5,
             what="more heartbeats than a lease is long")
    assert runner.run("echo there").ok().log == "there\n"
    runner.cleanup().ok()
    wait_for(lambda: keepers(session) == [], what="the keeper's end")


def test_legs_of_a_matrix_follow_one_another(runner, image):
    seen = set()
    for _ in range(2):
        runner.prepare(runner.container(image)).ok()
        seen.add(runner.state["session"])
        assert runner.run("[ ! -e /left ] && touch /left && echo fresh").ok().log == "fresh\n"
        runner.cleanup().ok()
    assert len(seen) == 2


def test_a_runner_drives_no_session_of_another(make_runner, image):
    one, two = make_runner(), make_runner()
    one.prepare(one.container(image)).ok()
    for command, args in (("run_script_step", two.step_args("id")),
                          ("run_container_step", two.container(image))):
        answer = two.call(command, args, state=one.state)
        assert answer.code == 1 and answer.errors, answer.log
    two.call("cleanup_job", {}, state=one.state)
    assert one.run("echo mine").ok().log == "mine\n"


def test_the_log_is_kept_only_when_asked_for(runner, hub, image):
    runner.prepare(runner.container(image)).ok()
    runner.run("echo not to be kept").ok()
    runner.cleanup().ok()
    wait_for(lambda: "not to be kept" not in hub.logs(runner.state["session"]),
             what="the log's end")
    runner.env["RUNNERHUB_HOOK_KEEP_LOG"] = "1"
    runner.prepare(runner.container(image)).ok()
    runner.run("echo to be kept").ok()
    runner.cleanup().ok()
    assert "to be kept\n" in hub.logs(runner.state["session"])


def test_a_runner_in_a_container_of_the_engine(runner, hook, hub, image, engine):  # noqa: F811
    """It sees its work directory under another name, reaches the hub by its
    socket, and is registered with both names. The program is the static one."""
    static = os.path.join(os.path.dirname(hook), "runnerhub-hook-static")
    reply = hub.post("/api/runners/register", {
        "name": "nested-" + uuid.uuid4().hex[:8],
        "roots": [{"here": "/inner", "host": runner.work}]})
    request = json.dumps({
        "command": "prepare_job", "responseFile": "/inner/_temp/answer", "state": None,
        "args": {"container": runner.container(image, systemMountVolumes=[
            mount("/inner", "/__w"), mount("/inner/_temp", "/__w/_temp")]), "services": []}})
    with open(f"{runner.temp}/request", "w", encoding="utf-8") as file:
        file.write(request + "\n")
    made = engine.call("POST", "/containers/create", {
        "Image": image, "Cmd": ["sh", "-c", "/hook </inner/_temp/request && sleep 600"],
        "Env": [f"RUNNERHUB_TOKEN={reply.data['token']}", "RUNNER_NAME=nested",
                "RUNNERHUB_URL=unix:///run/runnerhub/hub.sock", "RUNNER_TEMP=/inner/_temp",
                "GITHUB_RUN_ID=8", "GITHUB_JOB=build", "GITHUB_REPOSITORY=me/app"],
        "HostConfig": {"NetworkMode": "none", "Binds": [
            f"{static}:/hook:ro", f"{hub.state_dir}/api:/run/runnerhub",
            f"{runner.work}:/inner"]}})
    try:
        engine.call("POST", f"/containers/{made['Id']}/start")
        wait_for(lambda: os.path.exists(f"{runner.temp}/answer"), what="the answer")

        def answered() -> str:
            with open(f"{runner.temp}/answer", encoding="utf-8") as file:
                return file.read()

        runner.state = json.loads(wait_for(answered, what="the answer's text"))["state"]
        sources = {m["Destination"]: m["Source"]
                   for m in engine.inspect(runner.state["container"])["Mounts"]}
        assert sources["/__w"] == runner.work
        engine.kill(made["Id"])  # the keeper ends with it
        wait_for(lambda: session_of(runner)["status"] == "failed", what="the lease's end")
    finally:
        engine.remove(made["Id"])


def test_job_hooks(runner, hub):
    for event in ("job-started", "job-completed"):
        shim = os.path.join(ROOT, "deploy", "hooks", f"runnerhub-{event}.sh")
        copy = os.path.join(os.path.dirname(runner.shim), os.path.basename(shim))
        with open(shim, encoding="utf-8") as original, open(copy, "w", encoding="utf-8") as file:
            file.write(original.read())
        told = subprocess.run(["bash", "-e", copy], env=runner.environment(), text=True,
                              cwd=runner.workspace, stdin=subprocess.DEVNULL,
                              capture_output=True)
        assert (told.returncode, told.stdout, told.stderr) == (0, "", "")
