"""A machine whose only engine is Podman: mount, process and network namespaces
of its own in which Podman's service runs, and hubs beside it.

A Docker on the same machine would drop what is forwarded for others; here
there is none. All that runs, every mount and every interface ends with the
namespaces, whatever a test does.
"""

import ctypes
import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from typing import Any, Iterator

import pytest

from engine_api import Engine
from fixtures import IMAGE, ROOT
from hub import Hub, wait_for

_CONF = """\
[containers]
# Within what a container in a container may ask for.
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
# crun refuses machines with both cgroup versions mounted.
runtime = "runc"
"""

_libc = ctypes.CDLL(None, use_errno=True)


def _setns(fd: int) -> None:
    if _libc.setns(fd, 0) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class Machine:
    def __init__(self) -> None:
        self.dir = tempfile.mkdtemp(prefix="runnerhub-podman-")
        self.engine = Engine(os.path.join(self.dir, "s"))
        with open(os.path.join(self.dir, "containers.conf"), "w", encoding="ascii") as conf:
            conf.write(_CONF)
        self.log_path = os.path.join(self.dir, "podman.log")
        self.process = self._start()
        self.pid = 0  # of Podman's service, as this test sees it

    def _start(self) -> subprocess.Popen:
        # /run of its own: Podman's locks, the containers' namespaces.
        service = ("mount -t tmpfs tmpfs /run && ip link set lo up && exec podman "
                   f"--root {self.dir}/root --runroot {self.dir}/run "
                   f"system service --time=0 {self.engine.host}")
        with open(self.log_path, "ab") as log:
            return subprocess.Popen(
                ["unshare", "--mount", "--pid", "--net", "--fork", "--kill-child",
                 "--mount-proc", "sh", "-c", service], stdout=log, stderr=log,
                env={**os.environ, "CONTAINERS_CONF": f"{self.dir}/containers.conf"})

    def open(self) -> None:
        def answers() -> bool:
            with open(self.log_path, encoding="utf-8") as log:
                assert self.process.poll() is None, f"podman ended: {log.read()}"
            return self.engine.answers()
        wait_for(answers, what="podman answers")
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children",
                  encoding="ascii") as children:
            self.pid = int(children.read().split()[0])

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.dir)

    @contextmanager
    def _inside(self, namespace: str, own: str) -> Iterator[None]:
        here = os.open(f"/proc/thread-self/ns/{own}", os.O_RDONLY)
        there = os.open(f"/proc/{self.pid}/ns/{namespace}", os.O_RDONLY)
        try:
            _setns(there)
            yield
        finally:
            _setns(here)
            os.close(here)
            os.close(there)

    def network(self) -> Any:
        """This thread, and what it starts, talks on the machine's network."""
        return self._inside("net", "net")

    def processes(self) -> Any:
        """What this thread starts has the machine's process ids."""
        return self._inside("pid", "pid_for_children")

    def program(self, path: str) -> str:
        """A command that runs the program with the machine's mounts, of which
        /proc and /run matter."""
        name = os.path.join(self.dir, os.path.basename(path))
        with open(name, "w", encoding="utf-8") as script:
            script.write(f'#!/bin/sh\nexec nsenter -t {self.pid} -m -- "{path}" "$@"\n')
        os.chmod(name, 0o755)
        return name


class MachineHub(Hub):
    """A hub on the machine; used inside machine.network()."""

    def __init__(self, machine: Machine, binary: str, image: str,
                 env: dict[str, str] | None = None):
        super().__init__(machine.program(binary), machine.engine, image, env)
        self.machine = machine

    def start(self, *args: Any, **kwargs: Any) -> "MachineHub":
        with self.machine.processes():
            super().start(*args, **kwargs)
        return self


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    if shutil.which("podman") is None or os.geteuid() != 0:
        pytest.skip("no podman, or not root")
    machine = Machine()
    try:
        machine.open()
        subprocess.run([os.path.join(ROOT, "scripts", "image"), "--user", "root", IMAGE],
                       env={**os.environ, "DOCKER_HOST": machine.engine.host},
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
        with machine.network():
            yield machine
    finally:
        machine.close()
