"""Containers and networks of sessions on Podman, whose bridges have names of
their own and do not keep containers of different networks apart."""

import os
from typing import Iterator

import pytest

from fixtures import IMAGE
from net_lab import OUTSIDE, Lab, Place
from podman_machine import Machine, machine  # noqa: F401
from session_place import Places, Session, gone, mount
from test_session_place import (ACTION_MOUNTS, JOB_MOUNTS, SECRET, SETUID, NET_RAW, Runner,
                                capabilities, has, runner)  # noqa: F401


@pytest.fixture(scope="module")
def lab(machine: Machine, build_dir: str) -> Iterator[Lab]:
    lab = Lab(machine.engine, IMAGE, os.path.join(build_dir, "tests", "unit", "hostnet_probe"))
    try:
        lab.make_outside()
        lab.host.serve()
        yield lab
    finally:
        lab.close()


@pytest.fixture(scope="module")
def places(machine: Machine, lab: Lab, build_dir: str) -> Iterator[Places]:
    places = Places(build_dir, machine.engine, IMAGE, machine=machine)
    try:
        yield places
    finally:
        places.close()


class Inside(Place):
    """A container's network; its process id is that of the machine."""

    def __init__(self, lab: Lab, machine: Machine, pid: int, address: str):
        super().__init__(lab, pid, address)
        self.net = f"/proc/{machine.pid}/root/proc/{pid}/ns/net"

    def command(self, *command: str) -> list[str]:
        return ["nsenter", f"--net={self.net}", *command]


def served(lab: Lab, machine: Machine, session: Session, box: str) -> Place:
    place = Inside(lab, machine, lab.pid(box), session.address(box))
    place.serve()
    return place


def test_a_job_sees_its_directories(places: Places, runner: Runner) -> None:  # noqa: F811
    session = Session(places, runner.grounds)
    box = session.start({"systemMountVolumes": JOB_MOUNTS, "workingDirectory": "/__w/repo/repo"})
    runner.put("_work/_temp/_github_workflow/event.json", "{}")
    assert session.run(box, "cat /github/workflow/event.json") == "{}"
    assert session.run(box, "echo hello > /github/home/x; ls /__w/_temp/_github_home") == "x"
    assert "Read-only" in session.run(box, "echo x > /__e/node20/node")
    own = capabilities(session, box)
    assert has(own, SETUID, NET_RAW) == [True, False]
    action = session.side({"systemMountVolumes": ACTION_MOUNTS,
                           "workingDirectory": "/github/workspace"})
    runner.put("_work/repo/repo/main.c", "int main;")
    assert session.run(action, "cat /github/workspace/main.c") == "int main;"


def test_a_planted_link_shows_nothing_of_the_host(places: Places,
                                                  runner: Runner) -> None:  # noqa: F811
    session = Session(places, runner.grounds)
    runner.replace("_work/_temp/_github_home", "/")
    runner.replace("_work/repo/repo", f"{runner.root}/away")
    for box in (session.side({"systemMountVolumes": ACTION_MOUNTS}),
                session.start({"systemMountVolumes": JOB_MOUNTS})):
        seen = session.run(box, f"cat /github/*/secret /github/*/{runner.root}/away/secret 2>&1")
        assert SECRET not in seen
        assert runner.get("away/secret") == SECRET


def test_sessions_do_not_meet(places: Places, lab: Lab, machine: Machine) -> None:
    one, two = Session(places), Session(places)
    here = served(lab, machine, one, one.start({}, aliases=["job"]))
    beside = served(lab, machine, one, one.side({}, aliases=["redis"]))
    there = served(lab, machine, two, two.start({}))
    assert here.dial(beside.address).startswith("open")
    assert here.dial(OUTSIDE).startswith("open")
    assert here.dial(there.address) == "refused"
    assert there.dial(beside.address) == "refused"


def test_services_of_the_host_are_shut(places: Places, lab: Lab, machine: Machine) -> None:
    session = Session(places)
    here = served(lab, machine, session, session.start({}))
    gateway = here.run("ip", "route", "show", "default").split()[2]
    assert here.dial(gateway) == "refused"
    lab.host.serve(53, gateway)  # where a Podman with a resolver has it
    assert here.dial(gateway, 53).startswith("open")
    assert here.dial("198.51.100.1", 53) == "refused"
    assert here.dial("198.51.100.1") == "refused"


def test_volumes_and_networks_end(places: Places) -> None:
    session = Session(places)
    name = f"probe-{session.job}"
    box = session.start({}, volumes=[f"{name}:/work"])
    assert session.run(box, "echo x > /work/y; cat /work/y") == "x"
    side = Session(places, [{"here": "/work", "volume": name}]).side(
        {"systemMountVolumes": [mount("/work", "/__w")]})
    assert session.run(side, "cat /__w/y") == "x"
    places.engine.remove(box)
    session.end()
    assert gone(places.engine, session.network)
