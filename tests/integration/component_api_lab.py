"""What the tests of the component API share."""

import prometheus
from hub import Hub, wait_for
from raw_portal import Client

PORTAL = "https://portal.example"
NOBODY = "11111111-2222-4333-8444-555555555555"
TALKER = """\
FROM {image}
ENTRYPOINT []
CMD ["sh", "-c", "echo begin; trap 'echo bye; exit 0' TERM; while :; do sleep 0.1; done"]
"""
TICKER = """\
FROM {image}
ENTRYPOINT []
CMD ["sh", "-c", "trap 'exit 0' TERM; while :; do echo tick; sleep 0.1; done"]
"""


def until(client: Client, instance: str, *wanted: str) -> dict:
    def there() -> dict | None:
        found = client.status(instance).json
        return found if found["status"] in wanted else None
    return wait_for(there, 120, f"the instance is {' or '.join(wanted)}")


def gauge(hub: Hub, name: str, key: str | None = None, **labels: str) -> float:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    families = prometheus.parse(hub.get("/metrics", headers=headers).text)
    return families[f"github_runnerhub_{name}"].value(**labels)


def followers(hub: Hub, key: str | None = None) -> float:
    return gauge(hub, "component_followers", key, kind="logs")


def stop_others(client: Client, kept: str) -> None:
    for instance in client.list().json["items"]:
        if instance["id"] != kept and instance["status"] != "stopped":
            assert client.stop(instance["id"]).status == 200
