"""Components: from a start to ready, from an address to a source, followers,
stops, and the memory that an archive takes.

Beside them stand the same steps by command line, in the same run: docker build
and docker run until the page is there, curl into tar, docker stop and docker
rm. The source of a GitHub component comes from the suite's fake of it, which
runs in this process; curl fetches the same archive from the same server.
"""

import contextlib
import gzip
import io
import os
import random
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
from datetime import datetime
from typing import Any, Callable, Iterator

from lib.context import IMAGE, ROOT, Context, Row, median  # the tests' path, first
from lib.process import Missing, cpu_seconds, memory_kb, need
from measures.followers import LINE, LINES, MIB, Follower, follow_all

sys.path.append(os.path.join(ROOT, "tests", "fakes"))

from component_lab import Catalog, Portal, app_config, remove_images  # noqa: E402
from fake_github import TOKEN, FakeGithub  # noqa: E402
from hub import Hub, free_port, wait_for  # noqa: E402

TITLE = "components: start, source, followers, stop, memory"

PAUSE = 0.5  # what the engine still does for the last one would slow the next
CONFIG = b"runner: {type: docker, dockerfile: none, ports: ['0:8080']}\n"
POLITE = """\
FROM {image}
ENTRYPOINT []
CMD ["sh", "-c", "trap 'exit 0' TERM; busybox httpd -f -p 8080 & wait"]
"""
WRITER = f"""\
FROM {{image}}
ENTRYPOINT []
CMD ["sh", "-c", "until [ -e /go ]; do sleep 0.05; done; i=0; while [ $i -lt {LINES} ]; do \
echo {LINE}; i=$((i+1)); done"]
"""


@contextlib.contextmanager
def in_memory() -> Iterator[str]:
    """A directory in memory, also for the hub's state: a disk that has just
    removed the files of the last run takes longer for each run after it."""
    before = tempfile.tempdir
    if not os.path.isdir("/dev/shm"):
        raise Missing("/dev/shm, a file system in memory, is not there")
    with tempfile.TemporaryDirectory(prefix="runnerhub-bench-", dir="/dev/shm") as place:
        tempfile.tempdir = place
        try:
            yield place
        finally:
            tempfile.tempdir = before


@contextlib.contextmanager
def portal_of(context: Context, catalog: Catalog, **env: str) -> Iterator[Portal]:
    with context.hub(RUNNERHUB_CATALOG=catalog.dir, **env) as hub:
        portal = Portal(hub.start())
        yield portal
        portal.stop_all()
        remove_images(context.engine, hub)


def timed(call: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    call()
    return (time.perf_counter() - begin) * 1000


def quiet(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL).stdout.strip()


# -- start and stop ------------------------------------------------------------------

def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5):
            return True
    except urllib.error.HTTPError:
        return True  # a page or not: it speaks
    except OSError:
        return False


class CommandLine:
    """The same by docker. The network is what a component of the hub has,
    instead of the engine's default one."""

    def __init__(self, directory: str, own_network: bool):
        self.docker = need("docker")
        self.directory, self.port = directory, free_port()
        self.name = "runnerhub-bench-component"
        self.network = self.name if own_network else "bridge"

    def start(self) -> None:
        """Until the page answers."""
        quiet(self.docker, "build", "-q", "-t", self.name, self.directory)
        if self.network == self.name:
            quiet(self.docker, "network", "create", self.name)
        self.made = quiet(self.docker, "run", "-d", "--network", self.network, "--memory",
                          "2g", "--cpus", "2", "--security-opt", "no-new-privileges",
                          "-p", f"0.0.0.0:{self.port}:8080", self.name)
        while not answers(self.port):
            time.sleep(0.005)

    def stop(self) -> None:
        quiet(self.docker, "stop", self.made)
        quiet(self.docker, "rm", self.made)

    def clear(self) -> None:
        if self.network == self.name:
            quiet(self.docker, "network", "rm", self.name)


class ThroughHub:
    def __init__(self, portal: Portal, ref: str):
        self.portal, self.ref = portal, ref

    def start(self) -> None:
        reply = self.portal.start(self.ref, "?wait=true")
        if reply.status != 201 or reply.json["status"] != "running":
            raise RuntimeError(f"it did not start: {reply.text}")
        self.made = reply.json["id"]

    def stop(self) -> None:
        self.portal.stop(self.made)

    def clear(self) -> None:
        pass  # the hub has removed the network


def start_and_stop(context: Context, runs: int) -> list[Row]:
    """In turns, so that all see the same machine; the first round builds."""
    catalog = Catalog(IMAGE)
    catalog.add("polite", dockerfile=POLITE, health="{kind: tcp}")
    with portal_of(context, catalog) as portal:
        sides = [ThroughHub(portal, "component:polite"),
                 CommandLine(catalog.path("polite"), False),
                 CommandLine(catalog.path("polite"), True)]
        took = [([], []) for _ in sides]
        for _ in range(runs + 1):
            for side, (starts, stops) in zip(sides, took):
                starts.append(timed(side.start))
                stops.append(timed(side.stop))
                side.clear()
                time.sleep(PAUSE)
    quiet(need("docker"), "rmi", "runnerhub-bench-component")
    catalog.close()
    ours, theirs, alike = (median(starts[1:]) for starts, _ in took)
    ours_stop, theirs_stop, _ = (median(stops[1:]) for _, stops in took)
    return [Row("component", "start to ready, cached image", "ms", ours,
                "docker build, docker run", theirs, "1.1x"),
            Row("component", "start to ready, cached image", "ms", ours,
                "the same, docker network create", alike),
            Row("component", "stop, it ends at once", "ms", ours_stop,
                "docker stop, docker rm", theirs_stop, "< 300 ms")]


# -- the source ----------------------------------------------------------------------

def repository(size: int, file_size: int, texts: bool) -> bytes:
    """An archive as GitHub makes it, without a Dockerfile: the start of such a
    component ends behind the download."""
    out, made = io.BytesIO(), random.Random(1)
    words = [made.randbytes(made.randrange(2, 12)).hex().encode() for _ in range(4000)]
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=6 if texts else 1) as packed, \
            tarfile.open(fileobj=packed, mode="w") as tar:
        for number in range(max(size // file_size, 1)):
            content = b" ".join(made.choices(words, k=file_size // 12))[:file_size] \
                if texts else made.randbytes(file_size)
            info = tarfile.TarInfo(f"acme-app-0123456/d{number // 100}/f{number}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


class Source:
    """A hub with a component on the fake GitHub, whose archive can be set."""

    def __init__(self, context: Context, stack: contextlib.ExitStack):
        self.github = FakeGithub()
        stack.callback(self.github.close)
        self.catalog = Catalog(IMAGE)
        stack.callback(self.catalog.close)
        self.catalog.add("fetched", source=f"url:{self.github.url}/acme/app/")
        self.portal = stack.enter_context(portal_of(
            context, self.catalog,
            RUNNERHUB_APP_CONFIG=app_config(self.catalog, self.github.url, TOKEN)))
        self.app = self.github.repositories.add("acme/app")

    def give(self, archive: bytes) -> str:
        """Its address, as the redirect of the API names it."""
        commit = self.app.commit("main", {".runner/config.yml": CONFIG})
        self.app.archive = archive
        return f"{self.github.repositories.archive_host}/acme/app/legacy.tar.gz/{commit}"

    def fetch(self) -> float:
        """Milliseconds of the whole first step: resolve, fetch, unpack."""
        instance = self.portal.settled(self.portal.started("component:fetched"), "error")
        if instance["errorCode"] != "DOCKERFILE_NOT_FOUND":
            raise RuntimeError(f"it failed otherwise: {instance['error']}")
        step = instance["deploymentProgress"]["steps"][0]
        took = moment(step["completedAt"]) - moment(step["startedAt"])
        return took * 1000


def moment(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def curl_and_tar(address: str, into: str) -> float:
    os.mkdir(into)
    took = timed(lambda: subprocess.run(
        ["sh", "-c", 'curl -sSf "$1" | tar xz -C "$2" --strip-components=1',
         "sh", address, into], check=True))
    shutil.rmtree(into)
    return took


def source(context: Context, runs: int) -> list[Row]:
    need("curl")
    size = (8 if context.quick else 100) * MIB
    archive = repository(size, 25_000, True)
    ours, theirs = [], []
    with in_memory() as place, contextlib.ExitStack() as stack:
        made = Source(context, stack)
        for number in range(runs + 1):
            address = made.give(archive)
            ours.append(made.fetch())
            theirs.append(curl_and_tar(address, os.path.join(place, f"tar{number}")))
    return [Row("component", f"fetch and unpack, {size // MIB} MiB of source", "ms",
                median(ours[1:]), "curl into tar xz", median(theirs[1:]), "1x",
                f"{len(archive) // MIB} MiB packed, {size // 25_000} files")]


def peak_kb(hub: Hub, call: Callable[[], Any]) -> int:
    with open(f"/proc/{hub.pid}/clear_refs", "w", encoding="ascii") as file:
        file.write("5")
    call()
    with open(f"/proc/{hub.pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))


def memory(context: Context) -> list[Row]:
    sizes = (1 * MIB, (20 if context.quick else 500) * MIB)
    peaks = []
    with in_memory(), contextlib.ExitStack() as stack:
        made = Source(context, stack)
        made.give(repository(MIB, 100_000, False))
        made.fetch()  # the libraries are there now
        for size in sizes:
            made.give(repository(size, 100_000, False))
            peaks.append(peak_kb(made.portal.hub, made.fetch) / 1024)
    return [Row("component", f"peak of the hub, {sizes[1] // MIB} MiB archive", "MB", peaks[1],
                "1 MiB archive", peaks[0], "1x")]


# -- followers -----------------------------------------------------------------------

def one_round(portal: Portal, count: int) -> dict[str, float]:
    hub = portal.hub
    instance = portal.running("component:writer")
    before = memory_kb(hub.pid)["Pss"]
    followers = [Follower(hub.port, f"/api/runner/instances/{instance['id']}/logs?follow=true")
                 for _ in range(count)]
    idle = memory_kb(hub.pid)["Pss"]
    cpu, begin = cpu_seconds(hub.pid), time.perf_counter()
    made = hub.engine.call("POST", f"/containers/{instance['containerId']}/exec",
                           {"Cmd": ["touch", "/go"]})
    hub.engine.call("POST", f"/exec/{made['Id']}/start", {"Detach": True})
    follow_all(followers, 300)
    wait_for(lambda: portal.show(instance["id"])["status"] == "stopped", 120, "its end")
    seconds, size = time.perf_counter() - begin, LINES * (len(LINE) + 1)
    short = [f for f in followers if f.received < size]
    if short:
        raise RuntimeError(f"{len(short)} of {count} followers missed bytes")
    return {"seconds": seconds, "cpu": cpu_seconds(hub.pid) - cpu,
            "kb_each": (idle - before) / count if count else 0,
            "delivered": count * size / MIB}


def followers(context: Context) -> list[Row]:
    count = 100 if context.quick else 1000
    catalog = Catalog(IMAGE)
    catalog.add("writer", dockerfile=WRITER, health="")
    with portal_of(context, catalog) as portal:
        alone = one_round(portal, 0)
        crowd = one_round(portal, count)
    catalog.close()
    return [
        Row("component", "its 1 MB, until all have it", "ms", crowd["seconds"] * 1000,
            "nobody follows", alone["seconds"] * 1000, note=f"{count} followers"),
        Row("component", "memory per waiting follower", "kB", crowd["kb_each"]),
        Row("component", "CPU to deliver 1 MiB", "ms",
            max(crowd["cpu"] - alone["cpu"], 0) * 1000 / crowd["delivered"]),
    ]


def run(context: Context) -> list[Row]:
    runs = 3 if context.quick else 15
    context.engine  # the image is made
    rows: list[Row] = []
    for name, part in (("start and stop", lambda: start_and_stop(context, runs)),
                       ("source", lambda: source(context, min(runs, 5))),
                       ("memory", lambda: memory(context)),
                       ("followers", lambda: followers(context))):
        context.say(name)
        rows += part()
    return rows
