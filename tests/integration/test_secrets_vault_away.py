"""What the hub says and does while HashiCorp Vault is away, sealed, or does not take
its credentials."""

import json
import time
from typing import Callable

import pytest

from hub import Hub, wait_for
from vault_lab import (TOKEN, FakeVault, becomes, delegate, env_of, gives, nothing_leaked,
                       role_of, vault)  # noqa: F401


def test_a_job_waits_for_a_sealed_vault(make_hub: Callable[..., Hub], vault: FakeVault) -> None:
    vault.status = 503
    hub = make_hub(env_of(vault)).start()
    becomes(hub, "sealed")
    wait_for(lambda: hub.get("/health").status == 200, what="the hub is healthy all the same")
    assert "\ngithub_runnerhub_vault_up 0\n" in hub.get("/metrics").text
    job = delegate(hub)
    waiting = wait_for(lambda: (now := hub.job(job)).get("waiting", {}) and
                       now["status"] == "pending" and now, what="the job waits")
    assert waiting["waiting"]["code"] == "vault_unavailable"
    assert "is sealed (503)" in waiting["waiting"]["reason"]
    doctor = hub.cli("doctor", "--json")
    found = {one["name"]: one for one in json.loads(doctor.stdout)["checks"]}
    assert found["vault"]["verdict"] == "fail" and "sealed" in found["vault"]["text"]
    vault.status = None
    hub.wait_status(job, "completed")
    becomes(hub, "active")
    assert hub.job(job)["status"] == "completed"


@pytest.mark.parametrize("status,name", [(429, "down"), (473, "standby"), (500, "down"),
                                         (501, "uninitialized")])
def test_states_have_names(make_hub: Callable[..., Hub], vault: FakeVault, status: int,
                           name: str) -> None:
    vault.status = status
    hub = make_hub({**env_of(vault), "DOCKER_HOST": "unix:///nonexistent/engine.sock"}).start()
    assert str(status)[0] in becomes(hub, name)["error"]
    vault.status = None
    becomes(hub, "active")


def test_while_vault_is_away_what_was_read_serves(make_hub: Callable[..., Hub],
                                                  vault: FakeVault) -> None:
    hub = make_hub(env_of(vault, RUNNERHUB_VAULT_CACHE_FOR="1s")).start()
    gives(hub)
    vault.status = 503
    becomes_stale = wait_for(lambda: (hub.wait_status(delegate(hub), "completed"), "vault_stale_total 0\n"
                                      not in hub.get("/metrics").text)[1], what="a stale one")
    assert becomes_stale
    assert "a secret is used as Vault gave it before" in hub.log()
    hub.restart({"RUNNERHUB_VAULT_STALE_FOR": "0"})
    job = delegate(hub)
    hub.wait_status(job, "pending")
    vault.status = None
    hub.wait_status(job, "completed")
    nothing_leaked(hub)


def test_credentials_that_are_void_are_told(make_hub: Callable[..., Hub],
                                            vault: FakeVault) -> None:
    vault.tokens.clear()
    hub = make_hub(env_of(vault)).start()
    assert "does not take VAULT_TOKEN (403)" in becomes(hub, "refused")["error"]
    job = delegate(hub)
    hub.wait_status(job, "pending")
    vault.tokens[TOKEN] = {"until": None, "renewable": False}
    hub.wait_status(job, "completed")
    hub.terminate()
    del hub.env["VAULT_TOKEN"]
    hub.restart(role_of(vault, VAULT_SECRET_ID="wrong-secret-4711"))
    assert "VAULT_SECRET_ID (400)" in becomes(hub, "refused")["error"]
    assert "wrong-secret-4711" not in hub.log()


def test_a_token_to_renew_asks_nobody_without_a_pause(make_hub: Callable[..., Hub],
                                                      vault: FakeVault) -> None:
    vault.login_ttl = 1
    hub = make_hub({**role_of(vault), "DOCKER_HOST": "unix:///nonexistent/engine.sock"}).start()
    becomes(hub, "active")
    vault.status = 503
    becomes(hub, "sealed")
    began, asked = time.monotonic(), vault.count("GET", "/v1/sys/health")
    wait_for(lambda: vault.count("GET", "/v1/sys/health") >= asked + 2, what="asked again")
    assert time.monotonic() - began > 1  # a pause of one second, and one of two
    vault.status = None
    becomes(hub, "active")


def test_a_vault_that_hangs_holds_nothing_else(make_hub: Callable[..., Hub],
                                               vault: FakeVault) -> None:
    vault.hang.set()
    hub = make_hub(env_of(vault, VAULT_CLIENT_TIMEOUT="300ms")).start()
    assert "did not answer in time" in becomes(hub, "down")["error"]
    job = delegate(hub)
    hub.wait_status(hub.delegate(["true"]), "completed")
    hub.wait_status(job, "pending")
    hub.post(f"/api/jobs/{job}/cancel")
    hub.wait_status(job, "cancelled")
