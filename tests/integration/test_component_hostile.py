"""Repositories of strangers, through the whole hub: what they hold is refused
or made harmless, with an error that says why; the host stays as it was."""

import gzip
import io
import json
import os
import sys
import tarfile
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "fakes"))

from component_lab import (STEPS, Catalog, Follower, Portal, app_config,  # noqa: E402, F401
                           catalog, component_hub, containers_of, failed, github, page,
                           workplaces)
from engine_api import Engine  # noqa: E402
from fake_github import TOKEN, FakeGithub  # noqa: E402
from hub import Hub, wait_for  # noqa: E402

DOWNLOAD, EXTRACT, BUILD, START, MONITOR = STEPS
CONFIG = """\
runner: {type: docker, dockerfile: Dockerfile, ports: ['0:8080'], stopGracePeriod: 1s}
"""
# What the build sees of the source, as its own log.
SHOW = """\
FROM {image}
COPY . /src
RUN cd /src && find . -exec ls -ld {} \\;
ENTRYPOINT []
CMD ["sleep", "1000"]
"""
TOP = "acme-app-0123456/"


@pytest.fixture(scope="module")
def live(make_module_hub: Callable[..., Hub], catalog: Catalog, github: FakeGithub,
         engine: Engine) -> Iterator[Hub]:
    yield from component_hub(
        make_module_hub, catalog, engine,
        RUNNERHUB_APP_CONFIG=app_config(catalog, github.url, TOKEN))


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Path]:
    """A directory of the host that nobody may read or change."""
    place = tmp_path / "canary"
    place.mkdir()
    (place / "secret").write_text("canary-of-the-host\n")
    (place / "Dockerfile").write_text("FROM scratch\nLABEL canary=taken\n")
    before = os.stat(place).st_mtime_ns
    yield place
    assert os.stat(place).st_mtime_ns == before
    assert sorted(os.listdir(place)) == ["Dockerfile", "secret"]
    assert (place / "secret").read_text() == "canary-of-the-host\n"


@pytest.fixture
def portal(live: Hub, engine: Engine) -> Iterator[Portal]:
    """Whatever was tried, nothing of it is left, and the next one works."""
    portal = Portal(live)
    state = set(os.listdir(live.state_dir))
    yield portal
    portal.stop_all()
    assert containers_of(engine, live) == [] == workplaces(live)
    assert set(os.listdir(live.state_dir)) <= state | {"components"}
    assert "canary-of-the-host" not in live.log()


def everything_said(portal: Portal, instance: str) -> str:
    return portal.logs(instance, "build=true") + json.dumps(portal.show(instance))


# -- archives --------------------------------------------------------------------------

class Archive:
    def __init__(self) -> None:
        self._bytes = io.BytesIO()
        self.tar = tarfile.open(fileobj=self._bytes, mode="w", format=tarfile.GNU_FORMAT,
                                encoding="utf-8", errors="surrogateescape")

    def add(self, name: str, content: bytes = b"", top: str = TOP, **fields: Any) -> "Archive":
        info = tarfile.TarInfo(top + name)
        info.size, info.mode = len(content), 0o644
        for key, value in fields.items():
            setattr(info, key, value)
        self.tar.addfile(info, io.BytesIO(content))
        return self

    def link(self, name: str, target: str) -> "Archive":
        return self.add(name, type=tarfile.SYMTYPE, linkname=target)

    def packed(self, level: int = 1) -> bytes:
        self.tar.close()
        return gzip.compress(self._bytes.getvalue(), level)


@pytest.fixture
def repository(github: FakeGithub, catalog: Catalog) -> Callable[..., str]:
    """A component whose repository answers with that archive; its reference."""
    def make(name: str, archive: bytes, config: str = CONFIG) -> str:
        made = github.repositories.add(f"evil/{name}")
        made.commit("main", {".runner/config.yml": config.encode()})
        made.archive = archive
        catalog.add(name, source=f"url:{github.url}/evil/{name}/")
        return f"component:{name}"
    return make


def test_ways_out_of_an_archive(portal: Portal, repository: Callable[..., str],
                                catalog: Catalog, canary: Path) -> None:
    """All in one that has something good in it as well, which works."""
    up = "../" * 12 + str(canary).lstrip("/")
    odd = os.fsdecode(b"odd-\xff\xfe\x1b[31m")
    archive = (Archive()
               .add("Dockerfile", SHOW.replace("{image}", catalog.image).encode())
               .add(".runner/config.yml", CONFIG.encode())
               .add(up + "/secret", b"overwritten").add(f"{canary}/secret", b"taken", top="")
               .add("../../../escaped", b"1").add("a/../../../../escaped", b"1")
               .link("absolute", f"{canary}/secret").link("relative", up + "/secret")
               .link("folder", up).add("folder/new", b"through a link")
               .link("inner", "good/file").link("proc", "/proc/self/root")
               .add("hard", type=tarfile.LNKTYPE, linkname=f"{canary}/secret")
               .add("hard-up", type=tarfile.LNKTYPE, linkname=up + "/secret")
               .add("null", type=tarfile.CHRTYPE, devmajor=1, devminor=3)
               .add("disk", type=tarfile.BLKTYPE, devmajor=8, devminor=0)
               .add("pipe", type=tarfile.FIFOTYPE)
               .add("setuid", b"#!/bin/sh\n", mode=0o6755, uid=1234)
               .add("good/file", b"fine").add(odd, b"odd bytes"))
    instance = portal.running(repository("ways-out", archive.packed()))
    log = portal.logs(instance["id"], "build=true")
    assert "canary" not in log.replace("canary/", ""), log
    assert "left out, such as" in log
    for name in ("./inner -> good/file", "./good/file", "./setuid"):
        assert name in log, log
    for name in ("escaped", "./absolute", "./relative", "./proc", "./hard", "./null", "./disk",
                 "./pipe"):
        assert name not in log, log
    assert next(line for line in log.splitlines() if line.endswith("./setuid")).startswith(
        "-rwxr-xr-x")
    assert not os.path.lexists("/etc/escaped")


@pytest.mark.parametrize("name,target,code", [
    ("Dockerfile", "{canary}/Dockerfile", "DOCKERFILE_NOT_FOUND"),
    ("Dockerfile", "../../../../../../../../../{canary}/Dockerfile", "DOCKERFILE_NOT_FOUND"),
    ("context", "{canary}", "INVALID_CONFIGURATION"),
    ("context", "..", "INVALID_CONFIGURATION"),
])
@pytest.mark.parametrize("how", ["archive", "directory"])
def test_what_the_build_needs_is_a_link_out(portal: Portal, repository: Callable[..., str],
                                            catalog: Catalog, canary: Path, name: str,
                                            target: str, code: str, how: str) -> None:
    target = target.format(canary=canary)
    config = CONFIG.replace("Dockerfile,", "Dockerfile, build: {context: context},") \
        if name == "context" else CONFIG
    if how == "archive":
        archive = Archive().add("README.md", b"good").link(name, target)
        if name == "context":
            archive.add("Dockerfile", b"FROM scratch\n")
        ref = repository("linked", archive.packed(), config)
    else:
        catalog.add("linked-dir", config=config)
        if name == "Dockerfile":
            os.unlink(catalog.path("linked-dir", name))
        if not os.path.lexists(catalog.path("linked-dir", name)):
            os.symlink(target, catalog.path("linked-dir", name))
        ref = "component:linked-dir"
    instance = failed(portal, ref, code, EXTRACT)
    if how == "directory":
        os.unlink(catalog.path("linked-dir", name))
    said = everything_said(portal, instance["id"])
    assert "left out, such as" in said and "canary-of-the-host" not in said


def zeros(size: int) -> bytes:
    return Archive().add("zeros", bytes(size)).packed(9)


@pytest.mark.parametrize("name,make,words", [
    ("ratio", lambda: zeros(100 << 20), "beyond all measure"),
    ("depth", lambda: Archive().add("d/" * 200 + "f", b"1").packed(), "100 directories"),
    ("length", lambda: Archive().add("n" * 300, b"1").packed(), "255 bytes"),
], ids=["ratio", "depth", "length"])
def test_a_bomb(portal: Portal, repository: Callable[..., str], name: str,
                make: Callable[[], bytes], words: str) -> None:
    """Of count and size, which take their time, tells test_unpack.py."""
    ref = repository(f"bomb-{name}", make())
    instance = failed(portal, ref, "SOURCE_TOO_LARGE", DOWNLOAD)
    assert words in instance["error"], instance["error"]


@pytest.mark.parametrize("body", [b"", b"\x1f\x8b" + b"\xff" * 1000, b"<html>\x1b[2J</html>",
                                  gzip.compress(b"no tar" * 1000)])
def test_an_archive_that_is_none(portal: Portal, repository: Callable[..., str],
                                 body: bytes) -> None:
    instance = failed(portal, repository("garbage", body), "GIT_OPERATION_FAILED", DOWNLOAD)
    assert "evil/garbage" in instance["error"] and "\x1b" not in instance["error"]


# -- descriptors -----------------------------------------------------------------------

def described(text: str) -> str:
    return "runner:\n  type: docker\n  ports: ['0:8080']\n  stopGracePeriod: 1s\n" + text


@pytest.mark.parametrize("text,code,words", [
    ("  dockerfile: /etc/passwd\n", "INVALID_CONFIGURATION", "relative"),
    ("  dockerfile: ../../etc/passwd\n", "INVALID_CONFIGURATION", '".."'),
    ("  dockerfile: a/../../b\n", "INVALID_CONFIGURATION", '".."'),
    ("  dockerfile: https://evil.example/Dockerfile\n", "INVALID_CONFIGURATION", "relative"),
    ("  dockerfile: --help\n", "DOCKERFILE_NOT_FOUND", "--help"),
    ("  dockerfile: -f/etc/passwd\n", "DOCKERFILE_NOT_FOUND", "-f/etc"),
    ('  dockerfile: "Dockerfile\\0x"\n', "INVALID_CONFIGURATION", "NUL"),
    ('  dockerfile: "a\\nb\\e[31m"\n', "INVALID_CONFIGURATION", "control"),
    ("  dockerfile: Dockerfile\n  build: {context: /}\n", "INVALID_CONFIGURATION", "relative"),
    ("  dockerfile: Dockerfile\n  build: {context: ..}\n", "INVALID_CONFIGURATION", '".."'),
    ("  dockerfile: Dockerfile\n  build: {context: --help}\n", "INVALID_CONFIGURATION",
     "--help"),
    ("  dockerfile: Dockerfile\n  build: {context: 'https://github.com/o/r.git'}\n",
     "INVALID_CONFIGURATION", "relative"),
    ("  dockerfile: Dockerfile\n  build: {target: --privileged}\n", "INVALID_CONFIGURATION",
     "target"),
    ("  dockerfile: Dockerfile\n  build: {target: 'x&networkmode=host'}\n",
     "INVALID_CONFIGURATION", "target"),
    ("  dockerfile: Dockerfile\n  build: {args: {'A&networkmode=host': 1}}\n",
     "INVALID_CONFIGURATION", "args"),
    ("  dockerfile: Dockerfile\n  environment: {'A=B': 1}\n", "INVALID_CONFIGURATION",
     "environment"),
    ("  dockerfile: Dockerfile\n  healthCheck: {path: 'http://evil.example/'}\n",
     "INVALID_CONFIGURATION", "path"),
    ("  dockerfile: Dockerfile\n  healthCheck: {path: \"/ HTTP/1.1\\r\\nX: y\"}\n",
     "INVALID_CONFIGURATION", "path"),
    ("  dockerfile: Dockerfile\n  ports: ['127.0.0.1:22:22']\n", "INVALID_CONFIGURATION", ""),
], ids=str)
def test_values_that_want_more(portal: Portal, catalog: Catalog, text: str, code: str,
                               words: str) -> None:
    catalog.add("greedy", config=described(text))
    instance = failed(portal, "component:greedy", code, EXTRACT)
    assert words in instance["error"] and "\x1b" not in instance["error"]


ALIASES = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{c}: &{c} [{','.join(['*' + p] * 9)}]\n" for p, c in zip("abcdefgh", "bcdefghi"))


@pytest.mark.parametrize("name,text", [
    ("aliases", ALIASES + described("  dockerfile: Dockerfile\n  x: *i\n")),
    ("huge", described("  dockerfile: Dockerfile\n") + "# " + "x" * (300 << 10)),
    ("deep", described("  dockerfile: " + "[" * 10_000)),
    ("many", described("  dockerfile: Dockerfile\n  environment:\n" + "".join(
        f"    A{n}: 1\n" for n in range(12_000)))),
    ("bytes", "runner: \udcff\udcfe\n"),
    ("documents", described("  dockerfile: Dockerfile\n") + "---\n" * 100),
    ("tags", described("  dockerfile: !!python/object:os.system Dockerfile\n")),
], ids=["aliases", "huge", "deep", "many", "bytes", "documents", "tags"])
def test_a_descriptor_that_is_a_bomb(portal: Portal, catalog: Catalog, name: str,
                                     text: str) -> None:
    catalog.add("bomb")
    with open(catalog.path("bomb", ".runner/config.yml"), "wb") as out:
        out.write(text.encode("utf-8", "surrogateescape"))
    instance = portal.settled(portal.started("component:bomb"), "error")
    assert instance["errorCode"] == "INVALID_CONFIGURATION", instance
    assert len(instance["error"]) < 1000


def test_words_of_the_command_line_are_names_here(portal: Portal, catalog: Catalog) -> None:
    """A Dockerfile may be called --help, an argument hold what it likes."""
    value = "1&networkmode=host&t=evil:latest --privileged\n$(reboot)"
    catalog.add("words", config=described(
        "  dockerfile: --help/-f\n  build:\n    args:\n"
        f"      V: {json.dumps(value)}\n"
        f"  environment:\n    E: {json.dumps(value)}\n"))
    catalog.write("words", "--help/-f", f"""\
FROM {catalog.image}
ARG V
RUN echo "arg<$V>"
ENTRYPOINT []
CMD ["sh", "-c", "echo \\"env<$E>\\"; sleep 1000"]
""")
    instance = portal.running("component:words")
    wait_for(lambda: f"env<{value}>" in portal.logs(instance["id"]), what="it speaks")
    assert f"arg<{value}>" in portal.logs(instance["id"], "build=true")
    container = portal.hub.engine.inspect(instance["containerId"])
    assert not container["HostConfig"]["Privileged"]
    assert container["Config"]["Image"].startswith(f"runnerhub-{portal.hub.hub_id[:8]}")


@pytest.mark.parametrize("ref", [
    "component:default/../../etc/passwd", "component:default/x y", "component:\n/x",
    "component:default/" + "x" * 5000, "a:b:c", "component:de/fa/ult", "\x1b[31m:x/y",
    "component:default/%2e%2e", "component:default/x;drop table instances"])
def test_references_that_are_none(portal: Portal, ref: str) -> None:
    reply = portal.start(ref)
    assert reply.status in (400, 404), reply.text
    assert "\x1b" not in reply.text and len(reply.text) < 8000


@pytest.mark.parametrize("name", ["../../x", "x:latest", "x y", "--help", "x" * 100, "é"])
def test_names_that_would_be_image_names(portal: Portal, catalog: Catalog, name: str) -> None:
    catalog.add("named")
    path = catalog.path("named", "catalog-info.yaml")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.replace("name: named", f"name: {json.dumps(name)}"))
    listed = portal.hub.get("/api/runner/components").json["items"]
    assert name not in [item["name"] for item in listed]
    assert portal.start(f"component:{name}").status in (400, 404)
    os.unlink(path)


# -- Dockerfiles and contexts ----------------------------------------------------------

@pytest.mark.parametrize("line", ["COPY {canary}/secret /", "COPY ../../../{canary}/secret /",
                                  "ADD file://{canary}/secret /"])
def test_a_dockerfile_that_asks_for_the_host(portal: Portal, catalog: Catalog, canary: Path,
                                             line: str) -> None:
    catalog.add("asker", dockerfile="FROM {image}\n" + line.replace("{canary}", str(canary))
                + "\nRUN cat /secret\n")
    instance = failed(portal, "component:asker", "DOCKER_BUILD_FAILED", BUILD)
    assert "canary-of-the-host" not in everything_said(portal, instance["id"])


def test_a_dockerignore_that_hides_the_dockerfile(portal: Portal, catalog: Catalog) -> None:
    catalog.add("hidden", dockerfile=SHOW, health="")
    catalog.write("hidden", ".dockerignore", "*\n!../../etc\n!/etc/passwd\n**/..\n")
    catalog.write("hidden", "left-out", "x")
    instance = portal.running("component:hidden")
    log = portal.logs(instance["id"], "build=true")
    assert "./left-out" not in log and "passwd" not in log


@pytest.mark.parametrize("text,words", [
    ("[\n", "has no end"), ("a\n" * 5000, "1000 lines"), ("x" * 100_000, ".dockerignore")],
    ids=["bad", "lines", "bytes"])
def test_a_dockerignore_that_is_none(portal: Portal, catalog: Catalog, text: str,
                                     words: str) -> None:
    catalog.add("ignorant")
    catalog.write("ignorant", ".dockerignore", text)
    instance = failed(portal, "component:ignorant", "INVALID_CONFIGURATION", BUILD)
    assert words in instance["error"]


def test_a_dockerignore_that_takes_for_ever_is_stopped(portal: Portal,
                                                       catalog: Catalog) -> None:
    catalog.add("thinker")
    catalog.write("thinker", ".dockerignore", ("*a" * 2000 + "?\n") * 16)
    for n in range(300):
        catalog.write("thinker", "/".join(["a" * 20] * 90) + f"/{n}", "")
    instance = portal.started("component:thinker")
    portal.until(instance, lambda i: i["deploymentProgress"]["currentStep"] == BUILD,
                 "it packs the context")
    assert portal.stop(instance).status == 200
    assert portal.show(instance)["status"] == "stopped"


def test_links_of_a_context_stay_links(portal: Portal, catalog: Catalog, canary: Path) -> None:
    """What a build makes of them it does in its own root."""
    catalog.add("linking", dockerfile=SHOW, health="")
    os.symlink("Dockerfile", catalog.path("linking", "same"))
    os.symlink(str(canary), catalog.path("linking", "out"))
    os.mkfifo(catalog.path("linking", "pipe"))
    instance = portal.running("component:linking")
    log = portal.logs(instance["id"], "build=true")
    assert "./same -> Dockerfile" in log
    assert "./out" not in log and "./pipe" not in log


# -- what it says ----------------------------------------------------------------------

def test_a_line_of_ten_megabytes(portal: Portal, catalog: Catalog) -> None:
    size = 10_000_000
    catalog.add("endless", health="", dockerfile=f"""\
FROM {{image}}
RUN yes b | tr -d '\\n' | head -c {size}
ENTRYPOINT []
CMD ["sh", "-c", "yes a | tr -d '\\\\n' | head -c {size}; exit 9"]
""")
    instance = failed(portal, "component:endless", "CONTAINER_EXITED")
    assert instance["error"].count("a") > 100 and len(instance["error"]) < 1000
    log = Follower(portal.hub, instance["id"], "&build=true").rest()
    assert log.count(b"a" * size) == 1 == log.count(b"b" * size)


def test_what_steers_a_terminal(portal: Portal, catalog: Catalog) -> None:
    """It is kept as it was, but an error and the hub's log have none of it."""
    catalog.add("steering", health="", dockerfile="""\
FROM {image}
COPY evil /evil
RUN cat /evil
ENTRYPOINT []
CMD ["sh", "-c", "cat /evil; exit 5"]
""")
    with open(catalog.path("steering", "evil"), "wb") as out:
        out.write(b"\x1b]0;owned\x07\x1b[2J\xff\xc2\x9b \r end")
    instance = failed(portal, "component:steering", "CONTAINER_EXITED")
    assert instance["error"].isprintable() and "end" in instance["error"]
    assert portal.logs(instance["id"]).startswith("\x1b]0;owned\x07")
    assert Follower(portal.hub, instance["id"]).rest() == \
        "\x1b]0;owned\x07\x1b[2J\ufffd\x9b \r end".encode()
    assert "\x1b" not in portal.hub.log()


def test_after_all_of_it(portal: Portal, catalog: Catalog) -> None:
    port = catalog.add("good")
    portal.running("component:good")
    assert page(port) == "page\n"
