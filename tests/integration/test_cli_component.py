"""The `component` commands and a real hub: from a directory to a page, and
every way that a start can end."""

import json
import os
import signal
import socket
import subprocess
from typing import Callable, Iterator

import pytest

from component_lab import Catalog, Portal, catalog, component_hub, page  # noqa: F401
from engine_api import Engine
from hub import Hub, free_port, wait_for

Run = Callable[..., subprocess.CompletedProcess]

# Serves its page once somebody has connected to port 9000.
HELD = """\
FROM {image}
ENTRYPOINT []
USER root
RUN mkdir -p /www && echo held > /www/index.html
CMD ["sh", "-c", "echo waiting; nc -l -p 9000; echo let go; exec busybox httpd -f -p 8080 -h /www"]
"""

COUNTER = """\
FROM {image}
ENTRYPOINT []
CMD ["sh", "-c", "i=0; while :; do echo line $i; i=$((i+1)); sleep 0.05; done"]
"""

# Serves how long its secret is, and babbles it.
KEEPER = """\
FROM {image}
ENTRYPOINT []
USER root
RUN mkdir /www
CMD ["sh", "-c", "echo $TOKEN; echo ${#TOKEN} >/www/index.html; busybox httpd -f -p 8080 -h /www"]
"""


@pytest.fixture(scope="module")
def hub(make_module_hub: Callable[..., Hub], catalog: Catalog,
        engine: Engine) -> Iterator[Hub]:
    yield from component_hub(make_module_hub, catalog, engine)


def environment(hub: Hub) -> dict[str, str]:
    return {**hub.env, "RUNNERHUB_URL": hub.url}


@pytest.fixture
def run(runnerhub: str, hub: Hub, tmp_path) -> Iterator[Run]:
    def call(*args: str) -> subprocess.CompletedProcess:
        return subprocess.run([runnerhub, "component", *args], cwd=tmp_path,
                              env=environment(hub), capture_output=True, text=True,
                              timeout=300, check=False)
    yield call
    Portal(hub).stop_all()


def test_from_a_directory_to_a_page_and_back(run: Run, hub: Hub, catalog: Catalog) -> None:
    port = catalog.add("Whole")
    assert [row.split()[:2] for row in run("list").stdout.splitlines()
            if "Whole" in row] == [["Component:default/Whole", "-"]]
    started = run("start", "whole")
    assert (started.returncode, started.stdout) == (0, f"http://localhost:{port}\n")
    assert "[3/5] Building Docker Image: " in started.stderr
    assert page(port) == "page\n"
    row, = [row.split() for row in run("list").stdout.splitlines() if "Whole" in row]
    assert row[1:3] == ["running", str(port)]
    status = run("status", "whole").stdout
    assert f"http://localhost:{port}" in status and "testers" in status
    assert json.loads(run("status", "--json").stdout)[0]["status"] == "running"
    assert set(run("logs", "whole").stdout.splitlines()) == {"to stdout", "to stderr"}
    assert "Step 1" in run("logs", "--build", "whole").stdout
    assert len(run("logs", "--tail", "1", "whole").stdout.splitlines()) == 1
    stopped = run("stop", "whole")
    assert (stopped.returncode, stopped.stdout) == (0, "Component:default/Whole is stopped\n")
    assert run("stop", "whole").returncode == 0, "once more is no error"
    assert set(run("logs", "whole").stdout.splitlines()) == {"to stdout", "to stderr"}
    assert len(run("status").stdout.splitlines()) == 1


def test_following_ends_with_the_component(run: Run, hub: Hub, catalog: Catalog,
                                           runnerhub: str) -> None:
    catalog.add("Followed")
    instance = run("start", "--detach", "followed").stdout.strip()
    with subprocess.Popen([runnerhub, "component", "logs", "-f", "--build", instance],
                          env=environment(hub), stdout=subprocess.PIPE, text=True) as follower:
        assert follower.stdout is not None
        seen = ""
        while "to stdout" not in seen:
            line = follower.stdout.readline()
            assert line, seen
            seen += line
        assert "Step 1" in seen
        assert run("stop", instance).returncode == 0
        follower.stdout.read()
        assert follower.wait(120) == 0


def test_following_outlives_a_hub_and_shows_each_line_once(
        run: Run, hub: Hub, catalog: Catalog, runnerhub: str) -> None:
    catalog.add("Counter", health="", dockerfile=COUNTER)
    assert run("start", "counter").returncode == 0
    with subprocess.Popen([runnerhub, "component", "logs", "-f", "counter"],
                          env=environment(hub), stdout=subprocess.PIPE, text=True) as follower:
        assert follower.stdout is not None
        seen = [follower.stdout.readline() for _ in range(5)]
        hub.kill9()
        hub.start()
        seen += [follower.stdout.readline() for _ in range(60)]
        assert run("stop", "counter").returncode == 0
        seen += follower.stdout.read().splitlines(keepends=True)
        assert follower.wait(120) == 0
    assert seen == [f"line {n}\n" for n in range(len(seen))]


def test_a_failed_build_tells_why_and_its_last_lines(run: Run, catalog: Catalog) -> None:
    catalog.add("Broken", dockerfile="FROM {image}\nRUN echo it went wrong; exit 3\n")
    started = run("start", "broken")
    assert (started.returncode, started.stdout) == (1, "")
    assert "[3/5] Building Docker Image: failed" in started.stderr
    assert "  it went wrong\n" in started.stderr
    errors = run("errors").stdout
    assert "DOCKER_BUILD_FAILED  Component:default/Broken" in errors
    instance = json.loads(run("status", "broken", "--json").stdout)
    assert instance["status"] == "error"
    assert json.loads(run("errors", "--json", instance["id"]).stdout)[0]["severity"]
    assert "Building Docker Image (failed)" in run("status", "broken").stdout


def test_a_secret_reaches_the_component_and_no_log(run: Run, hub: Hub, catalog: Catalog,
                                                   runnerhub: str) -> None:
    port = catalog.add("Keeper", extra="  secrets: [TOKEN]\n  stopGracePeriod: 1s\n",
                       dockerfile=KEEPER)
    refused = run("start", "keeper")
    assert refused.returncode == 1 and "TOKEN" in refused.stderr
    value = "keepers-token-0123456789"
    subprocess.run([runnerhub, "secret", "set", "TOKEN"], input=value, text=True,
                   env=environment(hub), check=True, timeout=120)
    assert run("start", "keeper").returncode == 0
    assert page(port) == f"{len(value)}\n"
    instance = run("status", "keeper", "--json").stdout
    assert value not in instance + run("logs", "--build", "keeper").stdout + hub.log()


def test_what_cannot_start_is_said_in_one_line(run: Run, catalog: Catalog) -> None:
    catalog.add("Disabled", enabled="false")
    for ref, what in (("nowhere", "component:default/nowhere"), ("disabled", "not enabled")):
        started = run("start", ref)
        assert (started.returncode, started.stdout) == (1, "")
        assert what in started.stderr and started.stderr.count("\n") == 1
    assert "nowhere" in run("stop", "nowhere").stderr
    assert run("status", "0190a000-0000-4000-8000-000000000001").returncode == 1


class Held:
    """`component start` of a component that waits to be let go."""

    def __init__(self, catalog: Catalog, hub: Hub, runnerhub: str, name: str):
        self.gate = free_port()
        self.port = catalog.add(name, dockerfile=HELD,
                                ports=[], config="")
        catalog.write(name, ".runner/config.yml", f"""\
runner:
  type: docker
  dockerfile: Dockerfile
  ports: ["{self.port}:8080", "{self.gate}:9000"]
  healthCheck: {{path: /, interval: 1s, timeout: 5s, startPeriod: 10m}}
  stopGracePeriod: 1s
""")
        self.process = subprocess.Popen(
            [runnerhub, "component", "start", name.lower()], env=environment(hub),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.said = ""
        while "[5/5] Monitoring Container ..." not in self.said:
            assert self.process.stderr is not None
            line = self.process.stderr.readline()
            assert line, self.said
            self.said += line

    def let_go(self) -> None:
        """Whichever container of its start it is that waits now."""
        def has_ended() -> bool:
            try:
                socket.create_connection(("127.0.0.1", self.gate), 10).close()
            except OSError:
                pass  # it does not listen, yet or any more
            return self.process.poll() is not None
        wait_for(has_ended, 120, "the start has ended")

    def end(self) -> tuple[int, str]:
        out, said = self.process.communicate(timeout=300)
        self.said += said
        return self.process.returncode, out


def test_an_interrupt_leaves_it_starting_and_says_how_to_stop(
        run: Run, hub: Hub, catalog: Catalog, runnerhub: str) -> None:
    held = Held(catalog, hub, runnerhub, "Left")
    held.process.send_signal(signal.SIGINT)
    assert held.end() == (130, "")
    instance = json.loads(run("status", "left", "--json").stdout)
    assert instance["status"] == "starting"
    assert f"runnerhub component stop {instance['id']}" in held.said
    assert "Monitoring Container (in progress)" in run("status", "left").stdout
    assert run("stop", instance["id"]).stdout == "Component:default/Left is stopped\n"


def test_a_stop_by_somebody_else_ends_the_start(
        run: Run, hub: Hub, catalog: Catalog, runnerhub: str) -> None:
    held = Held(catalog, hub, runnerhub, "Stopped")
    assert run("stop", "stopped").returncode == 0
    assert held.end() == (1, "") and "stopped before it was ready" in held.said


def test_a_start_is_followed_through_a_restart_of_the_hub(
        run: Run, hub: Hub, catalog: Catalog, runnerhub: str) -> None:
    held = Held(catalog, hub, runnerhub, "Patient")
    hub.kill9()
    hub.start()
    held.let_go()
    assert held.end() == (0, f"http://localhost:{held.port}\nhttp://localhost:{held.gate}\n")
    assert page(held.port) == "held\n"


def test_a_strict_hub_does_not_make_it_wait_blindly(
        run: Run, hub: Hub, catalog: Catalog) -> None:
    port = catalog.add("Strict")
    hub.restart({"RUNNERHUB_COMPONENTS_STRICT": "true"})
    started = run("start", "strict")
    hub.restart({"RUNNERHUB_COMPONENTS_STRICT": "false"})
    assert started.returncode == 0 and started.stdout == f"http://localhost:{port}\n"
    assert "[3/5] Building Docker Image ...\n" in started.stderr


def test_no_hub_is_told(runnerhub: str) -> None:
    for args in (["list"], ["start", "x"], ["status"], ["logs", "x"], ["errors"]):
        done = subprocess.run([runnerhub, "component", *args, "--url", "http://127.0.0.1:1"],
                              env={"PATH": os.environ["PATH"]}, capture_output=True, text=True,
                              timeout=120, check=False)
        assert done.returncode == 3 and "127.0.0.1:1" in done.stderr
