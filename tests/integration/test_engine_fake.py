"""engine.h against the scripted fake: every way an engine can let us down."""

import json
import os
import shutil
import socket
import subprocess
import sys
import urllib.parse
from typing import Iterator

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                                "fakes"))

from engine_api import Engine  # noqa: E402
from engine_probe import Probe  # noqa: E402
from fake_engine import FakeEngine  # noqa: E402

CREATE = json.dumps({"name": "box", "image": "busybox", "cmd": ["sleep"],
                     "labels": {"test.job": "7", "mine": "yes"}})


@pytest.fixture
def fake(tmp_path) -> Iterator[FakeEngine]:
    with FakeEngine(str(tmp_path / "s"), images={"busybox:latest": {
            "User": "1234", "WorkingDir": "/w", "Env": ["A=b"]}},
            pullable={"far:1": {}, "far:latest": {}}) as engine:
        yield engine


@pytest.fixture
def probe(build_dir: str, fake: FakeEngine) -> Probe:
    return Probe(build_dir, fake.host)


def containers(fake: FakeEngine) -> list[str]:
    return [c.name for c in fake.model.containers.values()]


# -- the calls themselves ---------------------------------------------------------


def test_life_of_a_container(fake, probe):
    box = probe("create", CREATE)["id"]
    assert probe("inspect", box)["state"] == "created"
    probe("start", box)
    probe("start", box)  # 304: it runs, which is what was wanted
    seen = probe("inspect", "box")
    assert (seen["id"], seen["state"], seen["name"]) == (box, "running", "box")
    assert seen["pid"] > 0 and seen["ip"] == "172.17.0.2"
    assert seen["labels"] == {"test.job": "7", "mine": "yes"}
    probe("update", box, 1 << 20, 500000000, 16)
    assert fake.calls[-1]["body"] == {"Memory": 1 << 20, "MemorySwap": 1 << 20,
                                      "NanoCpus": 500000000, "PidsLimit": 16}
    probe("update", box, 0, 0, 9)
    assert fake.calls[-1]["body"] == {"PidsLimit": 9}
    assert probe("exec", box, 100, "exit", "3")["exit_code"] == 3
    assert probe("exec", box, 6, "one", "two") == {
        "exit_code": 0, "overflow": True, "output": "one tw"}
    probe("kill", box, "SIGKILL")
    probe("kill", box, "SIGKILL")  # not running: fine
    ended = probe("inspect", box)
    assert (ended["state"], ended["exit_code"], ended["pid"]) == ("exited", 137, 0)
    probe("remove", box)
    probe("remove", box)  # gone: fine
    assert probe.fails("inspect", box).code == "container_not_found"
    assert probe.fails("start", box).code == "container_not_found"
    assert probe.fails("kill", box, "SIGTERM").code == "container_not_found"
    assert {c["version"] for c in fake.calls if c["path"] != "/version"} == {"1.41"}


@pytest.mark.parametrize("pieces", [0, 1, 2, 3, 4])
def test_a_follower_misses_nothing(fake, probe, pieces):
    """Dockerd ends a follower's stream too early now and then."""
    box = probe("create", CREATE)["id"]
    probe("start", box)
    container = fake.model.container(box)
    container.log = [(1, b"one "), (2, b"err "), (1, b"two "), (1, b"three")]
    fake.model.end(box, 0)
    fake.script([{"path": "/logs", "follow_pieces": pieces}])
    assert probe("follow", box) == {"stdout": "one two three", "stderr": "err "}


def test_list_finds_by_label(fake, probe):
    probe("create", CREATE)
    probe.create(name="other", image="busybox", cmd=["x"], labels={"mine": "no"})
    assert [c["name"] for c in probe("list", "mine=yes")["items"]] == ["box"]
    assert {c["name"] for c in probe("list", "mine")["items"]} == {"box", "other"}
    assert probe("list", "mine=yes", "test.job=8")["items"] == []
    assert probe("list", "mine=yes")["items"][0]["labels"]["test.job"] == "7"


def test_attach_talks_both_ways(fake, probe):
    box = probe.create(name="cat", image="busybox", cmd=["cat"], open_stdin=True)
    probe("start", box)
    assert probe("attach", box, "hello", "hello")["stdout"] == "hello"
    assert probe.fails("attach", "nobody", "x", "x").code == "container_not_found"


def test_networks_and_volumes(fake, probe):
    made = probe("net-create", json.dumps({
        "name": "n1", "bridge_name": "hubj0", "subnet": "10.213.0.0/24", "icc": False,
        "gateway": "10.213.0.1", "ip_range": "10.213.0.128/25", "mtu": 1400,
        "labels": {"mine": "yes"}}))["id"]
    sent = next(c["body"] for c in fake.calls if c["path"] == "/networks/create")
    assert sent["IPAM"]["Config"] == [{"Subnet": "10.213.0.0/24", "Gateway": "10.213.0.1",
                                       "IPRange": "10.213.0.128/25"}]
    assert sent["Options"] == {"com.docker.network.bridge.name": "hubj0",
                               "com.docker.network.bridge.enable_icc": "false",
                               "com.docker.network.driver.mtu": "1400"}
    seen = probe("net-inspect", "n1")
    assert (seen["id"], seen["bridge_name"], seen["subnet"]) == (made, "hubj0", "10.213.0.0/24")
    assert [n["name"] for n in probe("net-list", "mine=yes")["items"]] == ["n1"]
    again = json.dumps({"name": "n1", "icc": True})
    assert probe.fails("net-create", again).code == "name_in_use"
    overlap = json.dumps({"name": "n2", "icc": True, "subnet": "10.213.0.0/16"})
    assert probe.fails("net-create", overlap).code == "network_overlap"
    box = probe.create(name="in", image="busybox", cmd=["x"], network_mode="n1")
    probe("start", box)
    assert probe("inspect", box)["ip"] == "10.213.0.129"
    assert probe.fails("net-remove", "n1").code == "network_in_use"
    probe("remove", box)
    probe("net-remove", made)
    probe("net-remove", made)
    assert probe.fails("net-inspect", "n1").code == "network_not_found"
    probe("vol-create", "v1", '{"labels":{"mine":"yes"}}')
    assert fake.model.volumes["v1"]["Labels"] == {"mine": "yes"}
    probe("vol-remove", "v1")
    probe("vol-remove", "v1")
    assert fake.model.volumes == {}


def test_no_network_when_its_containers_cannot_be_kept_apart(build_dir, tmp_path):
    with FakeEngine(str(tmp_path / "p"), podman=True) as fake:
        probe = Probe(build_dir, fake.host)
        assert probe("info")["product"] == "podman"
        error = probe.fails("net-create", '{"name":"n1","icc":false}')
        assert (error.kind, error.code) == ("invalid", "engine_unsupported")
        assert fake.model.networks == {}


def test_archive(fake, probe, tmp_path):
    (tmp_path / "file").write_text("text")
    tar = tmp_path / "t.tar"
    subprocess.run(["tar", "-C", tmp_path, "-cf", tar, "file"], check=True)
    box = probe("create", CREATE)["id"]
    probe("put", box, "/some where", tar)
    assert fake.model.container(box).archives == ["file"]
    assert fake.calls[-1]["query"] == {"path": "/some where"}


# -- images -----------------------------------------------------------------------


def test_image_inspect(fake, probe):
    image = probe("image", "busybox")
    assert (image["user"], image["working_dir"], image["env"]) == ("1234", "/w", ["A=b"])
    assert probe.fails("image", "nope:1").code == "image_not_found"
    error = probe.fails("create", '{"image":"nope:1","cmd":["x"]}')
    assert (error.kind, error.code) == ("not_found", "image_not_found")
    assert "nope:1" in error.msg


def test_a_reference_cannot_walk_the_api(fake, probe):
    before = len(fake.calls)
    assert probe.fails("image", "../containers/json?x=").code == "image_ref_invalid"
    assert probe.fails("inspect", "../info").code == "engine_bad_name"
    assert probe.fails("net-remove", "..").code == "engine_bad_name"
    assert len(fake.calls) == before


def test_pull(fake, probe):
    assert probe("pull", "far:1")["progress"] == [
        "latest: Pulling from far:1", "abc: Pull complete",
        "Status: Downloaded newer image for far:1"]
    probe("image", "far:1")
    probe("pull", "far")  # no tag is "latest", not all of them
    assert fake.calls[-1]["query"] == {"fromImage": "far", "tag": "latest"}


def test_pull_failures_carry_the_registry_s_words(fake, probe):
    error = probe.fails("pull", "nope:1")
    assert (error.kind, error.code) == ("not_found", "image_pull_failed")
    assert "manifest for nope:1 not found" in error.msg
    fake.script([{"path": "/images/create", "action": "status", "status": 500,
                  "message": "Get https://far/v2/: dial tcp: lookup far: no such host"}])
    error = probe.fails("pull", "far:1")
    assert (error.kind, error.code) == ("unavailable", "image_pull_failed")
    assert "no such host" in error.msg
    fake.script([{"path": "/images/create", "action": "cut", "events": 2}])
    assert probe.fails("pull", "far:1").kind == "unavailable"


# -- faults -----------------------------------------------------------------------


def test_no_engine_says_how_to_start_one(build_dir, tmp_path):
    path = str(tmp_path / "none")
    error = Probe(build_dir, path).fails("info")
    assert (error.kind, error.code) == ("unavailable", "engine_down")
    assert f"unix://{path}" in error.msg and "systemctl start docker" in error.msg
    assert "no such socket" in error.msg
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.close()
    error = Probe(build_dir, "unix://" + path).fails("ping")
    assert (error.kind, error.code) == ("unavailable", "engine_down")
    assert "connection refused" in error.msg
    error = Probe(build_dir, "tcp://127.0.0.1:1").fails("ping")
    assert (error.kind, error.code) == ("unavailable", "engine_down")


def test_no_permission_says_what_to_do(build_dir, fake, tmp_path):
    probe = Probe(build_dir, fake.host)
    os.chmod(fake.path, 0o600)
    argv = probe.argv("ping")
    if os.geteuid() == 0:
        # Somebody who reaches the program and the socket, but may not connect.
        argv[0] = shutil.copy(probe.path, tmp_path)
        for part in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
            part.chmod(0o755)
        argv = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *argv]
    else:
        os.chmod(fake.path, 0)
    result = subprocess.run(argv, capture_output=True, text=True)
    error = json.loads(result.stdout)["error"]
    assert (error["kind"], error["code"]) == ("forbidden", "engine_permission")
    assert "usermod" in error["msg"]


def test_bad_addresses(build_dir):
    for host in ("", "https://x", "relative/path", "ssh://host"):
        assert Probe(build_dir, host).fails("ping").kind == "invalid"


@pytest.mark.parametrize("action, exists", [("drop_before", False), ("drop_after", True),
                                            ("half", True)])
def test_a_lost_create_is_uncertain_and_found_by_name(fake, probe, action, exists):
    fake.script([{"method": "POST", "path": "/containers/create", "action": action}])
    error = probe.fails("create", CREATE)
    assert error.kind == "uncertain" and "box" in error.msg
    assert fake.paths("POST") == ["/containers/create"]  # never repeated blindly
    assert containers(fake) == (["box"] if exists else [])
    if exists:
        assert probe("inspect", "box")["state"] == "created"
    else:
        assert probe.fails("inspect", "box").code == "container_not_found"


def test_a_lost_start_is_uncertain(fake, probe):
    box = probe("create", CREATE)["id"]
    fake.script([{"path": "/start$", "action": "drop_after"}])
    assert probe.fails("start", box).kind == "uncertain"
    assert probe("inspect", box)["state"] == "running"


def test_a_create_that_takes_too_long_is_uncertain(fake, probe):
    fake.script([{"path": "/containers/create", "action": "hang"}])
    error = probe.fails("create", CREATE, timeout_ms=300)
    assert (error.kind, error.code) == ("uncertain", "timeout")


@pytest.mark.parametrize("call", [("kill", "box", "SIGKILL"), ("remove", "box"),
                                  ("update", "box", 0, 0, 9)])
@pytest.mark.parametrize("action", ["drop_before", "drop_after", "half", "garbage"])
def test_what_may_be_repeated_is_never_uncertain(fake, probe, call, action):
    box = probe("create", CREATE)["id"]
    probe("start", box)
    fake.script([{"path": "/containers/box", "action": action, "call": 1}])
    error = probe.fails(*call)
    assert (error.kind, error.code) == ("unavailable", "engine_down")
    probe(*call)


def test_a_container_that_ends_while_it_is_removed(fake, probe):
    """In Podman's words; the next try finds it ended."""
    box = probe("create", CREATE)["id"]
    ends = {"method": "DELETE", "path": "/containers/", "action": "status", "status": 500,
            "message": f"cannot remove container {box} as it could not be stopped: sending "
                       f"SIGKILL to container {box}: container state improper: stopped"}
    fake.script([{**ends, "call": 1}, {**ends, "call": 2}])
    probe("remove", box)
    assert probe.fails("inspect", box).code == "container_not_found"


@pytest.mark.parametrize("action", ["drop_before", "drop_after", "half", "garbage"])
def test_a_broken_answer_to_a_question(fake, probe, action):
    probe("create", CREATE)
    fake.script([{"method": "GET", "path": "/containers/", "action": action}])
    for call in (("inspect", "box"), ("list", "mine=yes")):
        assert probe.fails(*call).code == "engine_down"


def test_deadline_of_the_caller(fake, probe):
    fake.script([{"path": "/_ping", "action": "hang"}])
    error = probe.fails("ping", timeout_ms=300)
    assert (error.kind, error.code) == ("timeout", "timeout")
    fake.script([{"path": "/version", "action": "hang"}])
    assert probe.fails("ping", timeout_ms=300).kind == "timeout"


def test_a_slow_engine_is_waited_for(fake, probe):
    fake.script([{"path": "/start$", "delay_ms": 700}])
    probe("start", probe("create", CREATE)["id"])


def test_refusals(fake, probe):
    box = probe("create", CREATE)["id"]
    assert probe.fails("create", CREATE).code == "name_in_use"
    for status, message, kind, code in (
            (400, "bad parameter", "invalid", "engine_refused"),
            (403, "plugin says no", "forbidden", "engine_forbidden"),
            (409, "something else", "conflict", "container_conflict"),
            (500, "runc: exec format error", "internal", "engine_error"),
            (500, "write: no space left on device", "unavailable", "disk_full"),
            (503, "busy", "unavailable", "engine_busy")):
        fake.script([{"path": "/start$", "action": "status", "status": status,
                      "message": message}])
        error = probe.fails("start", box)
        assert (error.kind, error.code) == (kind, code)
        assert message in error.msg and "start container" in error.msg


def test_remove_already_under_way_is_fine(fake, probe):
    fake.script([{"method": "DELETE", "path": ".", "action": "status", "status": 409,
                  "message": "removal of container box is already in progress"}])
    probe("remove", "box")


def test_the_third_call_only(fake, probe):
    fake.script([{"path": "/_ping", "call": 3, "action": "status", "status": 500,
                  "message": "third"}])
    results = subprocess.run(probe.argv("ping-loop"), input="\n" * 4, text=True,
                             capture_output=True).stdout.split("\n")
    assert results[:4] == ["ok", "ok", "engine_error", "ok"]
    assert json.loads(results[4]) == {"calls": 5, "errors": 1, "unavailable": 0}


# -- versions, and an engine that comes back ---------------------------------------


@pytest.mark.parametrize("low, high, used", [("1.12", "1.41", "1.41"), ("1.24", "1.43", "1.43"),
                                             ("1.24", "1.51", "1.43"), ("1.44", "1.52", "1.44")])
def test_version_is_negotiated(build_dir, tmp_path, low, high, used):
    with FakeEngine(str(tmp_path / "s"), api=high, api_min=low) as fake:
        assert Probe(build_dir, fake.host)("info")["api_version"] == used
        assert fake.calls[-1]["version"] == used


@pytest.mark.parametrize("low, high, code", [("1.12", "1.40", "engine_too_old"),
                                             ("1.60", "1.61", "engine_too_new")])
def test_versions_that_do_not_meet(build_dir, tmp_path, low, high, code):
    with FakeEngine(str(tmp_path / "s"), api=high, api_min=low) as fake:
        error = Probe(build_dir, fake.host).fails("ping")
        assert (error.kind, error.code) == ("invalid", code)
        assert fake.host in error.msg


def test_an_engine_that_comes_back_is_asked_anew(build_dir, fake):
    fake.api = "1.43"
    with subprocess.Popen(Probe(build_dir, fake.host).argv("ping-loop"), text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as loop:
        def ping() -> str:
            loop.stdin.write("\n")
            loop.stdin.flush()
            return loop.stdout.readline().strip()
        assert ping() == "ok"
        fake.stop()
        assert ping() == "engine_down"
        assert ping() == "engine_down"
        fake.api = "1.41"  # another engine now
        fake.start()
        assert ping() == "ok"
        assert fake.calls[-1]["version"] == "1.41"
        fake.api = "1.42"  # replaced while nobody looked
        fake.api_min = "1.42"
        assert ping() == "engine_version"
        assert ping() == "ok"
        loop.stdin.close()
        counters = json.loads(loop.stdout.read())
    assert counters["unavailable"] == 3 and counters["errors"] == 3


# -- events -----------------------------------------------------------------------


def actions(answer: dict) -> list[str]:
    return [event["action"] for event in answer["events"]]


def test_events_replay_from_a_moment_inclusively(fake, probe):
    box = probe("create", CREATE)["id"]
    probe("start", box)
    probe("kill", box, "SIGKILL")
    all_of_them = probe("events", "mine=yes", 1, 2)
    assert actions(all_of_them) == ["start", "die"]
    die = all_of_them["events"][1]
    assert (die["exit_code"], die["job"], die["id"]) == (137, "7", box)
    since_die = probe("events", "mine=yes", die["time_ns"], 1)
    assert since_die["events"] == [die]
    probe("remove", box)
    assert actions(probe("events", "mine=yes", die["time_ns"] + 1, 1)) == ["destroy"]


def test_events_of_others_are_not_seen(fake, probe):
    other = probe.create(name="o", image="busybox", cmd=["x"], labels={"mine": "no"})
    probe("start", other)
    box = probe("create", CREATE)["id"]
    probe("start", box)
    fake.model.end(box, 0, oom=True)
    seen = probe("events", "mine=yes", 1, 3)["events"]
    assert {event["id"] for event in seen} == {box}
    assert [event["action"] for event in seen] == ["start", "oom", "die"]


def test_events_live(fake, probe):
    box = probe("create", CREATE)["id"]
    with subprocess.Popen(probe.argv("events", "mine=yes", "0", "2"),
                          stdout=subprocess.PIPE, text=True) as watch:
        while "/events" not in fake.paths():
            assert watch.poll() is None
        probe("start", box)
        fake.model.end(box, 3)
        seen = json.loads(watch.stdout.read())
    assert actions(seen) == ["start", "die"]
    assert seen["events"][1]["exit_code"] == 3


def test_event_stream_that_breaks_in_the_middle(fake, probe):
    box = probe("create", CREATE)["id"]
    probe("start", box)
    probe("kill", box, "SIGKILL")
    fake.script([{"path": "/events", "action": "cut", "events": 2}])
    error = probe.fails("events", "mine=yes", 1, 2)
    assert (error.kind, error.code) == ("unavailable", "engine_down")
    assert actions(error.answer) == ["start"]  # the half event was not one


def test_event_stream_ends_with_the_engine(fake, probe):
    with subprocess.Popen(probe.argv("events", "mine=yes", "0", "1"),
                          stdout=subprocess.PIPE, text=True) as watch:
        while "/events" not in fake.paths():
            assert watch.poll() is None
        fake.stop()
        error = json.loads(watch.stdout.read())["error"]
    assert (error["kind"], error["code"]) == ("unavailable", "engine_down")


def test_event_stream_is_cancelled(fake, probe):
    assert probe.fails("events", "mine=yes", 0, 1, timeout_ms=300).kind == "timeout"


# -- the fake itself ----------------------------------------------------------------


def test_fake_runs_the_agent_apart_from_the_host(fake, probe, tmp_path):
    agent = tmp_path / "agent"
    agent.write_text("#!/bin/sh\necho $$ >$1/pid\nls / >$1/root\nkill -9 -1\nexit 7\n")
    agent.chmod(0o755)
    box = probe.create(name="a", image="busybox", entrypoint=["/.hub-agent"], cmd=["/hub"],
                       binds=[f"{agent}:/.hub-agent:ro", f"{tmp_path}:/hub:ro"],
                       network_disabled=True)
    probe("start", box)
    assert fake.model.container(box).ended.wait(60)
    assert probe("inspect", box)["exit_code"] == 7
    assert (tmp_path / "pid").read_text() == "1\n"  # it kills only what is its own
    assert "home" not in (tmp_path / "root").read_text().split()


def test_fake_is_controlled_over_its_socket(fake, build_dir):
    probe, api = Probe(build_dir, fake.host), Engine(fake.host)

    def control(path: str, body: object = None) -> object:
        connection = api._connection(60)
        connection.request("GET" if body is None else "POST", path,
                           None if body is None else json.dumps(body))
        answer = connection.getresponse()
        assert answer.status in (200, 204)
        return json.loads(answer.read() or "null")

    control("/_fake/image", {"ref": "new:1"})
    box = probe.create(name="b", image="new:1", cmd=["x"], labels={"mine": "yes"})
    probe("start", box)
    control("/_fake/kill", {"id": box, "exit_code": 9, "oom": True})
    assert probe("inspect", box)["oom_killed"] is True
    control("/_fake/emit", {"action": "die", "id": "f" * 64, "attributes": {"mine": "yes",
                                                                           "exitCode": "4"}})
    assert probe("events", "mine=yes", 1, 4)["events"][3]["exit_code"] == 4
    control("/_fake/script", [{"path": "/_ping", "action": "status", "status": 500}])
    assert probe.fails("ping").code == "engine_error"
    last = control("/_fake/calls")[-1]
    assert (last["path"], last["status"]) == ("/_ping", 500)


def test_fake_as_a_program(build_dir, tmp_path):
    path = str(tmp_path / "s")
    program = os.path.join(os.path.dirname(sys.modules["fake_engine"].__file__),
                           "fake_engine.py")
    with subprocess.Popen([sys.executable, program, path, "--image", "x:1"], text=True,
                          stdout=subprocess.PIPE) as fake:
        assert fake.stdout.readline().strip().endswith(urllib.parse.quote(path))
        assert Probe(build_dir, path)("image", "x:1")["os_arch"] == "linux/amd64"
        fake.terminate()
        assert fake.wait(60) == 0
