"""The hub behind a real Backstage, and the portal plugin in front of both.

Opt-in, by make test-backstage: the packages of a portal weigh 400 MB.
"""

import os
from typing import Callable, Iterator

import pytest

import portal_package
from component_lab import WEB, remove_images
from engine_api import Engine
from fake_github import TOKEN, FakeGithub
from hub import Hub, free_port, wait_for
from raw_portal import Client
from real_portal import RealPortal
from test_portal_plugin import TALKER

NOBODY = "11111111-2222-4333-8444-555555555555"
SERVICE = "a-service-of-the-tests"
VERIFY = ("keys", "ask")


def entity(name: str, github: str, enabled: str = "true") -> str:
    return f"""\
apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: {name}
  description: about {name}
  annotations:
    runner.backstage.io/enabled: "{enabled}"
    backstage.io/source-location: url:http://{github}/acme/{name.lower()}/
spec: {{type: service, lifecycle: experimental, owner: "group:default/testers"}}
---
"""


class Lab:
    """A portal, and a hub for each way of verifying its tokens."""

    def __init__(self, image: str, hubs: dict[str, Hub], portal: RealPortal):
        self.hubs, self.portal, self.github = hubs, portal, FakeGithub()
        self.fresh_port = free_port()
        at = self.github.url.removeprefix("http://")
        self.image = image
        self.push("web", WEB, free_port())
        self.push("quiet", WEB, free_port())
        portal.configure(hubs["keys"].url, at, TOKEN, "".join((
            entity("web", at), entity("quiet", at), entity("Fresh", at),
            entity("disabled", at, "false"))))

    def push(self, name: str, dockerfile: str, port: int) -> None:
        """A commit of the component's repository."""
        repositories = self.github.repositories
        full = f"acme/{name}"
        repository = repositories.all.get(full) or repositories.add(full)
        repository.commit("main", {
            ".runner/config.yml": (
                "runner:\n  type: docker\n  dockerfile: Dockerfile\n"
                f"  ports: ['{port}:8080']\n  stopGracePeriod: 1s\n"
                "  healthCheck: {path: /, interval: 1s}\n").encode(),
            "Dockerfile": dockerfile.replace("{image}", self.image).encode()})

    def client(self, way: str, token: str | None) -> Client:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if way in self.hubs:
            return Client(self.hubs[way].port, headers=headers)
        base = {"proxy": "/api/proxy/runner", "plugin": "/api/runner"}[way]
        return Client(self.portal.port, base, headers)


@pytest.fixture(scope="module")
def lab(make_module_hub: Callable[..., Hub], image: str, engine: Engine,
        tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    portal = RealPortal()
    tokens = tmp_path_factory.mktemp("tokens") / "tokens.yaml"
    tokens.write_text(f"- {{token: {SERVICE}, subject: previews}}\n")
    tokens.chmod(0o600)
    hubs = {verify: make_module_hub({
        "RUNNERHUB_APP_CONFIG": portal.config,
        "RUNNERHUB_PORTAL_URL": "app-config",
        "RUNNERHUB_PORTAL_VERIFY": verify,
        "RUNNERHUB_PORTAL_TOKEN": RealPortal.CATALOG_TOKEN,
        "RUNNERHUB_PORTAL_TOKENS": str(tokens),
        "CATALOG_TOKEN": RealPortal.CATALOG_TOKEN,
    }) for verify in VERIFY}
    made = Lab(image, hubs, portal)
    try:
        for hub in hubs.values():
            hub.start()  # a portal that is not there yet hinders no start
        portal.start()
        yield made
    finally:
        for way, hub in hubs.items():
            if hub.process is not None and portal.processes:
                stop_all(made.client(way, portal.guest()))
            remove_images(engine, hub)
        portal.close()
        made.github.close()


def stop_all(client: Client) -> None:
    for instance in client.list().json["items"]:
        if instance["status"] != "stopped":
            assert client.stop(instance["id"]).status == 200


def story(client: Client) -> None:
    """What a frontend does with a component, from its start to its stop."""
    started = client.start("component:default/web")
    assert started.status == 201, (started.line, started.body)
    assert started.json["componentRef"] == "Component:default/web"
    instance = started.json["id"]

    def settled() -> dict | None:
        found = client.status(instance).json
        return found if found["status"] != "starting" else None

    found = wait_for(settled, 120, "it is started")
    assert found["status"] == "running", found
    assert found["deploymentProgress"]["overallProgress"] == 100
    with client.follow(f"/instances/{instance}/logs?follow=true",
                       {"Accept-Encoding": "gzip"}) as stream:
        head = stream.head()
        assert head.status == 200 and head.header("Content-Encoding") is None
        stream.until(b"to std")
    assert client.stop(instance).status == 200
    assert client.status(instance).json["status"] == "stopped"
    assert "to stderr" in client.logs(instance).json["logs"]


@pytest.mark.parametrize("verify", VERIFY)
def test_who_gets_in(lab: Lab, verify: str) -> None:
    guest = lab.portal.guest()
    head, payload, signature = guest.split(".")
    forged = f"{head}.{payload}.{signature[:20]}AAAA{signature[24:]}"
    for token, words in ((None, "Missing credentials"), ("garbage", "Illegal token"),
                         (forged, "Failed user token verification")):
        answer = lab.client(verify, token).list()
        assert answer.error(401, "AuthenticationError")["error"]["message"] == words
    assert lab.client(verify, guest).list().status == 200
    service = lab.client(verify, SERVICE)
    assert service.list().status == 200
    message = service.start("component:default/web").error(403, "NotAllowedError")["error"]["message"]
    assert "'service' credentials" in message
    # What Backstage takes from the hub is nothing that the hub takes.
    answer = lab.client(verify, RealPortal.CATALOG_TOKEN).list()
    if verify == "keys":
        answer.error(401, "AuthenticationError")
    else:  # the portal knows it, and says what it is for
        message = answer.error(403, "NotAllowedError")["error"]["message"]
        assert "restricted to plugin(s) 'catalog'" in message


@pytest.mark.parametrize("who", ("guest", "service"))
@pytest.mark.parametrize("verify", VERIFY)
def test_the_portals_catalog(lab: Lab, verify: str, who: str) -> None:
    """By the user's own token, and by the hub's for one that has none."""
    token = lab.portal.guest() if who == "guest" else SERVICE
    items = lab.client(verify, token).get("/components").json["items"]
    found = {item["componentRef"]: item for item in items}
    assert set(found) == {f"Component:default/{name}" for name in ("web", "quiet", "Fresh")}
    assert found["Component:default/web"]["description"] == "about web"
    assert found["Component:default/web"]["owner"] == "group:default/testers"


@pytest.mark.parametrize("way", ("keys", "ask", "proxy", "plugin"))
def test_from_start_to_stop(lab: Lab, way: str) -> None:
    story(lab.client(way, lab.portal.guest()))


@pytest.mark.parametrize("way", ("keys", "ask", "proxy", "plugin"))
def test_what_is_refused(lab: Lab, way: str) -> None:
    client = lab.client(way, lab.portal.guest())
    words = {ref: client.start(ref) for ref in (
        "component:default/nobody", "component:default/disabled", "nonsense")}
    message = words["component:default/nobody"].error(404, "NotFoundError")["error"]["message"]
    assert message == "Entity not found: component:default/nobody"
    message = words["component:default/disabled"].error(400, "InputError")["error"]["message"]
    assert message == "Component is not enabled for runner"
    words["nonsense"].error(400, "InputError")
    body = client.status(NOBODY).error(404, "NotFoundError")
    assert body["request"] == {"method": "GET", "url": f"/instances/{NOBODY}"}


@pytest.mark.parametrize("way", ("proxy", "plugin"))
def test_the_portal_keeps_strangers_out_by_itself(lab: Lab, way: str) -> None:
    for token in (None, "garbage"):
        assert lab.client(way, token).list().status == 401


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> str:
    return portal_package.build(str(tmp_path_factory.mktemp("plugin")))


@pytest.mark.parametrize("way", ("/api/proxy/runner", "/api/runner"))
def test_the_plugin_in_front(lab: Lab, built: str, way: str) -> None:
    """The first story of its own tests, signed in, through the portal."""
    lab.push("fresh", f'{TALKER}LABEL way="{way}"\n', lab.fresh_port)
    portal_package.run(built, "runner", {
        "PORTAL_TARGET": lab.portal.url + way, "PORTAL_TOKEN": lab.portal.guest(),
        "FRESH_PORT": str(lab.fresh_port)})
