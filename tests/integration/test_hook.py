"""runnerhub-hook: recorded conversations of a runner, replayed against the
real engine, straight to it and through a hub."""

import base64
import io
import json
import os
import re
import signal
import subprocess
import tarfile
import time
import uuid
from typing import Any, Iterator

import pytest

from engine_api import API, Engine
from fake_registry import registry  # noqa: F401
from fixtures import ROOT
from hook_runner import SOCKET, Direct, Runner, ThroughHub, hook, mount, runners  # noqa: F401


@pytest.fixture(scope="module", params=["direct", "hub"])
def backend(request, engine) -> Any:
    if request.param == "direct":
        return Direct(engine)
    return ThroughHub(request.getfixturevalue("make_module_hub")(
        {"RUNNER_PULL_POLICY": "if-missing"}).start())


def only(backend: Any, kind: str, why: str) -> None:
    if backend.kind != kind:
        pytest.skip(why)


def nothing_left(runner: Runner) -> None:
    """The hub answers when the end is decided, and removes then."""
    if runner.backend.kind == "hub":
        wait_until(lambda: runner.containers() + runner.networks() == [])
    assert runner.containers() == [] and runner.networks() == []


@pytest.fixture
def make_runner(hook, engine, backend) -> Iterator[Any]:  # noqa: F811
    yield from runners(hook, engine, backend)


@pytest.fixture
def runner(make_runner) -> Runner:
    return make_runner()


@pytest.fixture(scope="module")
def job(hook, engine, image, backend) -> Iterator[Runner]:  # noqa: F811
    """A prepared job that the tests of steps share."""
    for make in runners(hook, engine, backend):
        runner = make()
        runner.prepare(runner.container(image, createOptions="--cpus 1 --memory 256m",
                                        environmentVariables={"FROM_JOB": "yes"})).ok()
        yield runner


@pytest.fixture(scope="module")
def alpine(engine: Engine, image: str) -> Iterator[str]:
    """An image that says it is Alpine; its name is an alias with a port."""
    name = f"hooktest/{uuid.uuid4().hex[:8]}:1"
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        text = f"FROM {image}\nRUN printf 'ID=\"alpine\"\\n' >/etc/os-release\n".encode()
        info = tarfile.TarInfo("Dockerfile")
        info.size = len(text)
        archive.addfile(info, io.BytesIO(text))
    connection = engine._connection(300)
    connection.request("POST", f"{API}/build?t={name}&rm=1&networkmode=none", packed.getvalue(),
                       {"Content-Type": "application/x-tar"})
    assert "Successfully tagged" in connection.getresponse().read().decode()
    connection.close()
    yield name
    engine.call("DELETE", f"/images/{name}")


def wait_until(condition) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)


# -- the job's container ----------------------------------------------------------------


def test_prepare_answers_as_the_runner_wants_it(runner, image):
    answer = runner.prepare(runner.container(image, portMappings=["8080"])).ok()
    state, context = answer.response["state"], answer.response["context"]
    container = context["container"]
    assert answer.response["isAlpine"] is False
    assert len(container["id"]) == 64 and container["id"] == state["container"]
    assert container["network"] == state["network"] == runner.networks()[0]["Name"]
    assert container["ports"].keys() == {"8080"} and container["ports"]["8080"].isdigit()
    assert context["services"] == [] and state["services"] == []
    assert not os.path.exists(runner.temp + "/.runnerhub-x")
    assert [name for name in os.listdir(runner.temp) if name.startswith(".")] == []
    seen = runner.engine.inspect(container["id"])
    env = set(seen["Config"]["Env"])
    wanted = {"GITHUB_ACTIONS=true", "CI=true", "HOME=/github/home"}
    if runner.backend.kind == "hub":
        assert not env & wanted  # the agent has them: nobody else reads them
        env = set(runner.run("env").ok().log.splitlines())
    assert wanted <= env
    targets = {m["Destination"]: m["RW"] for m in seen["Mounts"]}
    assert targets["/__w"] is True and targets["/__e"] is False and SOCKET not in targets
    assert answer.log.count("The engine's socket is not mounted") == 1


def test_alpine_is_recognised(runner, alpine):
    assert runner.prepare(runner.container(alpine)).ok().response["isAlpine"] is True


def test_nothing_to_prepare(runner):
    answer = runner.prepare(None, []).ok()
    assert answer.response is None and "neither a container nor services" in answer.log
    assert runner.containers() == [] and runner.networks() == []


def test_what_a_crashed_job_left_is_removed_first(runner, image):
    only(runner.backend, "direct", "the keeper, or the lease, has ended it by then")
    runner.prepare(runner.container(image)).ok()
    old = {c["Id"] for c in runner.containers()}
    runner.state = None
    runner.prepare(runner.container(image)).ok()
    new = {c["Id"] for c in runner.containers()}
    assert len(new) == 1 and not new & old and len(runner.networks()) == 1


def test_another_runner_is_left_alone(make_runner, image):
    one, two = make_runner(), make_runner()
    one.prepare(one.container(image)).ok()
    two.prepare(two.container(image)).ok()
    two.cleanup().ok()
    assert one.run("echo still here").ok().log == "still here\n"


def test_options_reach_the_engine(runner, image):
    runner.prepare(runner.container(image, createOptions=(
        "--cpus=0.5 -m 64m --env 'A=b c' --hostname there --ulimit nofile=64:128 "
        "--tmpfs /scratch:size=1m --add-host db.test:10.9.8.7 --cap-add SYS_PTRACE --name box "
        "--label 'note=two words' --security-opt no-new-privileges --shm-size 1m"))).ok()
    seen = runner.engine.inspect(runner.state["container"])
    host = seen["HostConfig"]
    assert (host["NanoCpus"], host["Memory"]) == (500_000_000, 64 << 20)
    assert seen["Config"]["Labels"]["note"] == "two words"
    assert "box" in seen["NetworkSettings"]["Networks"][runner.state["network"]]["Aliases"]
    assert runner.run("echo $A; hostname; ulimit -n; grep -c /scratch /proc/mounts; "
                      "grep -c 10.9.8.7 /etc/hosts").ok().log == "b c\nthere\n64\n1\n1\n"


FORBIDDEN = [
    ("--privileged", "privileged"), ("--device /dev/kmsg", "devices"), ("--gpus all", "devices"),
    ("--pid host", "host-namespaces"), ("--ipc=host", "host-namespaces"),
    ("--uts host", "host-namespaces"), ("--userns host", "host-namespaces"),
    ("--cap-add SYS_ADMIN", "capabilities"), ("--cap-add=ALL", "capabilities"),
    ("--security-opt seccomp=unconfined", "security-opt"), ("--cgroup-parent /", "runtime"),
    ("-v /etc:/host:ro", "host-mounts"), ("--mount type=bind,src=/,dst=/host", "host-mounts"),
    (f"-v {SOCKET}:{SOCKET}", "engine-socket"),
]


@pytest.mark.parametrize("options,grant", FORBIDDEN)
def test_forbidden_options_name_what_would_allow_them(runner, image, options, grant):
    answer = runner.prepare(runner.container(image, createOptions=options))
    assert answer.code == 1 and answer.response is None
    assert len(answer.errors) == 1
    if grant == "host-mounts" and runner.backend.kind == "hub":
        assert "not within the work directories of this runner" in answer.errors[0]
        nothing_left(runner)
        return
    assert f"{runner.backend.grants}={grant}" in answer.errors[0]
    assert (options.split()[0].split("=")[0] in answer.errors[0]
            or options.split()[1].split(":")[0] in answer.errors[0]
            or "a mount of /" in answer.errors[0])
    nothing_left(runner)


def test_a_grant_allows(make_hub, make_runner, image, backend):
    grants = {backend.grants: "host-mounts, engine-socket"}
    if backend.kind == "hub":
        runner = make_runner(backend=ThroughHub(make_hub(grants).start()))
    else:
        runner = make_runner(env=grants)
    runner.prepare(runner.container(image, createOptions="-v /etc/hostname:/h:ro")).ok()
    assert runner.run("[ -s /h ] && [ -S /var/run/docker.sock ] && echo both").ok().log == "both\n"


def test_a_link_does_not_lead_out_of_the_work_directory(runner, image):
    os.symlink("/etc", runner.workspace + "/innocent")
    inside = runner.workspace + "/data"
    os.makedirs(inside)
    answer = runner.prepare(runner.container(image, userMountVolumes=[
        mount(runner.workspace + "/innocent", "/x")]))
    assert answer.code == 1
    assert ("host-mounts" if runner.backend.kind == "direct" else "/etc is not within"
            ) in answer.errors[0]
    # The runner's own programs cannot be mounted to be changed.
    answer = runner.prepare(runner.container(image, userMountVolumes=[
        mount(f"{runner.root}/externals", "/x")]))
    if runner.backend.kind == "direct":
        assert answer.code == 1 and "host-mounts" in answer.errors[0]
    else:
        assert runner.run("touch /x/planted").code != 0
        runner.cleanup().ok()
    runner.prepare(runner.container(image, userMountVolumes=[mount(inside, "/x")])).ok()
    runner.run("echo written >/x/file").ok()
    assert os.path.exists(inside + "/file")


def test_volumes(runner, image, engine):
    before = set(runner.volumes())
    runner.prepare(runner.container(image, userMountVolumes=[
        mount("cache", "/cache"), mount(None, "/anonymous")], createOptions="-v /more")).ok()
    runner.run("touch /cache/kept /anonymous/a /more/b").ok()
    made = {mount.get("Name") for mount in engine.inspect(runner.state["container"])["Mounts"]
            if mount["Destination"] in ("/cache", "/anonymous", "/more")}
    assert not made & before
    named = [name for name in made if name.endswith("-cache")]
    assert len(made) == 3 and len(named) == 1 and named[0].startswith("runnerhub-")
    runner.cleanup().ok()
    nothing_left(runner)
    if runner.backend.kind == "hub":  # a session's volumes go with it
        wait_until(lambda: not set(runner.volumes()) & made)
        return
    try:
        wait_until(lambda: set(runner.volumes()) & made == set(named))
        runner.prepare(runner.container(image, userMountVolumes=[mount("cache", "/c")])).ok()
        assert runner.run("ls /c").ok().log == "kept\n"
        runner.cleanup().ok()
        nothing_left(runner)
    finally:
        engine.call("DELETE", f"/volumes/{named[0]}")


def test_a_container_that_does_not_stay(runner, image):
    only(runner.backend, "direct", "the agent is the process of a session's container")
    # As it has a check, it is looked at until it is well or has ended: without
    # one it is well as long as it runs.
    answer = runner.prepare(runner.container(
        image, createOptions="--health-cmd true --health-interval 1h", entryPoint="sh",
        entryPointArgs=["-c", '"echo', 'last', 'words;', 'exit', '3"']))
    assert answer.code == 1 and "ended with code 3" in answer.errors[0]
    assert "last words\n" in answer.log
    assert runner.containers() == [] and runner.networks() == []


def test_an_image_that_is_missing(make_runner):
    runner = make_runner(env={"RUNNER_PULL_POLICY": "never"})
    if runner.backend.kind == "direct":
        answer = runner.prepare(runner.container("hooktest/none:1"))
        assert answer.code == 1 and "RUNNER_PULL_POLICY" in answer.errors[0]
    runner.env["RUNNER_PULL_POLICY"] = "if-missing"
    answer = runner.prepare(runner.container("127.0.0.1:1/none:1"))
    assert answer.code == 1 and answer.log.count("trying again") >= 2
    nothing_left(runner)


def test_files_that_the_engine_does_not_see(runner, image):
    """The mount of the temporary directory leads elsewhere, as it does when
    the runner is in a container whose work directory is no mount."""
    other = os.path.join(runner.work, "other")
    os.makedirs(other)
    container = runner.container(image, systemMountVolumes=[mount(other, "/__w")])
    runner.env["RUNNER_TEMP"] = other
    runner.prepare(container).ok()
    container["systemMountVolumes"] = [mount(runner.root + "/gone", "/__w")]
    answer = runner.prepare(container)
    assert answer.code == 1
    assert ("does not see a directory of the runner" if runner.backend.kind == "direct"
            else "gone is not within") in answer.errors[0]


def test_registry_credentials_reach_the_registry_alone(runner, registry):  # noqa: F811
    """A registry of this test's own, which the real engine asks."""
    answer = runner.prepare(runner.container(f"{registry.name}/team/app:1", registry={
        "username": "mona", "password": "pa:ss wörd?>", "serverUrl": registry.name}))
    assert answer.code == 1 and "team/app" in answer.errors[0]
    assert set(registry.seen) == {"Basic " + base64.b64encode("mona:pa:ss wörd?>".encode()).decode()}
    assert "wörd" not in answer.log
    assert subprocess.run(["grep", "-r", "wörd", runner.root]).returncode == 1


def test_another_directory_under_the_same_name(runner, image):
    """In a mount name space of its own the runner's temporary directory is
    another one than the engine's: a start would seem to work."""
    line = json.dumps({"command": "prepare_job", "responseFile": runner.root + "/answer",
                       "args": {"container": runner.container(image)}})
    result = subprocess.run(
        ["unshare", "--mount", "sh", "-c",
         'mount -t tmpfs none "$RUNNER_TEMP" && exec bash -e "$0"', runner.shim],
        cwd=runner.workspace, env=runner.environment(), input=line + "\n", text=True,
        capture_output=True)
    assert result.returncode == 1
    assert "does not see the runner's files" in result.stdout, result.stdout + result.stderr
    assert not os.path.exists(runner.root + "/answer")
    nothing_left(runner)


def test_a_runner_in_a_container_translates_its_paths(runner, hook, image, engine):  # noqa: F811
    """The hook runs in a container of the same engine; its work directory is
    mounted there under another name. A second one without the mount is told."""
    only(runner.backend, "direct", "test_hook_hub.py: with its registered work directories")
    static_libs = [f"{d}:{d}:ro" for d in ("/lib", "/lib64", "/usr")]
    name = f"hooktest-runner-{uuid.uuid4().hex[:8]}"

    def nested(binds: list[str]) -> tuple[int, str]:
        request = json.dumps({
            "command": "prepare_job", "responseFile": "/inner/_temp/answer", "state": None,
            "args": {"container": runner.container(image, systemMountVolumes=[
                mount("/inner", "/__w"), mount("/inner/_temp", "/__w/_temp")]), "services": []}})
        with open(f"{runner.temp}/request", "w", encoding="utf-8") as file:
            file.write(request + "\n")
        env = [f"{key}={value}" for key, value in runner.environment().items()
               if key.startswith(("RUNNER", "GITHUB")) and key != "RUNNER_TEMP"]
        made = engine.call("POST", "/containers/create", {
            "Image": image, "Env": env + ["RUNNER_TEMP=/inner/_temp"],
            "Cmd": ["sh", "-c", "/hook/runnerhub-hook </request"],
            "Labels": {"runnerhub.test": name},
            "HostConfig": {"NetworkMode": "none", "Binds": [f"{os.path.dirname(hook)}:/hook:ro", f"{SOCKET}:{SOCKET}",
                                     f"{runner.temp}/request:/request:ro", *static_libs, *binds]}})
        try:
            engine.call("POST", f"/containers/{made['Id']}/start")
            code = engine.call("POST", f"/containers/{made['Id']}/wait")["StatusCode"]
            connection = engine._connection(60)
            connection.request("GET", f"{API}/containers/{made['Id']}/logs?stdout=1&stderr=1")
            return code, connection.getresponse().read().decode("utf-8", "replace")
        finally:
            engine.remove(made["Id"])

    code, log = nested([f"{runner.work}:/inner"])
    assert code == 0, log
    with open(f"{runner.temp}/answer", encoding="utf-8") as file:
        runner.state = json.load(file)["state"]
    sources = {m["Destination"]: m["Source"]
               for m in engine.inspect(runner.state["container"])["Mounts"]}
    assert sources == {"/__w": runner.work, "/__w/_temp": runner.temp}
    for container in runner.containers():
        engine.remove(container["Id"])
    for network in runner.networks():
        engine.remove_network(network["Id"])
    code, log = nested([])
    assert code == 1 and "the engine cannot see /inner" in log


# -- steps ----------------------------------------------------------------------------------


def test_exit_codes(job):
    assert job.run("exit 0").code == 0
    assert job.run("exit 42").code == 42
    assert job.run("false").code == 1
    answer = job.call("run_script_step", job.step_args("no-such-program"))
    assert answer.code != 0 and "no-such-program" in answer.log


def test_quotes_are_read_as_a_shell_would(job):
    assert job.call("run_script_step", job.step_args(
        "sh", "-c", "'echo", '"Mona', "the", "Octocat\"'")).ok().log == "Mona the Octocat\n"
    answer = job.call("run_script_step", job.step_args(
        "printf", "<%s>", '"Mona', "the", 'Octocat"', "", "''", "$HOME", '"a\\"b"', "c\\ d"))
    assert answer.ok().log == '<Mona the Octocat><><$HOME><a"b><c d>\n'
    broken = job.call("run_script_step", job.step_args("echo", '"never', "closed"))
    assert broken.code == 1 and "never closed" in broken.errors[0]


def test_environment_keeps_odd_values(job):
    values = {"LINES_": "one\ntwo\n", "EQUALS": "a=b=c", "EMPTY": "", "UTF8": "zażółć 🦆",
              "QUOTES": "'\"\\$`", "with-dash": "x", "NULL": None, "PERCENT": "%0A"}
    answer = job.call("run_script_step", job.step_args(
        "cat", "/proc/self/environ", environmentVariables=values)).ok()
    seen = dict(entry.split("=", 1) for entry in answer.log.rstrip("\n").split("\0") if entry)
    assert seen["FROM_JOB"] == "yes"
    for key, value in values.items():
        assert seen[key] == (value or "")


def test_path_is_prepended_as_array_and_as_string(job):
    for given, wanted in (([], ""), (["/a", "/b"], "/a:/b:"), ("/old", "/old:"), (None, "")):
        answer = job.run("echo $PATH", prependPath=given).ok()
        assert answer.log == wanted + "/usr/bin:/bin\n"
    own = job.run("echo $PATH", prependPath=["/a"],
                  environmentVariables={"PATH": "/usr/bin:/own"}).ok()
    assert own.log == "/usr/bin:/own\n"
    if job.backend.kind == "hub":
        return
    # A state of another version of us, without the path: the engine knows it.
    state = {"container": job.state["container"]}
    assert job.call("run_script_step", job.script("echo $PATH", prependPath=["/a"]),
                    state=state).ok().log == "/a:/usr/bin:/bin\n"


def test_output_of_both_streams_in_lines_and_in_order(job):
    answer = job.run("for i in 1 2 3; do echo out$i; sleep 0.05; echo err$i >&2; sleep 0.05; done;"
                     "printf begun; sleep 0.05; echo whole >&2; printf ' ended'").ok()
    assert answer.log == "out1\nerr1\nout2\nerr2\nout3\nerr3\nwhole\nbegun ended\n"
    big = job.run("seq 200000").ok().log
    assert big == "".join(f"{i}\n" for i in range(1, 200001))


def test_output_comes_while_the_step_runs(job):
    go = f"{job.temp}/go"
    call = job.start("run_script_step", job.script(
        "echo first; while [ ! -e /__w/_temp/go ]; do sleep 0.05; done; echo last"))
    assert call.read_line() == "first\n"
    with open(go, "w", encoding="utf-8"):
        pass
    assert call.end().ok().log == "last\n"


def test_working_directory(job):
    assert job.run("pwd", workingDirectory="/tmp").ok().log == "/tmp\n"
    os.makedirs(job.workspace + "/with space", exist_ok=True)
    assert job.run("pwd", workingDirectory="/__w/repo/repo/with space").ok().log.endswith(
        "/with space\n")


def running_inside(job: Runner, word: str) -> bool:
    top = job.engine.call("GET", f"/containers/{job.state['container']}/top",
                          query={"ps_args": "-eo pid,args"})
    return any(word in " ".join(line) for line in top["Processes"])


CANCELS = {
    "quiet": "sleep 98761",
    "left behind": "(trap '' INT TERM; sleep 98761) & sleep 98761; wait",
    "deaf to SIGINT and SIGTERM": "trap '' INT TERM; while :; do sleep 98761; done",
}


@pytest.mark.parametrize("kind", CANCELS)
def test_cancel_ends_what_runs_inside(job, kind):
    call = job.start("run_script_step", job.script(f"echo begun\n{CANCELS[kind]}"))
    assert call.read_line() == "begun\n"
    wait_until(lambda: running_inside(job, "sleep 98761"))
    call.cancel()
    begun = time.monotonic()
    answer = call.end()
    assert answer.code != 0 and "The step was cancelled." in answer.log
    assert time.monotonic() - begun < 10, "the runner would have killed it"
    assert not running_inside(job, "sleep 98761")
    assert job.run("echo usable").ok().log == "usable\n"


def test_cancel_lets_a_step_end_in_its_own_way(job):
    call = job.start("run_script_step", job.script(
        "trap 'echo tidy; exit 9' INT\necho begun\nwhile :; do sleep 0.1; done"))
    assert call.read_line() == "begun\n"
    call.cancel()
    answer = call.end()
    assert answer.code == 9 and answer.log.startswith("tidy\n")


def test_a_runner_that_vanishes_leaves_no_step_running(job):
    call = job.start("run_script_step", job.script(
        "sleep 98766 & while :; do echo going on; sleep 0.1; done"))
    assert call.read_line() == "going on\n"
    call.process.stdout.close()
    assert call.process.wait(timeout=120) != 0
    os.unlink(call.response)
    wait_until(lambda: not running_inside(job, "sleep 98766"))


def test_sigterm_at_once_is_in_a_hurry(job):
    call = job.start("run_script_step", job.script(
        "trap '' INT TERM; echo begun; while :; do sleep 98762; done"))
    assert call.read_line() == "begun\n"
    call.cancel(signal.SIGTERM)
    assert call.end().code != 0
    assert not running_inside(job, "sleep 98762")


def test_processes_that_an_earlier_step_left_are_not_ended(job):
    job.run("sleep 98763 </dev/null >/dev/null 2>&1 & echo $! >/__w/_temp/left").ok()
    wait_until(lambda: running_inside(job, "sleep 98763"))
    call = job.start("run_script_step", job.script("echo begun; sleep 98764"))
    assert call.read_line() == "begun\n"
    call.cancel()
    assert call.end().code != 0
    assert running_inside(job, "sleep 98763") and not running_inside(job, "sleep 98764")
    job.run("kill $(cat /__w/_temp/left)").ok()


def test_a_container_that_dies_is_told(runner, image):
    runner.prepare(runner.container(image)).ok()
    call = runner.start("run_script_step", runner.script("echo begun; sleep 98765"))
    assert call.read_line() == "begun\n"
    runner.engine.kill(runner.state["container"])
    answer = call.end()
    assert answer.code == 137
    assert ("not running any more" if runner.backend.kind == "direct"
            else "the job's container ended by itself") in answer.errors[0]
    if runner.backend.kind == "hub":
        answer = runner.run("echo never")
        assert answer.code == 1 and "not running any more" in answer.errors[0]


def test_a_step_without_a_job(runner):
    for state in (None, {}):
        answer = runner.call("run_script_step", runner.step_args("true"), state=state)
        assert answer.code == 1 and "no job container" in answer.errors[0]


# -- services -----------------------------------------------------------------------------


def test_services_without_a_container(runner, image, alpine):
    answer = runner.prepare(None, [
        runner.container(image, systemMountVolumes=[], workingDirectory=None, portMappings=["80"],
                         entryPoint="sleep", entryPointArgs=["600"]),
        runner.container(alpine, systemMountVolumes=[], workingDirectory=None,
                         entryPoint="sleep", entryPointArgs=["600"])]).ok()
    context = answer.response["context"]
    assert "container" not in context and "isAlpine" not in answer.response
    assert [s["image"] for s in context["services"]] == [image, alpine]
    assert context["services"][0]["ports"]["80"].isdigit()
    assert context["services"][1]["ports"] == {}
    made = {s["id"] for s in context["services"]}
    if runner.backend.kind == "direct":  # a hub has one more, with its agent
        assert made == {c["Id"] for c in runner.containers()}
    assert made <= {c["Id"] for c in runner.containers()}


def test_services_are_found_by_name_and_awaited(runner, image, alpine):
    """Health says well only after a second look: the job waits for it."""
    answer = runner.prepare(runner.container(image), [
        runner.container(alpine, systemMountVolumes=[], entryPoint="sh", workingDirectory=None,
                         entryPointArgs=["-c", "'sleep", "1;", "touch", "/tmp/well;", "sleep",
                                         "600'"],
                         createOptions="--health-cmd 'test -e /tmp/well' --health-interval 500ms "
                                       "--health-retries 20 --network-alias database"),
        {**runner.container(image, systemMountVolumes=[], entryPoint="sleep",
                            entryPointArgs=["600"]), "contextName": "cache", "entrypoint": "?"},
    ]).ok()
    services = answer.response["context"]["services"]
    seen = [runner.engine.inspect(service["id"]) for service in services]
    assert seen[0]["State"]["Health"]["Status"] == "healthy"
    aliases = [s["NetworkSettings"]["Networks"][runner.state["network"]]["Aliases"] for s in seen]
    assert {"svc0", "database", alpine.split("/")[1].split(":")[0]} <= set(aliases[0])
    assert {"svc1", "cache", "test"} <= set(aliases[1])
    assert runner.run("for n in svc0 database cache; do nslookup $n >/dev/null && echo $n; done"
                      ).ok().log == "svc0\ndatabase\ncache\n"


def test_an_unhealthy_service_shows_its_log(runner, image):
    answer = runner.prepare(runner.container(image), [runner.container(
        image, systemMountVolumes=[], workingDirectory=None, entryPoint="sh",
        entryPointArgs=["-c", "'echo", "cannot", "open", "the", "database;", "sleep", "600'"],
        createOptions="--health-cmd false --health-interval 200ms --health-retries 2")])
    assert answer.code == 1 and "is unhealthy" in answer.errors[0]
    assert "ogs of " in answer.log and "\ncannot open the database\n" in answer.log
    nothing_left(runner)


def test_cancel_while_services_warm_up(runner, image):
    call = runner.start("prepare_job", {"container": None, "services": [runner.container(
        image, systemMountVolumes=[], entryPoint="sleep", entryPointArgs=["600"],
        workingDirectory=None,
        createOptions="--health-cmd false --health-interval 1h --health-start-period 1h")]})
    while "to be healthy" not in (line := call.read_line()):
        assert line, "it ended"
    call.cancel()
    assert call.end().code == 1
    nothing_left(runner)


# -- container steps --------------------------------------------------------------------------


def step(runner: Runner, **fields: Any) -> dict[str, Any]:
    return runner.container(**{
        "image": None, "workingDirectory": "/github/workspace",
        "systemMountVolumes": runner.step_mounts(), **fields})


def test_a_container_step_from_an_image(job, image):
    with open(job.workspace + "/given", "w", encoding="utf-8") as file:
        file.write("from the workspace\n")
    answer = job.call("run_container_step", step(
        job, image=image, entryPoint="sh", environmentVariables={"INPUT_X": "a b"},
        entryPointArgs=["-c", "'cat", "given;", "echo", "$INPUT_X;", "echo", "$0", "$1;",
                        "ls", "-d", "/github/*;", "exit", "5'", '"one', 'two"', '""']))
    assert answer.code == 5
    if job.backend.kind == "direct":
        assert answer.log.startswith("The engine's socket is not mounted")
    assert answer.log[answer.log.index("from the"):] == (
        "from the workspace\na b\none two\n/github/file_commands\n/github/home\n"
        "/github/runner_temp\n/github/workspace\n")
    wait_until(lambda: len(job.containers()) == 1)  # the job's own


def test_a_container_step_reaches_services_and_has_no_job(make_runner, image):
    runner = make_runner()
    fields = dict(image=image, entryPoint="sh", entryPointArgs=["-c", "'echo", "alone'"])
    assert runner.call("run_container_step", step(runner, **fields)).ok().log.endswith("alone\n")
    nothing_left(runner)


def test_a_container_step_from_a_dockerfile(job, image):
    action = f"{job.work}/_actions/owner/repo/v1"
    deep = os.path.join(action, "d" * 60, "e" * 60)
    os.makedirs(deep, exist_ok=True)
    files = {"Dockerfile": f"FROM {image}\nCOPY . /action\nENTRYPOINT [\"/action/entry.sh\"]\n",
             "entry.sh": "#!/bin/sh\ncat /action/*/*/long; cat /action/link; echo \"<$1> <$2>\"\n",
             f"{deep}/long": "deep\n"}
    for name, text in files.items():
        with open(os.path.join(action, name), "w", encoding="utf-8") as file:
            file.write(text)
    os.chmod(f"{action}/entry.sh", 0o755)
    if not os.path.lexists(f"{action}/link"):
        os.symlink(os.path.relpath(f"{deep}/long", action), f"{action}/link")
    answer = job.call("run_container_step", step(
        job, dockerfile=f"{action}/Dockerfile", entryPointArgs=['"Mona', 'the', 'Octocat"', "x"]))
    assert answer.ok().log.endswith("deep\ndeep\n<Mona the Octocat> <x>\n")
    assert "Step 1/" in answer.log
    if job.backend.kind == "direct":
        assert "##[group]Build of the action's image\nStep 1/" in answer.log
    wait_until(lambda: job.images() == [] and len(job.containers()) == 1)


def test_a_dockerfile_that_does_not_build(job, image):
    action = f"{job.work}/_actions/owner/broken/v1"
    os.makedirs(action, exist_ok=True)
    with open(f"{action}/Dockerfile", "w", encoding="utf-8") as file:
        file.write(f"FROM {image}\nRUN echo trying; exit 7\n")
    answer = job.call("run_container_step", step(job, dockerfile=f"{action}/Dockerfile"))
    failed = 1 if job.backend.kind == "direct" else 125  # as `docker run` ends
    assert answer.code == failed and answer.errors
    assert "returned a non-zero code: 7" in answer.log
    assert "\ntrying\n" in answer.log and job.images() == []
    answer = job.call("run_container_step", step(job, dockerfile=f"{action}/none/Dockerfile"))
    assert answer.code == failed and "No such file" in answer.errors[0]


def test_a_container_step_obeys_policy_and_is_cancelled(job, image):
    answer = job.call("run_container_step", step(job, image=image, createOptions="--privileged"))
    assert answer.code in (1, 125)
    assert "is not allowed" in answer.errors[0] and "privileged" in answer.errors[0]
    call = job.start("run_container_step", step(
        job, image=image, entryPoint="sh", entryPointArgs=["-c", "'echo", "begun;", "sleep",
                                                           "600'"]))
    while call.read_line() != "begun\n":
        pass
    call.cancel(signal.SIGTERM)
    answer = call.end()
    assert answer.code != 0 and "cancelled" in answer.log
    wait_until(lambda: len(job.containers()) == 1)


# -- the end, and all else -------------------------------------------------------------------------


def test_cleanup_twice_and_without_state(runner, image):
    runner.prepare(runner.container(image)).ok()
    if runner.backend.kind == "direct":
        runner.state = None  # a hub's session is ended by the keeper then
    runner.cleanup().ok()
    nothing_left(runner)
    assert runner.cleanup().ok().response is None
    runner.state = None
    assert runner.cleanup().ok().response is None


def test_a_runner_with_uid_1001(make_runner, runner_image):
    runner = make_runner(uid=1001)
    runner.prepare(runner.container(runner_image)).ok()
    runner.run("id -u; echo by the step >made-here").ok()
    made = os.stat(runner.workspace + "/made-here")
    assert made.st_uid == 1001
    runner.cleanup().ok()


def test_no_mode_is_guessed(make_runner, image):
    runner = make_runner(env={"RUNNERHUB_HOOK_DIRECT": "", "RUNNERHUB_URL": ""})
    for command in ("prepare_job", "run_script_step", "cleanup_job"):
        answer = runner.call(command, {})
        assert answer.code == 1 and len(answer.log.splitlines()) == 1
        assert "neither RUNNERHUB_URL" in answer.errors[0]


def test_the_documentation_names_every_option():
    with open(os.path.join(ROOT, "src", "containers", "create_options.c"), encoding="utf-8") as file:
        flags = re.findall(r'^    \{"(--[a-z-]+)"', file.read(), re.M)
    with open(os.path.join(ROOT, "docs", "HOOKS.md"), encoding="utf-8") as file:
        text = file.read()
    assert len(flags) > 60
    assert [flag for flag in flags if not re.search(re.escape(flag) + r"(?![a-z-])", text)
            and not flag.startswith("--health-")] == ["--net", "--net-alias"]


@pytest.mark.parametrize("line,says", [
    ("", "not a JSON object"), ("{", "not a JSON object"), ("[]", "not a JSON object"),
    ('{"command":"dance"}', "does not know"), ('{"command":"cleanup_job","args":[]}', '"args"'),
    ('{"command":"prepare_job","args":{"services":[1]}}', '"services"'),
])
def test_a_request_that_is_not_understood(runner, line, says):
    result = subprocess.run(["bash", "-e", runner.shim], cwd=runner.workspace, text=True,
                            env=runner.environment(), input=line + "\n", capture_output=True)
    assert result.returncode == 1 and says in result.stdout


def test_no_engine(runner, image):
    only(runner.backend, "direct", "test_hook_hub_fake.py: no hub")
    runner.env["DOCKER_HOST"] = "unix:///nowhere/docker.sock"
    answer = runner.prepare(runner.container(image))
    assert answer.code == 1 and "no container engine listens" in answer.errors[0]
    del runner.env["DOCKER_HOST"]


def test_a_mistyped_grant_is_told(make_runner, image, backend):
    only(backend, "direct", "grants are the hub's: its start tells")
    runner = make_runner(env={"RUNNERHUB_HOOK_ALLOW": "privileged,deviecs"})
    answer = runner.prepare(runner.container(image))
    assert answer.code == 1 and 'names "deviecs"' in answer.errors[0]
    runner.env["RUNNERHUB_HOOK_ALLOW"] = ""


def test_the_shim_needs_the_program(runner, tmp_path):
    os.unlink(os.path.join(os.path.dirname(runner.shim), "runnerhub-hook"))
    path = tmp_path / "planted"
    path.mkdir()
    (path / "runnerhub-hook").write_text("#!/bin/sh\necho planted\n")
    (path / "runnerhub-hook").chmod(0o755)
    if not any(os.path.exists(f"/usr/{d}bin/runnerhub-hook") for d in ("local/", "")):
        result = subprocess.run(["bash", "-e", runner.shim], text=True, capture_output=True,
                                env={"PATH": f"{path}:{os.environ['PATH']}"})
        assert result.returncode == 1 and "install it there" in result.stdout
    os.symlink(runner.hook, os.path.join(os.path.dirname(runner.shim), "runnerhub-hook"))
