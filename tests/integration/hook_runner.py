"""A stand-in for the part of a GitHub Actions runner that speaks to container
hooks: it starts the hook as the runner does, writes one line of JSON, keeps
the state, reads the response file and sends signals.
"""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import uuid
from dataclasses import dataclass, field
from typing import Any, Callable, Iterator

import pytest

from engine_api import Engine
from fixtures import ROOT
from hub import Hub, wait_for

SHIM = os.path.join(ROOT, "deploy", "hooks", "runnerhub-hook.sh")
SOCKET = "/var/run/docker.sock"


@dataclass
class Answer:
    """What the runner sees of one hook call."""
    code: int
    log: str
    response: dict[str, Any] | None

    def ok(self) -> "Answer":
        assert self.code == 0, self.log
        return self

    @property
    def errors(self) -> list[str]:
        return [line[len("::error::"):] for line in self.log.splitlines()
                if line.startswith("::error::")]


def mount(source: str | None, target: str, read_only: bool = False,
          user: str | None = None) -> dict[str, Any]:
    return {"userProvidedValue": user, "sourceVolumePath": source,
            "targetVolumePath": target, "readOnly": read_only}


def registry_free(**fields: Any) -> dict[str, Any]:
    """A HookContainer with every field that the runner writes."""
    return {"image": None, "dockerfile": None, "entryPointArgs": [], "entryPoint": None,
            "workingDirectory": None, "createOptions": None, "registry": None,
            "environmentVariables": {}, "portMappings": [], "systemMountVolumes": [],
            "userMountVolumes": [], **fields}


class Direct:
    """runnerhub-hook speaks to the engine itself."""
    kind = "direct"
    grants = "RUNNERHUB_HOOK_ALLOW"

    def __init__(self, engine: Engine):
        self.engine = engine

    def join(self, runner: "Runner") -> dict[str, str]:
        return {"DOCKER_HOST": self.engine.host, "RUNNERHUB_HOOK_DIRECT": "1"}

    def owned(self, runner: "Runner", listed: Callable[[str], list[dict]]) -> list[dict]:
        return listed(f"runnerhub.hook.runner={runner.name}")


class ThroughHub:
    """runnerhub-hook drives sessions of a hub, with a token of its own."""
    kind = "hub"
    grants = "RUNNERHUB_SESSION_ALLOW"

    def __init__(self, hub: Hub):
        self.hub = hub
        self.engine = hub.engine

    def join(self, runner: "Runner") -> dict[str, str]:
        """Registers the runner with its work directories, as an operator does."""
        reply = self.hub.post("/api/runners/register", {
            "name": runner.name, "roots": [runner.work, {
                "here": os.path.join(runner.root, "externals"), "readOnly": True}]})
        return {"RUNNERHUB_URL": self.hub.url, "RUNNERHUB_TOKEN": reply.data["token"]}

    def sessions(self, runner: "Runner") -> list[dict[str, Any]]:
        """Newest first."""
        jobs = self.hub.get("/api/jobs?limit=100").data
        return [job for job in jobs if job["runnerName"] == runner.name]

    def owned(self, runner: "Runner", listed: Callable[[str], list[dict]]) -> list[dict]:
        return [thing for job in self.sessions(runner)
                for thing in listed(f"runnerhub.session={job['id']}")]


@dataclass
class Runner:
    """One runner with its directories below root. env: more settings."""
    hook: str
    engine: Engine
    root: str
    backend: Any = None
    uid: int | None = None
    env: dict[str, str] = field(default_factory=dict)
    state: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        self.name = "hooktest-" + uuid.uuid4().hex[:10]
        self.work = os.path.join(self.root, "_work")
        self.temp = os.path.join(self.work, "_temp")
        self.workspace = os.path.join(self.work, "repo", "repo")
        for path in (self.workspace, f"{self.work}/_actions", f"{self.work}/_tool",
                     f"{self.root}/externals", f"{self.temp}/_github_home",
                     f"{self.temp}/_github_workflow", f"{self.temp}/_runner_hook_responses",
                     f"{self.temp}/_runner_file_commands"):
            os.makedirs(path, exist_ok=True)
        if self.uid is not None:
            for top, folders, files in os.walk(self.root):
                for name in [".", *folders, *files]:
                    os.chown(os.path.join(top, name), self.uid, self.uid)
        bin_dir = os.path.join(self.root, "bin")
        os.makedirs(bin_dir)
        self.shim = shutil.copy(SHIM, bin_dir)
        if self.backend is None:
            self.backend = Direct(self.engine)
        self.joined = self.backend.join(self)
        # A copy: the build may lie where the runner's user cannot look.
        shutil.copy(self.hook, os.path.join(bin_dir, "runnerhub-hook"))

    # -- what the runner puts into its requests

    def job_mounts(self) -> list[dict[str, Any]]:
        return [mount(SOCKET, SOCKET), mount(self.work, "/__w"),
                mount(f"{self.root}/externals", "/__e", True),
                mount(self.temp, "/__w/_temp"), mount(f"{self.work}/_actions", "/__w/_actions"),
                mount(f"{self.work}/_tool", "/__w/_tool"),
                mount(f"{self.temp}/_github_home", "/github/home"),
                mount(f"{self.temp}/_github_workflow", "/github/workflow")]

    def step_mounts(self) -> list[dict[str, Any]]:
        return [mount(SOCKET, SOCKET), mount(self.temp, "/github/runner_temp"),
                mount(f"{self.temp}/_github_home", "/github/home"),
                mount(f"{self.temp}/_runner_file_commands", "/github/file_commands"),
                mount(self.workspace, "/github/workspace")]

    def container(self, image: str, **fields: Any) -> dict[str, Any]:
        return registry_free(**{
            "image": image, "workingDirectory": "/__w/repo/repo",
            "environmentVariables": {"HOME": "/github/home"},
            "systemMountVolumes": self.job_mounts(), **fields})

    # -- calls

    def environment(self) -> dict[str, str]:
        base = {key: value for key, value in os.environ.items()
                if not key.startswith(("RUNNER", "GITHUB_", "ACTIONS_"))}
        return {**base, **self.joined, "RUNNER_NAME": self.name, "RUNNER_TEMP": self.temp, "GITHUB_RUN_ID": "7",
                "GITHUB_JOB": "build", "GITHUB_REPOSITORY": "me/app", "GITHUB_WORKSPACE": self.workspace, **self.env}

    def start(self, command: str, args: dict[str, Any], **envelope: Any) -> "Call":
        return Call(self, json.dumps({
            "command": command, "responseFile": "", "args": args, "state": self.state,
            **envelope}, ensure_ascii=False))

    def call(self, command: str, args: dict[str, Any], **envelope: Any) -> Answer:
        return self.start(command, args, **envelope).end()

    def prepare(self, container: dict[str, Any] | None = None,
                services: list[dict[str, Any]] | None = None) -> Answer:
        return self.call("prepare_job", {"container": container, "services": services or []})

    def step_args(self, entry: str, *pieces: str, **fields: Any) -> dict[str, Any]:
        return {"entryPoint": entry, "entryPointArgs": list(pieces), "environmentVariables": {},
                "prependPath": [], "workingDirectory": "/__w/repo/repo", **fields}

    def script(self, text: str, **fields: Any) -> dict[str, Any]:
        """The arguments of a `run:` step: the script is a file, as always."""
        name = uuid.uuid4().hex + ".sh"
        with open(os.path.join(self.temp, name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.step_args("sh", "-e", f"/__w/_temp/{name}", **fields)

    def run(self, text: str, **fields: Any) -> Answer:
        return self.call("run_script_step", self.script(text, **fields))

    def cleanup(self) -> Answer:
        return self.call("cleanup_job", {})

    # -- what is on the engine

    def containers(self) -> list[dict[str, Any]]:
        return self.backend.owned(self, self.engine.containers)

    def networks(self) -> list[dict[str, Any]]:
        return self.backend.owned(self, self.engine.networks)

    def images(self) -> list[dict[str, Any]]:
        return self.backend.owned(self, lambda label: self.engine.call(
            "GET", "/images/json", query={"filters": json.dumps({"label": [label]})}))

    def volumes(self) -> list[str]:
        listed = self.engine.call("GET", "/volumes")["Volumes"] or []
        return [volume["Name"] for volume in listed]

    def close(self) -> None:
        if "RUNNERHUB_HOOK_DIRECT" not in self.env:
            self.cleanup().ok()
        if self.backend.kind == "hub":  # jobs whose state a test has lost
            for job in self.backend.sessions(self):
                self.backend.hub.post(f"/api/jobs/{job['id']}/cancel")
            wait_for(lambda: self.containers() + self.networks() == [], what="the sessions' end")
        left = self.containers() + self.networks() + self.images()
        shutil.rmtree(self.root, ignore_errors=True)
        assert left == []


class Call:
    """A hook that runs: `bash -e shim`, in the workspace, one line on stdin."""

    def __init__(self, runner: Runner, line: str):
        self.runner = runner
        self.response = os.path.join(
            runner.temp, "_runner_hook_responses", uuid.uuid4().hex + ".json")
        with open(self.response, "w", encoding="utf-8"):
            pass
        if runner.uid is not None:
            os.chown(self.response, runner.uid, runner.uid)
        line = line.replace('"responseFile": ""', f'"responseFile": {json.dumps(self.response)}')
        account: dict[str, Any] = {}
        if runner.uid is not None:
            account = {"user": runner.uid, "group": runner.uid,
                       "extra_groups": [os.stat(SOCKET).st_gid]}
        self.process = subprocess.Popen(
            ["bash", "-e", runner.shim], cwd=runner.workspace, env=runner.environment(),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **account)
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.close()
        except BrokenPipeError:
            pass  # it refused before it read
        self.process.stdin = None

    def read_line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().decode()

    def cancel(self, sig: int = signal.SIGINT) -> None:
        self.process.send_signal(sig)

    def end(self, timeout: float = 300) -> Answer:
        out, _ = self.process.communicate(timeout=timeout)
        with open(self.response, encoding="utf-8") as file:
            text = file.read()
        os.unlink(self.response)
        response = json.loads(text) if text.strip() else None
        if response is not None and "state" in response:
            self.runner.state = response["state"]
        return Answer(self.process.returncode, out.decode("utf-8", "replace"), response)


@pytest.fixture(scope="session")
def hook(build_dir: str) -> str:
    path = os.path.join(build_dir, "src", "hook", "runnerhub-hook")
    assert os.access(path, os.X_OK), f"{path} is not built"
    return path


def runners(hook: str, engine: Engine, backend: Any = None) -> Iterator[Callable[..., Runner]]:
    made: list[Runner] = []

    def make(**fields: Any) -> Runner:
        # Not pytest's own directory: uid 1001 must be able to enter it.
        root = tempfile.mkdtemp(prefix="runnerhub-hook-")
        os.chmod(root, 0o755)
        made.append(Runner(hook, engine, root, **{"backend": backend, **fields}))
        return made[-1]

    yield make
    for runner in made:
        runner.close()
