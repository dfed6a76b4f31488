"""The fast network path: sandboxes joined to the engine's bridge by hostnet,
and the guard around them. What must not be reachable is first shown to be
reachable without the guard, so that each refusal proves something.
"""

import os
import subprocess
from typing import Iterator

import pytest

from engine_api import Engine
from net_lab import GATEWAY, METADATA, OUTSIDE, PORT, UPLINK, Lab, Sandbox, run, wait_for

HOST_PORT = 18181
PUBLISHED_PORT = 18182
REDIRECTED_PORT = 18183


@pytest.fixture(scope="module")
def lab(engine: Engine, image: str, build_dir: str) -> Iterator[Lab]:
    assert os.geteuid() == 0, "these tests make network interfaces: run them as root"
    lab = Lab(engine, image, os.path.join(build_dir, "tests", "unit", "hostnet_probe"))
    try:
        lab.open()
        yield lab
    finally:
        lab.close()


@pytest.fixture(scope="module")
def pair(lab: Lab) -> tuple[Sandbox, Sandbox]:
    """Two sandboxes, a server in each."""
    boxes = (lab.sandbox(), lab.sandbox())
    for box in boxes:
        box.serve()
    return boxes


@pytest.fixture
def guard(lab: Lab) -> Iterator[None]:
    lab.hostnet("guard", lab.table, lab.bridge)
    yield
    lab.hostnet("unguard", lab.table)


def test_works_here_and_leaves_nothing(lab: Lab) -> None:
    """In a namespace of its own, where no other test makes interfaces."""
    lab.hostnet("probe")
    links = run("unshare", "--net", "sh", "-ec", 'ip -o link; echo then; "$0" probe; ip -o link',
                lab.probe_path)
    before, after = links.split("then\n")
    assert after == before


def test_says_why_not_without_privileges(lab: Lab) -> None:
    done = subprocess.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
                           lab.probe_path, "probe"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("forbidden: ") and "CAP_NET_ADMIN" in done.stderr


def test_sandbox_has_its_network(lab: Lab, pair: tuple[Sandbox, Sandbox]) -> None:
    box = pair[0]
    eth0 = box.run("ip", "-d", "address", "show", "eth0")
    assert f"inet {box.address}/24 brd 10.217.240.255" in eth0
    assert "state UP" in eth0 and "mtu 1500" in eth0 and "inet6" not in eth0
    assert "link/ether 02:52:0a:d9:f0:c8" in eth0  # from 10.217.240.200
    assert box.run("ip", "-4", "route").split("\n")[0].split()[:5] == [
        "default", "via", GATEWAY, "dev", "eth0"]
    assert "127.0.0.1/8" in box.run("ip", "address", "show", "lo")
    ours = run("ip", "-d", "link", "show", box.host_if)
    assert f"master {lab.bridge}" in ours and "isolated on" in ours
    assert "inet6" not in run("ip", "address", "show", box.host_if)


@pytest.mark.parametrize("guarded", [False, True])
def test_outside_is_reached_masqueraded(lab: Lab, pair: tuple[Sandbox, Sandbox],
                                        guarded: bool, request: pytest.FixtureRequest) -> None:
    if guarded:
        request.getfixturevalue("guard")
    for box in pair:
        assert box.dial(OUTSIDE) == f"open {UPLINK}"
        assert box.dial(OUTSIDE, kind="udp") == f"open {UPLINK}"
        assert box.pings(OUTSIDE)


@pytest.mark.parametrize("guarded", [False, True])
def test_host_reaches_a_sandbox(lab: Lab, pair: tuple[Sandbox, Sandbox],
                                guarded: bool, request: pytest.FixtureRequest) -> None:
    """Replies pass the guard; and the servers that the next tests dial work."""
    if guarded:
        request.getfixturevalue("guard")
    for box in pair:
        assert lab.host.dial(box.address) == f"open {GATEWAY}"
        assert lab.host.dial(box.address, kind="udp") == f"open {GATEWAY}"
        assert lab.host.pings(box.address)


@pytest.mark.parametrize("way", [(0, 1), (1, 0)])
def test_sandboxes_do_not_see_each_other(pair: tuple[Sandbox, Sandbox],
                                         way: tuple[int, int]) -> None:
    """Not even their addresses resolve: no rule but the isolated ports."""
    one, other = pair[way[0]], pair[way[1]]
    assert one.dial(other.address) == "unreachable"
    assert not one.pings(other.address)


@pytest.mark.parametrize("way", [(0, 1), (1, 0)])
def test_gateway_does_not_pass_between_sandboxes(lab: Lab, pair: tuple[Sandbox, Sandbox],
                                                 way: tuple[int, int]) -> None:
    """A route by the gateway, which a sandbox may not set itself, is shut by
    the engine's rule, and by ours before it."""
    one, other = pair[way[0]], pair[way[1]]
    one.run("ip", "route", "add", f"{other.address}/32", "via", GATEWAY)
    try:
        def engine() -> int:
            return lab.engine_drops("FORWARD", lab.bridge, lab.bridge)

        def ours() -> int:
            return lab.guard_hits("forward", f'oifname "{lab.bridge}"')

        lab.assert_dropped(one.start_dial(other.address), engine, engine())
        lab.hostnet("guard", lab.table, lab.bridge)
        before = engine()
        lab.assert_dropped(one.start_dial(other.address), ours, ours())
        assert engine() == before
    finally:
        one.run("ip", "route", "delete", f"{other.address}/32")
        lab.hostnet("unguard", lab.table)


def test_containers_that_the_engine_attached_are_apart(
        lab: Lab, pair: tuple[Sandbox, Sandbox]) -> None:
    """Their ports are not isolated; the engine's icc=false keeps them apart."""
    container = lab.container(HostConfig={"NetworkMode": lab.name})
    neighbour = lab.at(container)
    networks = lab.engine.inspect(container)["NetworkSettings"]["Networks"]
    neighbour.serve()
    neighbour_address = networks[lab.name]["IPAddress"]
    assert lab.host.dial(neighbour_address).startswith("open ")

    def drops() -> int:
        return lab.engine_drops("FORWARD", lab.bridge, lab.bridge)

    for come, to in ((pair[0], neighbour_address), (neighbour, pair[0].address)):
        lab.assert_dropped(come.start_dial(to), drops, drops())
    lab.engine.remove(container)


def test_host_services_are_shut(lab: Lab, pair: tuple[Sandbox, Sandbox]) -> None:
    lab.host.serve(HOST_PORT)
    addresses = [GATEWAY, UPLINK, "10.217.241.1"]
    addresses += run("hostname", "-I").split()[:1]
    for address in addresses:
        assert pair[0].dial(address, HOST_PORT).startswith("open ")
    lab.hostnet("guard", lab.table, lab.bridge)
    try:
        for box in pair:
            for address in addresses:
                assert box.dial(address, HOST_PORT) == "refused"
                assert box.dial(address, HOST_PORT, "udp") == "refused"
        assert not pair[0].pings(GATEWAY)
        assert lab.guard_hits("machine", "jump refuse") > 0
        assert lab.host.dial(GATEWAY, HOST_PORT).startswith("open ")
    finally:
        lab.hostnet("unguard", lab.table)


def test_dns_on_the_host_only_when_allowed(lab: Lab, pair: tuple[Sandbox, Sandbox],
                                           guard: None) -> None:
    lab.host.serve(53, GATEWAY)
    box = pair[0]
    for kind in ("tcp", "udp"):
        assert box.dial(GATEWAY, 53, kind) == "refused"
    lab.hostnet("guard", lab.table, lab.bridge, "dns")
    for kind in ("tcp", "udp"):
        assert box.dial(GATEWAY, 53, kind) == f"open {box.address}"
        assert box.dial(GATEWAY, 54, kind) == "refused"


def test_other_networks_of_the_engine_are_apart(lab: Lab, pair: tuple[Sandbox, Sandbox]) -> None:
    """The engine's isolation holds for ends that we joined; the way over a
    published port, which it leaves open, is shut by the guard."""
    network = f"{lab.name}-other"
    container = lab.container(
        Entrypoint=["/bin/httpd", "-f", "-p", str(PORT), "-h", "/etc"],
        ExposedPorts={f"{PORT}/tcp": {}},
        HostConfig={"NetworkMode": network, "PortBindings": {
            f"{PORT}/tcp": [{"HostIp": "0.0.0.0", "HostPort": str(PUBLISHED_PORT)}]}})
    networks = lab.engine.inspect(container)["NetworkSettings"]["Networks"]
    neighbour = networks[network]["IPAddress"]
    box = pair[0]
    fetch = ["busybox", "wget", "-q", "-O", "-", f"http://{{}}:{PUBLISHED_PORT}/passwd"]

    def fetches(address: str) -> bool:
        command = box.command(*[word.format(address) for word in fetch])
        return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              check=False).returncode == 0

    wait_for("the published port", lambda: fetches(GATEWAY))
    for out, come, to in ((lab.other_bridge, box, neighbour),
                          (lab.bridge, lab.at(container), box.address)):
        def drops(out: str = out) -> int:
            return lab.engine_drops("DOCKER-ISOLATION-STAGE-2", "*", out)

        lab.assert_dropped(come.start_dial(to), drops, drops())

    assert fetches(UPLINK)
    lab.hostnet("guard", lab.table, lab.bridge)
    try:
        for address in (GATEWAY, UPLINK, "10.217.241.1"):
            assert box.dial(address, PUBLISHED_PORT) == "refused"
    finally:
        lab.hostnet("unguard", lab.table)


def test_redirected_ports_are_shut(lab: Lab, pair: tuple[Sandbox, Sandbox]) -> None:
    """An engine without a proxy process publishes by address translation."""
    table = f"{lab.table}_dnat"
    run("nft", f"add table ip {table}")
    try:
        run("nft", f"add chain ip {table} prerouting "
                   "{ type nat hook prerouting priority -105; }")
        run("nft", f'add rule ip {table} prerouting iifname "{lab.bridge}" '
                   f"tcp dport {REDIRECTED_PORT} dnat to {OUTSIDE}:{PORT}")
        assert pair[0].dial(GATEWAY, REDIRECTED_PORT) == f"open {UPLINK}"
        lab.hostnet("guard", lab.table, lab.bridge)
        assert pair[0].dial(GATEWAY, REDIRECTED_PORT) == "refused"
        assert lab.guard_hits("forward", "ct status dnat") > 0
    finally:
        run("nft", "delete", "table", "ip", table)
        lab.hostnet("unguard", lab.table)


def test_metadata_services_are_shut(lab: Lab, pair: tuple[Sandbox, Sandbox]) -> None:
    box = pair[0]
    assert box.dial(METADATA) == f"open {UPLINK}"
    lab.hostnet("guard", lab.table, lab.bridge)
    try:
        for kind in ("tcp", "udp"):
            assert box.dial(METADATA, PORT, kind) == "refused"
            # Some clouds' only resolver is there.
            assert box.dial(METADATA, 53, kind) == f"open {UPLINK}"
        assert not box.pings(METADATA)
    finally:
        lab.hostnet("unguard", lab.table)


def test_guard_leaves_others_alone(lab: Lab, pair: tuple[Sandbox, Sandbox]) -> None:
    """Rules for another bridge change nothing here; installing again replaces
    them whole; removing what is not there is fine."""
    lab.hostnet("guard", lab.table, "rhtabsent")
    try:
        assert pair[0].dial(METADATA) == f"open {UPLINK}"
        first = run("nft", "list", "table", "inet", lab.table)
        lab.hostnet("guard", lab.table, lab.bridge, "dns")
        lab.hostnet("guard", lab.table, "rhtabsent")
        again = run("nft", "list", "table", "inet", lab.table)
        assert again == first
    finally:
        lab.hostnet("unguard", lab.table)
    lab.hostnet("unguard", lab.table)
    assert lab.table not in run("nft", "list", "tables")


def test_guard_takes_hundreds_of_sessions(lab: Lab) -> None:
    """All in one transaction, larger than what a socket takes by itself."""
    try:
        lab.hostnet("crowd", lab.table, "rhtabsent", "800")
        rules = run("nft", "list", "chain", "inet", lab.table, "forward")
        for last in ('oifname "rscrowd798" accept', "10.214.49.240/28 accept"):
            assert rules.count(last) == 1
    finally:
        lab.hostnet("unguard", lab.table)


def test_guard_says_what_it_does_not_take(lab: Lab) -> None:
    assert "no name for a firewall table" in lab.refused("guard", "a b", lab.bridge)
    assert "1 to 15 characters" in lab.refused("guard", lab.table, "")
    assert "1 to 15 characters" in lab.refused("guard", lab.table, "x" * 16)


def test_pair_vanishes_with_its_container(lab: Lab) -> None:
    box = lab.sandbox()
    assert box.host_if in lab.host_ends()
    lab.engine.remove(box.container)
    wait_for("the host end to vanish", lambda: box.host_if not in lab.host_ends())
    lab.hostnet("detach", box.host_if)


def test_leftovers_are_found_and_removed(lab: Lab, pair: tuple[Sandbox, Sandbox]) -> None:
    left = [f"{lab.prefix}l{i}" for i in range(3)]
    for name in left:
        run("ip", "link", "add", name, "type", "veth", "peer", "name", name + "p")
    before = {name for name in lab.host_ends() if not name.endswith("p")}
    assert before >= {*left, pair[0].host_if, pair[1].host_if}
    for name in left:
        lab.hostnet("detach", name)
        lab.hostnet("detach", name)
    assert set(lab.host_ends()) == before - set(left)


def test_detach_spares_what_is_no_pair(lab: Lab) -> None:
    assert lab.refused("detach", lab.bridge).startswith("conflict: ")
    assert lab.bridge in run("ip", "-o", "link")
    assert lab.hostnet("list", lab.bridge) == ""


def test_attach_errors_are_clear_and_leave_nothing(lab: Lab, pair: tuple[Sandbox, Sandbox]) -> None:
    tenant = str(lab.tenant().pid)
    gone = subprocess.Popen(["true"])
    gone.wait()
    name = f"{lab.prefix}e"
    where = ("10.217.240.90", "24", GATEWAY)
    before = lab.host_ends()
    for arguments, words in (
            (("rhtabsent", name, tenant, *where), "there is no interface rhtabsent"),
            ((lab.uplink, name, tenant, *where), 'is of kind "veth", not a bridge'),
            ((lab.bridge, name, str(gone.pid), *where), f"process {gone.pid} is gone"),
            ((lab.bridge, name, "0", *where), "not the process id"),
            ((lab.bridge, name, str(os.getpid()), *where), "the hub's own network namespace"),
            ((lab.bridge, "x" * 16, tenant, *where), "has 16 characters"),
            ((lab.bridge, "", tenant, *where), "has 0 characters"),
            ((lab.bridge, "rv%d", tenant, *where), "consists of letters"),
            ((lab.bridge, pair[0].host_if, tenant, *where), "exists already"),
            ((lab.bridge, name, str(pair[0].pid), *where), "has an eth0 already"),
            ((lab.bridge, name, tenant, "10.9.0.2", "24", GATEWAY), "gateway is not in"),
            ((lab.bridge, name, tenant, GATEWAY, "24", GATEWAY), "is the gateway's"),
            ((lab.bridge, name, tenant, "10.217.240.255", "24", GATEWAY), "broadcast"),
            ((lab.bridge, name, tenant, "10.217.240.9", "31", GATEWAY), "/8 to /30"),
            ((lab.bridge, name, tenant, *where, "-1"), "an MTU of -1"),
            ((lab.bridge, name, tenant, *where, "9999999"), "create a veth pair")):
        assert words in lab.refused("attach", *arguments)
        assert lab.host_ends() == before


def test_attach_undoes_itself(lab: Lab) -> None:
    """The last request fails, when all others are done."""
    tenant = lab.tenant()
    tenant.run("ip", "link", "add", "own0", "type", "veth", "peer", "name", "own1")
    tenant.run("ip", "link", "set", "own0", "up")
    tenant.run("ip", "route", "add", "default", "dev", "own0")
    name = f"{lab.prefix}u"
    words = lab.refused("attach", lab.bridge, name, str(tenant.pid), "10.217.240.91", "24", GATEWAY)
    assert "set the default route" in words and name in words
    assert name not in lab.host_ends()
    assert "eth0" not in tenant.run("ip", "-o", "link")


def test_mtu_of_the_bridge_or_as_told(lab: Lab) -> None:
    for octet, told in ((92, ()), (93, ("1400",))):
        tenant = lab.tenant()
        lab.hostnet("attach", lab.bridge, f"{lab.prefix}m{octet}", str(tenant.pid),
                    f"10.217.240.{octet}", "24", GATEWAY, *told)
        assert f"mtu {told[0] if told else 1500} " in tenant.run("ip", "link", "show", "eth0")
        lab.hostnet("detach", f"{lab.prefix}m{octet}")


def test_fifty_at_once(lab: Lab) -> None:
    prefix = f"{lab.prefix}s"
    with subprocess.Popen([lab.probe_path, "storm", lab.bridge, prefix, "10.217.240.100", "24",
                           GATEWAY, "50"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as storm:
        assert storm.stdout and storm.stdin
        said = storm.stdout.readline()
        assert said.startswith("0 failed"), said
        ends = [name for name in lab.host_ends() if name.startswith(prefix)]
        assert len(ends) == 50
        shown = run("bridge", "-d", "link")
        for number in (0, 25, 49):
            assert f"{prefix}{number}@" in shown
            assert lab.host.pings(f"10.217.240.{100 + number}")
        storm.stdin.close()
        assert storm.wait() == 0
    wait_for("the ends to vanish",
             lambda: not [name for name in lab.host_ends() if name.startswith(prefix)])
