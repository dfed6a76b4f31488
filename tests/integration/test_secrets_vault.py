"""Secrets in HashiCorp Vault: how the hub gets in, what it finds and keeps."""

import subprocess
from typing import Callable

import pytest

from hub import Hub, wait_for
from vault_lab import (JOBS, TOKEN, VALUE, FakeVault, becomes, delegate, env_of, fails, gives,
                       nothing_leaked, role_of, state, vault)  # noqa: F401


def test_names_and_fields_are_found_and_noted(make_hub: Callable[..., Hub],
                                              vault: FakeVault) -> None:
    hub = make_hub(env_of(vault)).start()
    gives(hub)
    gives(hub, "vault:KEY#other", "another-value-4711")
    vault.put("runnerhub/deep/er", {"use": "both", "repositories": "acme/*"}, pin="4711-0815")
    assert "not for jobs of" in fails(hub, "vault:deep/er#pin")["error"]
    vault.put("runnerhub/COMPONENTS", value=VALUE)
    assert "is for components only" in fails(hub, "COMPONENTS")["error"]
    vault.put("runnerhub/ODD", {"use": "everybody"}, value=VALUE)
    assert "is given to nobody" in fails(hub, "ODD")["error"]
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
    {"VAULT_ADDR": "http://localhost.example.com:8200", "VAULT_TOKEN": "t"},
    {"VAULT_ADDR": "http://127.0.0.1.example.com", "VAULT_TOKEN": "t"},
    {"VAULT_ADDR": "https://user:word@vault.example.com", "VAULT_TOKEN": "t"},
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
