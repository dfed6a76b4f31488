"""Nobody reaches anybody: jobs, the host, the engine, what was before."""

import os
import socket
import threading
from typing import Any, Callable, Iterator

import pytest

from engine_api import Engine, EngineError
from hub import Hub, wait_for
from net_lab import OUTSIDE, PORT, Lab

SERVER = "while :; do echo hello | nc -l -p 7000; done"
ADDRESS = "ip -4 -o addr show dev eth0 | awk '{print $4}' | cut -d/ -f1"


@pytest.fixture(scope="module")
def hub(make_module_hub: Callable[..., Hub]) -> Hub:
    return make_module_hub({"RUNNERHUB_CAPACITY": "4", "RUNNER_MEMORY_MB": "64",
                            "RUNNERHUB_JOB_GRACE": "1"}).start()


def output(hub: Hub, script: str, **fields: Any) -> str:
    job_id = hub.delegate([script], **fields)
    job = hub.wait_end(job_id)
    assert job["status"] == "completed", f"{job['error']}\n{hub.logs(job_id)}"
    return hub.logs(job_id)


class Server:
    """A job that tells its address and greets whoever comes to port 7000."""

    def __init__(self, hub: Hub):
        self.hub = hub
        self.job_id = hub.delegate([f"{ADDRESS}; {SERVER}"])
        wait_for(lambda: hub.logs(self.job_id).count("\n") == 1, what="the job's address")
        self.address = hub.logs(self.job_id).strip()
        self.container = hub.job(self.job_id)["containerId"]

    def start_dial(self, address: str) -> Callable[[], bool]:
        """From within this job's container; the answer says if it got there."""
        engine = self.hub.engine
        made = engine.call("POST", f"/containers/{self.container}/exec", {
            "Cmd": ["nc", "-w", "3", address, "7000"]})
        engine.call("POST", f"/exec/{made['Id']}/start", {"Detach": True})

        def ended() -> Any:
            state = engine.call("GET", f"/exec/{made['Id']}/json")
            return not state["Running"] and state
        return lambda: wait_for(ended)["ExitCode"] == 0

    def dial(self, address: str) -> bool:
        return self.start_dial(address)()

    def stop(self) -> None:
        self.hub.post(f"/api/jobs/{self.job_id}/cancel")


def assert_cannot_meet(hub: Hub, other_hub: Hub | None = None) -> None:
    one, two = Server(hub), Server(other_hub or hub)
    assert one.address != two.address
    # Each is really there: it reaches itself.
    wait_for(lambda: one.dial(one.address), what="the server of the first job")
    wait_for(lambda: two.dial(two.address), what="the server of the second job")
    there, back = one.start_dial(two.address), two.start_dial(one.address)
    assert not there() and not back()
    one.stop()
    two.stop()


# -- between jobs --------------------------------------------------------------------

def test_two_jobs_cannot_reach_each_other(hub: Hub) -> None:
    assert_cannot_meet(hub)


def test_nor_by_the_engines_own_networks(make_hub: Callable[..., Hub]) -> None:
    hub = make_hub({"RUNNERHUB_NETWORK_MECHANISM": "engine", "RUNNERHUB_CAPACITY": "2",
                    "RUNNER_MEMORY_MB": "64", "RUNNERHUB_JOB_GRACE": "1"}).start()
    described = wait_for(lambda: hub.get("/api/system").data["isolation"]["network"])
    wait_for(lambda: hub.get("/health").status == 200)
    assert "by the engine" in hub.get("/api/system").data["isolation"]["network"], described
    assert_cannot_meet(hub)


def test_nor_jobs_of_two_hubs(hub: Hub, make_hub: Callable[..., Hub]) -> None:
    other = make_hub({"RUNNER_MEMORY_MB": "64", "RUNNERHUB_JOB_GRACE": "1"}).start()
    assert_cannot_meet(hub, other)


def test_nothing_is_left_for_the_next_job(hub: Hub) -> None:
    seen = "hostname; ls -A /tmp $HOME $GITHUB_WORKSPACE $RUNNER_TEMP /dev/shm; ps -o args"
    first = output(hub, "hostname; for d in /tmp $HOME $GITHUB_WORKSPACE $RUNNER_TEMP /dev/shm; "
                   "do echo secret > $d/left-behind; done; (setsid sleep 4242 &)")
    second = output(hub, seen)
    assert "left-behind" not in second and "4242" not in second
    assert first.strip() != second.splitlines()[0]


def test_the_workspace_dies_with_the_container(hub: Hub) -> None:
    job_id = hub.delegate(["head -c 100000 /dev/urandom > big; echo made"])
    job = hub.wait_status(job_id, "completed")

    def gone() -> bool:
        try:
            hub.engine.inspect(job["containerId"])
            return False
        except EngineError as error:
            return error.status == 404
    wait_for(gone, what="the container is removed")
    left = [os.path.join(folder, name) for folder, _, names in os.walk(hub.state_dir)
            for name in names if os.path.getsize(os.path.join(folder, name)) == 100_000]
    assert left == []


# -- the host and the outside -----------------------------------------------------------

class Listener:
    """A service of this machine, on all its addresses."""

    def __init__(self) -> None:
        self.server = socket.create_server(("0.0.0.0", 0))
        self.port = self.server.getsockname()[1]
        self.callers: list[str] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, peer = self.server.accept()
            except OSError:
                return  # closed
            self.callers.append(peer[0])
            connection.sendall(b"the host\n")
            connection.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    one = Listener()
    yield one
    one.server.shutdown(socket.SHUT_RDWR)
    one.server.close()


def host_addresses() -> list[str]:
    with os.popen("ip -4 -o addr show scope global") as lines:
        return [line.split()[3].split("/")[0] for line in lines]


def dial_all(addresses: list[str], port: int) -> str:
    """A script that tries all at once and names those that answer."""
    dials = "".join(f"(nc -w 3 {a} {port} </dev/null >/dev/null 2>&1 && echo reached {a}) &\n"
                    for a in addresses)
    return f"gateway=$(ip route | awk '/default/ {{print $3}}')\n{dials}" \
           f"(nc -w 3 $gateway {port} </dev/null >/dev/null 2>&1 && echo reached gateway) &\nwait\n"


@pytest.mark.parametrize("mechanism", ["auto", "engine"])
def test_services_of_the_host_are_denied(make_hub: Callable[..., Hub], listener: Listener,
                                         mechanism: str) -> None:
    hub = make_hub({"RUNNERHUB_NETWORK_MECHANISM": mechanism}).start()
    with socket.create_connection(("127.0.0.1", listener.port)) as check:
        assert check.recv(64) == b"the host\n"
    wait_for(lambda: hub.get("/health").status == 200)
    state = hub.get("/api/system").data["isolation"]
    assert state["hostServicesReachable"] is False and "denied" in state["network"]
    assert output(hub, dial_all(host_addresses(), listener.port)) == ""
    assert listener.callers == ["127.0.0.1"]


def test_an_exposed_host_is_told(make_hub: Callable[..., Hub], listener: Listener) -> None:
    hub = make_hub({"RUNNERHUB_HOST_SERVICES": "warn"}).start()
    assert "reached gateway" in output(hub, dial_all([], listener.port))
    state = hub.get("/api/system").data["isolation"]
    assert state["hostServicesReachable"] is True and "hostServices" in state["reason"]
    assert "jobs can reach services of this host" in hub.log()


@pytest.fixture(scope="module")
def outside(engine: Engine, image: str) -> Iterator[Lab]:
    lab = Lab(engine, image, "")
    try:
        lab.make_outside()
        yield lab
    finally:
        lab.close()


@pytest.mark.parametrize("mechanism", ["auto", "engine"])
def test_the_outside_is_reached(make_hub: Callable[..., Hub], outside: Lab,
                                mechanism: str) -> None:
    hub = make_hub({"RUNNERHUB_NETWORK_MECHANISM": mechanism}).start()
    text = output(hub, f"nc -w 30 {OUTSIDE} {PORT} </dev/null")
    assert text == outside.host.dial(OUTSIDE).removeprefix("open "), "it sees this host's address"


# -- networks by wish -----------------------------------------------------------------------

NO_NETWORK = "ip -4 -o addr | awk '{print $2, $4}'; ip route; ls /sys/class/net | grep -c eth || true"


def test_no_network_for_one_job(hub: Hub) -> None:
    assert output(hub, NO_NETWORK, network="none") == "lo 127.0.0.1/8\n0\n"
    assert "eth0" in output(hub, NO_NETWORK)


def test_no_network_for_any_job(make_hub: Callable[..., Hub]) -> None:
    hub = make_hub({"RUNNERHUB_NETWORK": "none"}).start()
    assert output(hub, NO_NETWORK) == "lo 127.0.0.1/8\n0\n"
    assert hub.networks() == []


@pytest.mark.parametrize("name", ["no-such-network", "host", "bridge", "container:x", "default"])
def test_a_job_cannot_choose_a_weaker_network(hub: Hub, name: str) -> None:
    reply = hub.post("/api/jobs/delegate", {"jobId": "1", "runId": name, "repository": "a/b",
                                            "network": name, "steps": [{"run": "true"}]})
    assert reply.status == 400 and '"network"' in reply.json["error"]


def test_an_unknown_network_of_the_hub_is_named(make_hub: Callable[..., Hub]) -> None:
    hub = make_hub({"RUNNERHUB_NETWORK": "no-such-network"}).start()
    engine = wait_for(lambda: (e := hub.get("/api/system").data["engine"])["error"] and e)
    assert "no-such-network" in engine["error"] and "network" in engine["error"]
    job_id = hub.delegate(["echo ran"])
    assert hub.get("/health").status == 503
    assert hub.job(job_id)["status"] == "queued" and hub.logs(job_id) == ""
    hub.post(f"/api/jobs/{job_id}/cancel")


# -- powers -----------------------------------------------------------------------------------

CHOWN, SETGID, SETUID = 1 << 0, 1 << 6, 1 << 7


def status_of(hub: Hub, **fields: Any) -> dict[str, str]:
    text = output(hub, "cat /proc/self/status", **fields)
    return {name: value.strip() for name, value in (line.split(":", 1)
                                                    for line in text.splitlines())}


def test_the_powers_of_a_job(hub: Hub, runner_image: str) -> None:
    for image, most in ((hub.env["RUNNER_IMAGE"], CHOWN | SETGID | SETUID), (runner_image, 0)):
        status = status_of(hub, image=image)
        assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
        for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            assert int(status[name], 16) & ~most == 0, f"{image}: {name} {status[name]}"
        assert int(status["CapBnd"], 16) & ~(CHOWN | SETGID | SETUID) == 0


def test_what_the_container_is_given(hub: Hub) -> None:
    job_id = hub.delegate(["sleep 86400"])
    inspected = hub.engine.inspect(hub.wait_status(job_id, "running")["containerId"])
    config = inspected["HostConfig"]
    assert config["Privileged"] is False and config["CapDrop"] == ["ALL"]
    assert {c.removeprefix("CAP_") for c in config["CapAdd"]} == {"CHOWN", "SETUID", "SETGID"}
    assert any("no-new-privileges" in option for option in config["SecurityOpt"])
    assert config["PidMode"] == "" and config["UTSMode"] == "" and not config["Devices"]
    assert config["IpcMode"] in ("private", "shareable") and not config["VolumesFrom"]
    for mount in inspected["Mounts"]:
        assert mount["Source"].startswith(hub.state_dir + "/"), mount
    labels = inspected["Config"]["Labels"]
    assert labels["runnerhub.managed"] == "true" and labels["runnerhub.hub"] == hub.hub_id
    assert labels["runnerhub.job.id"] == job_id and labels["runnerhub.repository"] == "test/repo"
    hub.post(f"/api/jobs/{job_id}/cancel")


def test_neither_the_engine_nor_the_hub_is_in_reach(hub: Hub) -> None:
    text = output(hub, "find / -xdev -type s 2>/dev/null | grep -v '^/hub/' || true\n"
                  "for f in /hub/new /.runnerhub-agent /proc/sysrq-trigger /sys/kernel/x; do\n"
                  "  (: >> $f) 2>/dev/null && echo wrote $f\ndone\n"
                  "mknod /tmp/disk b 8 0 2>/dev/null && echo made a device\n"
                  "mount -t tmpfs none /mnt 2>/dev/null && echo mounted\n"
                  "ls /var/run/docker.sock 2>/dev/null && echo engine; kill -9 1; echo end")
    assert text == "end\n"
