"""Containers and networks of sessions on a real engine, seen by an attacker:
links that a job leaves behind, what its containers may do, whom they reach.
"""

import os
import shutil
import tempfile
from typing import Iterator

import pytest

from engine_api import Engine
from hub import wait_for
from net_lab import METADATA, OUTSIDE, PORT, Lab, Place, run
from session_place import Places, Session, gone, mount
from test_remote_engine import TcpProxy

SECRET = "nobody may read this"
# Of the engine's defaults; NET_RAW (13) and MKNOD (27) are not among them.
NET_RAW, MKNOD, SETUID, DAC_OVERRIDE, NET_ADMIN, SYS_ADMIN = 13, 27, 7, 1, 12, 21


@pytest.fixture(scope="module")
def places(build_dir: str, engine: Engine, image: str) -> Iterator[Places]:
    places = Places(build_dir, engine, image)
    try:
        yield places
    finally:
        places.close()


class Runner:
    """A runner's directories, with a secret of the host beside them."""

    def __init__(self) -> None:
        self.root = tempfile.mkdtemp(prefix="runnerhub-grounds-")
        os.chmod(self.root, 0o755)
        for name in ("_work/_temp/_github_home", "_work/_temp/_github_workflow", "_work/_actions",
                     "_work/repo/repo", "externals/node20", "away"):
            os.makedirs(f"{self.root}/{name}")
        self.put("away/secret", SECRET)
        self.put("externals/node20/node", "program")
        self.grounds = [{"here": "/r/_work", "host": f"{self.root}/_work"},
                        {"here": "/r/externals", "host": f"{self.root}/externals",
                         "readOnly": True}]

    def put(self, name: str, text: str) -> None:
        with open(f"{self.root}/{name}", "w", encoding="ascii") as file:
            file.write(text)

    def get(self, name: str) -> str:
        with open(f"{self.root}/{name}", encoding="ascii") as file:
            return file.read()

    def replace(self, name: str, to: str) -> None:
        """What a job can do to any name below its work directory."""
        shutil.rmtree(f"{self.root}/{name}")
        os.symlink(to, f"{self.root}/{name}")


@pytest.fixture
def runner() -> Iterator[Runner]:
    runner = Runner()
    try:
        yield runner
    finally:
        shutil.rmtree(runner.root)


JOB_MOUNTS = [mount("/var/run/docker.sock", "/var/run/docker.sock"),
              mount("/r/_work", "/__w"), mount("/r/externals", "/__e", True),
              mount("/r/_work/_temp", "/__w/_temp"), mount("/r/_work/_actions", "/__w/_actions"),
              mount("/r/_work/_temp/_github_home", "/github/home"),
              mount("/r/_work/_temp/_github_workflow", "/github/workflow")]
ACTION_MOUNTS = [mount("/r/_work/_temp", "/github/runner_temp"),
                 mount("/r/_work/_temp/_github_home", "/github/home"),
                 mount("/r/_work/repo/repo", "/github/workspace")]


# -- work directories ----------------------------------------------------------------

def test_a_job_sees_its_directories(places: Places, runner: Runner) -> None:
    session = Session(places, runner.grounds)
    box = session.start({"systemMountVolumes": JOB_MOUNTS, "workingDirectory": "/__w/repo/repo"})
    runner.put("_work/_temp/_github_workflow/event.json", "{}")
    assert session.run(box, "cat /github/workflow/event.json") == "{}"
    assert session.run(box, "echo hello > /github/home/x; ls /__w/_temp/_github_home") == "x"
    assert runner.get("_work/_temp/_github_home/x") == "hello\n"
    assert session.run(box, "cat /__e/node20/node") == "program"
    assert "Read-only" in session.run(box, "echo x > /__e/node20/node")
    assert session.run(box, "ls -A /var/run/docker.sock /run/docker.sock 2>/dev/null") == "1"
    assert session.run(box, "stat -c %U:%G:%a /github") == "root:root:755"
    sources = [m["Source"] for m in places.engine.inspect(box)["Mounts"]
               if m["Destination"].startswith(("/__", "/github"))]
    assert sorted(sources) == [f"{runner.root}/_work", f"{runner.root}/externals"]


def test_an_action_sees_its_directories(places: Places, runner: Runner) -> None:
    """Its image may have directories of its own at those places."""
    session = Session(places, runner.grounds)
    box = session.side({"systemMountVolumes": ACTION_MOUNTS,
                        "workingDirectory": "/github/workspace"})
    runner.put("_work/repo/repo/main.c", "int main;")
    assert session.run(box, "cat main.c; touch made; echo x > ../../_temp/y") == "int main;"
    assert os.path.exists(f"{runner.root}/_work/repo/repo/made")
    assert os.path.exists(f"{runner.root}/_work/_temp/y")


@pytest.mark.parametrize("to", ["/", "../../away", "{root}/away", "/proc/1/root", "/proc/self/cwd"])
def test_a_planted_link_shows_nothing_of_the_host(places: Places, runner: Runner,
                                                  to: str) -> None:
    """A job has replaced its directories by links before the next container
    is made: they lead to places inside that container, or nowhere."""
    session = Session(places, runner.grounds)
    for name in ("_work/_temp/_github_home", "_work/_temp/_github_workflow", "_work/repo/repo"):
        runner.replace(name, to.format(root=runner.root))
    before = sorted(os.listdir(f"{runner.root}/away"))
    looks = ("cat /github/*/secret /github/*/away/secret /github/*/etc/shadow "
             f"/github/*/{runner.root}/away/secret 2>&1; touch /github/home/mark; "
             "rm -rf /github/home/secret; true")
    for box in (session.side({"systemMountVolumes": ACTION_MOUNTS}),
                session.start({"systemMountVolumes": JOB_MOUNTS})):
        seen = session.run(box, looks)
        assert SECRET not in seen and "root:" not in seen
        assert runner.get("away/secret") == SECRET
        assert sorted(os.listdir(f"{runner.root}/away")) == before
        assert not os.path.exists("/mark")
        for found in places.engine.inspect(box)["Mounts"]:
            assert found["Source"] != "/" and "away" not in found["Source"]


def test_a_link_for_the_work_directorys_parent(places: Places, runner: Runner) -> None:
    """_temp itself replaced: all that is wanted below it leads nowhere."""
    session = Session(places, runner.grounds)
    runner.replace("_work/_temp", "/")
    box = session.start({"systemMountVolumes": JOB_MOUNTS})
    assert SECRET not in session.run(box, f"cat /__w/_temp/{runner.root}/away/secret 2>&1")
    assert session.run(box, "readlink /github/home") == "/__w/_temp/_github_home"


def test_unpacking_links_leaves_the_work_directory_alone(places: Places, runner: Runner) -> None:
    """The engine unpacks them with the mounts in place, and would empty a
    directory that a link replaces."""
    runner.put("_work/repo/repo/precious", "x")
    session = Session(places, runner.grounds)
    for target in ("/__w/repo/repo", "/__w/repo", "/__w/x", "/__w/repo/repo/deeper"):
        refused = session.refused({"systemMountVolumes": JOB_MOUNTS,
                                   "userMountVolumes": [mount("/r/_work/_temp", target)]})
        assert refused.code == "bad_mount", target
    session.start({"systemMountVolumes": JOB_MOUNTS,
                   "userMountVolumes": [mount("/r/_work/_temp", "/tmp/t")]})
    assert runner.get("_work/repo/repo/precious") == "x"
    assert sorted(os.listdir(f"{runner.root}/_work")) == ["_actions", "_temp", "repo"]


def test_links_do_not_change_the_images_directories(places: Places, runner: Runner) -> None:
    session = Session(places, runner.grounds)
    before = session.run(session.side({}), "stat -c %a:%u /tmp /etc /root /home")
    box = session.side({"userMountVolumes": [
        mount("/r/_work/repo", f"{place}/linked") for place in ("/tmp", "/etc", "/root", "/home")]})
    assert session.run(box, "stat -c %a:%u /tmp /etc /root /home") == before
    assert session.run(box, "ls /tmp/linked /home/linked/repo/..") == \
        "/home/linked/repo/..:\nrepo\n\n/tmp/linked:\nrepo"


def test_nothing_else_of_the_host(places: Places, runner: Runner) -> None:
    session = Session(places, runner.grounds)
    for source in ("/", "/etc", "/r", runner.root, f"{runner.root}/_work"):
        assert session.refused({"userMountVolumes": [mount(source, "/x")]}).code == \
            "outside_grounds"
        assert session.refused({"createOptions": f"-v {source}:/x"}).code == "outside_grounds"
        assert session.refused({"createOptions": f"--mount type=bind,src={source},dst=/x"}).code \
            == "outside_grounds"
    error = session.refused({"userMountVolumes": [mount("/opt/cache", "/x")]})
    assert "/opt/cache" in error.msg and "RUNNERHUB_WORK_ROOTS" in error.msg
    for source in ("/var/run/docker.sock", "//run/docker.sock"):
        assert session.refused({"createOptions": f"-v {source}:/s"}).code == "forbidden_option"
    box = session.side({"userMountVolumes": [mount("/etc/hostname", "/x", True)]},
                       allow="host-mounts")
    assert session.run(box, "cat /x") == run("cat", "/etc/hostname").strip()


def test_named_volumes_are_the_sessions(places: Places, engine: Engine) -> None:
    session = Session(places)
    box = session.side({"userMountVolumes": [mount("cache", "/cache"), mount(None, "/anonymous")]})
    names = {m["Destination"]: m["Name"] for m in engine.inspect(box)["Mounts"]}
    assert names["/cache"] == "probe-cache"
    engine.remove(box)
    engine.call("DELETE", "/volumes/probe-cache")


# -- what a session's container may do ------------------------------------------------

def capabilities(session: Session, box: str) -> int:
    line = session.run(box, "grep CapBnd /proc/1/status")
    return int(line.split()[1], 16)


def has(set_: int, *names: int) -> list[bool]:
    return [bool(set_ >> name & 1) for name in names]


def test_capabilities_are_the_engines_less_two(places: Places) -> None:
    session = Session(places)
    for box in (session.start({}), session.side({})):
        mine = capabilities(session, box)
        assert has(mine, SETUID, DAC_OVERRIDE) == [True, True]
        assert has(mine, NET_RAW, MKNOD, NET_ADMIN, SYS_ADMIN) == [False] * 4
        status = session.run(box, "grep -E 'NoNewPrivs|Seccomp:' /proc/1/status").split()
        assert status == ["NoNewPrivs:", "0", "Seccomp:", "2"]


def test_dropped_capabilities_need_a_grant(places: Places) -> None:
    session = Session(places)
    for name in ("NET_RAW", "mknod", "CAP_NET_RAW"):
        assert session.refused({"createOptions": f"--cap-add {name}"}).code == "forbidden_option"
    granted = session.start({"createOptions": "--cap-add NET_RAW"}, allow="capabilities")
    assert has(capabilities(session, granted), NET_RAW, MKNOD) == [True, False]
    # Its agent still becomes the steps' user.
    bare = session.start({"createOptions": "--cap-drop ALL"})
    assert has(capabilities(session, bare), SETUID, DAC_OVERRIDE) == [True, False]


def test_what_takes_the_container_from_the_hub_is_refused(places: Places) -> None:
    session = Session(places)
    for options, code in (("--privileged", "forbidden_option"), ("--pid host", "forbidden_option"),
                          ("--network host", "bad_option"), ("--entrypoint sh", "bad_option"),
                          ("--label runnerhub.hub=x", "bad_option"),
                          ("--device /dev/kmsg", "forbidden_option"),
                          ("--security-opt seccomp=unconfined", "forbidden_option")):
        assert session.refused({"createOptions": options}).code == code, options
        assert places.fails("start", **session._fields({"createOptions": options}, {})).code == \
            code, options
    assert places.fails("start", allow="host-namespaces",
                        **session._fields({"createOptions": "--pid host"}, {})).code == "bad_option"


def test_limits_are_only_lowered(places: Places, engine: Engine) -> None:
    session = Session(places)
    box = session.start({"createOptions": "--memory 32m --pids-limit 20 --cpus 0.5"}, memory=64 << 20)
    host = engine.inspect(box)["HostConfig"]
    assert (host["Memory"], host["MemorySwap"]) == (32 << 20, 32 << 20)
    assert (host["PidsLimit"], host["NanoCpus"]) == (20, 500000000)
    box = session.start({})
    assert engine.inspect(box)["HostConfig"]["PidsLimit"] == 64
    over = session.refused({"createOptions": "--memory 65m"}, memory=64 << 20)
    assert over.code == "over_limit" and "RUNNER_MEMORY_MB" in over.msg


def test_the_document_keeps_the_environment_to_itself(places: Places, engine: Engine) -> None:
    session = Session(places)
    wish = {"environmentVariables": {"TOKEN": SECRET}, "createOptions": f"--env 'OTHER={SECRET}'"}
    assert SECRET not in str(engine.inspect(session.start(wish)))
    assert session.run(session.side(wish), "echo $TOKEN") == SECRET  # of its own process


def test_options_reach_the_sessions_container(places: Places, engine: Engine) -> None:
    session = Session(places)
    box = session.start({"createOptions": "--user 1234:1234 --hostname db --label mine=yes --tmpfs "
                                          "/scratch --ulimit nofile=100 --restart always --init "
                                          "--log-driver json-file",
                         "portMappings": ["8080", "127.0.0.1::9090"]}, aliases=["job"])
    made = engine.inspect(box)
    labels, host = made["Config"]["Labels"], made["HostConfig"]
    assert labels["mine"] == "yes" and labels["runnerhub.session"] == session.job
    assert labels["runnerhub.user"] == "1234:1234"
    assert made["Config"]["Hostname"] == "db" and made["Config"]["User"] == "0:0"
    assert host["RestartPolicy"]["Name"] in ("", "no") and not host.get("Init")
    assert host["LogConfig"]["Type"] == "none"
    assert "/scratch" in session.run(box, "grep tmpfs /proc/mounts")
    for port in ("8080/tcp", "9090/tcp"):
        bound = made["NetworkSettings"]["Ports"][port]
        assert [b["HostIp"] for b in bound] == ["127.0.0.1"] and bound[0]["HostPort"] != ""


def test_volumes_beside_the_document(places: Places, engine: Engine) -> None:
    session = Session(places)
    name = f"probe-{session.job}"
    box = session.start({}, volumes=[f"{name}:/home/runner/_work", f"{name}:/ro:ro"])
    assert session.run(box, "echo x > /home/runner/_work/y; cat /ro/y") == "x"
    assert "Read-only" in session.run(box, "echo z > /ro/y")
    side = Session(places, [{"here": "/home/runner/_work", "volume": name}]).side(
        {"systemMountVolumes": [mount("/home/runner/_work", "/__w")]})
    assert session.run(side, "cat /__w/y") == "x"
    for container in (box, side):
        engine.remove(container)
    engine.call("DELETE", f"/volumes/{name}")


# -- networks -------------------------------------------------------------------------

@pytest.fixture(scope="module")
def lab(engine: Engine, image: str, build_dir: str) -> Iterator[Lab]:
    lab = Lab(engine, image, os.path.join(build_dir, "tests", "unit", "hostnet_probe"))
    try:
        lab.open()
        lab.host.serve()
        yield lab
    finally:
        lab.close()


def served(lab: Lab, session: Session, box: str) -> Place:
    place = Place(lab, lab.pid(box), session.address(box))
    place.serve()
    return place


def gateway(place: Place) -> str:
    return place.run("ip", "route", "show", "default").split()[2]


def test_containers_of_a_session_meet_by_name(places: Places, lab: Lab) -> None:
    session = Session(places)
    job = served(lab, session, session.start({}, aliases=["job"]))
    service = session.side({}, aliases=["redis", "svc0"])
    there = served(lab, session, service)
    assert there.dial(job.address) == f"open {there.address}"
    assert job.dial(there.address) == f"open {job.address}"
    for name, place in (("redis", there), ("svc0", there), ("job", job)):
        assert place.address in session.run(service, f"nslookup -type=a {name} 2>&1"), name
    assert job.dial(OUTSIDE).startswith("open")


def test_sessions_do_not_meet(places: Places, lab: Lab) -> None:
    one, two = Session(places), Session(places)
    here, there = (served(lab, s, s.start({})) for s in (one, two))
    assert here.dial(there.address) == "refused"
    assert there.dial(here.address) == "refused"
    assert here.dial(there.address, kind="udp") == "refused"
    assert here.dial(here.address).startswith("open")


def test_nor_do_they_meet_others_of_the_engine(places: Places, lab: Lab) -> None:
    session = Session(places)
    here = served(lab, session, session.start({}))
    other = lab.container(HostConfig={"NetworkMode": lab.name + "-other"})
    sandbox = lab.container(HostConfig={"NetworkMode": f"runnerhub-{places.hub_id[:8]}"})
    for container, there in ((other, "silent"), (sandbox, "refused")):
        place = Place(lab, lab.pid(container), engine_address(lab, container))
        place.serve()
        # Docker takes its own isolation out for a moment whenever it makes a
        # network, and other tests make some.
        wait_for(lambda: here.dial(place.address) == there, what=f"it is {there}")
        assert place.dial(here.address) == "refused"
        lab.engine.remove(container)


def engine_address(lab: Lab, container: str) -> str:
    networks = lab.engine.inspect(container)["NetworkSettings"]["Networks"]
    return next(iter(networks.values()))["IPAddress"]


def test_published_ports_are_for_the_host_alone(places: Places, lab: Lab) -> None:
    one, two = Session(places), Session(places)
    box = one.side({"portMappings": [str(PORT)]})
    served(lab, one, box)
    (bound,) = places.engine.inspect(box)["NetworkSettings"]["Ports"][f"{PORT}/tcp"]
    port = int(bound["HostPort"])
    assert bound["HostIp"] == "127.0.0.1"
    assert lab.host.dial("127.0.0.1", port).startswith("open")
    stranger = served(lab, two, two.start({}))
    for address in (gateway(stranger), "198.51.100.1"):
        assert stranger.dial(address, port) == "refused", address


def test_ports_published_on_all_addresses_are_shut_for_sessions(places: Places, lab: Lab) -> None:
    one, two = Session(places), Session(places)
    box = one.side({"portMappings": [f"0.0.0.0::{PORT}"]})
    served(lab, one, box)
    (bound,) = places.engine.inspect(box)["NetworkSettings"]["Ports"][f"{PORT}/tcp"]
    assert lab.outside.dial("198.51.100.1", int(bound["HostPort"])).startswith("open")
    stranger = served(lab, two, two.start({}))
    for address in (gateway(stranger), "198.51.100.1"):
        assert stranger.dial(address, int(bound["HostPort"])) == "refused", address


def test_services_of_the_host_are_shut(places: Places, lab: Lab) -> None:
    session = Session(places)
    here = served(lab, session, session.start({}))
    for address in (gateway(here), "198.51.100.1", "10.217.241.1"):
        assert here.dial(address) == "refused", address
    assert here.dial(METADATA) == "refused"
    assert lab.host.dial(here.address).startswith("open")  # the host itself may


def test_the_guard_comes_back_and_knows_them_after_a_restart(places: Places, lab: Lab) -> None:
    session = Session(places)
    job = served(lab, session, session.start({}))
    side = served(lab, session, session.side({}))
    table = f"runnerhub_{places.hub_id[:8]}"
    run("nft", "delete", "table", "inet", table)
    places("refresh")
    assert job.dial(side.address).startswith("open")
    assert job.dial(gateway(job)) == "refused"


def test_networks_end_with_their_session(places: Places, engine: Engine) -> None:
    kept, left, used = Session(places), Session(places), Session(places)
    kept_again = places("network", job=kept.job)  # a lost answer, asked again
    assert kept_again == kept.network
    box = used.side({})
    removed = int(places("sweep", keep=kept.job))
    assert removed >= 1
    assert gone(engine, left.network) and not gone(engine, kept.network)
    assert not gone(engine, used.network)  # the next sweep's, when box is gone
    engine.remove(box)
    used.end()
    used.end()  # gone is fine
    assert gone(engine, used.network)
    listing = run("nft", "list", "table", "inet", f"runnerhub_{places.hub_id[:8]}")
    assert f"rs{kept.network[-13:]}" in listing and f"rs{used.network[-13:]}" not in listing


def test_a_full_range_says_so(build_dir: str, engine: Engine, image: str) -> None:
    places = Places(build_dir, engine, image, subnet="10.214.77.16/28")
    try:
        first = Session(places)
        full = places.fails("network", job="11111111-1111-4111-8111-111111111111")
        assert full.code == "network_overlap" and "10.214.77.16/28" in full.msg
        first.end()
        Session(places)
    finally:
        places.close()


def test_without_a_network_there_is_no_way_out(build_dir: str, lab: Lab, engine: Engine,
                                               image: str) -> None:
    """network.mode "none": containers of a session reach each other alone."""
    places = Places(build_dir, engine, image, mode="none")
    try:
        session = Session(places)
        box = session.start({})
        job = served(lab, session, box)
        side = served(lab, session, session.side({}))
        assert job.dial(side.address).startswith("open")
        assert session.run(box, f"nc -w 3 {OUTSIDE} {PORT} 2>&1").endswith("1")
    finally:
        places.close()


# -- another machine's engine ----------------------------------------------------------

def test_a_remote_engine_mounts_no_directory(build_dir: str, engine: Engine, image: str,
                                             runner: Runner) -> None:
    proxy = TcpProxy(engine.host[len("unix://"):])
    try:
        remote = Engine(f"tcp://127.0.0.1:{proxy.port}")
        places = Places(build_dir, remote, image)
        try:
            session = Session(places, runner.grounds)
            refused = session.refused({"systemMountVolumes": JOB_MOUNTS})
            assert refused.code == "remote_engine" and str(proxy.port) in refused.msg
            box = session.side({}, aliases=["redis"])
            assert session.address(box) in session.run(box, "nslookup -type=a redis 2>&1")
        finally:
            places.close()
    finally:
        proxy.close()
