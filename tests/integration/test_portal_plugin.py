"""The plugin of portals, in a browser that is none (jsdom), at a real hub.

The stories are in backstage/tests; each reads the hub and what the catalog
holds from its environment.
"""

import os
from typing import Callable, Iterator

import pytest

import portal_package
from component_lab import Catalog, Portal, catalog, remove_images  # noqa: F401
from engine_api import Engine
from hub import Hub, free_port

TALKER = """\
FROM {image}
RUN mkdir -p /www && echo page > /www/index.html
ENTRYPOINT []
CMD ["sh", "-c", "trap 'echo bye; exit 0' TERM; echo to stdout; echo to stderr >&2; \
busybox httpd -p 8080 -h /www; n=0; while :; do n=$((n+1)); echo tick $n; sleep 0.1; done"]
"""
CRASHER = """\
FROM {image}
ENTRYPOINT []
CMD ["sh", "-c", "echo no such table: users >&2; exit 3"]
"""
KEY = "a-key-for-portal-tests"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> str:
    return portal_package.build(str(tmp_path_factory.mktemp("plugin")))


@pytest.fixture(scope="module")
def given(make_module_hub: Callable[..., Hub], catalog: Catalog,
          engine: Engine) -> Iterator[dict[str, str]]:
    """What the stories find: a hub, a locked one, and components of all kinds."""
    catalog.add("Chatty", dockerfile=TALKER)
    # Its image is the first story's to build.
    fresh = catalog.add("Fresh", dockerfile=TALKER + "LABEL story=fresh\n")
    catalog.add("slow", dockerfile="FROM {image}\nRUN sleep 3753\n")
    catalog.add("quiet")
    catalog.add("crash", health="", dockerfile=CRASHER)
    catalog.add("disabled", enabled="false")
    catalog.add("broken", dockerfile="FROM {image}\nRUN echo about to fail; exit 7\n")
    hub = make_module_hub({"RUNNERHUB_CATALOG": catalog.dir}).start()
    catalog.add("squatted", ports=[f"{hub.port}:8080"])
    locked = make_module_hub({"RUNNERHUB_CATALOG": catalog.dir,
                              "RUNNERHUB_API_KEY": KEY}).start()
    yield {"HUB_URL": hub.url, "LOCKED_URL": locked.url, "LOCKED_KEY": KEY,
           "FRESH_PORT": str(fresh), "NOBODYS_PORT": str(free_port())}
    Portal(hub).stop_all()
    remove_images(engine, hub)


def test_the_package_holds_what_it_promises(built: str) -> None:
    dist = os.path.join(built, "package", "dist")
    for name in ("index.js", "index.d.ts", "plugin.js", "components/RunnerPage.js"):
        assert os.path.getsize(os.path.join(dist, name)) > 0
    with open(os.path.join(dist, "index.d.ts"), encoding="utf-8") as types:
        text = types.read()
    for name in ("RunnerComponents", "RunnerControls", "RunnerStatus", "RunnerLogs",
                 "useRunner", "useRunnerInstances", "useRunnerLogs", "runnerApiRef",
                 "EntityRunnerCard", "runnerPlugin"):
        assert name in text
    assert not os.path.exists(os.path.join(built, "package", "src"))


@pytest.mark.parametrize("name", portal_package.tests())
def test_in_a_portal(built: str, given: dict[str, str], name: str) -> None:
    portal_package.run(built, name, given)
