"""Isolated sandboxes on Podman, whose own networks cannot keep containers
apart: the bridge, its NAT and its rules are the hub's. Jobs look at the
network from within; servers around them show what they reach.
"""

import os
import subprocess
from typing import Iterator

import pytest

from fixtures import IMAGE
from hub import wait_for
from net_lab import OUTSIDE, PORT, UPLINK, Lab, run
from podman_machine import Machine, MachineHub, machine  # noqa: F401

HOST_PORT = 18191
SANDBOX_PORT = 7000
GO_PORT = 9000  # of the outside, from when a job may go on
NEIGHBOUR = "10.99.0.2"  # on another bridge of the machine
REFUSED = "Connection refused"
NO_ROUTE = "No route to host"


@pytest.fixture(scope="module")
def lab(machine: Machine, build_dir: str) -> Iterator[Lab]:
    """An outside, a server on the machine, and one on a bridge of another."""
    lab = Lab(machine.engine, IMAGE, os.path.join(build_dir, "tests", "unit", "hostnet_probe"))
    try:
        lab.make_outside()
        lab.host.serve(HOST_PORT)
        run("ip", "link", "add", "other0", "type", "bridge")
        run("ip", "address", "add", "10.99.0.1/24", "dev", "other0")
        run("ip", "link", "set", "other0", "up")
        tenant = lab.tenant()
        run("ip", "link", "add", "other1", "master", "other0", "type", "veth",
            "peer", "name", "eth0", "netns", str(tenant.pid))
        run("ip", "link", "set", "other1", "up")
        tenant.run("ip", "address", "add", f"{NEIGHBOUR}/24", "dev", "eth0")
        tenant.run("ip", "link", "set", "eth0", "up")
        tenant.run("ip", "route", "add", "default", "via", "10.99.0.1")
        tenant.serve()
        yield lab
    finally:
        lab.close()


@pytest.fixture(scope="module")
def hub(machine: Machine, lab: Lab, runnerhub: str) -> Iterator[MachineHub]:
    """Starts on a machine that does not forward, and leaves no trace."""
    forwarding = "/proc/sys/net/ipv4/ip_forward"
    with open(forwarding, "w", encoding="ascii") as switch:
        switch.write("0")
    before = traces("")
    hub = MachineHub(machine, runnerhub, IMAGE, {"RUNNERHUB_POOL_SIZE": "1"})
    with hub.start() as running:
        yield running
    with open(forwarding, encoding="ascii") as switch:
        assert switch.read() == "1\n"
    assert traces("") == before


def traces(*prefixes: str) -> list[str]:
    """The interfaces, and all firewall tables, of the machine."""
    links = [line.split(":")[1].split("@")[0].strip()
             for line in run("ip", "-o", "link").splitlines()]
    return ([name for name in links if name.startswith(prefixes)] +
            run("nft", "list", "tables").splitlines())


def bridge(hub: MachineHub) -> str:
    return f"rh{str(hub.hub_id)[:8]}"


def dial(address: str, port: int) -> str:
    """A step that says who the server at address saw, or why it saw nobody."""
    return f"bash -c 'cat </dev/tcp/{address}/{port}' 2>&1 || true"


def told(hub: MachineHub, *steps: str) -> str:
    job = hub.delegate(list(steps))
    hub.wait_status(job, "completed")
    return hub.logs(job)


def pool(hub: MachineHub) -> dict:
    return hub.get("/api/system").data["pool"]


def wait_warm(hub: MachineHub) -> None:
    wait_for(lambda: pool(hub)["ready"] == 1, what="a sandbox is warm")


def gateway(hub: MachineHub) -> str:
    line = run("ip", "-4", "-o", "address", "show", "dev", bridge(hub))
    return line.split()[3].split("/")[0]


def test_jobs_run_warm_and_cold(hub: MachineHub) -> None:
    """Each starts a fresh process in a fresh container with its network."""
    look = "ip -4 -o address show dev eth0; cat /etc/resolv.conf"
    wait_warm(hub)
    before = pool(hub)
    warm = told(hub, look, "echo second")
    assert pool(hub)["hits"] == before["hits"] + 1
    hub.engine.call("POST", f"/images/{IMAGE}/tag", query={"repo": "runnerhub/cold"})
    cold = hub.delegate([look, "echo second"], image="runnerhub/cold")
    hub.wait_status(cold, "completed")
    assert pool(hub)["hits"] == before["hits"] + 1
    for text in (warm, hub.logs(cold)):
        assert "inet 10.213." in text and "nameserver " in text
        assert text.endswith("second\n")
    isolation = hub.get("/api/system").data["isolation"]
    assert isolation["network"] == (
        f"isolated on {bridge(hub)} by veth, host services denied")


def test_outside_is_reached_and_nothing_else(hub: MachineHub, lab: Lab) -> None:
    own = gateway(hub)
    steps = [dial(OUTSIDE, PORT), dial(own, HOST_PORT), dial(UPLINK, HOST_PORT),
             dial("10.99.0.1", HOST_PORT), dial(NEIGHBOUR, PORT)]
    assert lab.host.dial(own, HOST_PORT).startswith("open ")
    assert lab.host.dial(NEIGHBOUR).startswith("open ")
    text = told(hub, *steps)
    assert text.startswith(UPLINK)  # the machine's address, translated
    for address in (own, UPLINK, "10.99.0.1", NEIGHBOUR):
        refused = [line for line in text.splitlines() if f"/{address}/" in line]
        assert any(REFUSED in line for line in refused), text


@pytest.fixture
def server(hub: MachineHub) -> Iterator[str]:
    """The address of a job that serves until the test is over."""
    job = hub.delegate([
        "hostname -i; while :; do echo served | nc -l -p "
        f"{SANDBOX_PORT}; done"])
    address = wait_for(lambda: hub.logs(job).strip(), what="the server's address")
    yield address
    hub.post(f"/api/jobs/{job}/cancel")
    hub.wait_end(job)


def test_jobs_do_not_reach_each_other(hub: MachineHub, lab: Lab, server: str) -> None:
    wait_for(lambda: lab.host.dial(server, SANDBOX_PORT) == "open served",
             what="the server answers the machine")
    assert NO_ROUTE in told(hub, dial(server, SANDBOX_PORT))


def test_nobody_outside_reaches_a_job(hub: MachineHub, lab: Lab, server: str) -> None:
    """A neighbour on the LAN may send packets for it to this machine."""
    wait_for(lambda: lab.host.dial(server, SANDBOX_PORT) == "open served",
             what="the server answers the machine")
    lab.table = f"runnerhub_{str(hub.hub_id)[:8]}"

    def drops() -> int:
        return lab.guard_hits("forward", f'iifname != "{bridge(hub)}" oifname "{bridge(hub)}"')

    lab.assert_dropped(lab.outside.start_dial(server, SANDBOX_PORT), drops, drops())


def test_a_killed_hub_is_followed_by_one_that_goes_on(hub: MachineHub, lab: Lab) -> None:
    job = hub.delegate([
        "for i in $(seq 50); do echo line $i; done; until bash -c "
        f"'cat </dev/tcp/{OUTSIDE}/{GO_PORT}' >/dev/null 2>&1; do sleep 0.1; done",
        dial(OUTSIDE, PORT)])
    wait_for(lambda: "line 50\n" in hub.logs(job), what="it prints")
    own = gateway(hub)
    hub.kill9()
    hub.start()
    assert gateway(hub) == own
    assert hub.job(job)["status"] == "running"
    lab.outside.serve(GO_PORT)
    hub.wait_status(job, "completed")
    lines = "".join(f"line {n}\n" for n in range(1, 51))
    assert hub.logs(job) == lines + UPLINK


def test_hubs_take_different_ranges_and_may_leave_the_machine_open(
        hub: MachineHub, machine: Machine, lab: Lab, runnerhub: str) -> None:
    before = traces("rh")
    env = {"RUNNERHUB_HOST_SERVICES": "warn"}
    with MachineHub(machine, runnerhub, IMAGE, env).start() as open_hub:
        text = told(open_hub, dial(UPLINK, HOST_PORT), dial(NEIGHBOUR, PORT),
                    dial(OUTSIDE, PORT))
        isolation = open_hub.get("/api/system").data["isolation"]
        assert isolation["hostServicesReachable"]
        assert gateway(open_hub) != gateway(hub)
    assert text.startswith("10.213.") and text.endswith(UPLINK)
    assert REFUSED in text
    assert traces("rh") == before


def test_a_firewall_that_shuts_the_way_out_is_named(
        hub: MachineHub, machine: Machine, lab: Lab, runnerhub: str) -> None:
    assert lab.hostnet("blocked", bridge(hub)) == ""
    run("nft", "add table ip wall; add chain ip wall pass "
               "{ type filter hook forward priority 0; policy drop; }")
    try:
        job = hub.delegate([f"nc -w 2 {OUTSIDE} {PORT}"])
        assert lab.hostnet("blocked", bridge(hub)) == "chain pass of table ip wall\n"
        assert ("; the way out is shut: chain pass of table ip wall drops what no rule accepts"
                in diagnose(hub, machine, runnerhub))
        assert hub.wait_end(job)["status"] == "failed"
        for side in ("iifname", "oifname"):
            run("nft", f'add rule ip wall pass {side} "{bridge(hub)}" accept')
        assert lab.hostnet("blocked", bridge(hub)) == ""
        assert told(hub, dial(OUTSIDE, PORT)) == UPLINK
    finally:
        run("nft", "delete table ip wall")


def diagnose(hub: MachineHub, machine: Machine, runnerhub: str, **env: str) -> str:
    with machine.processes():
        return subprocess.run([machine.program(runnerhub), "doctor"], env={**hub.env, **env},
                              stdout=subprocess.PIPE, text=True, check=False).stdout


def test_a_range_in_use_is_not_taken(hub: MachineHub, machine: Machine,
                                     lab: Lab, runnerhub: str) -> None:
    def on(subnet: str) -> str:
        return diagnose(hub, machine, runnerhub, RUNNERHUB_SUBNET=subnet)

    before = traces("rh")
    assert "a container started" in on("10.99.1.0/24")
    assert "10.99.0.0/24 is in use: the machine has an address in" in on("10.99.0.0/24")
    assert "a route to 169.254.213.254/32" in on("169.254.213.0/24")
    assert traces("rh") == before
