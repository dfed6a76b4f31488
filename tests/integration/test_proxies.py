"""Proxies: the supervisor of a runner on a machine and in containers, and
those that the hub makes and keeps, on the real engine."""

import os
import re
import signal
import subprocess
import sys
from typing import Callable, Iterator

import pytest

import proxy_lab
from engine_api import Engine
from hub import Hub, wait_for

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "fakes"))

from fake_github import TOKEN, FakeGithub  # noqa: E402

KEY = "an-enrolment-key-of-tests"


@pytest.fixture(scope="module")
def github() -> Iterator[FakeGithub]:
    fake = FakeGithub()
    yield fake
    fake.close()


@pytest.fixture(scope="module")
def proxy_image(engine: Engine, runnerhub: str) -> Iterator[str]:
    name = f"runnerhub/test-proxy:{os.getpid()}"
    yield proxy_lab.import_image(engine, runnerhub, name)
    engine.call("DELETE", f"/images/{name}?force=1")


@pytest.fixture(scope="module")
def hub(make_module_hub, engine: Engine, github: FakeGithub, proxy_image: str) -> Iterator[Hub]:
    hub = make_module_hub(env={
        "RUNNERHUB_ENROLMENT_KEY": KEY, "RUNNERHUB_RUNNER_HEARTBEAT": "300ms",
        "RUNNERHUB_PROXY_IMAGE": proxy_image, "GITHUB_TOKEN": TOKEN,
        "RUNNERHUB_GITHUB_URL": github.url, "GITHUB_REPOSITORIES": "acme/app",
        "RUNNER_MEMORY_MB": "512", "RUNNERHUB_CAPACITY": "4",
    }).start()
    yield hub
    for runner in hub.get("/api/runners?limit=100").data:
        hub.delete(f"/api/runners/{runner['id']}?force=true")
    wait_for(lambda: not ours(engine, hub), what="no proxy is left")
    wait_for(lambda: not proxy_lab.volumes(engine, f"runnerhub-externals-{hub.hub_id[:8]}"),
             what="the last proxy of an image takes its tools along")


def ours(engine: Engine, hub: Hub, running_only: bool = False) -> list[dict]:
    return engine.containers("runnerhub.type=proxy", f"runnerhub.hub={hub.hub_id}",
                             running_only=running_only)


def show(hub: Hub, name: str) -> dict:
    return hub.get(f"/api/runners/{name}").data


def status(hub: Hub, name: str) -> str | None:
    reply = hub.get(f"/api/runners/{name}")
    return reply.data["status"] if reply.status == 200 else None


def wait_state(hub: Hub, name: str, wanted: str | None) -> None:
    try:
        wait_for(lambda: status(hub, name) == wanted, what=f"{name} is {wanted}")
    except AssertionError as problem:
        reply = hub.get(f"/api/runners/{name}").text
        raise AssertionError(f"{problem}\n{reply}\n{hub.log_tail()}") from None


# -- on a machine ------------------------------------------------------------

class Supervisor:
    def __init__(self, program: str, folder: str, env: dict[str, str]):
        self.dir = folder
        self.log_path = folder + ".log"
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        # It is not dumpable, and then the search for leaks cannot run.
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [program, "proxy", "run", "--dir", folder], stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, env={
                    **kept, "RUNNERHUB_PROXY_MODE": "none",
                    "ASAN_OPTIONS": "detect_leaks=0", **env})

    def path(self, name: str) -> str:
        return os.path.join(self.dir, name)

    def read(self, name: str) -> str:
        try:
            with open(self.path(name), encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def write(self, name: str, text: str = "") -> None:
        # At once, as its reader must not see half of it.
        with open(self.path(name) + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(self.path(name) + ".new", self.path(name))

    def log(self) -> str:
        with open(self.log_path, encoding="utf-8") as file:
            return file.read()

    def starts(self) -> int:
        return self.read("run.log").count("started")

    def wait_starts(self, n: int) -> None:
        wait_for(lambda: self.starts() >= n, what=f"run.sh started {n} times")

    def end(self, timeout: float = 60) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout)


@pytest.fixture
def supervise(runnerhub: str, hub: Hub, tmp_path) -> Iterator[Callable[..., Supervisor]]:
    made: list[Supervisor] = []

    def start(name: str, folder: str | None = None, **env: str) -> Supervisor:
        folder = folder or proxy_lab.make_runner_dir(str(tmp_path / name))
        made.append(Supervisor(runnerhub, folder, {
            "RUNNERHUB_URL": f"unix://{hub.state_dir}/api/hub.sock",
            "RUNNERHUB_ENROLMENT_KEY": KEY, "RUNNERHUB_RUNNER_NAME": name, **env}))
        return made[-1]
    yield start
    for supervisor in made:
        if supervisor.process.poll() is None:
            supervisor.process.kill()
            supervisor.process.wait()
            # Its run.sh is in a group of its own.
            subprocess.run(["pkill", "-KILL", "-f", f"^/bin/sh {supervisor.dir}/"],
                           check=False)


def test_a_runner_joins_works_drains_and_leaves(hub, github, supervise) -> None:
    runner = supervise("m-1", RUNNERHUB_RUNNER_URL=f"{github.url}/acme/app",
                       RUNNERHUB_RUNNER_LABELS="self-hosted,big")
    wait_state(hub, "m-1", "idle")
    runner.wait_starts(1)
    # Registered with a token that was in nobody's arguments.
    assert runner.read("config.log").split() == [
        "--unattended", "--replace", "--url", f"{github.url}/acme/app", "--name", "m-1",
        "--work", "_work", "--labels", "self-hosted,big"]
    assert github.minted[-1] == ("repos/acme/app", "registration",
                                 runner.read("config.tokens").strip())
    assert show(hub, "m-1")["labels"] == ["self-hosted", "big"]
    # The runner gets its own token, and no key that could make others.
    env = runner.read("run.env")
    token = runner.read(".runnerhub-token")
    assert f"RUNNERHUB_TOKEN_FILE={runner.dir}/.runnerhub-token" in env
    assert KEY not in env and "ACTIONS_RUNNER_INPUT_TOKEN" not in env
    assert token.startswith("rhr_") and os.stat(runner.path(
        ".runnerhub-token")).st_mode & 0o777 == 0o600
    runner.write("job")
    wait_state(hub, "m-1", "busy")
    # Its job is waited for, then all is taken back.
    runner.process.send_signal(signal.SIGTERM)
    wait_for(lambda: "draining" in runner.log(), what="it drains")
    assert runner.process.poll() is None and status(hub, "m-1") == "busy"
    assert "interrupted" not in runner.read("run.log")
    os.unlink(runner.path("job"))
    assert runner.process.wait(60) == 0, runner.log()
    assert "interrupted" in runner.read("run.log")
    assert runner.read("config.log").splitlines()[-1] == "remove"
    assert github.minted[-1] == ("repos/acme/app", "remove",
                                 runner.read("config.tokens").split()[-1])
    assert hub.get("/api/runners/m-1").status == 404
    assert TOKEN not in runner.log() + env


def test_the_codes_of_run_sh(hub, supervise) -> None:
    runner = supervise("m-2")
    for n, code in enumerate((3, 99), 1):
        runner.wait_starts(n)
        runner.write("exit-code", f"{code}\n")
    runner.wait_starts(3)
    assert "starts again (code 3)" in runner.log()
    assert "ended with code 99" in runner.log()
    runner.write("exit-code", "7\n")
    assert runner.process.wait(60) == 1
    assert "too old" in runner.log()
    assert hub.get("/api/runners/m-2").status == 404


def test_an_ephemeral_one_ends_with_its_job(hub, github, supervise) -> None:
    runner = supervise("m-3", RUNNERHUB_RUNNER_EPHEMERAL="true",
                       RUNNERHUB_RUNNER_URL=f"{github.url}/acme/app")
    runner.wait_starts(1)
    assert "--ephemeral" in runner.read("config.log")
    os.unlink(runner.path(".runner"))  # as the runner does after its job
    runner.write("exit-code", "0\n")
    assert runner.process.wait(60) == 0
    assert "remove" not in runner.read("config.log")
    assert hub.get("/api/runners/m-3").status == 404


def test_patience_ends(hub, supervise) -> None:
    runner = supervise("m-4", RUNNERHUB_DRAIN_TIMEOUT="1ms")
    runner.wait_starts(1)
    runner.write("job")
    wait_state(hub, "m-4", "busy")
    runner.process.send_signal(signal.SIGTERM)
    wait_for(lambda: "asked" in runner.read("run.log"), what="the job is asked to end")
    os.unlink(runner.path("job"))
    assert runner.process.wait(60) == 0


def test_the_hub_drains_it(hub, supervise) -> None:
    runner = supervise("m-5")
    runner.wait_starts(1)
    runner.write("job")
    wait_state(hub, "m-5", "busy")
    assert hub.post(f"/api/runners/{show(hub, 'm-5')['id']}/drain").status == 202
    wait_for(lambda: "the hub asks for it" in runner.log(), what="it was told")
    assert runner.process.poll() is None
    os.unlink(runner.path("job"))
    assert runner.process.wait(60) == 0, runner.log()
    assert hub.get("/api/runners/m-5").status == 404


def test_one_registered_by_hand_keeps_its_token(hub, supervise, tmp_path) -> None:
    """Its service may be restarted; it goes when the hub asks for it."""
    token = hub.post("/api/runners/register", {"name": "m-hand"}).data["token"]
    folder = proxy_lab.make_runner_dir(str(tmp_path / "by-hand"))
    with open(f"{folder}/.runnerhub-token", "w", encoding="utf-8") as file:
        file.write(token)
    for _ in range(2):
        runner = supervise("m-hand", folder, RUNNERHUB_ENROLMENT_KEY="")
        wait_state(hub, "m-hand", "idle")
        runner.wait_starts(1)
        assert runner.end() == 0, runner.log()
        assert status(hub, "m-hand") == "offline"
        assert runner.read(".runnerhub-token") == token
    runner = supervise("m-hand", folder, RUNNERHUB_ENROLMENT_KEY="")
    wait_state(hub, "m-hand", "idle")
    assert hub.post(f"/api/runners/{show(hub, 'm-hand')['id']}/drain").status == 202
    assert runner.process.wait(60) == 0, runner.log()
    assert hub.get("/api/runners/m-hand").status == 404


def test_one_that_was_removed_enrols_anew_and_keeps_its_token_else(hub, supervise) -> None:
    runner = supervise("m-6")
    runner.wait_starts(1)
    wait_state(hub, "m-6", "idle")
    first = show(hub, "m-6")["id"], runner.read(".runnerhub-token")
    runner.process.kill()
    runner.process.wait()
    subprocess.run(["pkill", "-KILL", "-f", f"^/bin/sh {runner.dir}/"], check=False)
    again = supervise("m-6", folder=runner.dir)
    again.wait_starts(2)
    assert (show(hub, "m-6")["id"], again.read(".runnerhub-token")) == first
    hub.delete(f"/api/runners/{first[0]}?force=true")
    wait_state(hub, "m-6", "idle")
    assert show(hub, "m-6")["id"] != first[0]
    assert again.starts() == 2  # what runs goes on
    assert again.end() == 0


def test_an_installed_one_needs_no_other_settings(hub, supervise, runnerhub, build_dir,
                                                  tmp_path) -> None:
    folder = proxy_lab.make_runner_dir(str(tmp_path / "installed"))
    with open(os.path.join(folder, ".runner"), "w", encoding="ascii") as file:
        file.write('{"agentName": "m-installed", "workFolder": "_work"}')
    subprocess.run([runnerhub, "proxy", "install", folder, "--worker",
                    f"{build_dir}/src/worker/runnerhub-worker"], check=True,
                   env={**hub.env, "RUNNERHUB_URL": hub.url})
    # A shell that puts it into the background ignores SIGINT for it.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        runner = supervise("", folder, RUNNERHUB_URL="", RUNNERHUB_ENROLMENT_KEY="",
                           RUNNERHUB_PROXY_MODE="")
    finally:
        signal.signal(signal.SIGINT, before)
    wait_state(hub, "m-installed", "idle")
    runner.wait_starts(1)
    assert runner.end() == 0, runner.log()
    assert "interrupted" in runner.read("run.log")


def test_without_token_and_key_it_says_so(hub, supervise) -> None:
    runner = supervise("m-7", RUNNERHUB_ENROLMENT_KEY="")
    assert runner.process.wait(60) == 2
    assert "RUNNERHUB_ENROLMENT_KEY" in runner.log()
    runner = supervise("m-8", RUNNERHUB_ENROLMENT_KEY="not-the-key-of-this-hub")
    assert runner.process.wait(60) == 1
    assert "does not take this enrolment key" in runner.log()


def test_a_relay_that_is_missing_starts_nothing(hub, supervise, tmp_path) -> None:
    folder = proxy_lab.make_runner_dir(str(tmp_path / "m-9"))
    with open(os.path.join(folder, ".runner"), "w", encoding="ascii") as file:
        file.write('{"agentName": "m-9", "workFolder": "_work"}')
    runner = supervise("m-9", folder=folder, RUNNERHUB_PROXY_MODE="worker")
    wait_for(lambda: "runnerhub-worker is neither" in runner.log(), what="it says why")
    assert runner.starts() == 0
    assert runner.end() == 0


# -- in a container ----------------------------------------------------------

def test_a_replica_proves_its_container(hub, engine: Engine, proxy_image, tmp_path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    container = proxy_lab.start(engine, proxy_image, "replica-1", {
        "RUNNERHUB_URL": "unix:///run/runnerhub/hub.sock", "RUNNERHUB_ENROLMENT_KEY": KEY,
    }, [f"{hub.state_dir}/api:/run/runnerhub:ro", f"{tools}:/opt/tools:ro",
        "/var/run/docker.sock:/var/run/docker.sock", "/:/host:ro",
        f"{hub.state_dir}:/state"])
    try:
        try:
            wait_state(hub, "replica-1", "idle")
        except AssertionError as problem:
            raise AssertionError(
                f"{problem}\n{proxy_lab.logs_of(engine, container)}") from None
        shown = show(hub, "replica-1")
        assert shown["containerId"] == container
        roots = {root["here"]: root for root in shown["roots"]}
        assert set(roots) == {"/home/runner/_work", "/opt/tools"}
        assert roots["/opt/tools"] == {"here": "/opt/tools", "host": str(tools),
                                       "readOnly": True}
        assert len(roots["/home/runner/_work"]["volume"]) == 64
        assert roots["/home/runner/_work"]["readOnly"] is False
        # Stopped as a compose file does it: it takes its leave.
        engine.call("POST", f"/containers/{container}/stop?t=60")
        assert hub.get("/api/runners/replica-1").status == 404
        assert engine.inspect(container)["State"]["ExitCode"] == 0
    finally:
        engine.call("DELETE", f"/containers/{container}?force=1&v=1")


# -- made by the hub ---------------------------------------------------------

def test_made_kept_adopted_drained_removed(hub, engine: Engine, github) -> None:
    made = hub.post("/api/runners", {"count": 3, "repository": "acme/app", "prefix": "made",
                                     "labels": ["linux"]})
    assert made.status == 201 and len(made.data) == 3
    names = [runner["name"] for runner in made.data]
    assert all(name.startswith("made-") for name in names)
    for name in names:
        wait_state(hub, name, "idle")
    containers = {show(hub, name)["containerId"] for name in names}
    assert {c["Id"] for c in ours(engine, hub)} == containers
    for name in names:
        container = show(hub, name)["containerId"]
        inspected = engine.inspect(container)
        token = proxy_lab.read_in(engine, container, "/etc/runnerhub/token")
        assert token.startswith("rhr_") and token not in str(inspected)
        assert TOKEN not in str(inspected) and KEY not in str(inspected)
        assert inspected["HostConfig"]["Memory"] == 512 << 20
        assert inspected["HostConfig"]["NetworkMode"] == "bridge"
        assert not any("docker.sock" in m["Source"] for m in inspected["Mounts"])
        registered = proxy_lab.read_in(engine, container, "/home/runner/config.log")
        assert f"--url {github.url}/acme/app --name {name}" in registered
        assert proxy_lab.read_in(engine, container, "/home/runner/externals/node20") == "node"
        roots = {root["here"]: root for root in show(hub, name)["roots"]}
        assert roots["/home/runner/_work"]["volume"] == \
            f"runnerhub-work-{show(hub, name)['id']}"
        assert "/run/runnerhub" not in roots

    # One dies: another takes its place, with a token of its own.
    old = show(hub, names[0])["containerId"]
    old_token = proxy_lab.read_in(engine, old, "/etc/runnerhub/token")
    engine.kill(old)
    wait_for(lambda: show(hub, names[0])["containerId"] != old, what="it was made anew")
    wait_state(hub, names[0], "idle")
    assert hub.get("/api/runners/self", headers={
        "Authorization": f"Bearer {old_token}"}).status == 401

    # The next hub finds them as they are.
    containers = {show(hub, name)["containerId"] for name in names}
    hub.restart()
    for name in names:
        wait_state(hub, name, "idle")
    assert {c["Id"] for c in ours(engine, hub, running_only=True)} == containers

    # Down to one; the one with a job ends it first.
    busy = show(hub, names[1])
    proxy_lab.run_in(engine, busy["containerId"], "touch", "job")
    wait_state(hub, names[1], "busy")
    refused = hub.delete(f"/api/runners/{busy['id']}")
    assert (refused.status, refused.json["code"]) == (409, "runner_busy")
    for name in names[:2]:
        assert hub.post(f"/api/runners/{show(hub, name)['id']}/drain").status == 202
    wait_state(hub, names[0], None)
    wait_for(lambda: "draining" in proxy_lab.logs_of(engine, busy["containerId"]),
             what="it was told")
    assert engine.inspect(busy["containerId"])["State"]["Running"]
    assert status(hub, names[1]) == "stopping"
    proxy_lab.run_in(engine, busy["containerId"], "rm", "job")
    wait_state(hub, names[1], None)
    wait_for(lambda: len(ours(engine, hub)) == 1, what="one is left")
    assert github.minted[-1][1] == "remove"
    left = ours(engine, hub)[0]["Id"]
    assert left == show(hub, names[2])["containerId"]
    wait_for(lambda: proxy_lab.volumes(engine, "runnerhub-work-" + busy["id"]) == [],
             what="its volume is gone")

    # Removed at once.
    github.add_runner("repos/acme/app", names[2])
    assert hub.delete(f"/api/runners/{show(hub, names[2])['id']}").status == 200
    wait_for(lambda: not ours(engine, hub), what="none is left")
    assert github.names("repos/acme/app") == []


def test_an_ephemeral_proxy_is_fresh_after_each_job(hub, engine: Engine) -> None:
    made = hub.post("/api/runners", {"ephemeral": True, "prefix": "once"}).data[0]
    wait_state(hub, made["name"], "idle")
    first = show(hub, made["name"])["containerId"]
    assert proxy_lab.run_in(engine, first, "sh", "-c", "echo 0 > exit-code") == 0
    wait_for(lambda: show(hub, made["name"])["containerId"] != first, what="a fresh one")
    wait_state(hub, made["name"], "idle")
    assert hub.delete(f"/api/runners/{made['id']}").status == 200
    wait_for(lambda: not ours(engine, hub), what="it is gone")


def test_an_image_that_is_not_there_is_told(hub, runnerhub) -> None:
    made = hub.post("/api/runners", {"image": "no/such:image"}).data[0]
    wait_for(lambda: "no/such:image" in (show(hub, made["name"])["problem"] or ""),
             what="why it does not start")
    listed = subprocess.run([runnerhub, "runner", "list"], capture_output=True, text=True,
                            env={**hub.env, "RUNNERHUB_URL": hub.url}).stdout
    assert re.search(f"^{made['name']}: .*RUNNERHUB_PROXY_IMAGE.*no/such:image", listed, re.M)
    assert hub.delete(f"/api/runners/{made['id']}").status == 200
    for count in (0, 101, "3", 1.5):
        refused = hub.post("/api/runners", {"count": count})
        assert (refused.status, refused.json["code"]) == (400, "invalid_field")


def test_a_container_without_a_row_goes(hub, engine: Engine, image) -> None:
    stray = engine.call("POST", "/containers/create", {
        "Image": image, "Cmd": ["sleep", "600"], "Labels": {
            "runnerhub.type": "proxy", "runnerhub.hub": hub.hub_id,
            "runnerhub.runner.id": "01a20028-6a75-707b-b271-102ba6517ad5"}})["Id"]
    engine.call("POST", f"/containers/{stray}/start")
    wait_for(lambda: not ours(engine, hub), what="the stray is removed")
