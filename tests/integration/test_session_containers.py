"""Containers of sessions: what a delegation with `container`, `services` or
`nested` makes on the real engine, what it refuses, and that nothing stays."""

import json
import os
import uuid
from typing import Any, Iterator

import pytest

from engine_api import Engine
from hub import Hub
from session_driver import Session, build, made_for, nothing_left


# -- what the tests stand on ------------------------------------------------------------


@pytest.fixture(scope="module")
def images(engine: Engine, image: str) -> Iterator[dict[str, str]]:
    """A service that is healthy once it says so, one that never is, Alpine."""
    made = {
        "web": build(engine, f"FROM {image}\n"
                     "HEALTHCHECK --interval=200ms --timeout=5s --retries=20 CMD test -e /ready\n"
                     "EXPOSE 8080\n"
                     'CMD ["sh", "-c", "echo web starts; touch /ready; mkdir /www; '
                     'echo hello >/www/index.html; exec busybox httpd -f -p 8080 -h /www"]\n'),
        "sick": build(engine, f"FROM {image}\n"
                      "HEALTHCHECK --interval=100ms --timeout=5s --retries=1 CMD false\n"
                      'CMD ["sh", "-c", "echo out of order; echo and sorry >&2; '
                      'exec tail -f /dev/null"]\n'),
        "alpine": build(engine, f"FROM {image}\n"
                        "RUN printf 'ID=\"alpine\"\\n' >/etc/os-release\n"),
    }
    yield made
    for name in made.values():
        engine.call("DELETE", f"/images/{name}?force=1")


@pytest.fixture(scope="module")
def work(tmp_path_factory: Any) -> str:
    """A runner's work directory, in which sessions may mount."""
    path = str(tmp_path_factory.mktemp("work"))
    os.chmod(os.path.dirname(path), 0o755)
    for name in ("_temp", "_temp/_github_home", "repo/repo"):
        os.makedirs(os.path.join(path, name))
    return path


@pytest.fixture(scope="module")
def hub(make_module_hub: Any, work: str) -> Hub:
    return make_module_hub({"RUNNERHUB_WORK_ROOTS": work, "RUNNERHUB_CAPACITY": "8"}).start()


def mounts(work: str) -> list[dict]:
    def one(source: str, target: str, read_only: bool = False) -> dict:
        return {"sourceVolumePath": source, "targetVolumePath": target, "readOnly": read_only}
    return [one("/var/run/docker.sock", "/var/run/docker.sock"), one(work, "/__w"),
            one(f"{work}/_temp", "/__w/_temp"),
            one(f"{work}/_temp/_github_home", "/github/home")]


def open_session(hub: Hub, **fields: Any) -> dict:
    job = hub.wait_status(hub.delegate(None, **fields), "running")
    return job


def end_session(hub: Hub, job: str, engine: Engine) -> None:
    known = hub.job(job)
    reply = hub.post(f"/api/jobs/{job}/proxy-complete",
                     {"status": "completed", "runId": known["runId"], "jobId": known["jobId"]})
    assert reply.status == 200, reply.text
    nothing_left(engine, job)


# -- what is made -----------------------------------------------------------------------


def test_container_and_services(hub: Hub, engine: Engine, image: str, images: dict, work: str):
    job = open_session(hub, container={
        "image": image, "systemMountVolumes": mounts(work), "portMappings": ["9000"],
        "environmentVariables": {"TOKEN": "tok-5b1c"}, "createOptions": "--memory 64m"},
        services=[{"image": images["web"], "contextName": "api", "portMappings": ["8080"]},
                  {"image": image, "entryPoint": "tail", "entryPointArgs": ["-f", "/dev/null"]}])
    made, job_id = job["session"], job["id"]
    assert len(made["containerId"]) == 64 and made["image"] == image
    assert made["isAlpine"] is False and made["path"].startswith("/")
    assert made["ports"].keys() == {"9000"} and made["ports"]["9000"].isdigit()
    first, second = made["services"]
    assert first["names"] == ["api", images["web"].split("/")[1].split(":")[0], "svc0"]
    assert first["ports"].keys() == {"8080"} and second["ports"] == {}
    assert first["network"] == made["network"]
    for service in made["services"]:
        seen = engine.inspect(service["id"])
        assert seen["State"]["Running"]
        assert seen["HostConfig"]["Memory"] > 0 and seen["HostConfig"]["PidsLimit"] > 0
        assert "max-size" in seen["HostConfig"]["LogConfig"]["Config"]
        assert list(seen["NetworkSettings"]["Networks"]) == [made["network"]]
        assert set(service["names"]) <= set(
            seen["NetworkSettings"]["Networks"][made["network"]]["Aliases"])
    seen = engine.inspect(made["containerId"])
    assert seen["HostConfig"]["Memory"] == 64 << 20
    assert "tok-5b1c" not in json.dumps(seen)
    targets = {m["Destination"]: m for m in seen["Mounts"]}
    assert targets["/__w"]["Source"] == work and "/var/run/docker.sock" not in targets
    end_session(hub, job_id, engine)


def test_a_session_without_a_container_of_its_own(hub: Hub, engine: Engine, image: str,
                                                  images: dict):
    job = open_session(hub, container=None, services=[{"image": images["web"]}])
    assert job["session"]["containerId"] is None and len(job["session"]["services"]) == 1
    end_session(hub, job["id"], engine)


def test_alpine_is_recognised(hub: Hub, engine: Engine, images: dict):
    job = open_session(hub, container={"image": images["alpine"]})
    assert job["session"]["isAlpine"] is True
    end_session(hub, job["id"], engine)


def test_named_volumes_go_with_the_session(hub: Hub, engine: Engine, image: str):
    job = open_session(hub, container={"image": image, "createOptions": "-v cache:/cache -v /more"})
    volumes = made_for(engine, job["id"])["volumes"]
    assert [v["Name"].endswith("-cache") for v in volumes] == [True]
    end_session(hub, job["id"], engine)


def test_nested(hub: Hub, engine: Engine, image: str):
    job = open_session(hub, nested={"work": "/home/runner/_work"}, image=image)
    seen = engine.inspect(job["session"]["containerId"])
    targets = {m["Destination"]: m for m in seen["Mounts"]}
    assert targets["/home/runner/_work"]["Name"] == f"runnerhub-w-{job['id']}"
    assert targets["/home/runner/externals"]["RW"] is False
    assert job["session"]["network"] is None
    end_session(hub, job["id"], engine)


def test_programs_of_an_image_are_of_few_places(hub: Hub, engine: Engine, image: str):
    """Whoever names ever another place does not fill the engine with volumes."""
    own = json.dumps({"label": [f"runnerhub.hub={hub.hub_id}", "runnerhub.type=externals"]})
    for n in range(7):
        job = open_session(hub, nested={"work": f"/place{n}/work"}, image=image)
        end_session(hub, job["id"], engine)
    assert len(engine.call("GET", "/volumes", query={"filters": own})["Volumes"]) <= 4


def test_labels_of_an_image_claim_nothing(make_hub: Any, engine: Engine, image: str):
    """Not to be a container that a restarted hub finds left over, nor files
    of the hub's, nor the options that bound its log."""
    hub = make_hub({"RUNNERHUB_CAPACITY": "8"}).start()
    liar = build(engine, f"FROM {image}\n"
                 f'LABEL runnerhub.sandbox.id="{uuid.uuid4()}" runnerhub.user="0" '
                 'runnerhub.step="0" runnerhub.type="sandbox"\n'
                 'CMD ["tail", "-f", "/dev/null"]\n')
    try:
        job = open_session(hub, container={"image": image}, services=[
            {"image": liar, "createOptions": "--log-driver local --log-opt max-size=900g"}])
        service = job["session"]["services"][0]["id"]
        assert engine.inspect(service)["HostConfig"]["LogConfig"]["Config"]["max-size"] != "900g"
        hub.kill9()
        hub.start()
        with Session(hub, container={"image": image}):
            assert hub.job(job["id"])["status"] == "running", hub.job(job["id"])
            assert engine.inspect(service)["State"]["Running"]
        end_session(hub, job["id"], engine)
    finally:
        engine.call("DELETE", f"/images/{liar}?force=1")


# -- what fails -------------------------------------------------------------------------


def test_an_unhealthy_service(hub: Hub, engine: Engine, image: str, images: dict):
    job = hub.wait_end(hub.delegate(None, container={"image": image},
                                    services=[{"image": images["sick"]}]))
    assert job["status"] == "failed" and "unhealthy" in job["error"], job
    notes = hub.get(f"/api/jobs/{job['id']}/logs?follow=true&format=json").text
    assert "out of order" in notes and "and sorry" in notes
    nothing_left(engine, job["id"])


def test_a_container_that_is_not_there(hub: Hub, engine: Engine):
    job = hub.wait_end(hub.delegate(None, container={"image": "sessiontest/none:1"}))
    assert job["status"] == "failed" and "sessiontest/none:1" in job["error"]
    nothing_left(engine, job["id"])


REFUSED = [
    ({"createOptions": "--privileged"}, "RUNNERHUB_SESSION_ALLOW"),
    ({"createOptions": "--memory 1t"}, "memory"),
    ({"createOptions": "-v /etc:/host"}, "/etc"),
    ({"systemMountVolumes": [{"sourceVolumePath": "/root", "targetVolumePath": "/r"}]}, "/root"),
]


@pytest.mark.parametrize("more,words", REFUSED)
def test_refused(hub: Hub, engine: Engine, image: str, more: dict, words: str):
    job = hub.wait_end(hub.delegate(None, container={"image": image, **more}))
    assert job["status"] == "failed" and words in job["error"], job
    nothing_left(engine, job["id"])


INVALID = [
    ({"container": {}}, "container.image"),
    ({"container": "alpine"}, "container"),
    ({"container": {"image": "a b"}}, "container.image"),
    ({"container": {"image": "a", "dockerfile": "/x"}}, "container.dockerfile"),
    ({"container": {"image": "a", "portMappings": 5}}, "container"),
    ({"container": {"image": "a", "probe": {"path": "x"}}}, "container.probe.path"),
    ({"services": {}}, "services"),
    ({"services": [{"image": "a"}, {}]}, "services[1].image"),
    ({"nested": {"work": "relative"}}, "nested.work"),
    ({"nested": {"work": "/a/../b"}}, "nested.work"),
    ({"profile": "root"}, "profile"),
    ({"keepLog": 1}, "keepLog"),
    ({"container": {"image": "a"}, "network": "none"}, "network"),
    ({"container": {"image": "a"}, "steps": [{"run": "true"}]}, "container"),
]


@pytest.mark.parametrize("fields,name", INVALID)
def test_a_wrong_field_is_named(hub: Hub, fields: dict, name: str):
    reply = hub.post("/api/jobs/delegate", {"jobId": "x", "runId": uuid.uuid4().hex,
                                            "repository": "test/repo", **fields})
    assert reply.status == 400 and f'"{name}"' in reply.json["error"], reply.text


def test_runner_and_engine_see_the_same_files(hub: Hub, engine: Engine, image: str, work: str):
    probe = f"{work}/_temp/.probe"
    container = {"image": image, "systemMountVolumes": mounts(work), "probe": {"path": probe}}
    job = hub.wait_end(hub.delegate(None, container=container))
    assert job["status"] == "failed" and probe in job["error"], job
    with open(probe, "w", encoding="utf-8"):
        pass
    end_session(hub, open_session(hub, container=container)["id"], engine)


# -- secrets ----------------------------------------------------------------------------


def test_nothing_of_a_wish_is_stored_in_clear(hub: Hub, engine: Engine, image: str):
    secrets = {"variable": f"v-{uuid.uuid4().hex}", "option": f"o-{uuid.uuid4().hex}",
               "password": f"p-{uuid.uuid4().hex}"}
    job = open_session(hub, container={
        "image": image, "environmentVariables": {"A": secrets["variable"]},
        "createOptions": f"-e B={secrets['option']}",
        "registry": {"username": "u", "password": secrets["password"], "serverUrl": "r.test"}})
    everything = json.dumps(hub.job(job["id"])) + hub.log() + json.dumps(
        engine.inspect(job["session"]["containerId"]))
    for folder, _, names in os.walk(hub.dir):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    everything += file.read().decode("latin-1")
    assert [name for name, value in secrets.items() if value in everything] == []
    end_session(hub, job["id"], engine)
