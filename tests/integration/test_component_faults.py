"""What can go wrong with a component, provoked for real: each fault has its
own code, is told in the instance, in GET /errors and at the step that failed,
and leaves nothing."""

import os
import socket
from typing import Callable, Iterator

import pytest

from cable import Cable
from component_lab import (STEPS, WEB, Catalog, Portal, catalog, component_hub,  # noqa: F401
                           containers_of, failed, page, remove_images, workplaces)
from engine_api import Engine
from hub import Hub, Reply, wait_for

DOWNLOAD, EXTRACT, BUILD, START, MONITOR = STEPS


@pytest.fixture(scope="module")
def live(make_module_hub: Callable[..., Hub], catalog: Catalog,
         engine: Engine) -> Iterator[Hub]:
    yield from component_hub(make_module_hub, catalog, engine, RUNNERHUB_COMPONENTS_MAX="2")


@pytest.fixture
def portal(live: Hub, engine: Engine) -> Iterator[Portal]:
    """Nothing is left of what a test started."""
    portal = Portal(live)
    yield portal
    portal.stop_all()
    assert containers_of(engine, live) == []
    assert workplaces(live) == []


def refused(reply: Reply, status: int, name: str) -> str:
    assert reply.status == status, reply.text
    assert reply.json["error"]["name"] == name
    return reply.json["error"]["message"]


def command(words: str) -> str:
    return f'FROM {{image}}\nENTRYPOINT []\nCMD ["sh", "-c", "{words}"]\n'


# -- before there is an instance ---------------------------------------------------

def test_one_that_is_not_enabled(portal: Portal, catalog: Catalog) -> None:
    catalog.add("not-enabled", enabled="True")
    known = portal.instances()
    assert refused(portal.start("component:not-enabled"), 400, "InputError") == \
        "Component is not enabled for runner"
    assert portal.instances() == known


# -- its source and configuration --------------------------------------------------

def config(**changes: str) -> str:
    lines = {"type": "docker", "dockerfile": "Dockerfile", "ports": "[8080]", **changes}
    return "runner:\n" + "".join(f"  {k}: {v}\n" for k, v in lines.items() if v)


@pytest.mark.parametrize("name,text,words", [
    ("bad-type", config(type="podman"), ":2:"),
    ("no-dockerfile", config(dockerfile=""), "dockerfile"),
    ("no-ports", config(ports=""), "ports"),
    ("bad-port", config(ports='["80:"]'), ":4:"),
    ("bad-ports", config(ports="[0, 65536, x]"), ":4:"),
    ("bad-yaml", "runner: [\n", ".runner/config.yml"),
    ("empty", "", ".runner/config.yml"),
])
def test_a_wrong_configuration(portal: Portal, catalog: Catalog, name: str, text: str,
                               words: str) -> None:
    catalog.add(name, config=text)
    instance = failed(portal, f"component:{name}", "INVALID_CONFIGURATION", EXTRACT)
    assert words in instance["error"] and ".runner/config.yml" in instance["error"]


def test_every_problem_of_a_configuration_is_told(portal: Portal, catalog: Catalog) -> None:
    catalog.add("many", config=config(type="podman", ports='["80:"]', ttl="30"))
    instance = failed(portal, "component:many", "INVALID_CONFIGURATION", EXTRACT)
    told = instance["error"] + portal.logs(instance["id"], "build=true")
    for line in (2, 4, 5):
        assert f".runner/config.yml:{line}:" in told, told


def test_a_configuration_that_is_not_there(portal: Portal, catalog: Catalog) -> None:
    catalog.add("plain", config="")
    os.unlink(catalog.path("plain", ".runner/config.yml"))
    instance = failed(portal, "component:plain", "CONFIG_NOT_FOUND", DOWNLOAD)
    assert ".runner/config.yml" in instance["error"]


def test_a_dockerfile_that_is_not_there(portal: Portal, catalog: Catalog) -> None:
    catalog.add("bare", dockerfile=None)
    instance = failed(portal, "component:bare", "DOCKERFILE_NOT_FOUND", EXTRACT)
    assert "Dockerfile" in instance["error"]


@pytest.mark.parametrize("source,code,words", [
    ("url:https://gitlab.com/o/r", "INVALID_SOURCE_LOCATION", "gitlab.com"),
    ("url:https://github.com/o", "INVALID_SOURCE_LOCATION", "github.com/o"),
    ("url:https://a:secret@github.com/o/r", "INVALID_SOURCE_LOCATION", "password"),
    ("no address", "INVALID_SOURCE_LOCATION", "no address"),
    ("file:/no/such/directory", "REPOSITORY_NOT_FOUND", "/no/such/directory"),
])
def test_a_source_location(portal: Portal, catalog: Catalog, source: str, code: str,
                           words: str) -> None:
    catalog.add("lost", source=source)
    instance = failed(portal, "component:lost", code, DOWNLOAD)
    assert words in instance["error"] and "secret" not in instance["error"]


# -- its image ---------------------------------------------------------------------

def test_a_build_that_fails(portal: Portal, catalog: Catalog) -> None:
    catalog.add("broken", dockerfile="FROM {image}\nRUN echo fine\n"
                "RUN echo about to fail; echo for a reason >&2; exit 7\n")
    instance = failed(portal, "component:broken", "DOCKER_BUILD_FAILED", BUILD)
    assert "Step 3/" in instance["error"] and "code: 7" in instance["error"]
    assert "for a reason" in instance["error"]
    assert "about to fail\n" in portal.logs(instance["id"])


def test_a_dockerfile_that_is_none(portal: Portal, catalog: Catalog) -> None:
    catalog.add("nonsense", dockerfile="FROM {image}\nBAKE a cake\n")
    instance = failed(portal, "component:nonsense", "DOCKER_BUILD_FAILED", BUILD)
    assert "BAKE" in instance["error"]


def test_a_base_image_that_is_not_there(portal: Portal, catalog: Catalog) -> None:
    catalog.add("baseless", dockerfile="FROM localhost:1/no/such:image\n")
    instance = failed(portal, "component:baseless", "DOCKER_BUILD_FAILED", BUILD)
    assert "localhost:1" in instance["error"]


# -- its ports ---------------------------------------------------------------------

def test_a_port_that_another_process_has(portal: Portal, catalog: Catalog) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        catalog.add("squatted", ports=[f"{port}:8080"])
        instance = failed(portal, "component:squatted", "PORT_ALREADY_IN_USE", EXTRACT)
    assert str(port) in instance["error"]
    assert f"python3 (process {os.getpid()})" in instance["error"]


def test_a_port_that_another_component_has(portal: Portal, catalog: Catalog) -> None:
    port = catalog.add("first")
    catalog.add("second", ports=[f"{port}:8080"])
    portal.running("component:first")
    instance = failed(portal, "component:second", "PORT_ALREADY_IN_USE", EXTRACT)
    assert str(port) in instance["error"] and "Component:default/first" in instance["error"]
    assert page(port) == "page\n"


def test_the_port_of_the_hub_itself(portal: Portal, catalog: Catalog) -> None:
    catalog.add("collide", ports=[f"{portal.hub.port}:8080"])
    instance = failed(portal, "component:collide", "PORT_ALREADY_IN_USE", EXTRACT)
    assert "PORT=" in instance["error"] and "HOST:8080" in instance["error"]


# -- its container -----------------------------------------------------------------

def test_a_command_that_cannot_be_run(portal: Portal, catalog: Catalog) -> None:
    catalog.add("noexec", health="",
                dockerfile='FROM {image}\nENTRYPOINT []\nCMD ["/no/such/program"]\n')
    instance = failed(portal, "component:noexec", "CONTAINER_START_FAILED", START)
    assert "/no/such/program" in instance["error"]


def test_a_crash_at_once_tells_its_last_lines(portal: Portal, catalog: Catalog) -> None:
    catalog.add("crash", health="", dockerfile=command(
        "echo begin; echo no such table: users >&2; exit 3"))
    # It may have been called running for a moment: then no step has failed.
    instance = failed(portal, "component:crash", "CONTAINER_EXITED")
    assert "exited with code 3" in instance["error"]
    assert "no such table: users" in instance["error"]
    assert instance["exitCode"] == 3
    assert "begin\n" in portal.logs(instance["id"])


def test_one_that_ends_while_it_is_probed(portal: Portal, catalog: Catalog) -> None:
    catalog.add("brief", dockerfile=command("echo no use; exit 4"))
    instance = failed(portal, "component:brief", "CONTAINER_EXITED", MONITOR)
    assert instance["exitCode"] == 4 and "no use" in instance["error"]


def test_one_that_ends_well_before_it_is_ready(portal: Portal, catalog: Catalog) -> None:
    """As one that goes into the background does."""
    catalog.add("daemon", dockerfile=command("echo gone; exit 0"))
    instance = failed(portal, "component:daemon", "CONTAINER_EXITED", MONITOR)
    assert instance["exitCode"] == 0 and "before it was ready" in instance["error"]


def test_one_that_never_gets_ready(portal: Portal, catalog: Catalog) -> None:
    catalog.add("sick", health="{path: /missing, interval: 1s, timeout: 1s, retries: 1, "
                "startPeriod: 1s}")
    instance = failed(portal, "component:sick", "HEALTH_CHECK_FAILED", MONITOR)
    assert "404" in instance["error"] and "/missing" in instance["error"]


def test_one_that_takes_too_much_memory(portal: Portal, catalog: Catalog) -> None:
    catalog.add("greedy", health="", extra="  resources: {memory: 16m}\n",
                dockerfile=command("echo hungry; busybox tail /dev/zero"))
    instance = portal.settled(portal.started("component:greedy"), "error")
    errors = portal.errors(instance["id"])
    assert [e["code"] for e in errors] == ["CONTAINER_EXITED"]
    assert "out of memory" in instance["error"], instance
    assert instance["exitCode"] == 137
    assert "hungry" in portal.logs(instance["id"])


def test_one_that_a_signal_ends(portal: Portal, catalog: Catalog) -> None:
    catalog.add("suicidal", dockerfile=command("echo last words; sh -c 'kill -SEGV $$'; exit $?"))
    instance = failed(portal, "component:suicidal", "CONTAINER_EXITED", MONITOR)
    assert instance["exitCode"] == 139 and "Segmentation fault" in instance["error"]


# -- stops -------------------------------------------------------------------------

def test_a_dead_one_is_stopped_twice(portal: Portal, catalog: Catalog,
                                     engine: Engine) -> None:
    catalog.add("dead")
    instance = portal.running("component:dead")
    engine.kill(instance["containerId"])
    for _ in range(2):
        reply = portal.stop(instance["id"])
        assert reply.status == 200, reply.text
        assert reply.json == {"message": "Component stopped successfully"}
        assert portal.show(instance["id"])["status"] == "stopped"


# -- the engine --------------------------------------------------------------------

def test_an_engine_that_is_away(make_hub: Callable[..., Hub], catalog: Catalog,
                                engine: Engine) -> None:
    """A start is refused, the hub lives, and works once the engine is back;
    what runs is not taken for dead meanwhile."""
    cable = Cable(engine.host.removeprefix("unix://"))
    port = catalog.add("patient")
    catalog.add("latecomer")
    hub = make_hub({"RUNNERHUB_CATALOG": catalog.dir, "DOCKER_HOST": cable.url,
                    "RUNNERHUB_COMPONENTS_MAX": "2"}).start()
    portal = Portal(hub)
    running = portal.running("component:patient")
    cable.cut()
    known = portal.instances()
    message = refused(portal.start("component:latecomer"), 503, "ServiceUnavailableError")
    assert cable.url.removeprefix("unix://") in message, message
    assert portal.start("component:latecomer").json["error"]["code"] == \
        "DOCKER_DAEMON_NOT_RUNNING"
    assert portal.instances() == known  # no instance was made
    assert portal.show(running["id"])["status"] == "running"
    assert page(port) == "page\n"
    cable.mend()
    reply = wait_for(lambda: (r := portal.start("component:latecomer")).status != 503 and r,
                     what="the engine is back")
    assert reply.status == 201
    portal.settled(reply.json["id"], "running")
    assert portal.show(running["id"])["status"] == "running"
    portal.stop_all()
    assert containers_of(engine, hub) == []
    remove_images(engine, hub)
    cable.close()


def test_an_engine_that_goes_away_in_a_build(make_hub: Callable[..., Hub], catalog: Catalog,
                                             engine: Engine) -> None:
    catalog.add("halfway", dockerfile="FROM {image}\nRUN sleep 3752\n")
    cable = Cable(engine.host.removeprefix("unix://"))
    hub = make_hub({"RUNNERHUB_CATALOG": catalog.dir, "DOCKER_HOST": cable.url}).start()
    portal = Portal(hub)
    instance = portal.started("component:halfway")
    wait_for(lambda: "sleep 3752" in portal.logs(instance, "build=true"), what="it builds")
    cable.cut()
    found = portal.settled(instance, "error")
    assert found["errorCode"] == "DOCKER_DAEMON_NOT_RUNNING", found
    cable.mend()
    assert portal.stop(instance).status == 200
    catalog.write("halfway", "Dockerfile", WEB.replace("{image}", catalog.image))
    reply = wait_for(lambda: (r := portal.start("component:halfway")).status != 503 and r,
                     what="the engine is back")
    portal.settled(reply.json["id"], "running")
    portal.stop_all()
    remove_images(engine, hub)
    cable.close()
