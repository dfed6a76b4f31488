"""Catalogs: the hub's own with files at GitHub, a portal's, and app-config.yaml."""

import concurrent.futures
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "fakes"))

from component_lab import WEB, Portal, page, remove_images  # noqa: E402
from engine_api import Engine  # noqa: E402
from fake_github import TOKEN, FakeGithub  # noqa: E402
from fake_portal import HUB_TOKEN, FakePortal, entity  # noqa: E402
from hub import Hub, free_port, wait_for  # noqa: E402
from prometheus import parse  # noqa: E402

BASE = "/api/runner"


def component(name: str, annotations: str = "", more: str = "") -> str:
    return f"""\
apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: {name}
  description: about {name}
  tags: [one, two]
  links: [{{url: "https://example.org/{name}", title: Page}}]
  annotations:
    runner.backstage.io/enabled: "true"
{annotations}spec: {{type: service, lifecycle: experimental, owner: group:default/testers}}
{more}"""


def location(*targets: str, kind: str = "") -> str:
    return ("apiVersion: backstage.io/v1alpha1\nkind: Location\n"
            f"metadata: {{name: more-{abs(hash(targets))}}}\nspec:\n"
            + (f"  type: {kind}\n" if kind else "")
            + f"  targets: [{', '.join(repr(t) for t in targets)}]\n")


def files(port: int, image: str, **more: str) -> dict[str, bytes]:
    """A component's repository."""
    made = {".runner/config.yml": "runner:\n  type: docker\n  dockerfile: Dockerfile\n"
                                  f"  ports: ['{port}:8080']\n  stopGracePeriod: 1s\n"
                                  "  healthCheck: {path: /, interval: 1s}\n",
            "Dockerfile": WEB.replace("{image}", image)}
    return {name: text.encode() for name, text in (made | more).items()}


class Catalogs:
    """A hub whose catalogs stand in a directory, at a GitHub and in a portal."""

    def __init__(self, root: Path, image: str):
        self.root = root
        self.image = image
        self.github = FakeGithub()
        self.portal = FakePortal()
        self.at = self.github.url
        self.hub: Any = None

    def close(self) -> None:
        self.github.close()
        self.portal.close()

    def write(self, name: str, text: str) -> str:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return str(path)

    def app_config(self, locations: str) -> str:
        return self.write("app-config.yaml", f"""\
app: {{title: "${{NOBODY_SET_THIS}}"}}
backend: {{baseUrl: "{self.portal.url}"}}
runner: {{docker: {{resourceLimits: {{memory: 96m, cpus: "0.5"}}, imageCleanupPolicy: never}}}}
integrations:
  github:
    - host: {self.at.removeprefix("http://")}
      apiBaseUrl: {self.at}/api/v3
      token: ${{ACME_TOKEN}}
catalog:
  rules: [{{allow: [Component]}}]
  locations:
{locations}""")

    def env(self, **more: str) -> dict[str, str]:
        return {"RUNNERHUB_APP_CONFIG": str(self.root / "app-config.yaml"),
                "ACME_TOKEN": TOKEN, "RUNNERHUB_CATALOG_REFRESH": "1s"} | more

    # -- what the hub says --------------------------------------------------
    def listing(self, query: str = "", headers: dict[str, str] | None = None) -> dict:
        reply = self.hub.get(f"{BASE}/components{query}", headers=headers)
        assert reply.status == 200, reply.text
        return reply.json

    def names(self) -> list[str]:
        return [item["name"] for item in self.listing()["items"]]

    def item(self, name: str) -> dict:
        return next(item for item in self.listing()["items"] if item["name"] == name)

    def problems(self, file: str = "") -> list[dict]:
        return [p for p in self.listing().get("problems", []) if file in p["file"]]

    def until(self, what: Callable[[], Any], name: str) -> Any:
        try:
            return wait_for(what, 60, name)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.listing()}\n{self.hub.log_tail()}") from None


@pytest.fixture(scope="module")
def world(make_module_hub: Callable[..., Hub], image: str, engine: Engine,
          tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalogs]:
    made = Catalogs(tmp_path_factory.mktemp("catalogs"), image)
    github = made.github.repositories
    made.port = free_port()  # type: ignore[attr-defined]
    # Two ways to name each other: a circle.
    github.add("acme/all", private=True).commit("release/1", {
        "catalog-info.yaml": (component("at-root") + "---\n" + location(
            "./teams/a.yaml", f"{made.at}/acme/shop", "teams/gone.yaml",
            "../../../out.yaml", "file:/etc/passwd", "/etc/passwd")).encode(),
        "teams/a.yaml": (component("of-team") + "---\n" + location(
            "../catalog-info.yaml", "x.yaml", kind="url")).encode(),
        "teams/x.yaml": b"kind: Component\nmetadata: {name: -broken}\napiVersion: v1\n"})
    github.add("acme/shop").commit("main", files(
        made.port, image, **{"catalog-info.yaml": component("shop")}))
    made.write("direct/catalog-info.yaml", component("direct") + "---\n"
               + location("../globbed/*/c.yaml", "nowhere.yaml", kind="file"))
    made.write("globbed/a/c.yaml", component("glob-a"))
    made.write("globbed/b/c.yaml", component("glob-b") + "---\n" + component("direct"))
    made.write("packages/backend/there.yaml", component("there"))
    made.app_config(f"""\
    - type: file
      target: there.yaml
    - type: url
      target: {made.at}/acme/all/tree/release/1
    - type: url
      target: {made.at}/acme/gone/blob/main/catalog-info.yaml
    - type: github-discovery
      target: x
""")
    made.hub = make_module_hub(made.env(
        RUNNERHUB_CATALOG=f"{made.root}/direct, {made.root}/missing")).start()
    made.until(lambda: made.problems("acme/gone") and len(made.names()) == 7
               and not any("not been read yet" in p["text"] for p in made.problems()),
               "all files were read")
    yield made
    Portal(made.hub).stop_all()
    remove_images(engine, made.hub)
    made.close()


# -- the hub's own catalog -----------------------------------------------------------

def test_what_all_places_hold(world: Catalogs) -> None:
    assert world.names() == ["at-root", "direct", "glob-a", "glob-b", "of-team", "shop",
                             "there"]
    item = world.item("of-team")
    host = world.at.removeprefix("http://")
    assert item == {
        "componentRef": "Component:default/of-team", "kind": "Component",
        "namespace": "default", "name": "of-team", "description": "about of-team",
        "owner": "group:default/testers", "lifecycle": "experimental", "type": "service",
        "tags": ["one", "two"], "links": [{"url": "https://example.org/of-team",
                                           "title": "Page"}],
        "source": f"url:https://{host}/acme/all/tree/release%2F1/teams",
        "catalog": "embedded"}
    assert world.item("direct")["source"] == f"file:{world.root}/direct/catalog-info.yaml"


def test_what_is_wrong_is_told_with_its_place(world: Catalogs) -> None:
    all_yaml = f"https://{world.at.removeprefix('http://')}/acme/all/blob/release%2F1"
    broken = world.problems(f"{all_yaml}/teams/x.yaml")
    assert [(p["line"], p["severity"]) for p in broken if "metadata.name" in p["text"]] == [
        (2, "error")]
    told = " ".join(p["text"] for p in world.problems(f"{all_yaml}/catalog-info.yaml"))
    assert "../../../out.yaml: that leads out of the repository" in told
    assert "file:/etc/passwd" in told and "names /etc/passwd" in told
    assert "no file teams/gone.yaml" in world.problems("/teams/gone.yaml")[0]["text"]
    assert "no repository acme/gone" in world.problems("acme/gone")[0]["text"]
    assert [p["text"] for p in world.problems("components.catalog")] == [
        f"{world.root}/missing is not there, or not for the hub"]
    assert "nowhere.yaml is not there" in world.problems("/direct/")[0]["text"]
    assert "Component:default/direct stands in the catalog already" in world.problems(
        "globbed/b/c.yaml")[0]["text"]


def test_a_file_that_was_changed_is_seen_at_once(world: Catalogs) -> None:
    world.write("direct/catalog-info.yaml", component("direct").replace("about", "now about"))
    assert world.item("direct")["description"] == "now about direct"
    assert "glob-a" not in world.names()
    world.write("direct/catalog-info.yaml", component("direct") + "---\n"
                + location("../globbed/*/c.yaml"))
    assert "glob-a" in world.names()


def test_a_push_is_seen_by_itself(world: Catalogs) -> None:
    shop = world.github.repositories.all["acme/shop"]
    world.github.repositories.all["acme/shop"].commit("main", shop.commits[shop.heads["main"]] | {
        "catalog-info.yaml": (component("shop") + "---\n" + component("second")).encode()})
    world.until(lambda: "second" in world.names(), "the pushed entity is there")


def test_looking_again_costs_nothing(world: Catalogs) -> None:
    def budget() -> dict:
        system = world.hub.get("/api/system").data
        return next(b for b in system["github"] if b["host"] == world.at.removeprefix("http://"))
    before = budget()
    # A repository that is not there is asked for in full each time.
    after = world.until(lambda: (b := budget())["unchanged"] >= before["unchanged"] + 6 and b,
                        "it looked again")
    asked, free = (after[k] - before[k] for k in ("requests", "unchanged"))
    assert after["limit"] == 5000 and after["remaining"] <= 5000
    assert before["remaining"] - after["remaining"] == asked - free
    assert free > asked / 2
    # Nor does each request open a connection.
    assert world.github.connections < len(world.github.seen) / 3
    samples = parse(world.hub.get("/metrics").text)
    assert samples["github_runnerhub_github_requests_limit"].value(
        host=world.at.removeprefix("http://")) == 5000
    doctor = world.hub.cli("doctor", "--json")
    check = next(c for c in json.loads(doctor.stdout)["checks"] if c["name"] == "GitHub")
    assert check["verdict"] == "ok", check
    assert f"{world.at.removeprefix('http://')}: " in check["text"]
    assert " of 5000 requests are left until " in check["text"]


def test_without_github_the_last_copy_stays(world: Catalogs) -> None:
    world.github.fail(status=502, body=b"", times=100000)
    told = world.until(lambda: (p := world.problems("acme/all")) and "is used" in p[0]["text"] and p,
                       "it is told")
    assert told[0]["severity"] == "warning" and "502" in told[0]["text"]
    assert "of-team" in world.names() and "shop" in world.names()
    world.github.faults.clear()
    world.until(lambda: not any("is used" in p["text"] for p in world.problems()),
                "GitHub is back")


def test_a_hub_that_starts_without_github_knows_the_last_copy(world: Catalogs) -> None:
    known = world.names()
    assert "of-team" in known and "shop" in known
    kept = os.path.join(world.hub.state_dir, "catalog")
    world.until(lambda: len(os.listdir(kept)) >= 4, "copies are on the disk")
    world.github.fail(status=502, body=b"", times=100000)
    world.hub.terminate()
    world.hub.start()
    assert world.names() == known
    told = world.until(lambda: (p := world.problems("acme/all")) and "502" in p[0]["text"] and p,
                       "GitHub was asked")
    assert "is used" in told[0]["text"] and told[0]["severity"] == "warning"
    assert world.names() == known
    # A copy that is none is no harm; nor is one that nothing names.
    world.hub.terminate()
    with open(os.path.join(kept, "0" * 32 + ".json"), "w", encoding="utf-8") as stray:
        stray.write("{}")
    for name in os.listdir(kept):
        with open(os.path.join(kept, name), "r+", encoding="utf-8") as copy:
            copy.truncate(20)
    world.hub.start()
    assert "shop" not in world.names() and "direct" in world.names()
    world.github.faults.clear()
    world.until(lambda: world.names() == known, "GitHub is back")
    world.until(lambda: "0" * 32 + ".json" not in os.listdir(kept), "the stray one is gone")


def test_a_pattern_for_any_number_of_directories(world: Catalogs) -> None:
    for place in ("deep", "deep/a", "deep/a/b/c", "deep/.hidden", "deep/a/other"):
        world.write(f"{place}/entity.yaml" if "other" not in place else f"{place}/x.yaml",
                    component("any-" + place.replace("/", "-").replace(".", "")))
    os.symlink(world.root / "deep", world.root / "deep" / "a" / "circle")
    world.write("globbed/a/c.yaml", component("glob-a") + "---\n"
                + location("../../deep/**/entity.yaml", "../../nowhere/**/x.yaml", kind="file"))
    assert [n for n in world.names() if n.startswith("any-")] == [
        "any-deep", "any-deep-a", "any-deep-a-b-c"]
    assert any("nowhere/**/x.yaml matches no file" in p["text"] for p in world.problems())
    world.write("globbed/a/c.yaml", component("glob-a"))


def test_what_is_not_known_yet_is_not_denied(world: Catalogs) -> None:
    """A file that GitHub does not give: the rest answers at once."""
    world.github.fail(status=502, body=b"", times=100000, path="acme/late")
    world.write("globbed/a/c.yaml", component("glob-a") + "---\n"
                + location(f"{world.at}/acme/late"))
    reply = Portal(world.hub).start("component:default/late")
    assert reply.status == 503 and reply.json["error"]["code"] == "catalog_incomplete"
    assert "glob-a" in world.names() and world.problems("acme/late")
    world.github.repositories.add("acme/late").commit("main", {
        "catalog-info.yaml": component("late").encode()})
    world.github.faults.clear()
    world.until(lambda: "late" in world.names(), "it is known now")
    world.write("globbed/a/c.yaml", component("glob-a"))
    world.until(lambda: "late" not in world.names(), "and not any more")
    assert Portal(world.hub).start("component:default/late").status in (404, 503)


def test_pages(world: Catalogs) -> None:
    whole = world.listing()
    found = world.listing("?limit=3")
    seen = found["items"]
    while "nextCursor" in found:
        assert found["total"] == whole["total"] and len(found["items"]) == 3
        found = world.listing(f"?limit=3&cursor={found['nextCursor']}")
        seen += found["items"]
    assert seen == whole["items"] and len(seen) > 6


def test_from_a_catalog_at_github_to_a_page(world: Catalogs, engine: Engine) -> None:
    portal = Portal(world.hub)
    instance = portal.running("component:shop")
    limits = engine.inspect(instance["containerId"])["HostConfig"]
    assert (limits["Memory"], limits["NanoCpus"]) == (96 << 20, 500_000_000)
    assert page(world.port) == "page\n"  # type: ignore[attr-defined]
    assert portal.stop(instance["id"]).status == 200


@pytest.mark.parametrize("source", ["file:/etc", "dir:/etc"])
def test_a_file_at_github_names_no_directory_of_the_hub(world: Catalogs, source: str) -> None:
    world.github.repositories.all["acme/all"].commit("release/1", {"catalog-info.yaml": component(
        "thief", f"    backstage.io/source-location: '{source}'\n").encode()})
    world.until(lambda: world.item("thief")["source"] == source if "thief" in world.names()
                else None, "it is there")
    portal = Portal(world.hub)
    instance = portal.settled(portal.started("component:thief"), "error")
    assert instance["errorCode"] == "INVALID_SOURCE_LOCATION"
    assert "this machine" in instance["error"]


def test_the_token_is_told_to_nobody(world: Catalogs, runnerhub: str) -> None:
    shown = subprocess.run([runnerhub, "config"], env=world.hub.env, capture_output=True, text=True)
    assert str(world.root / "app-config.yaml") in shown.stdout
    assert TOKEN not in shown.stdout + Path(world.hub.log_path).read_text()
    assert "catalog.rules" in Path(world.hub.log_path).read_text()


# -- app-config.yaml ------------------------------------------------------------------

@pytest.mark.parametrize("text, words", [
    ("integrations:\n  github:\n    - host: x\n      token: ${NOT_SET_1}\n",
     "app-config.yaml:4: integrations.github[0].token: the environment variable NOT_SET_1"),
    ("integrations: [\n", "app-config.yaml:2"),
    ("integrations:\n  github: [{host: a}, {host: A}]\n", "A stands there twice"),
    ("integrations:\n  github: [{apps: [{appId: 1, privateKey: x}]}]\n", "github.com"),
])
def test_a_hub_with_a_wrong_app_config(make_hub: Callable[..., Hub], tmp_path: Path, text: str,
                                       words: str) -> None:
    (tmp_path / "app-config.yaml").write_text(text)
    hub = make_hub({"RUNNERHUB_APP_CONFIG": str(tmp_path / "app-config.yaml")})
    ended = subprocess.run([hub.binary, "serve"], env=hub.env, cwd=hub.dir,
                           capture_output=True, text=True)
    assert ended.returncode != 0 and words in ended.stderr


# -- a portal's catalog ---------------------------------------------------------------

class PortalHub:
    """A hub beside a portal, whose users' tokens it takes."""

    def __init__(self, world: Catalogs, hub: Hub):
        self.portal, self.hub = world.portal, hub

    def bearer(self, user: str | None = "user:default/jane") -> dict[str, str]:
        token = HUB_TOKEN if user is None else self.portal.user_token(user)
        return {"Authorization": f"Bearer {token}"}

    def start(self, name: str, query: str = "", **user: str) -> Any:
        return self.hub.post(f"{BASE}/start{query}", {"entityRef": f"component:{name}"},
                             headers=self.bearer(**user))

    def listing(self, **user: str) -> dict:
        reply = self.hub.get(f"{BASE}/components", headers=self.bearer(**user))
        assert reply.status == 200, reply.text
        return reply.json

    def catalogs(self, **user: str) -> dict[str, str]:
        return {i["name"]: i["catalog"] for i in self.listing(**user)["items"]}

    def failed(self, name: str) -> dict:
        reply = self.start(name, "?wait=true")
        assert reply.status == 201 and reply.json["status"] == "error", reply.text
        return reply.json


@pytest.fixture(scope="module")
def beside(world: Catalogs, make_module_hub: Callable[..., Hub],
           engine: Engine) -> Iterator[PortalHub]:
    world.portal.add(entity("of-portal", description="asked for", owner="group:default/web",
                            source=f"url:{world.at}/acme/shop/tree/main/"))
    world.portal.add(entity("Seldom", namespace="team-a", source="file:/etc"))
    world.portal.add(entity("direct", source="url:https://github.com/o/r/"))
    world.portal.add(entity("no-source", annotations={}))
    world.portal.add(entity("off", enabled=False))
    world.portal.add(entity("for-joe", source=f"url:{world.at}/acme/shop/"),
                     visible_to={"user:default/joe"})
    world.github.repositories.all["acme/shop"].commit("main", files(world.port, world.image))
    hub = make_module_hub(world.env(RUNNERHUB_PORTAL_URL="app-config",
                                    RUNNERHUB_CATALOG=f"{world.root}/direct")).start()
    made = PortalHub(world, hub)
    yield made
    world.portal.faults.clear()
    for instance in hub.get(f"{BASE}/instances", headers=made.bearer()).json["items"]:
        hub.post(f"{BASE}/stop", {"instanceId": instance["id"]}, headers=made.bearer())
    remove_images(engine, hub)


def test_both_catalogs_are_listed(beside: PortalHub) -> None:
    found = beside.catalogs()
    assert {n: c for n, c in found.items() if c == "portal"} == {
        "of-portal": "portal", "Seldom": "portal", "no-source": "portal"}
    assert found["direct"] == "embedded" and "off" not in found
    assert "for-joe" in beside.catalogs(user="user:default/joe")
    item = next(i for i in beside.listing()["items"] if i["name"] == "of-portal")
    assert item["owner"] == "group:default/web" and item["description"] == "asked for"


def test_the_portals_list_is_asked_for_once_in_a_while(beside: PortalHub,
                                                      world: Catalogs) -> None:
    def lists() -> int:
        return len(world.portal.asked("/api/catalog/entities/by-query"))

    jane, joe = beside.bearer(), beside.bearer(user="user:default/joe")

    def names(headers: dict[str, str]) -> list[str]:
        return [i["name"] for i in beside.hub.get(f"{BASE}/components", headers=headers).json["items"]]

    before = lists()
    first = names(jane)
    one = lists() - before
    assert "of-portal" in first and one >= 1
    # Many at once, of whom the portal sees one; what joe sees is his.
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        seen = list(pool.map(names, [jane, joe] * 10))
    assert seen[::2] == [first] * 10
    assert all(names == seen[1] and "for-joe" in names for names in seen[1::2])
    assert lists() - before <= 2 * one + one
    # A failure is told to all who wait for it, and not kept.
    nobody = beside.bearer(user="user:default/third")
    world.portal.fail(path="/api/catalog/", status=503)
    assert "of-portal" not in names(nobody)
    assert "of-portal" in names(nobody)


def test_an_entity_of_the_portal_is_run(beside: PortalHub, world: Catalogs) -> None:
    reply = beside.start("of-portal", "?wait=true")
    assert reply.status == 201 and reply.json["status"] == "running", reply.text
    assert reply.json["componentRef"] == "Component:default/of-portal"
    assert page(world.port) == "page\n"  # type: ignore[attr-defined]
    seen = world.portal.asked("/entities/by-name/component/default/of-portal")
    assert len(seen) == 1  # the flow does not ask again
    assert seen[0].headers["Authorization"] != f"Bearer {HUB_TOKEN}"
    stopped = beside.hub.post(f"{BASE}/stop", {"instanceId": reply.json["id"]},
                              headers=beside.bearer())
    assert stopped.status == 200


def test_what_of_the_portal_is_refused(beside: PortalHub) -> None:
    assert beside.start("nobody").status == 404
    assert beside.start("for-joe").status == 404
    refused = beside.start("off")
    assert refused.status == 400 and "not enabled" in refused.json["error"]["message"]
    assert beside.failed("team-a/seldom")["errorCode"] == "INVALID_SOURCE_LOCATION"
    assert beside.failed("no-source")["errorCode"] == "MISSING_RUNNER_ANNOTATION"


def test_a_portal_that_is_away(beside: PortalHub, world: Catalogs) -> None:
    world.portal.fail(path="/api/catalog/", status=503, times=100000)
    listing = beside.listing()
    assert "direct" in [i["name"] for i in listing["items"]]
    told = [p for p in listing["problems"] if p["file"] == "portal"]
    assert told and told[0]["severity"] == "error"
    away = beside.start("of-portal")
    assert away.status == 503 and away.json["error"]["name"] == "ServiceUnavailableError"
    # What the hub knows itself it can start.
    assert beside.failed("direct")["errorCode"] == "CONFIG_NOT_FOUND"
    world.portal.faults.clear()
    assert beside.catalogs()["of-portal"] == "portal"
