"""The agent as the first process of a real container, for tests to drive."""

from __future__ import annotations

import io
import os
import secrets
import shutil
import subprocess
import tarfile
import tempfile
import time
from typing import Any, Callable, Iterator

import pytest

from agent_hub import DEADLINE_S, Hub

CAPS = ["--cap-drop", "ALL", "--cap-add", "CHOWN", "--cap-add", "SETUID",
        "--cap-add", "SETGID", "--security-opt", "no-new-privileges"]
PASSWD = ("root:x:0:0:root:/root:/bin/sh\napp:x:1234:1235::/home/app:/bin/sh\n"
          "lost:x:1300:1300::/nowhere:/bin/sh\n")
GROUP = "root:x:0:\napp:x:1235:\nvideo:x:44:app\nops:x:50:lost\n"


def docker(*args: str) -> str:
    done = subprocess.run(["docker", *args], capture_output=True, text=True)
    assert done.returncode == 0, f"docker {args[0]}: {done.stderr}"
    return done.stdout.strip()


def root_filesystem() -> bytes:
    busybox = "/bin/busybox"
    applets = subprocess.run([busybox, "--list"], capture_output=True, text=True,
                             check=True).stdout.split()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        def add(name: str, mode: int, uid: int = 0, **kw: Any) -> None:
            info = tarfile.TarInfo(name)
            info.mode, info.uid, info.gid = mode, uid, uid + 1 if uid else 0
            data = kw.pop("data", b"")
            info.size = len(data)
            for key, value in kw.items():
                setattr(info, key, value)
            tar.addfile(info, io.BytesIO(data))

        for name in ("bin", "etc", "proc", "sys", "dev", "home"):
            add(name, 0o755, type=tarfile.DIRTYPE)
        add("tmp", 0o1777, type=tarfile.DIRTYPE)
        add("root", 0o700, type=tarfile.DIRTYPE)
        add("home/app", 0o755, 1234, type=tarfile.DIRTYPE)
        add("etc/passwd", 0o644, data=PASSWD.encode())
        add("etc/group", 0o644, data=GROUP.encode())
        with open(busybox, "rb") as f:
            add("bin/busybox", 0o755, data=f.read())
        for applet in set(applets) - {"busybox"}:
            add(f"bin/{applet}", 0o777, type=tarfile.SYMTYPE, linkname="busybox")
    return out.getvalue()


@pytest.fixture(scope="module")
def agent_image(engine: Any) -> Iterator[str]:
    name = f"runnerhub-test-agent-{secrets.token_hex(6)}"
    done = subprocess.run(["docker", "import", "-c", "ENV FROM_IMAGE=yes", "-", name],
                          input=root_filesystem(), capture_output=True)
    assert done.returncode == 0, done.stderr
    yield name
    docker("rmi", name)


class Sandbox:
    """A container whose first process is the agent, and its hub."""

    def __init__(self, agent: str, image: str, *options: str) -> None:
        self.dir = tempfile.mkdtemp(prefix="agent-")
        os.chmod(self.dir, 0o711)
        self.hub = Hub(os.path.join(self.dir, "s"))
        self.hub.listen()
        self.id = docker("run", "-d", *CAPS, "--network", "none", "-v",
                         f"{self.dir}:/hub:ro", "-v", f"{agent}:/.hub-agent:ro",
                         *options, "--entrypoint", "/.hub-agent", image, "/hub/s")
        self.hub.accept()

    def host_pid(self) -> int:
        return int(docker("inspect", "-f", "{{.State.Pid}}", self.id))

    def rss_kib(self) -> int:
        with open(f"/proc/{self.host_pid()}/status") as f:
            line = next(l for l in f if l.startswith("VmRSS"))
        return int(line.split()[1])

    def close(self) -> None:
        self.hub.close()
        docker("rm", "-f", self.id)
        shutil.rmtree(self.dir)


@pytest.fixture
def sandbox(agent_image: str, build_dir: str) -> Iterator[Callable[..., Sandbox]]:
    agent = os.path.join(build_dir, "src", "agent", "runnerhub-agent")
    made: list[Sandbox] = []

    def make(*options: str) -> Sandbox:
        made.append(Sandbox(agent, agent_image, *options))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def hub(sandbox: Callable[..., Sandbox]) -> Hub:  # shadows the real one
    """The hub of a sandbox that runs its job as the user app."""
    hub = sandbox().hub
    hub.job("app", env={"JOB_VAR": "job"}, masks=["s3cr3t-value"])
    return hub


def wait_for(what: str, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"{what}: did not happen"
        time.sleep(0.01)
