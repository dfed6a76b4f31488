"""What deploy/ has for Prometheus and Grafana, held against a real hub: its
metrics by promtool's own rules, every alert fired once, no query of a name that
the hub does not export."""

import json
import os
import re
import subprocess
from typing import Callable, Iterator

import pytest

import prometheus
from hub import Hub

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RULES = "deploy/prometheus/runnerhub.rules.yml"
PREFIX = "github_runnerhub_"
# Exported once GitHub has said them.
LATER = {PREFIX + name for name in (
    "github_requests_remaining", "github_requests_limit",
    "tls_certificate_expiry_timestamp_seconds")}


@pytest.fixture(scope="module")
def hub(make_module_hub: Callable[..., Hub]) -> Hub:
    made = make_module_hub({}).start()
    made.wait_end(made.delegate(["true"]))
    return made


def promtool(*words: str, given: str = "") -> str:
    done = subprocess.run(["promtool", *words], cwd=ROOT, input=given, text=True,
                          capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def read(path: str) -> str:
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def test_promtool_finds_nothing_in_the_metrics(hub: Hub) -> None:
    assert promtool("check", "metrics", given=hub.get("/metrics").text).strip() == ""


def test_the_configuration_and_the_rules_are_valid() -> None:
    assert "SUCCESS" in promtool("check", "config", "deploy/prometheus/prometheus.yml")
    assert "SUCCESS" in promtool("check", "rules", RULES)


def test_every_alert_fires_once() -> None:
    assert "SUCCESS" in promtool("test", "rules", "tests/prometheus/rules_test.yml")
    alerts = set(re.findall(r"alert: (\w+)", read(RULES)))
    fired = set(re.findall(r'alertname="(\w+)"', read("tests/prometheus/rules_test.yml")))
    assert alerts == fired and len(alerts) >= 10


def queries() -> Iterator[str]:
    board = json.loads(read("deploy/grafana/runnerhub.json"))
    for panel in board["panels"]:
        for target in panel["targets"]:
            yield target["expr"]
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["query"]["query"]
    yield from re.findall(r"expr: (.*)", read(RULES).replace(">-\n", ""))


def test_every_query_names_an_exported_metric(hub: Hub) -> None:
    exported = set(prometheus.parse(hub.get("/metrics").text)) | LATER
    named = {name for query in queries() for name in re.findall(PREFIX + r"\w+", query)}
    assert len(named) > 20
    for name in sorted(named):
        family = re.sub(r"_(bucket|sum|count)$", "", name)
        assert name in exported or family in exported, name


def test_the_dashboard_is_one() -> None:
    board = json.loads(read("deploy/grafana/runnerhub.json"))
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in board["panels"]]
    assert len(places) == len(set(places))
    for panel in board["panels"]:
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24, panel["title"]
        assert panel["datasource"]["uid"] == "${datasource}"


def test_the_capacity_in_use_is_told_by_repository(make_hub: Callable[..., Hub]) -> None:
    hub = make_hub({"RUNNERHUB_CAPACITY": "4"}).start()
    jobs = [hub.delegate(["exec sleep 1000"], repository=name)
            for name in ("acme/one", "acme/one", "acme/two")]
    for job in jobs:
        hub.wait_status(job, "running")
    text = hub.get("/metrics").text
    assert promtool("check", "metrics", given=text).strip() == ""
    used = prometheus.parse(text)[PREFIX + "pool_utilization"]
    assert used.value(repository="") == 0.75
    assert used.value(repository="acme/one") == 0.5
    assert used.value(repository="acme/two") == 0.25
    for job in jobs:
        hub.post(f"/api/jobs/{job}/cancel")
        hub.wait_end(job)
    used = prometheus.parse(hub.get("/metrics").text)[PREFIX + "pool_utilization"]
    assert len(used.samples) == 1, "those that run nothing cost nothing"


def test_routes_of_one_path_are_measured_apart(hub: Hub) -> None:
    hub.delete("/api/webhooks/nothing")
    hub.patch("/api/webhooks/nothing", {})
    seen = {(labels["method"], labels["status"])
            for _, pairs in prometheus.parse(hub.get("/metrics").text)[
                PREFIX + "api_request_seconds"].samples
            if (labels := dict(pairs))["route"] == "/api/webhooks/:id"}
    assert {method for method, _ in seen} == {"PATCH", "DELETE"}
