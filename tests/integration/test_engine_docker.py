"""engine.h against the real engine (and Podman's, when it is installed).

Everything made here bears a name and a label of this run and is removed by
id at the end.
"""

import io
import json
import os
import random
import shutil
import subprocess
import tarfile
import time
import uuid
from typing import Any, Iterator

import pytest

from engine_api import Engine, EngineError
from engine_probe import Probe

BUSYBOX = "/bin/busybox"


def tar_of(path: Any, files: dict[str, bytes | None]) -> str:
    """A tar at path; None stands for busybox itself."""
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            data = open(BUSYBOX, "rb").read() if content is None else content
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o755
            archive.addfile(info, io.BytesIO(data))
    return str(path)


class Lab:
    """A probe, and what it made on the engine."""

    def __init__(self, build_dir: str, api: Engine, scratch: Any):
        self.api = api
        self.probe = Probe(build_dir, api.host)
        self.name = "enginetest-" + uuid.uuid4().hex[:10]
        self.label = f"runnerhub.test={self.name}"
        self.scratch = scratch
        self.image = f"{self.name}:v1"
        self.networks: list[str] = []
        # Random, for others may run the same tests on this engine.
        self.subnet = f"10.{random.randrange(214, 250)}.{random.randrange(256)}."

    def create(self, suffix: str, **spec: Any) -> str:
        spec = {"entrypoint": ["/bin/busybox"], "cmd": ["sleep", "600"], "user": "0:0",
                "network_disabled": True, **spec}
        return self.probe.create(name=f"{self.name}-{suffix}", image=self.image, labels={
            "runnerhub.test": self.name, "test.job": suffix}, **spec)

    def running(self, suffix: str, **spec: Any) -> str:
        container = self.create(suffix, **spec)
        self.probe("start", container)
        return container

    def ended(self, container: str) -> dict[str, Any]:
        deadline = time.monotonic() + 120
        while (seen := self.probe("inspect", container))["state"] == "running":
            assert time.monotonic() < deadline, f"{container} does not end"
        return seen

    def close(self) -> None:
        for container in self.api.containers(self.label):
            self.api.remove(container["Id"])
        for network in self.networks:
            self.api.remove_network(network)
        try:
            image = self.api.call("GET", f"/images/{self.image}/json")["Id"]
            self.api.call("DELETE", f"/images/{image}", query={"force": "1"})
        except EngineError as error:
            assert error.status == 404
        assert self.api.containers(self.label) == []


def lab_on(api: Engine, build_dir: str, scratch: Any) -> Iterator[Lab]:
    lab = Lab(build_dir, api, scratch)
    tar = tar_of(scratch / "root.tar", {"bin/busybox": None, "etc/passwd": b""})
    lab.probe("import", lab.image, tar, "ENV FROM=image", "WORKDIR /w", "USER 1234")
    yield lab
    lab.close()


@pytest.fixture(scope="module")
def docker(engine: Engine, build_dir: str, tmp_path_factory) -> Iterator[Lab]:
    yield from lab_on(engine, build_dir, tmp_path_factory.mktemp("docker"))


@pytest.fixture(scope="module")
def podman(build_dir: str, tmp_path_factory) -> Iterator[Lab]:
    """Podman's own service with a store of its own, for this module only, in
    name spaces of its own: its mounts, bridges, monitors end with it."""
    if shutil.which("podman") is None or os.geteuid() != 0:
        pytest.skip("no podman, or not root: the same calls were run on Docker")
    scratch = tmp_path_factory.mktemp("podman")
    conf = scratch / "containers.conf"
    # Within what a container in a container may ask for; runc, because crun
    # refuses machines with both cgroup versions mounted.
    conf.write_text('[containers]\ndefault_ulimits=["nofile=1024:1024","nproc=1024:1024"]\n'
                    '[engine]\nruntime="runc"\n')
    api = Engine(str(scratch / "s"))
    service = subprocess.Popen(
        ["unshare", "--mount", "--pid", "--net", "--fork", "--kill-child", "--mount-proc",
         "podman", "--root", str(scratch / "root"), "--runroot", str(scratch / "run"),
         "system", "service", "--time=0", api.host],
        env={**os.environ, "CONTAINERS_CONF": str(conf)}, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not api.answers():
            assert service.poll() is None, "podman ended"
            assert time.monotonic() < deadline, "podman does not answer"
        yield from lab_on(api, build_dir, scratch)
    finally:
        service.kill()
        service.wait()


@pytest.fixture(params=["docker", "podman"])
def lab(request) -> Lab:
    return request.getfixturevalue(request.param)


# -- both engines ---------------------------------------------------------------------


def test_info(lab):
    info = lab.probe("info")
    assert info["product"] == ("podman" if "podman" in str(lab.scratch) else "docker")
    assert info["os_arch"].startswith("linux/") and info["local"] is True
    assert info["cpus"] >= 1 and info["memory_bytes"] > 0 and info["cgroup_version"] in (1, 2)
    assert (1, 41) <= tuple(map(int, info["api_version"].split("."))) <= (1, 44)
    lab.probe("ping")


def test_image(lab):
    image = lab.probe("image", lab.image)
    assert (image["user"], image["working_dir"]) == ("1234", "/w")
    assert "FROM=image" in image["env"] and image["size_bytes"] > 0
    assert lab.probe.fails("image", lab.name + ":none").code == "image_not_found"
    error = lab.probe.fails("create", json.dumps({"image": lab.name + ":none", "cmd": ["x"]}))
    assert error.code == "image_not_found"


def test_pull_from_a_registry_that_is_not_there(docker):
    error = docker.probe.fails("pull", "127.0.0.1:1/none/such:1")
    assert (error.kind, error.code) == ("unavailable", "image_pull_failed")
    assert "dial tcp 127.0.0.1:1: connect: " in error.msg  # the registry's side


def test_life(lab):
    box = lab.running("life", env=["A=b"], open_stdin=True, memory_bytes=64 << 20, pids=64,
                      nano_cpus=500_000_000, cap_drop=["ALL"], cap_add=["CHOWN"],
                      security_opt=["no-new-privileges"], tmpfs={"/scratch": "size=1m"},
                      volumes_anonymous=["/vol"], hostname="there", readonly_rootfs=True)
    seen = lab.probe("inspect", f"{lab.name}-life")
    assert (seen["id"], seen["state"]) == (box, "running")
    assert seen["pid"] > 0
    assert [c["id"] for c in lab.probe("list", lab.label, "test.job=life")["items"]] == [box]
    run = lab.probe("exec", box, 10000, "/bin/busybox", "sh", "-c",
                    "PATH=; b=/bin/busybox; echo $A $FROM; $b hostname; $b grep CapEff "
                    "/proc/self/status; $b touch /nope; $b touch /scratch/x /vol/x; exit 3")
    assert run["exit_code"] == 3
    assert "b image\nthere\nCapEff:\t0000000000000001\n" in run["output"]
    assert "Read-only file system" in run["output"]
    lab.probe("start", box)  # runs already
    duplicate = json.dumps({"name": f"{lab.name}-life", "image": lab.image, "cmd": ["x"]})
    assert lab.probe.fails("create", duplicate).code == "name_in_use"
    lab.probe("kill", box, "SIGKILL")
    assert lab.ended(box)["exit_code"] == 137
    lab.probe("kill", box, "SIGKILL")
    late = lab.probe.fails("exec", box, 10, "/bin/busybox", "true")
    assert late.code == "container_not_running"
    lab.probe("remove", box)
    lab.probe("remove", box)
    for call in (("inspect", box), ("start", box), ("kill", box, "SIGKILL"),
                 ("attach", box, "", "")):
        assert lab.probe.fails(*call).code == "container_not_found"


def test_network_disabled_means_loopback_only(lab):
    box = lab.running("lo")
    devices = lab.probe("exec", box, 10000, "/bin/busybox", "ls", "/sys/class/net")["output"]
    assert "lo" in devices.split() and "eth0" not in devices
    lab.probe("remove", box)


def test_output_of_an_exec_is_bounded(docker):
    box = docker.running("bound")
    run = docker.probe("exec", box, 10, "/bin/busybox", "seq", "100000")
    assert run == {"exit_code": 0, "overflow": True, "output": "1\n2\n3\n4\n5\n"}
    docker.probe("remove", box)


def test_attach(lab):
    box = lab.running("cat", cmd=["cat"], open_stdin=True)
    assert lab.probe("attach", box, "first\n", "first")["stdout"] == "first\n"
    lab.probe("remove", box)


def test_put_archive_before_the_start(lab):
    box = lab.create("put", cmd=["cat", "/etc/put/file"], open_stdin=True)
    tar = tar_of(lab.scratch / "put.tar", {"put/file": b"inside"})
    lab.probe("put", box, "/etc", tar)  # while nothing runs yet
    lab.probe("start", box)
    assert lab.ended(box)["exit_code"] == 0  # cat found the file
    lab.probe("remove", box)


def test_events(lab):
    box = lab.running("events", cmd=["sh", "-c", "exit 5"])
    seen = lab.probe("events", lab.label, 1, 2, timeout_ms=60000)["events"]
    while seen[-1]["id"] != box or seen[-1]["action"] != "die":
        seen = lab.probe("events", lab.label, 1, len(seen) + 1)["events"]
    die = seen[-1]
    assert (die["exit_code"], die["job"]) == (5, "events")
    assert lab.probe("events", lab.label, die["time_ns"], 1)["events"][0] == die
    lab.probe("remove", box)
    after = lab.probe("events", lab.label, die["time_ns"] + 1, 1)["events"][0]
    assert (after["action"], after["id"]) == ("destroy", box)
    other = lab.probe.fails("events", "runnerhub.test=nobody", 1, 1, timeout_ms=500)
    assert other.kind == "timeout" and other.answer["events"] == []


def test_network(lab):
    subnet = lab.subnet
    made = lab.probe("net-create", json.dumps({
        "name": lab.name, "subnet": subnet + "0/26", "gateway": subnet + "1", "icc": True,
        "labels": {"runnerhub.test": lab.name}}))["id"]
    lab.networks.append(made)
    assert [n["id"] for n in lab.probe("net-list", lab.label)["items"]] == [made]
    seen = lab.probe("net-inspect", lab.name)
    assert (seen["driver"], seen["subnet"]) == ("bridge", subnet + "0/26")
    assert seen["labels"] == {"runnerhub.test": lab.name}
    again = json.dumps({"name": lab.name, "icc": True})
    assert lab.probe.fails("net-create", again).code == "name_in_use"
    overlap = json.dumps({"name": lab.name + "-2", "icc": True, "subnet": subnet + "0/28"})
    assert lab.probe.fails("net-create", overlap).code == "network_overlap"
    box = lab.running("net", network_disabled=False, network_mode=lab.name)
    assert lab.probe("inspect", box)["ip"].startswith(subnet)
    # By name: Podman 4.3 overlooks users of the name when it is given the id.
    assert lab.probe.fails("net-remove", lab.name).code == "network_in_use"
    joiner = lab.running("join", network_disabled=False, network_mode="container:" + box)
    assert subnet in lab.probe("exec", joiner, 10000, "/bin/busybox", "ip", "a")["output"]
    lab.probe("remove", joiner)
    lab.probe("remove", box)
    lab.probe("net-remove", made)
    lab.probe("net-remove", made)
    assert lab.probe.fails("net-inspect", lab.name).code == "network_not_found"


def test_start_that_cannot_work(lab):
    box = lab.create("nothing", entrypoint=["/bin/nothing"])
    error = lab.probe.fails("start", box)
    assert (error.kind, error.code) == ("invalid", "engine_refused")
    assert "/bin/nothing" in error.msg and "no such file" in error.msg
    lab.probe("remove", box)


def test_volume(lab):
    name = lab.name + "-v"
    lab.probe("vol-create", name, json.dumps({"labels": {"runnerhub.test": lab.name}}))
    lab.probe("vol-create", name, json.dumps({"labels": {"runnerhub.test": lab.name}}))
    box = lab.running("vol", binds=[name + ":/v"])
    lab.probe("exec", box, 1000, "/bin/busybox", "touch", "/v/x")
    error = lab.probe.fails("vol-remove", name)
    assert (error.kind, error.code) == ("conflict", "volume_in_use")
    lab.probe("remove", box)
    lab.probe("vol-remove", name)
    lab.probe("vol-remove", name)


# -- where they differ ------------------------------------------------------------------


def test_attach_again(docker):
    """Podman ends the container's stdin with the first peer that goes."""
    box = docker.running("again", cmd=["cat"], open_stdin=True)
    for word in ("first", "second"):
        assert docker.probe("attach", box, word + "\n", word)["stdout"] == word + "\n"
    docker.probe("remove", box)


def test_archive_to_nowhere(docker):
    """Podman makes the directory instead."""
    box = docker.create("nowhere")
    tar = tar_of(docker.scratch / "nowhere.tar", {"file": b""})
    assert docker.probe.fails("put", box, "/not/there", tar).kind == "not_found"
    docker.probe("remove", box)


def test_update_of_a_running_container(docker):
    box = docker.running("update", memory_bytes=32 << 20, pids=16)
    docker.probe("update", box, 96 << 20, 250_000_000, 48)
    host = docker.api.inspect(box)["HostConfig"]
    assert (host["Memory"], host["MemorySwap"]) == (96 << 20, 96 << 20)
    assert (host["NanoCpus"], host["PidsLimit"]) == (250_000_000, 48)
    docker.probe("update", box, 0, 0, 50)
    host = docker.api.inspect(box)["HostConfig"]
    assert (host["Memory"], host["PidsLimit"]) == (96 << 20, 50)
    docker.probe("remove", box)


def test_network_whose_containers_are_kept_apart(docker):
    made = docker.probe("net-create", json.dumps({
        "name": docker.name + "-apart", "bridge_name": "ht" + docker.name[-10:], "icc": False,
        "subnet": docker.subnet + "64/28", "labels": {"runnerhub.test": docker.name}}))["id"]
    docker.networks.append(made)
    assert docker.probe("net-inspect", made)["bridge_name"] == "ht" + docker.name[-10:]
    assert os.path.exists("/sys/class/net/ht" + docker.name[-10:])
    docker.probe("net-remove", made)


def test_podman_refuses_what_it_cannot_keep_apart(podman):
    spec = json.dumps({"name": podman.name + "-apart", "icc": False})
    error = podman.probe.fails("net-create", spec)
    assert (error.kind, error.code) == ("invalid", "engine_unsupported")
    assert podman.probe.fails("net-inspect", podman.name + "-apart").code == "network_not_found"


def test_oom_is_told(docker):
    box = docker.running("oom", memory_bytes=8 << 20, cmd=[
        "sh", "-c", "x=x; while :; do x=$x$x; done"])
    assert docker.ended(box)["exit_code"] == 137
    events = docker.probe("events", docker.label, 1, 1)["events"]
    while not any(e["id"] == box and e["action"] == "oom" for e in events):
        events = docker.probe("events", docker.label, 1, len(events) + 1)["events"]
    docker.probe("remove", box)
