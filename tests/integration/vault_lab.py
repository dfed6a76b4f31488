"""A hub with secrets in a fake Vault: what its tests share."""

import os
import sys
import uuid
from typing import Any, Iterator

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
