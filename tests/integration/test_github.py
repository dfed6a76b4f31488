"""GitHub's side of runners, through the hub, against a fake GitHub."""

import os
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "fakes"))

from fake_github import TOKEN, FakeGithub  # noqa: E402
from hub import Hub  # noqa: E402


@pytest.fixture(scope="module")
def github():
    fake = FakeGithub()
    yield fake
    fake.close()


@pytest.fixture(scope="module")
def hub(make_module_hub, github) -> Hub:
    return make_module_hub(env={"GITHUB_TOKEN": TOKEN,
                                "RUNNERHUB_GITHUB_URL": github.url}).start()


def register(hub: Hub, name: str, **fields) -> dict:
    return hub.post("/api/runners/register", {"name": name, **fields}).data


def mint(hub: Hub, runner: dict, kind: str = "registration"):
    """With the runner's own token, as its supervisor does."""
    return hub.post("/api/runners/self/github-token", {"kind": kind},
                    headers={"Authorization": f"Bearer {runner['token']}"})


@pytest.fixture
def runner(hub, github):
    made = register(hub, "gh-runner", repository="acme/app")
    github.faults.clear()
    github.seen.clear()
    yield made
    github.faults.clear()
    hub.delete(f"/api/runners/{made['id']}?force=true")


def test_tokens_are_minted_for_the_runners_own_scope(hub, github, runner) -> None:
    token = mint(hub, runner).data
    assert (token["token"], token["expiresAt"]) == (
        github.minted[-1][2], "2099-01-01T00:00:00.000-08:00")
    assert github.minted[-1][:2] == ("repos/acme/app", "registration")
    assert mint(hub, runner, "remove").data["token"] == github.minted[-1][2]
    assert github.minted[-1][:2] == ("repos/acme/app", "remove")
    seen = github.seen[0]
    assert seen.method == "POST"
    assert seen.path == "/api/v3/repos/acme/app/actions/runners/registration-token"
    assert seen.headers["Authorization"] == f"Bearer {TOKEN}"
    assert seen.headers["X-GitHub-Api-Version"] == "2022-11-28"
    assert seen.headers["Accept"] == "application/vnd.github+json"
    assert seen.headers["User-Agent"].startswith("runnerhub/")


def test_an_organization(hub, github) -> None:
    made = register(hub, "gh-org", organization="acme")
    assert mint(hub, made).status == 200
    assert github.minted[-1][:2] == ("orgs/acme", "registration")
    shown = hub.get("/api/runners/gh-org").data
    assert (shown["repository"], shown["organization"]) == (None, "acme")
    hub.delete(f"/api/runners/{made['id']}")


def test_a_runner_of_no_scope_gets_none(hub, github) -> None:
    made = register(hub, "gh-none")
    before = len(github.seen)
    refused = mint(hub, made)
    assert (refused.status, refused.json["code"]) == (409, "no_scope")
    assert len(github.seen) == before
    hub.delete(f"/api/runners/{made['id']}")


@pytest.mark.parametrize("fault, code, words", [
    ({"status": 401, "body": {"message": "Bad credentials"}},
     "github_bad_token", "expired or revoked"),
    ({"status": 404, "body": {"message": "Not Found"}},
     "github_no_access", "Administration"),
    ({"status": 403, "body": {"message": "Resource not accessible"}},
     "github_no_access", "Administration"),
    ({"status": 403, "headers": {"retry-after": "600"},
      "body": {"message": "You have exceeded a secondary rate limit"}},
     "github_rate_limited", "in 600 s"),
    ({"status": 429, "headers": {"retry-after": "700"}}, "github_rate_limited", "in 700 s"),
    ({"status": 403, "headers": {"x-ratelimit-remaining": "0",
                                 "x-ratelimit-reset": "4000000000"}},
     "github_rate_limited", "rate limit"),
    ({"status": 409, "body": {"message": "a \x1b[31mname\x07 conflict"}},
     "github_conflict", "a [31mname conflict"),
    ({"status": 500, "times": 4}, "github_down", "500"),
    ({"status": 201, "body": b"<html>hello</html>"}, "github_bad_reply", "proxy"),
    ({"status": 201, "body": {"token": 7}}, "github_bad_reply", "proxy"),
    ({"status": 201, "body": b"[" * 100000}, "github_bad_reply", "proxy"),
    ({"status": 201, "body": b"x" * (5 << 20)}, "github_bad_reply", "4 MiB"),
    ({"status": 302, "headers": {"Location": "http://127.0.0.1:1/"}},
     "github_refused", "302"),
])
def test_refusals_say_what_to_do(hub, github, runner, fault, code, words) -> None:
    github.fail(**fault)
    refused = mint(hub, runner)
    # Never 401 or 403: those would speak of the runner's own token.
    assert refused.status in (409, 413, 503, 400)
    assert refused.json["code"] == code
    assert words in refused.json["error"]
    assert not github.faults
    assert TOKEN not in refused.text + hub.log()
    assert mint(hub, runner).status == 200


def test_a_machine_without_the_library_is_told(make_hub, github, tmp_path) -> None:
    """Only when GitHub is asked for something: the hub itself does not need it."""
    (tmp_path / "libcurl.so.4").write_text("no library")
    hub = make_hub(env={"GITHUB_TOKEN": TOKEN, "RUNNERHUB_GITHUB_URL": github.url,
                        "LD_LIBRARY_PATH": str(tmp_path)}).start()
    made = register(hub, "gh-bare", repository="acme/app")
    for _ in range(2):
        refused = mint(hub, made)
        assert (refused.status, refused.json["code"]) == (500, "github_no_library")
        assert "install Debian's package libcurl4" in refused.json["error"]


def test_what_passes_is_waited_for(hub, github, runner) -> None:
    github.fail(status=502, times=2)
    assert mint(hub, runner).status == 200
    assert len(github.seen) == 3
    github.fail(status=429, headers={"retry-after": "0"})
    assert mint(hub, runner).status == 200


def test_a_removed_runner_leaves_github(hub, github) -> None:
    scope = "repos/acme/app"
    for n in range(250):  # on the third page
        github.add_runner(scope, f"other-{n}")
    github.add_runner(scope, "gh-gone")
    made = register(hub, "gh-gone", repository="acme/app")
    assert hub.delete(f"/api/runners/{made['id']}").json["message"] == "Runner removed"
    assert "gh-gone" not in github.names(scope)
    assert len(github.names(scope)) == 250
    github.runners.clear()


def test_one_that_is_busy_at_github_stays(hub, github) -> None:
    scope = "repos/acme/app"
    github.add_runner(scope, "gh-busy", busy=True)
    made = register(hub, "gh-busy", repository="acme/app")
    refused = hub.delete(f"/api/runners/{made['id']}")
    assert (refused.status, refused.json["code"]) == (409, "github_busy")
    assert hub.get("/api/runners/gh-busy").status == 200
    forced = hub.delete(f"/api/runners/{made['id']}?force=true")
    assert forced.status == 200 and "runs a job" in forced.json["message"]
    assert hub.get("/api/runners/gh-busy").status == 404
    github.runners.clear()


def test_a_github_that_is_away_keeps_no_runner(hub, github) -> None:
    made = register(hub, "gh-away", repository="acme/app")
    github.fail(status=503, times=4)
    removed = hub.delete(f"/api/runners/{made['id']}")
    assert removed.status == 200
    assert "registration at GitHub was not removed" in removed.json["message"]


def test_another_host_never_gets_the_token(hub) -> None:
    refused = hub.post("/api/runners/register",
                       {"name": "evil", "url": "https://github.com.evil.example/o/r"})
    assert (refused.status, refused.json["code"]) == (400, "github_url")


def test_without_a_token_it_says_so(make_hub, github) -> None:
    hub = make_hub(env={"RUNNERHUB_GITHUB_URL": github.url}).start()
    made = register(hub, "r", repository="acme/app")
    refused = mint(hub, made)
    assert refused.json["code"] == "github_no_token"
    assert "GITHUB_TOKEN" in refused.json["error"]
    assert hub.delete(f"/api/runners/{made['id']}").status == 200


# -- TLS ---------------------------------------------------------------------

@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("tls")
    files = str(folder / "cert.pem"), str(folder / "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days",
                    "2", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost", "-out", files[0], "-keyout", files[1]],
                   check=True, capture_output=True)
    return files


@pytest.fixture
def tls_github(certificate):
    fake = FakeGithub(certificate)
    yield fake
    fake.close()


def test_a_certificate_that_nobody_signed_is_refused(make_hub, tls_github) -> None:
    hub = make_hub(env={"GITHUB_TOKEN": TOKEN,
                        "RUNNERHUB_GITHUB_URL": tls_github.url}).start()
    made = register(hub, "r", repository="acme/app")
    refused = mint(hub, made)
    assert refused.json["code"] == "github_untrusted"
    assert "SSL_CERT_FILE" in refused.json["error"]
    assert not tls_github.seen


def test_one_that_is_trusted_is_used(make_hub, tls_github, certificate) -> None:
    hub = make_hub(env={"GITHUB_TOKEN": TOKEN, "SSL_CERT_FILE": certificate[0],
                        "RUNNERHUB_GITHUB_URL": tls_github.url}).start()
    assert mint(hub, register(hub, "r", repository="acme/app")).status == 200


def test_a_plain_address_elsewhere_is_refused(make_hub, runnerhub) -> None:
    hub = make_hub(env={"RUNNERHUB_GITHUB_URL": "http://ghes.example"})
    shown = subprocess.run([runnerhub, "serve"], env=hub.env, cwd=hub.dir, timeout=60,
                           capture_output=True, text=True, check=False)
    assert shown.returncode != 0
    assert "clear text" in shown.stderr
