"""The compose files: hub and proxy runners in containers, on local stand-in
images, with Debian's docker-compose. A job goes through each proxy."""

import json
import os
import re
import secrets
import shutil
import subprocess
import tempfile
import urllib.request
from typing import Any, Iterator

import pytest

import host_image
from fixtures import ROOT
from hub import free_port, wait_for
from relay_lab import frames, job, worker_image  # noqa: F401

RUNNER_IMAGE = "runnerhub/test-actions-runner:latest"
BUILD_IMAGE = "runnerhub/test-build:latest"

# What run.sh of a runner does as far as anybody else can see: it stays, and
# starts a worker for each job. Here a job is a file; its code is kept beside.
RUN_SH = """#!/bin/sh
trap 'exit 0' INT TERM
while :; do
	if [ -e job.bin ]; then
		mv job.bin taken.bin
		bin/Runner.Worker spawnclient 3 4 3<taken.bin 4>/dev/null >worker.log 2>&1
		echo $? >code
	fi
	sleep 0.1
done
"""


def packages() -> list[str]:
    """What scripts/setup would install to build."""
    with open(os.path.join(ROOT, "scripts", "setup"), encoding="utf-8") as file:
        return re.findall(r"^\t\tbuild +(\S+)", file.read(), re.MULTILINE)


@pytest.fixture(scope="module")
def images(engine, worker_image, tmp_path_factory) -> None:  # noqa: F811
    host_image.make(BUILD_IMAGE, [*packages(), "binutils", "ca-certificates"])
    context = tmp_path_factory.mktemp("runner-image")
    (context / "run.sh").write_text(RUN_SH)
    (context / "run.sh").chmod(0o755)
    (context / ".runner").write_text('{"agentName":"stand-in","workFolder":"_work"}')
    (context / "Dockerfile").write_text(
        f"FROM {worker_image}\nUSER root\n"
        "COPY run.sh .runner /home/runner/\n"
        "RUN mkdir -p /home/runner/externals /home/runner/_work && "
        "echo node >/home/runner/externals/node && chown -R runner /home/runner\n"
        "USER runner\n")
    subprocess.run(["docker", "build", "-q", "-t", RUNNER_IMAGE, str(context)], check=True,
                   env={**os.environ, "DOCKER_BUILDKIT": "0"}, stdout=subprocess.DEVNULL)


class Compose:
    """One project of its own."""

    def __init__(self, files: list[str]):
        self.state = tempfile.mkdtemp(prefix="runnerhub-compose-")
        self.port = free_port()
        self.key = secrets.token_hex(32)
        self.files = [argument for name in files for argument in ("-f", name)]
        self.env = {
            **os.environ, "DOCKER_BUILDKIT": "0", "COMPOSE_DOCKER_CLI_BUILD": "0",
            "COMPOSE_PROJECT_NAME": f"rh{secrets.token_hex(4)}",
            "BUILD_IMAGE": BUILD_IMAGE, "RUNNER_IMAGE": RUNNER_IMAGE,
            "HAPROXY_IMAGE": "runnerhub/test-haproxy:latest",
            "RUNNER_PULL_POLICY": "never", "RUNNERHUB_STATE_DIR": self.state,
            "RUNNERHUB_PORT": str(self.port), "RUNNERHUB_API_KEY": self.key,
            "RUNNERHUB_ENROLMENT_KEY": secrets.token_hex(32)}

    def __call__(self, *command: str) -> str:
        result = subprocess.run(["docker-compose", *self.files, *command], cwd=ROOT,
                                env=self.env, capture_output=True, text=True)
        assert result.returncode == 0, f"{command}: {result.stderr[-3000:]}"
        return result.stdout

    def get(self, path: str) -> Any:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}",
                                         headers={"Authorization": f"Bearer {self.key}"})
        with urllib.request.urlopen(request, timeout=30) as reply:
            return json.load(reply)["data"]

    def runners(self, status: str = "idle") -> list[dict]:
        return self.get(f"/api/runners?type=proxy&status={status}")

    def containers(self, service: str) -> list[str]:
        return self("ps", "-q", service).split()

    def close(self) -> None:
        log = self("logs", "--no-color", "--tail=50")
        try:
            self("down", "--volumes", "--rmi", "local", "--timeout", "60")
        finally:
            shutil.rmtree(self.state, ignore_errors=True)
        assert "panic" not in log, log


def inside(container: str, *command: str, stdin: bytes = b"") -> str:
    result = subprocess.run(["docker", "exec", "-i", container, *command], input=stdin,
                            capture_output=True)
    assert result.returncode == 0, (command, result.stderr)
    return result.stdout.decode()


def run_job(container: str, script: str) -> tuple[int, str]:
    """GitHub hands the job to this runner."""
    message = frames.frame(frames.JOB, json.dumps(job(
        script, github={"run_id": str(secrets.randbits(40))})))
    inside(container, "sh", "-c", "cat >/home/runner/new.bin && "
           "mv /home/runner/new.bin /home/runner/job.bin", stdin=message)
    wait_for(lambda: subprocess.run(["docker", "exec", container, "test", "-s",
                                     "/home/runner/code"]).returncode == 0, 120, "the job ends")
    code = int(inside(container, "cat", "/home/runner/code"))
    return code, inside(container, "cat", "/home/runner/worker.log")


@pytest.fixture(scope="module")
def compose(images) -> Iterator[Compose]:
    project = Compose(["docker-compose.yml"])
    try:
        project("build")
        project("up", "-d", "--scale", "proxy-runner=3")
        yield project
    finally:
        project.close()


def test_three_proxies_enrol_and_each_delegates_a_job(compose):
    wait_for(lambda: len(compose.runners()) == 3, 120, "three runners are idle")
    names = {runner["name"] for runner in compose.runners()}
    proxies = compose.containers("proxy-runner")
    assert names == {proxy[:12] for proxy in proxies}
    for proxy in proxies:
        code, output = run_job(proxy, "echo delegated; cat /proc/1/comm; "
                               "[ ! -e /var/run/docker.sock ]; exit $((100 + $?))")
        assert code == 100, output
        assert "delegated" in output
    jobs = compose.get("/api/jobs?limit=100")
    assert [found["status"] for found in jobs] == ["completed"] * 3
    assert len({found["runnerId"] for found in jobs}) == 3


def test_the_hub_in_a_container_isolates_as_on_the_host(compose):
    system = compose.get("/api/system")
    assert "veth" in json.dumps(system), system
    hub = compose.containers("hub")[0]
    doctor = inside(hub, "/bin/runnerhub", "doctor")
    assert re.search(r"^ok +sandbox +a container started", doctor, re.MULTILINE), doctor


def test_scaling_down_drains(compose):
    compose("up", "-d", "--scale", "proxy-runner=1")
    left = compose.containers("proxy-runner")
    assert len(left) == 1
    wait_for(lambda: [r["name"] for r in compose.get("/api/runners")] == [left[0][:12]],
             60, "the hub knows one runner")
    assert run_job_again(left[0]) == 100


def run_job_again(container: str) -> int:
    inside(container, "rm", "-f", "/home/runner/code")
    return run_job(container, "exit 100")[0]


def test_no_name_is_fixed(compose):
    with open(os.path.join(ROOT, "docker-compose.yml"), encoding="utf-8") as file:
        assert "container_name" not in file.read()
    project = compose.env["COMPOSE_PROJECT_NAME"]
    names = subprocess.run(["docker", "ps", "--format", "{{.Names}}"], check=True,
                           capture_output=True, text=True).stdout
    assert len([name for name in names.split() if name.startswith(project)]) == 2


def test_without_keys_nothing_starts():
    env = {name: value for name, value in os.environ.items()
           if not name.startswith("RUNNERHUB_")}
    result = subprocess.run(["docker-compose", "config"], cwd=ROOT, env=env,
                            capture_output=True, text=True)
    assert result.returncode != 0
    assert "openssl rand" in result.stderr


def test_behind_a_filter_the_hub_needs_no_socket_of_the_engine(images):
    host_image.make("runnerhub/test-haproxy:latest", ["haproxy"])
    project = Compose(["docker-compose.yml", "docker-compose.socket-proxy.yml"])
    try:
        project("build")
        project("up", "-d", "--scale", "proxy-runner=1")
        wait_for(lambda: project.runners(), 120, "the runner is idle")
        code, output = run_job(project.containers("proxy-runner")[0], "exit 100")
        assert code == 100, output
        hub = project.containers("hub")[0]
        mounts = json.loads(subprocess.run(["docker", "inspect", hub], check=True,
                                           capture_output=True).stdout)[0]["Mounts"]
        assert "/var/run/docker.sock" not in [mount["Source"] for mount in mounts]
    finally:
        project.close()
