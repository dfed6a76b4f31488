"""A proxy runner for tests: an image with the program under test and a
stand-in for GitHub's runner, and the same stand-in as a directory."""

import gzip
import http.client
import io
import json
import os
import re
import subprocess
import tarfile
import urllib.parse
from typing import Any

from engine_api import API, Engine

UID = 1001

# What the stock runner's scripts do, as far as a supervisor sees it. Files in
# the runner's directory drive it: `job` is there while a job runs, the number
# in `exit-code` ends run.sh.
CONFIG_SH = """#!/bin/sh
echo "$@" >> config.log
echo "$ACTIONS_RUNNER_INPUT_TOKEN" >> config.tokens
[ ! -f config-fails ] || exit 1
if [ "$1" = remove ]; then rm -f .runner; else echo '{}' > .runner; fi
"""
RUN_SH = """#!/bin/sh
trap 'echo interrupted >> run.log; exit 0' INT
env > run.env
echo started >> run.log
while :; do
	if [ -f exit-code ]; then read code < exit-code; rm exit-code; exit "$code"; fi
	[ ! -f job ] || bin/Runner.Worker
	sleep 0.05
done
"""
WORKER = """#!/bin/sh
trap 'echo asked >> run.log' INT
while [ -f job ]; do sleep 0.05; done
"""
FILES = {"config.sh": CONFIG_SH, "run.sh": RUN_SH, "bin/Runner.Worker": WORKER}


def make_runner_dir(path: str) -> str:
    os.makedirs(os.path.join(path, "bin"))
    for name, text in FILES.items():
        with open(os.path.join(path, name), "w", encoding="ascii") as out:
            out.write(text)
        os.chmod(os.path.join(path, name), 0o755)
    return path


class _Tar:
    def __init__(self) -> None:
        self.bytes = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.bytes, mode="w")

    def add(self, name: str, data: bytes | None = None, mode: int = 0o755,
            uid: int = 0, link: str | None = None) -> None:
        info = tarfile.TarInfo(name.lstrip("/"))
        info.mode, info.uid, info.gid = mode, uid, uid
        if link is not None:
            info.type, info.linkname = tarfile.SYMTYPE, link
        elif data is None:
            info.type = tarfile.DIRTYPE
        else:
            info.size = len(data)
        self.tar.addfile(info, io.BytesIO(data or b""))


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _add_program(tar: _Tar, program: str) -> None:
    """The program and every library that it is linked with, where the loader
    looks for them."""
    tar.add("usr/local/bin/runnerhub", _read(program))
    listed = subprocess.run(["ldd", program], capture_output=True, text=True,
                            check=True).stdout
    for path in set(re.findall(r"(/\S+) \(0x", listed)):
        tar.add(path, _read(path))


def _rootfs(program: str) -> bytes:
    tar = _Tar()
    for folder in ("bin", "etc", "home", "proc", "dev", "sys", "usr/local/bin"):
        tar.add(folder)
    tar.add("tmp", mode=0o1777)
    tar.add("bin/busybox", _read("/bin/busybox"))
    for applet in ("sh", "cat", "sleep", "rm", "touch", "env", "ps", "kill", "ls"):
        tar.add(f"bin/{applet}", link="busybox")
    tar.add("etc/passwd", f"root:x:0:0::/:/bin/sh\nrunner:x:{UID}:{UID}::"
                          "/home/runner:/bin/sh\n".encode(), 0o644)
    for folder in ("", "/bin", "/_work", "/externals"):
        tar.add("home/runner" + folder, uid=UID)
    tar.add("home/runner/externals/node20", b"node", 0o644, UID)
    for name, text in FILES.items():
        tar.add(f"home/runner/{name}", text.encode(), 0o755, UID)
    _add_program(tar, program)
    tar.tar.close()
    return tar.bytes.getvalue()


def import_image(engine: Engine, program: str, name: str) -> str:
    """Makes it anew: the program may have changed."""
    changes = ["USER runner", "WORKDIR /home/runner",
               "ENV PATH=/usr/local/bin:/bin", "ENV RUNNER_MANUALLY_TRAP_SIG=1",
               "ENV RUNNERHUB_PROXY_MODE=none", "ENV ASAN_OPTIONS=detect_leaks=0",
               'ENTRYPOINT ["/usr/local/bin/runnerhub"]',
               'CMD ["proxy","run","--dir","/home/runner"]']
    repo, tag = name.split(":")
    query = urllib.parse.urlencode([("fromSrc", "-"), ("repo", repo), ("tag", tag)]
                                   + [("changes", change) for change in changes])
    connection: http.client.HTTPConnection = engine._connection(120)
    connection.request("POST", f"{API}/images/create?{query}",
                       gzip.compress(_rootfs(program), 1),
                       {"Content-Type": "application/x-tar"})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    assert answer.status == 200 and "error" not in text, text
    return name


def run_in(engine: Engine, container: str, *command: str) -> int:
    """Its exit code."""
    exec_id = engine.call("POST", f"/containers/{container}/exec",
                          {"Cmd": list(command), "AttachStdout": True})["Id"]
    engine.call("POST", f"/exec/{exec_id}/start", {"Detach": False, "Tty": True})
    return engine.call("GET", f"/exec/{exec_id}/json")["ExitCode"]


def read_in(engine: Engine, container: str, path: str) -> str:
    connection = engine._connection(60)
    connection.request("GET", f"{API}/containers/{container}/archive?" +
                       urllib.parse.urlencode({"path": path}))
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    if answer.status == 404:
        return ""
    assert answer.status == 200, data
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return tar.extractfile(tar.getmembers()[0]).read().decode()


def logs_of(engine: Engine, container: str) -> str:
    return str(engine.call("GET", f"/containers/{container}/logs?stdout=1&stderr=1"))


def start(engine: Engine, image: str, name: str, env: dict[str, str],
          binds: list[str]) -> str:
    """A proxy that the engine's user starts, as a compose file does."""
    body: dict[str, Any] = {
        "Image": image, "Hostname": name, "Env": [f"{k}={v}" for k, v in env.items()],
        "Volumes": {"/home/runner/_work": {}},
        "HostConfig": {"Binds": binds}}
    made = engine.call("POST", "/containers/create", body)["Id"]
    engine.call("POST", f"/containers/{made}/start")
    return made


def volumes(engine: Engine, beginning: str) -> list[str]:
    listed = engine.call("GET", "/volumes", query={
        "filters": json.dumps({"name": [beginning]})})
    return [volume["Name"] for volume in listed["Volumes"] or []]
