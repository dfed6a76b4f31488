"""Builds of components for tests: short Dockerfiles, marks by which what they
made is found on the engine, and starts that end at once."""

import json
import uuid

from component_lab import Portal, image_tags
from engine_api import Engine, EngineError
from hub import Hub, wait_for

LASTING = """\
ENTRYPOINT []
CMD ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"]
"""
NOT_AGAIN = "Not built again"


def build_log(portal: Portal, instance: dict) -> str:
    return portal.logs(instance["id"], "build=true")


def run_once(portal: Portal, ref: str) -> tuple[dict, str]:
    """Started and stopped again; the instance as it ran, and its image."""
    instance = portal.running(ref)
    image = Engine().inspect(instance["containerId"])["Image"]
    assert portal.stop(instance["id"]).status == 200
    return instance, image


def made_with(engine: Engine, marker: str) -> list[str]:
    """Images, intermediate ones too, of a step that has the marker."""
    found = []
    for image in engine.call("GET", "/images/json", query={"all": "1"}):
        try:
            about = engine.call("GET", f"/images/{image['Id']}/json")
        except EngineError:
            continue  # others remove theirs meanwhile
        if marker in json.dumps(about.get("ContainerConfig")):
            found.append(image["Id"])
    return found


def running_with(engine: Engine, marker: str) -> list[dict]:
    return [c for c in engine.containers() if marker in c["Command"]]


def mark() -> str:
    return f"marker-{uuid.uuid4().hex[:12]}"


def simple(*steps: str) -> str:
    return "".join(line + "\n" for line in ("FROM {image}", *steps)) + LASTING


def nothing_is_left(engine: Engine, hub: Hub, marker: str) -> None:
    """At once for what the hub does; the engine may take its time to end."""
    wait_for(lambda: not running_with(engine, marker), what="the build has ended")
    assert made_with(engine, marker) == []
    assert not [t for t in image_tags(engine, hub) if t.startswith("building-")]
