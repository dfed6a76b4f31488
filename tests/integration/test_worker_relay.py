"""The worker relay between a stand-in listener and a stand-in worker, through
a real hub and engine: what goes in arrives, what ends is told, what fails
fails the job, and no secret of a job's message stays anywhere."""

import base64
import hashlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import uuid

import pytest

from hook_runner import mount, registry_free
from hub import FINAL, free_port, wait_for
from relay_lab import STANDINS, frames, job, jobs_of, last_job, when
from relay_lab import make_runner, worker_image  # noqa: F401

RESULTS = range(100, 106)


@pytest.fixture(scope="module")
def hub(make_module_hub):
    return make_module_hub(env={"RUNNERHUB_POOL_SIZE": "1"}).start()


@pytest.fixture
def runner(hub, make_runner):  # noqa: F811
    return make_runner(hub)


# -- the job -----------------------------------------------------------------

def test_a_job_runs_in_a_container_of_its_own(hub, runner):
    code, output = runner.run(
        "echo in $(pwd) as $(id -u) on $(hostname); cat ../.runner; env; exit 100")
    assert code == 100, output
    assert "in /home/runner/_work as 1001 on " in output
    assert '"agentName":"box-7"' in output.replace(" ", "")
    assert "not-for-anyone" not in output
    assert "ACTIONS_RUNNER_CONTAINER_HOOKS=/.runnerhub/runnerhub-hook.sh" in output
    found = last_job(hub)
    assert found["status"] == "completed" and found["exitCode"] == 0
    assert found["repository"] == "octo/hello-world" and found["runId"] == "9876543210"
    assert found["attempt"] == 2 and found["runnerName"] == "box-7"
    assert found["workflow"] == "CI"
    assert "in /home/runner/_work as 1001" in hub.logs(found["id"])


def test_the_environment_that_is_passed_on(runner):
    relay = runner.start(https_proxy="http://proxy.invalid:3128", SECRET_OF_THE_PROXY="hush",
                         ACTIONS_RUNNER_INPUT_TOKEN="hush", ACTIONS_RUNNER_INPUT_JITCONFIG="hush",
                         ACTIONS_RUNNER_HOOK_JOB_STARTED="/nowhere/guard.sh",
                         ACTIONS_RUNNER_REQUIRE_JOB_CONTAINER="true",
                         MY_OWN="yes", RUNNERHUB_WORKER_ENV="MY_OWN,NOT_SET")
    relay.listener.send_job(job("env; exit 100"))
    assert relay.wait() == 100, relay.output
    assert "https_proxy=http://proxy.invalid:3128\n" in relay.output
    assert "MY_OWN=yes\n" in relay.output
    for absent in ("hush", "JOB_STARTED", "REQUIRE_JOB_CONTAINER", "NOT_SET"):
        assert absent not in relay.output


@pytest.mark.parametrize("code", [*RESULTS, 0, 1, 106, 255])
def test_exit_codes(hub, runner, code):
    got, output = runner.run(f"exit {code}")
    assert got == code, output
    found = last_job(hub)
    status = {100: "completed", 101: "completed", 103: "cancelled",
              104: "completed"}.get(code, "failed")
    assert found["status"] == status, found
    assert (f"exit code {code}, which is no result" in output) == (code not in RESULTS)


@pytest.mark.parametrize("name, code", [("SEGV", 139), ("KILL", 137)])
def test_a_worker_that_crashes_fails_the_job(hub, runner, name, code):
    got, output = runner.run(f"kill -{name} $$")
    assert got == code, output
    assert "no result of a job" in output
    assert last_job(hub)["status"] == "failed"


def test_output_comes_as_the_worker_writes_it(runner):
    code, output = runner.run(
        "echo to stdout; echo to stderr >&2; printf 'no end'; exit 100")
    assert code == 100
    assert "to stdout\n" in output and "to stderr\n" in output and "no end" in output


def test_a_runner_that_was_made_a_proxy(make_hub, make_runner, runnerhub):  # noqa: F811
    """From `proxy install` to `proxy uninstall`, with a hub that wants keys."""
    key = "key-of-this-test-" + uuid.uuid4().hex
    hub = make_hub(env={"RUNNERHUB_API_KEY": key}).start()
    admin = {"Authorization": f"Bearer {key}"}
    runner = make_runner(hub)  # noqa: F811
    relay = os.path.join(runner.root, "bin", "Runner.Worker")
    program = runner.take_relay_away()

    def proxy(command: str, *options: str) -> str:
        result = subprocess.run(
            [runnerhub, "proxy", command, runner.root, *options], cwd=runner.root,
            env={"PATH": os.environ["PATH"], "RUNNERHUB_URL": hub.url, "RUNNERHUB_TOKEN": key},
            capture_output=True, text=True)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    proxy("install", "--worker", program, "--image", runner.env["RUNNERHUB_WORKER_IMAGE"])
    assert "all in place" in proxy("status")
    with open(os.path.join(runner.root, ".env"), encoding="utf-8") as file:
        runner.env = {"PATH": os.environ["PATH"],
                      **dict(line.rstrip("\n").split("=", 1) for line in file if "=" in line)}
    code, output = runner.run("echo hello; exit 100")
    assert code == 100 and "hello\n" in output, output
    [found] = hub.get("/api/jobs", headers=admin).data
    assert found["status"] == "completed" and found["runnerName"] == "box-7"
    proxy("uninstall")
    with open(relay, "rb") as file:
        assert file.read() == b"the runner's own"
    assert hub.get("/api/runners", headers=admin).data == []


# -- messages ----------------------------------------------------------------

def test_a_message_in_small_pieces(runner):
    relay = runner.start()
    data = frames.frame(frames.JOB, frames.text(job("sha256sum message; exit 100")))
    for at in range(0, 64):
        relay.listener.send_raw(data[at:at + 1])
    for at in range(64, len(data), 777):
        relay.listener.send_raw(data[at:at + 777])
    assert relay.wait() == 100, relay.output
    assert hashlib.sha256(data[8:]).hexdigest() in relay.output


def test_the_largest_message_arrives_whole(runner):
    limit = 50 * 1024 * 1024
    message = job("sha256sum message; exit 100", filler="")
    size = len(frames.text(message)) + 1  # a duck is two code units
    message["filler"] = "\U0001f986" + "x" * (limit // 2 - size - 2)
    body = frames.text(message).encode("utf-16-le")
    assert len(body) == limit
    relay = runner.start()
    relay.listener.send(frames.JOB, body)
    assert relay.wait() == 100, relay.output
    assert hashlib.sha256(body).hexdigest() in relay.output


def test_a_longer_one_is_refused(runner):
    relay = runner.start()
    relay.listener.send_raw(b"\1\0\0\0\2\0\x20\3")
    assert relay.wait() == 1
    assert "52428802 bytes" in relay.output


@pytest.mark.parametrize("first", [frames.CANCEL, 7])
def test_a_first_message_that_is_no_job_is_refused(runner, first):
    relay = runner.start()
    relay.listener.send(first)
    assert relay.wait() == 1
    assert f"type {first}" in relay.output


@pytest.mark.parametrize("kind, code", [(frames.CANCEL, 103), (frames.SHUTDOWN, 102),
                                        (frames.OS_SHUTDOWN, 105)])
def test_later_messages_reach_the_worker(hub, runner, kind, code):
    relay = runner.start()
    relay.listener.send_job(job("echo ready; " + when(kind, f"exit {code}")))
    relay.wait_output("ready")
    relay.listener.send(kind)
    assert relay.wait() == code, relay.output


def test_the_end_of_the_pipe_means_nothing(runner):
    relay = runner.start()
    relay.listener.send_job(job("ls; exit 100"))
    relay.listener.hang_up()
    assert relay.wait() == 100, relay.output
    assert "frame-" not in relay.output


# -- the end of others -------------------------------------------------------

@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_asks_the_worker_to_end(runner, number):
    relay = runner.start()
    relay.listener.send_job(job("echo ready; " + when(frames.SHUTDOWN, "exit 103")))
    relay.wait_output("ready")
    os.kill(relay.pid, number)
    assert relay.wait() == 103, relay.output
    assert "the runner is being stopped" in relay.output


def test_a_worker_that_does_not_listen_is_ended(hub, runner):
    relay = runner.start(RUNNERHUB_WORKER_PATIENCE="50ms")
    relay.listener.send_job(job("trap '' TERM; echo ready; " + when(99, "exit 100")))
    relay.wait_output("ready")
    os.kill(relay.pid, signal.SIGTERM)
    assert relay.wait() not in RESULTS, relay.output
    assert last_job(hub)["status"] == "failed"


def test_when_the_listener_dies_the_job_is_cancelled(hub, runner, tmp_path):
    message = tmp_path / "message"
    message.write_bytes(frames.frame(frames.JOB, frames.text(
        job("echo ready; " + when(frames.CANCEL, "exit 103")))))
    log = open(tmp_path / "listener.log", "w+b")
    listener = subprocess.Popen(
        [sys.executable, os.path.join(STANDINS, "listener.py"), runner.root, message],
        env=runner.env, stdout=subprocess.PIPE, stderr=log)
    assert listener.stdout is not None
    relay = int(listener.stdout.readline())
    wait_for(lambda: b"ready" in (tmp_path / "listener.log").read_bytes(), 120, "it runs")
    found = last_job(hub)
    listener.kill()
    listener.wait()
    assert hub.wait_end(found["id"])["status"] == "cancelled"
    wait_for(lambda: not os.path.exists(f"/proc/{relay}"), 60, "the relay is gone")
    log.close()


def test_a_killed_relay_frees_its_container_with_the_lease(make_hub, make_runner):  # noqa: F811
    hub = make_hub(env={"RUNNERHUB_SESSION_LEASE": "3s",
                        "RUNNERHUB_SESSION_FIRST_LEASE": "3s"}).start()
    relay = make_runner(hub).start()
    relay.listener.send_job(job("echo ready; " + when(frames.CANCEL, "exit 103")))
    relay.wait_output("ready")
    found = last_job(hub)
    os.kill(relay.pid, signal.SIGKILL)
    ended = hub.wait_end(found["id"])
    assert ended["status"] == "failed" and ended["code"] == "lease_expired"
    wait_for(lambda: not hub.containers(), 60, "its container is gone")


@pytest.mark.parametrize("how", ["kill9", "terminate"])
def test_a_restart_of_the_hub_loses_nothing(make_hub, make_runner, how):  # noqa: F811
    hub = make_hub(env={"RUNNERHUB_SHUTDOWN_MODE": "handover"}).start()
    relay = make_runner(hub).start()
    relay.listener.send_job(job(
        "echo number 1; " + when(frames.SHUTDOWN, "echo number 2; ") +
        when(frames.CANCEL, "echo number 3; exit 103")))
    relay.wait_output("number 1\n")
    getattr(hub, how)()
    relay.listener.send(frames.SHUTDOWN)
    hub.start()
    relay.wait_output("number 2\n")
    relay.listener.send(frames.CANCEL)
    assert relay.wait() == 103, relay.output
    numbers = [line for line in relay.output.splitlines() if line.startswith("number")]
    assert numbers == ["number 1", "number 2", "number 3"]


# -- what cannot be ----------------------------------------------------------

def test_an_image_that_is_missing_fails_the_job(hub, runner):
    relay = runner.start(RUNNERHUB_WORKER_IMAGE="no/such:image")
    relay.listener.send_job(job("exit 100"))
    assert relay.wait() == 1
    assert "no/such:image" in relay.output
    assert last_job(hub)["status"] == "failed"


def test_an_image_without_a_worker_fails_the_job(hub, runner, runner_image):
    relay = runner.start(RUNNERHUB_WORKER_IMAGE=runner_image)
    relay.listener.send_job(job("exit 100"))
    code = relay.wait()
    assert code not in RESULTS and code != 0
    assert "Runner.Worker" in relay.output
    assert last_job(hub)["status"] == "failed"


def test_a_container_that_is_removed_fails_the_job(hub, runner):
    relay = runner.start()
    relay.listener.send_job(job("echo ready; " + when(frames.CANCEL, "exit 103")))
    relay.wait_output("ready")
    container = hub.job(last_job(hub)["id"])["session"]["containerId"]
    hub.engine.remove(container)
    code = relay.wait()
    assert code not in RESULTS and code != 0
    assert "removed by hand" in relay.output
    assert last_job(hub)["status"] == "failed"


def test_without_a_hub_the_job_fails(runner):
    relay = runner.start(RUNNERHUB_URL=f"http://127.0.0.1:{free_port()}",
                         RUNNERHUB_HUB_AWAY="200ms")
    relay.listener.send_job(job("exit 100"))
    assert relay.wait() == 1
    assert "no hub answers" in relay.output


def test_without_settings_the_job_fails(runner):
    del runner.env["RUNNERHUB_URL"]
    relay = runner.start()
    assert relay.wait() == 1
    assert "RUNNERHUB_URL is not set" in relay.output


def test_a_job_cancelled_while_it_waits_starts_nothing(make_hub, make_runner):  # noqa: F811
    hub = make_hub(env={"RUNNERHUB_CAPACITY": "1"}).start()
    runner = make_runner(hub)  # noqa: F811
    first = runner.start()
    first.listener.send_job(job("echo ready; " + when(frames.CANCEL, "exit 103")))
    first.wait_output("ready")
    second = runner.start()
    second.listener.send_job(job("exit 100"))
    wait_for(lambda: [found for found in jobs_of(hub) if found["status"] == "queued"],
             60, "the second waits")
    second.listener.send(frames.CANCEL)
    assert second.wait() == 1, second.output
    assert "cancelled while it waited for a container" in second.output
    wait_for(lambda: sum(found["status"] not in FINAL for found in jobs_of(hub)) == 1,
             60, "only the first is left")
    first.listener.send(frames.CANCEL)
    assert first.wait() == 103


# -- containers of the job ---------------------------------------------------

def hook_calls(image: str) -> str:
    """What the runner's own worker asks of its container hook for a job with
    a container: a script that does the same."""
    work = "/home/runner/_work"
    mounts = [mount("/var/run/docker.sock", "/var/run/docker.sock"), mount(work, "/__w"),
              mount("/home/runner/externals", "/__e", read_only=True),
              mount(f"{work}/_temp", "/__w/_temp"),
              mount(f"{work}/_temp/_github_home", "/github/home")]
    container = registry_free(image=image, workingDirectory="/__w/repo/repo",
                              systemMountVolumes=mounts)
    calls = [
        ("prepare_job", {"container": container, "services": []}),
        ("run_script_step", {"entryPoint": "sh",
                             "entryPointArgs": ["-e", "/__w/_temp/step.sh"],
                             "workingDirectory": "/__w/repo/repo",
                             "environmentVariables": {}, "prependPath": None}),
        ("cleanup_job", None),
    ]
    step = ("echo step in $(pwd) of $(hostname); cat /__w/from-worker; "
            "echo from the step >/__w/from-step")
    lines = ["mkdir -p repo/repo _temp/_github_home",
             f"printf '%s\\n' {shlex.quote(step)} >_temp/step.sh", "echo from the worker >from-worker",
             "state='{}'", "echo outside is $(hostname)"]
    for command, args in calls:
        request = json.dumps({"command": command, "responseFile": f"{work}/_temp/answer",
                              "args": args, "state": "STATE"})
        lines += [
            ": >_temp/answer",
            f"printf '%s\\n' {shlex.quote(request)} | sed \"s|\\\"STATE\\\"|$state|\" | "
            f"(cd repo/repo && bash -e $ACTIONS_RUNNER_CONTAINER_HOOKS) || exit 50",
            "new=$(sed -n 's/.*\"state\": *\\({[^}]*}\\).*/\\1/p' _temp/answer); "
            "[ -z \"$new\" ] || state=$new"]
    return "\n".join([*lines, "cat from-step", "exit 100"])


def test_a_job_with_a_container_of_its_own_in_the_relays_container(
        hub, runner, image):
    code, output = runner.run(
        "export RUNNER_NAME=box-7 GITHUB_RUN_ID=1 GITHUB_JOB=build GITHUB_RUN_ATTEMPT=1 "
        f"RUNNER_TEMP=/home/runner/_work/_temp\n{hook_calls(image)}")
    assert code == 100, output
    assert "from the worker\n" in output and "from the step\n" in output
    outside = output.split("outside is ")[1].split()[0]
    step = output.split("step in /__w/repo/repo of ")[1].split()[0]
    assert outside != step
    wait_for(lambda: all(found["status"] in FINAL for found in jobs_of(hub)), 60,
             "sessions inside end with theirs")


# -- secrets -----------------------------------------------------------------

def forms(canary: str) -> list[bytes]:
    return [canary.encode(), canary.encode("utf-16-le"), base64.b64encode(canary.encode())]


def files_with(root: str, canary: str) -> list[str]:
    found = []
    for top, _, names in os.walk(root):
        for name in names:
            path = os.path.join(top, name)
            if os.path.islink(path) or not os.path.isfile(path):
                continue
            with open(path, "rb") as file:
                data = file.read()
            if any(form in data for form in forms(canary)):
                found.append(path)
    return found


def memory_of(pid: int) -> bytes:
    """Everything that the process has in memory."""
    found = b""
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, \
            open(f"/proc/{pid}/mem", "rb") as memory:
        for line in maps:
            span, modes, *rest = line.split()
            low, high = (int(part, 16) for part in span.split("-"))
            if "w" not in modes or high - low > 256 * 1024 * 1024:
                continue
            memory.seek(low)
            try:
                found += memory.read(high - low)
            except OSError:
                pass  # a guard page
    return found


def test_nothing_of_the_message_stays(hub, runner):
    canary = "canary-" + uuid.uuid4().hex
    halves = canary[:12], canary[12:]
    relay = runner.start()
    look = ("cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n' | "
            f"grep -c \"$(printf %s%s {halves[0]} {halves[1]})\"; echo looked; ")
    relay.listener.send_job(job(
        look + when(frames.CANCEL, "exit 100"),
        variables={"MY_SECRET": {"value": canary, "isSecret": True}}))
    relay.wait_output("looked")
    # grep's own arguments are the one place that may have it.
    counts = [int(line) for line in relay.output.splitlines() if line.isdigit()]
    assert counts == [0] or counts == [1], relay.output
    found = last_job(hub)
    container = hub.job(found["id"])["session"]["containerId"]
    inspected = str(hub.engine.call("GET", f"/containers/{container}/json"))
    with open(f"/proc/{relay.pid}/environ", "rb") as file:
        inspected += str(file.read())
    assert canary not in inspected
    assert canary not in hub.log() and canary not in relay.output
    assert files_with(hub.state_dir, canary) == []
    assert files_with(runner.root, canary) == []
    with open(f"/proc/{relay.pid}/limits", encoding="ascii") as file:
        [line] = [line for line in file if line.startswith("Max core file size")]
    assert line.split()[4:6] == ["0", "0"]
    relay.listener.send(frames.CANCEL)
    assert relay.wait() == 100
    assert files_with(hub.state_dir, canary) == []
    assert canary not in hub.log() and canary not in hub.logs(found["id"])


def test_a_waiting_relay_is_small(runner):
    relay = runner.start()
    relay.listener.send_job(job("echo ready; " + when(frames.CANCEL, "exit 100"),
                                filler="x" * 20_000_000))
    relay.wait_output("ready")
    with open(f"/proc/{relay.pid}/maps", encoding="ascii") as file:
        sanitized = re.search(r"lib(asan|tsan)", file.read()) is not None
    with open(f"/proc/{relay.pid}/smaps_rollup", encoding="ascii") as file:
        [resident] = re.findall(r"^Rss: +(\d+) kB", file.read(), re.M)
    # A sanitizer's own memory says nothing of ours.
    assert sanitized or int(resident) < 3 * 1024
    relay.listener.send(frames.CANCEL)
    assert relay.wait() == 100


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may read its memory")
def test_the_waiting_relay_has_forgotten_the_message(runner):
    canary = "canary-" + uuid.uuid4().hex
    relay = runner.start()
    relay.listener.send_job(job("echo ready; " + when(frames.CANCEL, "exit 100"),
                                variables={"MY_SECRET": {"value": canary}}))
    relay.wait_output("ready")
    memory = memory_of(relay.pid)
    assert b"octo/hello-world" in memory or len(memory) > 100000
    assert not [form for form in forms(canary) if form in memory]
    relay.listener.send(frames.CANCEL)
    assert relay.wait() == 100
