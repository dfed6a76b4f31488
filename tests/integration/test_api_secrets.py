"""Named secrets over the API: kept, named, replaced, deleted, and never told."""

import json
import subprocess
import uuid
from typing import Callable

import pytest

from hub import Hub

NOWHERE = "unix:///nonexistent/engine.sock"
VALUE = "s3cret-" + uuid.uuid4().hex


@pytest.fixture(scope="module")
def hub(make_module_hub: Callable[..., Hub]) -> Hub:
    return make_module_hub({"DOCKER_HOST": NOWHERE}).start()


def names(hub: Hub, query: str = "") -> list[str]:
    return [item["name"] for item in hub.get(f"/api/secrets{query}").data]


def put(hub: Hub, name: str, value: str = VALUE) -> None:
    reply = hub.request("PUT", f"/api/secrets/{name}", {"value": value})
    assert reply.status == 200, reply.text
    assert VALUE not in reply.text


def test_a_secret_is_kept_named_replaced_and_deleted(hub: Hub) -> None:
    put(hub, "API_TOKEN")
    first = hub.get("/api/secrets").data
    assert [set(item) for item in first] == [{"name", "use", "repositories", "createdAt",
                                              "updatedAt"}]
    assert first[0]["createdAt"] == first[0]["updatedAt"]
    put(hub, "API_TOKEN", VALUE + "-2")
    again = hub.get("/api/secrets").data
    assert again[0]["createdAt"] == first[0]["createdAt"]
    assert again[0]["updatedAt"] >= first[0]["updatedAt"]
    assert hub.request("DELETE", "/api/secrets/API_TOKEN").status == 200
    assert names(hub) == []
    reply = hub.request("DELETE", "/api/secrets/API_TOKEN")
    assert reply.status == 404 and reply.json["code"] == "secret_not_found"


def test_lists_go_by_name_in_pages(hub: Hub) -> None:
    kept = [f"n{i}" for i in range(5)]
    for name in reversed(kept):
        put(hub, name)
    assert names(hub) == kept
    assert names(hub, "?limit=2") == kept[:2]
    assert names(hub, "?limit=2&after=n1") == kept[2:4]
    assert names(hub, "?after=n4") == []
    for bad in ("0", "1001", "x"):
        assert hub.get(f"/api/secrets?limit={bad}").json["code"] == "invalid_parameter"
    for name in kept:
        assert hub.request("DELETE", f"/api/secrets/{name}").status == 200


@pytest.mark.parametrize("name", ["1A", "-a", "a%20b", "a%2Fb", "%C3%A4", "n" * 129])
def test_a_bad_name_is_refused(hub: Hub, name: str) -> None:
    reply = hub.request("PUT", f"/api/secrets/{name}", {"value": VALUE})
    assert reply.status in (400, 404), reply.text
    assert names(hub) == []


def test_the_longest_name_fits(hub: Hub) -> None:
    put(hub, "n" * 128)
    assert names(hub) == ["n" * 128]
    assert hub.request("DELETE", "/api/secrets/" + "n" * 128).status == 200


@pytest.mark.parametrize("body", [
    b"", b"[]", b"{}", b'{"value": 1}', b'{"value": null}', b'{"value": ""}',
    b'{"value": "a\\u0000b"}', json.dumps({"value": "v" * 32769}).encode(),
    VALUE.encode(), b'{"value": ' + VALUE.encode() + b"}",
    b'{"value": "' + VALUE.encode()])
def test_a_bad_body_is_refused_without_quoting_it(hub: Hub, body: bytes) -> None:
    reply = hub.request("PUT", "/api/secrets/BAD", body=body,
                        headers={"Content-Type": "application/json"})
    assert reply.status == 400, reply.text
    assert reply.json["code"] in ("invalid_json", "invalid_field", "invalid_value")
    assert VALUE not in reply.text and VALUE not in hub.log()
    assert names(hub) == []


def test_no_value_is_in_the_log_or_in_the_store(hub: Hub) -> None:
    put(hub, "LOGGED")
    with open(f"{hub.state_dir}/runnerhub.db-wal", "rb") as wal:
        assert VALUE.encode() not in wal.read()
    assert "LOGGED" in hub.log() and VALUE not in hub.log()
    assert hub.request("DELETE", "/api/secrets/LOGGED").status == 200


def test_another_key_is_refused_while_one_is_kept(make_hub: Callable[..., Hub]) -> None:
    hub = make_hub({"DOCKER_HOST": NOWHERE, "ENCRYPTION_KEY": "the first key of this hub"}).start()
    put(hub, "KEPT")
    hub.restart()
    assert names(hub) == ["KEPT"]
    hub.terminate()
    hub.env["ENCRYPTION_KEY"] = "the second key of this hub"
    done = subprocess.run([hub.binary, "serve"], env=hub.env, cwd=hub.dir,
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode not in (0, None) and "sealed with another key" in done.stderr
    assert "secret rotate --give-up" in done.stderr
