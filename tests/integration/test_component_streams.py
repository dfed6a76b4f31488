"""Streams of the component API: logs and events, readers that leave, do not
read, or are too many, and what bounds them."""

import json
import threading
from typing import Callable, Iterator

import pytest

from component_api_lab import (NOBODY, PORTAL, TALKER, followers, stop_others)
from component_lab import Catalog, Portal, catalog, component_hub, remove_images  # noqa: F401
from engine_api import Engine
from hub import Hub, wait_for
from raw_portal import Answer, Client, Stream

FLOOD = """\
FROM {image}
ENTRYPOINT []
CMD ["sh", "-c", "head -c 20000000 /dev/zero | tr '\\\\000' x | busybox fold -w 5000; \\
     trap 'exit 0' TERM; while :; do sleep 0.1; done"]
"""


@pytest.fixture(scope="module")
def live(make_module_hub: Callable[..., Hub], catalog: Catalog,
         engine: Engine) -> Iterator[Hub]:
    yield from component_hub(
        make_module_hub, catalog, engine,
        RUNNERHUB_COMPONENTS_MAX="2",
        RUNNERHUB_COMPONENTS_FOLLOWERS="3",
        RUNNERHUB_HTTP_WRITE_TIMEOUT="1s",
        CORS_ORIGIN=PORTAL)


@pytest.fixture(scope="module")
def talker(live: Hub, catalog: Catalog) -> dict:
    """One that runs through the whole file, with a log that goes on."""
    catalog.add("Talker", health="", dockerfile=TALKER)
    return Portal(live).running("component:talker")


@pytest.fixture
def client(live: Hub, talker: dict) -> Iterator[Client]:
    """Beside the talker nothing runs, before and after."""
    client = Client(live.port)
    yield client
    stop_others(client, talker["id"])


# -- logs ---------------------------------------------------------------------------------

def test_a_gzip_client_gets_a_plain_live_stream(client: Client, talker: dict) -> None:
    with client.follow(f"/instances/{talker['id']}/logs?follow=true",
                       {"Accept-Encoding": "gzip, deflate, br"}) as stream:
        head = stream.head()
        assert head.header("Content-Type") == "text/plain"
        assert head.header("Transfer-Encoding") == "chunked"
        assert head.header("Content-Encoding") is None
        assert head.header("Cache-Control") == "no-cache, no-transform"
        assert head.header("X-Accel-Buffering") == "no"
        assert head.header("Vary") == "Origin"
        stream.until(b"begin\n")


def test_a_log_goes_on_where_it_was_left(client: Client, talker: dict) -> None:
    wait_for(lambda: client.logs(talker["id"]).json["logs"] == "begin\n", what="its first line")
    whole = client.logs(talker["id"], "build=true").json
    assert "Step 1/" in whole["logs"] and whole["logs"].endswith("begin\n")
    assert whole["next"] == len(whole["logs"].encode())
    assert client.logs(talker["id"], f"since={whole['next']}").json == {
        "logs": "", "next": whole["next"]}
    assert client.logs(talker["id"], f"since={whole['next'] - 4}").json["logs"] == "gin\n"
    assert client.logs(talker["id"], "since=999999999").json["logs"] == ""
    with client.follow(f"/instances/{talker['id']}/logs?follow=true&since={whole['next'] - 6}") as s:
        s.head()
        s.until(b"begin\n")


def test_who_leaves_is_forgotten_at_once(client: Client, live: Hub, talker: dict) -> None:
    wait_for(lambda: followers(live) == 0, what="nobody follows")
    with client.follow(f"/instances/{talker['id']}/logs?follow=true") as stream:
        stream.head()
        wait_for(lambda: followers(live) == 1, what="one follows")
    wait_for(lambda: followers(live) == 0, what="it is free again")
    assert client.status(talker["id"]).json["status"] == "running"


def test_more_than_may_follow(client: Client, live: Hub, talker: dict) -> None:
    path = f"/instances/{talker['id']}/logs?follow=true"
    wait_for(lambda: followers(live) == 0, what="nobody follows")
    streams = [client.follow(path) for _ in range(3)]
    for stream in streams:
        assert stream.head().status == 200
    refused = client.get(path)
    assert refused.error(503, "ServiceUnavailableError")["error"]["code"] == "too_many_followers"
    assert refused.header("Retry-After") == "5"
    # Those of other things are others.
    with client.follow("/events") as events:
        assert events.head().status == 200
    for stream in streams:
        stream.socket.close()
    wait_for(lambda: followers(live) == 0, what="they are free again")
    with client.follow(path) as stream:
        assert stream.head().status == 200


def rss(hub: Hub) -> int:
    with open(f"/proc/{hub.pid}/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * 4096


def test_one_that_never_reads_costs_little_and_is_dropped(client: Client, live: Hub,
                                                          catalog: Catalog) -> None:
    catalog.add("flood", health="", dockerfile=FLOOD)
    instance = client.start("component:flood", "?wait=true").json["id"]
    path = f"/instances/{instance}/logs?follow=true"
    wait_for(lambda: client.logs(instance, "tail=1").json["next"] > 20000000, 120,
             "it has flooded")
    wait_for(lambda: followers(live) == 0, what="nobody follows")
    before = rss(live)
    streams = [client.follow(path, receive_buffer=4096) for _ in range(3)]
    wait_for(lambda: followers(live) == 3, what="three do not read")
    assert rss(live) - before < 16 * 1024 * 1024
    wait_for(lambda: followers(live) == 0, what="they were dropped")
    assert client.status(instance).json["status"] == "running"
    for stream in streams:
        stream.socket.close()
    # One that reads gets all of it.
    with client.follow(path) as stream:
        assert stream.head().status == 200
        size = 0
        while size + len(stream.rest) < 20000000:
            size += len(stream.rest)
            stream.rest = b""
            assert stream.more()


# -- events -----------------------------------------------------------------------------

class Events:
    """Server-sent events, one after the other."""

    def __init__(self, stream: Stream):
        self.stream = stream
        head = stream.head()
        assert head.header("Content-Type") == "text/event-stream"
        assert head.header("Cache-Control") == "no-cache, no-transform"
        assert head.header("X-Accel-Buffering") == "no"
        self.text = b""

    def _unchunk(self) -> None:
        size = int(self.stream.until(b"\r\n"), 16)
        while len(self.stream.rest) < size + 2:
            assert self.stream.more()
        self.text += self.stream.rest[:size]
        self.stream.rest = self.stream.rest[size + 2:]

    def next(self) -> tuple[str, dict]:
        while True:
            while b"\n\n" not in self.text:
                self._unchunk()
            block, self.text = self.text.split(b"\n\n", 1)
            if block.startswith((b":", b"retry:")):
                continue
            fields = dict(line.split(": ", 1) for line in block.decode().split("\n"))
            assert fields["id"].isdigit()
            return fields["event"], json.loads(fields["data"])

    def until(self, instance: str, status: str) -> list[dict]:
        seen = []
        while True:
            event, data = self.next()
            assert event == "instance"
            if data["id"] == instance:
                seen.append(data)
                if data["status"] == status:
                    return seen


def test_instances_are_told_as_they_change(client: Client, catalog: Catalog, talker: dict) -> None:
    catalog.add("watched")
    with client.follow("/events") as stream:
        events = Events(stream)
        there = [events.next()[1]["id"] for _ in client.list().json["items"]]
        assert there == [i["id"] for i in client.list().json["items"]]
        instance = client.start("component:watched").json["id"]
        seen = events.until(instance, "running")
        done = [i["deploymentProgress"]["overallProgress"] for i in seen]
        assert done == sorted(done) and done[-1] == 100 and len(set(done)) > 2
        assert seen[-1] == client.status(instance).json
        assert client.stop(instance).status == 200
        events.until(instance, "stopped")
    with client.follow(f"/events?instance={talker['id']}") as stream:
        event, data = Events(stream).next()
        assert (event, data["id"]) == ("instance", talker["id"])
    client.get(f"/events?instance={NOBODY}").error(404, "NotFoundError")


def test_who_waits_is_told_when_the_hub_ends(make_hub: Callable[..., Hub],
                                             catalog: Catalog) -> None:
    catalog.add("unborn", dockerfile="FROM {image}\nRUN sleep 3754\n")
    hub = make_hub({"RUNNERHUB_CATALOG": catalog.dir}).start()
    client = Client(hub.port)
    answers: list[Answer] = []
    threads = [threading.Thread(target=lambda query=query: answers.append(
        client.start("component:unborn", query))) for query in ("?wait=600", "?wait=true")]
    threads[0].start()
    wait_for(lambda: client.list().json["items"], what="it is admitted")
    threads[1].start()  # refused: one is enough
    threads[1].join()
    with client.follow("/events") as events:
        assert events.head().status == 200
        assert hub.terminate() == 0
        threads[0].join()
        events.to_end()
    assert [a.status for a in answers] == [409, 201]
    assert answers[1].json["status"] in ("stopped", "stopping")


def test_a_stream_has_an_end(make_hub: Callable[..., Hub], catalog: Catalog,
                             engine: Engine) -> None:
    catalog.add("endless", health="", dockerfile=TALKER)
    hub = make_hub({"RUNNERHUB_CATALOG": catalog.dir,
                    "RUNNERHUB_COMPONENTS_FOLLOW_TIME": "1s"}).start()
    client = Client(hub.port)
    instance = client.start("component:endless", "?wait=true").json["id"]
    for path in (f"/instances/{instance}/logs?follow=true", "/events"):
        with client.follow(path) as stream:
            assert stream.head().status == 200
            stream.until(b"\r\n0\r\n\r\n")  # its proper end
    assert client.status(instance).json["status"] == "running"
    assert client.stop(instance).status == 200
    remove_images(engine, hub)
