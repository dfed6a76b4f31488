"""What instances use, told in the words of `docker stats` and in numbers, on a
real engine."""

import os
import re
import urllib.request
from datetime import datetime
from typing import Callable, Iterator

import pytest

from component_lab import Catalog, Portal, catalog, component_hub  # noqa: F401
from engine_api import Engine
from hub import Hub, wait_for

MEMORY = 64 * 1024 * 1024
# Two thirds of a processor at least, and 8 MB that stay in use.
BUSY = """\
FROM {image}
RUN mkdir -p /www && head -c 300000 /dev/zero > /www/large
ENTRYPOINT []
CMD ["sh", "-c", "busybox httpd -p 8080 -h /www; a=$(head -c 8000000 /dev/zero | tr '\\\\0' x); trap 'exit 0' TERM; while :; do :; done"]
"""
BYTES = r"\d+(\.\d+)?(B|KiB|MiB|GiB|TiB)"
DECIMAL = r"\d+(\.\d+)?(B|kB|MB|GB|TB)"


@pytest.fixture(scope="module")
def live(make_module_hub: Callable[..., Hub], catalog: Catalog,
         engine: Engine) -> Iterator[Hub]:
    yield from component_hub(
        make_module_hub, catalog, engine,
        RUNNERHUB_COMPONENTS_MAX="3",
        RUNNERHUB_SHUTDOWN_MODE="handover")


@pytest.fixture(scope="module")
def busy(live: Hub, catalog: Catalog) -> dict:
    """It runs, was asked for a page, and was measured twice."""
    port = catalog.add("busy", dockerfile=BUSY, health="",
                       extra="  stopGracePeriod: 1s\n  resources: {memory: 64m}\n")
    portal = Portal(live)
    instance = portal.running("component:busy")

    def served() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/large", timeout=30) as answer:
                return len(answer.read()) == 300000
        except OSError:
            return False
    wait_for(served, what="it serves")
    wait_for(lambda: len(metrics(live, instance)) >= 2, what="it is measured")
    return instance


def metrics(hub: Hub, instance: dict, query: str = "") -> list[dict]:
    reply = hub.get(f"/api/runner/instances/{instance['id']}/metrics{query}")
    assert reply.status == 200, reply.text
    return reply.json["metrics"]


def stats(hub: Hub, instance: dict) -> dict | None:
    reply = hub.get(f"/api/runner/instances/{instance['id']}/stats")
    assert reply.status == 200, reply.text
    return reply.json["stats"]


def test_stats_are_in_the_words_of_docker(live: Hub, busy: dict) -> None:
    found = stats(live, busy)
    assert set(found) == {"BlockIO", "CPUPerc", "Container", "ID", "MemPerc", "MemUsage",
                          "Name", "NetIO", "PIDs"}
    assert all(isinstance(value, str) for value in found.values())
    assert found["Container"] == busy["containerId"]
    assert found["ID"] == busy["containerId"][:12]
    assert Engine().inspect(busy["containerId"])["Name"] == "/" + found["Name"]
    assert re.fullmatch(rf"{DECIMAL} / {DECIMAL}", found["BlockIO"])
    assert re.fullmatch(r"\d+\.\d\d%", found["CPUPerc"]) and float(found["CPUPerc"][:-1]) > 1
    assert re.fullmatch(rf"{BYTES} / 64MiB", found["MemUsage"])
    assert 8e6 / MEMORY * 100 < float(found["MemPerc"][:-1]) < 100
    received, sent = found["NetIO"].split(" / ")
    assert re.fullmatch(DECIMAL, received) and re.fullmatch(r"\d+(\.\d+)?kB", sent)
    assert int(found["PIDs"]) >= 2


def test_metrics_are_numbers(live: Hub, busy: dict) -> None:
    found = metrics(live, busy)
    for one in found:
        assert one["containerId"] == busy["containerId"]
        datetime.fromisoformat(one["timestamp"].replace("Z", "+00:00"))
        memory = one["memory"]
        assert memory["limit"] == MEMORY and 0 < memory["usage"] < MEMORY
        assert memory["percentage"] == pytest.approx(memory["usage"] / MEMORY * 100)
        assert set(one["network"]) == {"rxBytes", "txBytes"}
        assert set(one["io"]) == {"readBytes", "writeBytes"}
        assert 0 <= one["cpu"]["usage"] < 6400
    assert found[-1]["cpu"]["usage"] > 1
    times = [one["timestamp"] for one in found]
    assert times == sorted(times)
    last = wait_for(lambda: metrics(live, busy)[-1]["network"]["txBytes"] > 300000
                    and metrics(live, busy)[-1], what="the page is counted")
    assert last["memory"]["usage"] > 8e6
    assert metrics(live, busy, "?limit=1") == metrics(live, busy)[-1:]
    for query in ("?limit=0", "?limit=nonsense", "?limit="):
        assert len(metrics(live, busy, query)) >= 2


def test_one_that_ended_keeps_what_it_used(live: Hub, catalog: Catalog) -> None:
    portal = Portal(live)
    catalog.add("brief", health="")
    instance = portal.running("component:brief")
    wait_for(lambda: metrics(live, instance), what="it is measured")
    portal.stop(instance["id"])
    assert stats(live, instance) is None
    assert metrics(live, instance)[-1]["containerId"] == instance["containerId"]


def test_an_adopted_one_is_measured_again(live: Hub, busy: dict) -> None:
    live.restart()
    wait_for(lambda: metrics(live, busy), what="it is measured")
    assert stats(live, busy)["Container"] == busy["containerId"]
    assert Portal(live).show(busy["id"])["status"] == "running"


def test_one_thread_for_all(live: Hub, busy: dict, catalog: Catalog) -> None:
    portal = Portal(live)
    catalog.add("other", health="")
    other = portal.running("component:other")
    wait_for(lambda: metrics(live, other) and metrics(live, busy), what="both are measured")
    names = []
    for task_id in os.listdir(f"/proc/{live.pid}/task"):
        with open(f"/proc/{live.pid}/task/{task_id}/comm", encoding="utf-8") as comm:
            names.append(comm.read().strip())
    assert names.count("monitor") == 1
