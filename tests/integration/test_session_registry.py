"""Credentials of registries: they reach the registry and nothing else, and
are taken again by a hub that has forgotten them."""

import base64
import os
import uuid
from typing import Any

import pytest

from fake_registry import Registry, registry  # noqa: F401
from hub import Hub, wait_for

PASSWORD = "pa:ss wörd?>"
BASIC = "Basic " + base64.b64encode(f"mona:{PASSWORD}".encode()).decode()


def wish(registry: Registry) -> dict:
    return {"image": f"{registry.name}/team/app:1", "registry": {
        "username": "mona", "password": PASSWORD, "serverUrl": registry.name}}


def nowhere(hub: Hub) -> None:
    """Neither in what the hub keeps nor in what it says."""
    needles = [PASSWORD.encode(), BASIC.split()[1].encode()]
    for folder, _, names in os.walk(hub.dir):
        for path in (os.path.join(folder, name) for name in names):
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    content = file.read()
                assert not any(needle in content for needle in needles), path


@pytest.mark.parametrize("place", ["container", "services"])
def test_credentials_reach_the_registry_alone(make_hub: Any, registry: Registry, place: str,
                                              image: str):
    hub = make_hub({"RUNNER_PULL_POLICY": "if-missing", "RUNNERHUB_JOB_RETRIES": "0"}).start()
    fields = ({"container": wish(registry)} if place == "container" else
              {"container": {"image": image}, "services": [wish(registry)]})
    job = hub.wait_end(hub.delegate(None, **fields))
    assert job["status"] == "failed" and "team/app" in job["error"], job
    assert set(registry.seen) == {BASIC}
    nowhere(hub)


def test_a_restarted_hub_waits_for_them(make_hub: Any, registry: Registry):
    hub = make_hub({"RUNNER_PULL_POLICY": "if-missing", "RUNNERHUB_JOB_RETRIES": "100",
                    "RUNNERHUB_RETRY_BACKOFF": "50ms"}).start()
    request = {"runId": uuid.uuid4().hex, "container": wish(registry)}
    job = hub.delegate(None, **request)
    wait_for(lambda: registry.seen, 60, "the registry is asked")
    hub.kill9()
    registry.seen.clear()
    hub.start()
    wait_for(lambda: "credentials_lost" in hub.get(f"/api/jobs/{job}").text, 60,
             "the hub says what it lacks")
    assert registry.seen == []
    nowhere(hub)
    again = hub.post("/api/jobs/delegate", {"jobId": "test", "repository": "test/repo", **request})
    assert again.status == 200 and again.data["delegationId"] == job
    wait_for(lambda: registry.seen, 60, "the registry is asked again")
    assert set(registry.seen) == {BASIC}
    assert hub.post(f"/api/jobs/{job}/cancel").status in (200, 202)
    assert hub.wait_end(job)["status"] == "cancelled"
