"""Secrets in HashiCorp Vault: how the hub gets in, what it keeps, and what it
says and does while Vault is away."""

import json
import os
import subprocess
import sys
import uuid
from typing import Any, Callable, Iterator

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "fakes"))

from fake_vault import ROLE_ID, SECRET_ID, TOKEN, FakeVault  # noqa: E402
from hub import Hub, wait_for  # noqa: E402

VALUE = "correct-horse-" + uuid.uuid4().hex
JOBS = {"use": "jobs"}


@pytest.fixture
def vault() -> Iterator[FakeVault]:
    fake = FakeVault()
    fake.put("runnerhub/KEY", JOBS, value=VALUE, other="another-value-4711")
    yield fake
    fake.close()


def env_of(vault: FakeVault, **more: str) -> dict[str, str]:
    return {"VAULT_ADDR": vault.url, "VAULT_TOKEN": TOKEN, "RUNNERHUB_RETRY_BACKOFF": "10ms",
            "VAULT_CLIENT_TIMEOUT": "1s", **more}


def role_of(vault: FakeVault, **more: str) -> dict[str, str]:
    env = env_of(vault, **{"VAULT_ROLE_ID": ROLE_ID, "VAULT_SECRET_ID": SECRET_ID, **more})
    return {key: value for key, value in env.items() if key != "VAULT_TOKEN"}


def delegate(hub: Hub, name: str = "KEY", want: str = VALUE) -> str:
    return hub.delegate(['test "$K" = "$WANT" && echo "[$K]"'], env={"WANT": want},
                        namedSecrets={"K": name})


def gives(hub: Hub, name: str = "KEY", want: str = VALUE) -> None:
    job = delegate(hub, name, want)
    hub.wait_status(job, "completed")
    assert hub.logs(job) == "[***]\n"


def fails(hub: Hub, name: str) -> dict[str, Any]:
    return hub.wait_status(delegate(hub, name), "failed")


def state(hub: Hub) -> dict[str, Any]:
    return hub.get("/api/system").data["vault"]


def becomes(hub: Hub, wanted: str) -> dict[str, Any]:
    return wait_for(lambda: (now := state(hub))["state"] == wanted and now,
                    what=f"Vault is {wanted}")


def nothing_leaked(hub: Hub) -> None:
    rows = hub.get("/api/audit?limit=1000").text
    for secret in (VALUE, "another-value-4711", TOKEN, SECRET_ID, "hvs.login"):
        assert secret not in hub.log() and secret not in rows
        assert secret not in hub.get("/api/system").text


def test_names_and_fields_are_found_and_noted(make_hub: Callable[..., Hub],
                                              vault: FakeVault) -> None:
    hub = make_hub(env_of(vault)).start()
    gives(hub)
    gives(hub, "vault:KEY#other", "another-value-4711")
    vault.put("runnerhub/deep/er", {"use": "both", "repositories": "acme/*"}, pin="4711-0815")
    assert "not for jobs of" in fails(hub, "vault:deep/er#pin")["error"]
    vault.put("runnerhub/COMPONENTS", value=VALUE)
    assert "is for components only" in fails(hub, "COMPONENTS")["error"]
    assert "is not there" in fails(hub, "vault:KEY#nofield")["error"]
    assert "nor in Vault" in fails(hub, "NOWHERE")["error"]
    vault.put("runnerhub/NUMBER", JOBS, value=4711)
    assert "is no text" in fails(hub, "NUMBER")["error"]
    vault.denied.add("runnerhub/DENIED")
    denied = fails(hub, "DENIED")["error"]
    assert 'read secret/data/runnerhub/DENIED' in denied and '"read"' in denied
    rows = hub.get("/api/audit?action=secret.use&object=KEY").data
    assert (rows[0]["result"], rows[0]["detail"]["source"]) == ("ok", "vault")
    results = {row["object"]: row["result"]
               for row in hub.get("/api/audit?action=secret.use").data}
    assert results["DENIED"] == results["COMPONENTS"] == "refused"
    assert results["NOWHERE"] == "failed"
    # The hub's own decides where both have the name.
    assert hub.request("PUT", "/api/secrets/KEY", {"value": "own", "use": "jobs"}).status == 200
    hub.wait_status(delegate(hub, "KEY", "own"), "completed")
    metrics = hub.get("/metrics").text
    assert "\ngithub_runnerhub_vault_up 1\n" in metrics
    nothing_leaked(hub)


def test_what_was_read_is_kept_for_a_while(make_hub: Callable[..., Hub],
                                           vault: FakeVault) -> None:
    hub = make_hub(env_of(vault)).start()
    for _ in range(3):
        gives(hub)
    assert vault.reads("runnerhub/KEY") == 1 and state(hub)["cached"] == 1
    hub.restart({"RUNNERHUB_VAULT_CACHE_FOR": "1s"})
    gives(hub)
    vault.put("runnerhub/KEY", JOBS, value="the next value")
    wait_for(lambda: hub.wait_end(delegate(hub, want="the next value"))["status"] == "completed",
             what="the next value is given")
    vault.delete("runnerhub/KEY")
    wait_for(lambda: hub.wait_end(delegate(hub, want="the next value"))["status"] == "failed",
             what="a deleted one is not given any more")


def test_jobs_of_one_moment_ask_once(make_hub: Callable[..., Hub], vault: FakeVault) -> None:
    hub = make_hub(env_of(vault, RUNNERHUB_MAX_JOBS="4", VAULT_CLIENT_TIMEOUT="30s")).start()
    becomes(hub, "active")
    vault.hang.set()
    jobs = [delegate(hub) for _ in range(4)]
    wait_for(lambda: vault.reads("runnerhub/KEY") == 1, what="the first has asked")
    vault.hang.clear()
    for job in jobs:
        hub.wait_status(job, "completed")
    assert vault.reads("runnerhub/KEY") == 1


def test_a_role_logs_in_renews_and_logs_in_again(make_hub: Callable[..., Hub],
                                                 vault: FakeVault) -> None:
    vault.login_ttl = 2
    vault.renewals_left = 2
    vault.tokens.clear()
    hub = make_hub(role_of(vault, RUNNERHUB_VAULT_CACHE_FOR="1s")).start()
    gives(hub)
    assert vault.count("POST", "/v1/auth/approle/login") == 1
    wait_for(lambda: vault.count("POST", "/v1/auth/token/renew-self") >= 3, what="renewals")
    wait_for(lambda: vault.count("POST", "/v1/auth/approle/login") >= 2, what="another login")
    gives(hub)
    vault.login_ttl = 3600
    vault.revoke_all()
    gives(hub)
    assert becomes(hub, "active")["tokenUntil"]
    nothing_leaked(hub)


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


# -- ways in -------------------------------------------------------------------

@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("tls")
    files = str(folder / "cert.pem"), str(folder / "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                    "-out", files[0], "-keyout", files[1]], check=True, capture_output=True)
    return files


def test_tls_a_namespace_another_mount_and_files(make_hub: Callable[..., Hub], tmp_path,
                                                 certificate: tuple[str, str]) -> None:
    vault = FakeVault(certificate, mount="kv/team", namespace="acme/ci")
    vault.put("hub/one/KEY", JOBS, value=VALUE)
    try:
        token = tmp_path / "token"
        token.write_text(TOKEN + "\n")
        env = {"VAULT_ADDR": vault.url + "/", "VAULT_TOKEN_FILE": str(token),
               "VAULT_MOUNT": "kv/team", "VAULT_PREFIX": "hub/one", "VAULT_NAMESPACE": "acme/ci",
               "RUNNERHUB_RETRY_BACKOFF": "10ms"}
        hub = make_hub(env).start()
        assert "certificate" in becomes(hub, "down")["error"]
        assert not vault.seen
        hub.restart({"VAULT_CACERT": certificate[0]})
        gives(hub)
        assert vault.headers[-1]["X-Vault-Token"] == TOKEN
        nothing_leaked(hub)
    finally:
        vault.close()


@pytest.mark.parametrize("env", [
    {"VAULT_ADDR": "http://vault.example.com:8200", "VAULT_TOKEN": "t"},
    {"VAULT_ADDR": "https://vault.example.com?x", "VAULT_TOKEN": "t"},
    {"VAULT_ADDR": "https://vault.example.com"},
    {"VAULT_ADDR": "https://vault.example.com", "VAULT_ROLE_ID": "r"},
    {"VAULT_ADDR": "https://vault.example.com", "VAULT_TOKEN": "t", "VAULT_PREFIX": "a/../b"}])
def test_a_configuration_that_cannot_be_is_refused(make_hub: Callable[..., Hub],
                                                   env: dict[str, str]) -> None:
    hub = make_hub(env)
    done = subprocess.run([hub.binary, "serve"], cwd=hub.dir, env=hub.env, capture_output=True,
                          text=True, check=False)
    assert done.returncode in (1, 2) and "VAULT_" in done.stderr or "vault." in done.stderr
