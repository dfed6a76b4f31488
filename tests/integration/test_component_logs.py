"""The log of a component that talks for longer than its log may be long: the
newest of it is kept, offsets stay what they were, readers are told."""

import json
import os
import re
import urllib.request
from typing import Any, Callable, Iterator

import pytest

from component_lab import Catalog, Follower, Portal, catalog, component_hub  # noqa: F401
from engine_api import Engine
from hub import Hub, wait_for

MAX = 128 * 1024
BURST = 30000

# Each request to it makes it say so many numbers more.
TALKER = """\
FROM {image}
RUN mkdir -p /www/cgi-bin && echo page >/www/index.html && echo 0 >/last && \\
    printf '#!/bin/sh\\nread n </last; m=$((n + BURST)); echo $m >/last\\n\
seq $n $((m - 1)) >/proc/1/fd/1\\n\
echo "said $m" >/proc/1/fd/1\\nprintf "Content-Type: text/plain\\\\r\\\\n\\\\r\\\\nsaid"\\n' \\
    | sed s/BURST/30000/ >/www/cgi-bin/say && chmod 755 /www/cgi-bin/say
ENTRYPOINT []
CMD ["sh", "-c", "echo begin; exec busybox httpd -f -p 8080 -h /www"]
"""
GONE = re.compile(rb"\[runnerhub\] (\d+) bytes of this log were older and are not kept "
                  rb"any more\n")


@pytest.fixture(scope="module")
def live(make_module_hub: Callable[..., Hub], catalog: Catalog,
         engine: Engine) -> Iterator[Hub]:
    yield from component_hub(make_module_hub, catalog, engine, RUNNERHUB_LOG_MAX_PER_JOB=str(MAX))


class Talker:
    def __init__(self, hub: Hub, catalog: Catalog):
        self.hub, self.portal = hub, Portal(hub)
        self.port = catalog.add("Talker", dockerfile=TALKER)
        self.id = self.portal.running("component:talker")["id"]
        self.said = 0

    def say(self) -> None:
        """Until all of it is in the log."""
        self.said += BURST
        with urllib.request.urlopen(
                f"http://127.0.0.1:{self.port}/cgi-bin/say", timeout=60) as answer:
            assert answer.read() == b"said"
        wait_for(lambda: self.portal.logs(self.id, "tail=1") == f"said {self.said}\n",
                 60, "its last words")

    def read(self, query: str = "") -> Any:
        reply = self.hub.get(f"/api/runner/instances/{self.id}/logs?{query}")
        assert reply.status == 200, reply.text
        return reply.json

    def file_bytes(self) -> int:
        """What its log takes of the disk."""
        return sum(os.stat(os.path.join(place, name)).st_blocks * 512
                   for place, _, names in os.walk(self.hub.state_dir)
                   for name in names if name.startswith(self.id))


@pytest.fixture(scope="module")
def talker(live: Hub, catalog: Catalog) -> Talker:
    return Talker(live, catalog)


def test_the_newest_of_a_log_is_kept_within_its_bound(talker: Talker) -> None:
    first = talker.read()
    talker.say()
    talker.say()
    whole = talker.read("since=0")
    text = whole["logs"].encode()
    gone = GONE.match(text)
    assert gone is not None and int(gone.group(1)) == whole["forgotten"]
    kept = text[gone.end():]
    assert MAX // 2 < len(kept) <= MAX
    assert whole["forgotten"] + len(kept) == whole["next"]
    assert kept.endswith(b"\n%d\nsaid %d\n" % (talker.said - 1, talker.said))
    assert talker.file_bytes() < 4 * MAX
    # Where an answer before has ended is an offset for ever.
    later = talker.read(f"since={first['next']}")
    assert later["forgotten"] == whole["forgotten"] - first["next"]
    assert "forgotten" not in talker.read(f"since={whole['next'] - 100}")
    assert "forgotten" not in talker.read("tail=10")


def test_a_follower_is_told_and_goes_on(talker: Talker, live: Hub) -> None:
    plain = Follower(live, talker.id, "&since=0")
    objects = Follower(live, talker.id, "&since=0&format=json")
    end = f"said {talker.said}".encode()
    plain.until(end)
    objects.until(end)
    assert GONE.match(plain.text)
    told = json.loads(objects.text.split(b"\n")[0])
    assert told["kind"] == "forgotten"
    assert told["bytes"] == told["offset"] == int(GONE.match(plain.text).group(1))
    assert json.loads(objects.text.split(b"\n")[1])["kind"] == "out"
    # At its live edge nothing is missing.
    talker.say()
    plain.until(f"said {talker.said}".encode())
    plain.close()
    objects.close()


def test_a_ring_goes_on_with_the_next_hub(talker: Talker, live: Hub) -> None:
    before = talker.read("since=0")
    live.kill9()
    live.start()
    assert talker.portal.show(talker.id)["status"] == "running"
    after = talker.read("since=0")
    assert after["forgotten"] >= before["forgotten"]
    assert after["logs"].count(f"said {talker.said}\n") == 1
    talker.say()
    assert talker.read(f"since={after['next']}")["logs"].endswith(f"said {talker.said}\n")


def test_its_last_words_are_in_its_error(talker: Talker, live: Hub, engine: Engine) -> None:
    container = talker.portal.show(talker.id)["containerId"]
    engine.call("POST", f"/containers/{container}/kill", query={"signal": "KILL"})
    found = talker.portal.settled(talker.id, "error")
    assert f"said {talker.said}" in found["error"]
