"""Rate limits: who is counted, how, and what the answers say of it."""

import time
from typing import Callable

import pytest

from hub import Hub

NOWHERE = "unix:///nonexistent/engine.sock"
KEY = "a-key-of-the-tests-0123456789"
AUTH = {"Authorization": f"Bearer {KEY}"}
PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def limited(make_module_hub: Callable[..., Hub]) -> Hub:
    """Five writes and 500 reads in a quarter of an hour."""
    return make_module_hub({"DOCKER_HOST": NOWHERE, "RUNNERHUB_API_KEY": KEY,
                            "API_RATE_LIMIT": "5"}).start()


def make_token(hub: Hub, name: str) -> dict[str, str]:
    """A caller whom nobody has counted yet."""
    made = hub.post("/api/tokens", {"name": name}, headers=AUTH)
    assert made.status == 201, made.text
    return {"Authorization": f"Bearer {made.data['token']}"}


def test_writes_are_counted_per_caller(limited: Hub) -> None:
    a, b = make_token(limited, "a"), make_token(limited, "b")
    before = time.time()
    for left in (4, 3, 2, 1, 0):
        reply = limited.post("/api/runners/none/drain", headers=a)
        assert reply.status == 404
        assert reply.headers["X-RateLimit-Limit"] == "5"
        assert reply.headers["X-RateLimit-Remaining"] == str(left)
        assert before < int(reply.headers["X-RateLimit-Reset"]) <= time.time() + 901
    refused = limited.post("/api/runners/none/drain", headers=a)
    assert refused.status == 429 and refused.json["code"] == "rate_limited"
    assert 0 < int(refused.headers["Retry-After"]) <= 900
    assert limited.post("/api/runners/none/drain", headers=b).status == 404
    # Reads have a limit of their own.
    read = limited.get("/api/jobs", headers=a)
    assert read.status == 200 and read.headers["X-RateLimit-Limit"] == "500"


def test_guesses_are_counted_by_address(limited: Hub) -> None:
    wrong = {"Authorization": "Bearer wrong-wrong-wrong"}
    statuses = [limited.post("/api/runners/none/drain", headers=wrong).status for _ in range(7)]
    assert statuses == [401] * 5 + [429] * 2
    statuses = [limited.post("/api/runner/stop", {}, headers=wrong).status for _ in range(2)]
    assert statuses == [429] * 2, "the component API counts with the other"


def test_components_count_in_their_own_words(limited: Hub) -> None:
    caller = make_token(limited, "portal")
    for _ in range(5):
        assert limited.post("/api/runner/stop", {}, headers=caller).status == 400
    refused = limited.post("/api/runner/stop", {}, headers=caller)
    assert refused.status == 429 and "Retry-After" in refused.headers
    assert refused.json["response"] == {"statusCode": 429}


def test_runners_are_not_counted(make_hub: Callable[..., Hub]) -> None:
    hub = make_hub({"DOCKER_HOST": NOWHERE, "RUNNERHUB_API_KEY": KEY, "API_RATE_LIMIT": "2"}).start()
    made = hub.post("/api/runners/register", {"name": "busy"}, headers=AUTH)
    token = {"Authorization": f"Bearer {made.data['token']}"}
    for _ in range(6):
        beat = hub.post("/api/runners/self/heartbeat", {"status": "idle"}, headers=token)
        assert beat.status == 200 and "X-RateLimit-Limit" not in beat.headers


def test_nobody_is_counted_in_open_mode(make_hub: Callable[..., Hub]) -> None:
    hub = make_hub({"DOCKER_HOST": NOWHERE, "API_RATE_LIMIT": "1"}).start()
    for _ in range(4):
        reply = hub.post("/api/runners/none/drain")
        assert reply.status == 404 and "X-RateLimit-Limit" not in reply.headers


def test_a_window_ends(make_hub: Callable[..., Hub]) -> None:
    hub = make_hub({"DOCKER_HOST": NOWHERE, "RUNNERHUB_API_KEY": KEY, "API_RATE_LIMIT": "1",
                    "API_RATE_WINDOW": "1000"}).start()
    assert hub.post("/api/runners/none/drain", headers=AUTH).status == 404
    refused = hub.post("/api/runners/none/drain", headers=AUTH)
    assert refused.status == 429
    time.sleep(int(refused.headers["Retry-After"]))  # what it said is true
    assert hub.post("/api/runners/none/drain", headers=AUTH).status == 404
