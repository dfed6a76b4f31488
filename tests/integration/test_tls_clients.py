"""Clients over TLS: those that must show a certificate, and our own programs,
whose errors say what to do."""

import os
import shutil
import socket
import ssl
import subprocess
import threading
from typing import Callable, Iterator

import pytest

from http_raw import Peer
from hub import Hub, wait_for
from relay_lab import make_runner, worker_image  # noqa: F401
from tls_lab import Authority, Pair

NOWHERE = "unix:///nonexistent/engine.sock"
KEY = "a-key-of-the-tests-0123456789"
WITH_KEY = {"Authorization": f"Bearer {KEY}"}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(str(tmp_path_factory.mktemp("authority")))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(str(tmp_path_factory.mktemp("stranger")), "A stranger")


@pytest.fixture(scope="module")
def card(authority: Authority) -> Pair:
    """What a client shows."""
    return authority.make("runner-7", names=())


def hub_env(authority: Authority, who: str) -> dict[str, str]:
    return {**authority.make("hub").hub_env(), "RUNNERHUB_TLS_CLIENT_CA": authority.file,
            "RUNNERHUB_TLS_CLIENT_AUTH": who, "RUNNERHUB_API_KEY": KEY}


@pytest.fixture(scope="module")
def guarded(make_module_hub: Callable[..., Hub], authority: Authority) -> Hub:
    """Runners and sessions need a certificate; people do not."""
    made = make_module_hub({"RUNNERHUB_POOL_SIZE": "1", **hub_env(authority, "runners")})
    made.tls = authority.client()
    return made.start()


@pytest.fixture(scope="module")
def closed(make_module_hub: Callable[..., Hub], authority: Authority, card: Pair) -> Hub:
    """Everybody does."""
    made = make_module_hub({"DOCKER_HOST": NOWHERE, **hub_env(authority, "all")})
    made.tls = authority.client(card)
    return made.start()


@pytest.fixture(scope="module")
def token(guarded: Hub) -> str:
    return guarded.post("/api/runners/register", {"name": "box-7"},
                        headers=WITH_KEY).data["token"]


# -- certificates of clients -----------------------------------------------------

def test_people_need_none(guarded: Hub) -> None:
    wait_for(lambda: guarded.get("/health").status == 200, what="the engine")
    assert guarded.get("/api/system", headers=WITH_KEY).data["tls"]["clientAuth"] == "runners"


def test_a_runners_token_alone_is_not_enough(guarded: Hub, authority: Authority, card: Pair,
                                             token: str) -> None:
    ask = (f"GET /api/runners/self HTTP/1.1\r\nHost: localhost\r\n"
           f"Authorization: Bearer {token}\r\n\r\n").encode()
    with Peer(guarded.port, tls=authority.client()) as peer:
        refused = peer.ask(ask)
    assert refused.status == 401 and b'"code":"certificate_required"' in refused.body
    with Peer(guarded.port, tls=authority.client(card)) as peer:
        assert peer.ask(ask).status == 200
    with Peer(os.path.join(guarded.state_dir, "api", "hub.sock")) as peer:
        assert peer.ask(ask).status == 200  # of this machine, and its containers


def test_a_certificate_alone_is_nothing(guarded: Hub, authority: Authority, card: Pair) -> None:
    with Peer(guarded.port, tls=authority.client(card)) as peer:
        assert peer.get("/api/jobs").status == 401


@pytest.mark.parametrize("hub_name", ["guarded", "closed"])
def test_certificates_of_strangers_are_refused(request: pytest.FixtureRequest, hub_name: str,
                                               authority: Authority, stranger: Authority) -> None:
    hub = request.getfixturevalue(hub_name)
    for bad in (stranger.make("runner-7", names=()), authority.make("old", (), -9, -2)):
        with pytest.raises((ssl.SSLError, ConnectionResetError, AssertionError)):
            with Peer(hub.port, tls=authority.client(bad)) as peer:
                peer.get("/health")


def test_without_one_there_is_no_connection(closed: Hub, authority: Authority) -> None:
    assert closed.get("/health").json["checks"]["database"] == "pass"
    with pytest.raises((ssl.SSLError, ConnectionResetError, AssertionError)):
        with Peer(closed.port, tls=authority.client()) as peer:
            peer.get("/health")


# -- our own programs --------------------------------------------------------------

def ask_health(hub: Hub, url: str | None, **env: str) -> subprocess.CompletedProcess[str]:
    base = {name: os.environ[name] for name in ("PATH", "ASAN_OPTIONS") if name in os.environ}
    if url is not None:
        base["RUNNERHUB_URL"] = url
    return subprocess.run([hub.binary, "health"], env={**base, **env}, cwd=hub.dir, text=True,
                          capture_output=True, timeout=60)


def test_the_command_line_speaks_tls(guarded: Hub, closed: Hub, authority: Authority,
                                     card: Pair) -> None:
    for host in ("localhost", "127.0.0.1"):
        done = ask_health(guarded, f"https://{host}:{guarded.port}",
                          RUNNERHUB_CA_FILE=authority.file)
        assert done.returncode == 0, done.stderr
    listed = guarded.cli("runner", "list", "--ca-file", authority.file)
    assert listed.returncode == 0, listed.stderr
    done = ask_health(closed, f"https://localhost:{closed.port}",
                      RUNNERHUB_CA_FILE=authority.file, **card.client_env())
    assert "database     pass" in done.stdout, done.stderr


def test_errors_say_what_to_do(guarded: Hub, closed: Hub, authority: Authority,
                               stranger: Authority, card: Pair) -> None:
    there, all_of_them = f"https://localhost:{guarded.port}", f"https://localhost:{closed.port}"
    ours = {"RUNNERHUB_CA_FILE": authority.file}
    hosts = f"https://127.0.0.2:{guarded.port}"
    for url, env, *words in (
            (there, {}, "issued by CN=The tests' authority", "RUNNERHUB_CA_FILE"),
            (there, {"RUNNERHUB_CA_FILE": stranger.file}, "RUNNERHUB_CA_FILE"),
            (there, {"RUNNERHUB_CA_FILE": "/nowhere/ca.pem"}, "/nowhere/ca.pem", "No such file"),
            (there, {**ours, "RUNNERHUB_CLIENT_CERT": card.certificate}, "belong together"),
            (all_of_them, ours, "RUNNERHUB_CLIENT_CERT and RUNNERHUB_CLIENT_KEY"),
            (all_of_them, {**ours, **stranger.make("x", names=()).client_env()},
             "does not accept our certificate"),
            (hosts, ours, "cannot connect")):
        done = ask_health(guarded, url, **env)
        assert done.returncode != 0 and "Sanitizer" not in done.stderr
        for word in words:
            assert word in done.stderr, (url, env)
        assert "runnerhub serve" not in done.stderr or url == hosts  # it runs: no such advice


@pytest.fixture
def elsewhere(authority: Authority) -> Iterator[Callable[[Pair | None], int]]:
    """A port with a server that shows a certificate, or speaks no TLS."""
    listeners: list[socket.socket] = []

    def serve(listener: socket.socket, context: ssl.SSLContext | None) -> None:
        try:
            while True:
                peer, _ = listener.accept()
                with peer:
                    if context is None:
                        peer.recv(10)
                        peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                    else:
                        context.wrap_socket(peer, server_side=True)
        except (OSError, ssl.SSLError):
            pass

    def make(pair: Pair | None) -> int:
        context = None
        if pair is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(pair.certificate, pair.key)
        listeners.append(socket.create_server(("127.0.0.1", 0)))
        threading.Thread(target=serve, args=(listeners[-1], context), daemon=True).start()
        return listeners[-1].getsockname()[1]

    yield make
    for listener in listeners:
        listener.close()


def test_bad_certificates_of_a_server(guarded: Hub, authority: Authority,
                                      elsewhere: Callable[[Pair | None], int]) -> None:
    for pair, words in (
            (authority.make("old", first_day=-9, last_day=-2), "has expired"),
            (authority.make("new", first_day=2), "not valid yet"),
            (authority.make("other", names=("other.example",)), "it is for other.example"),
            (authority.make("nameless", names=()), "not for localhost"),
            (None, "does not speak TLS")):
        done = ask_health(guarded, f"https://localhost:{elsewhere(pair)}",
                          RUNNERHUB_CA_FILE=authority.file)
        assert done.returncode != 0 and words in done.stderr, done.stderr


def test_a_server_that_ends_the_handshake_in_good_order(guarded: Hub) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def serve() -> None:
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                with peer:
                    peer.recv(4096)
                    peer.sendall(b"\x15\x03\x03\x00\x02\x01\x00")  # close_notify

        threading.Thread(target=serve, daemon=True).start()
        done = ask_health(guarded, f"https://localhost:{listener.getsockname()[1]}")
    assert "ended the TLS connection before it began" in done.stderr, done.stderr


def test_its_own_machine_knows_the_hub_by_its_certificate(
        guarded: Hub, authority: Authority, elsewhere: Callable[[Pair | None], int]) -> None:
    own = {name: guarded.env[name] for name in ("PORT", "RUNNERHUB_TLS_CERT", "RUNNERHUB_TLS_KEY")}
    assert ask_health(guarded, None, **own).returncode == 0
    impostor = elsewhere(authority.make("hub"))  # good, but another one
    done = ask_health(guarded, None, **{**own, "PORT": str(impostor)})
    assert done.returncode != 0 and "another certificate" in done.stderr


def test_the_doctor_looks_at_the_certificate(guarded: Hub, authority: Authority) -> None:
    def said(pair: Pair) -> str:
        done = subprocess.run([guarded.binary, "doctor"], cwd=guarded.dir, text=True,
                              env={**guarded.env, **pair.hub_env()}, capture_output=True,
                              timeout=120)
        return next(line for line in done.stdout.splitlines() if "certificate" in line)
    assert "CN=hub for localhost, 127.0.0.1, expires in 5" in said(authority.make("hub"))
    soon = said(authority.make("hub", last_day=10))
    assert "expires in 9 days" in soon


def test_static_programs_say_that_they_cannot(build_dir: str, tmp_path, guarded: Hub,
                                              authority: Authority, token: str) -> None:
    static = os.path.join(build_dir, "src", "hook", "runnerhub-hook-static")
    env = {"PATH": os.environ["PATH"], "RUNNERHUB_URL": f"https://localhost:{guarded.port}",
           "RUNNERHUB_TOKEN": token}

    def job_started() -> str:
        done = subprocess.run([str(tmp_path / "runnerhub-hook"), "job-started"], env=env,
                              capture_output=True, text=True, timeout=60)
        return done.stdout + done.stderr

    shutil.copy(static, tmp_path / "runnerhub-hook")
    assert "speaks no TLS" in job_started()
    shutil.copy(os.path.join(build_dir, "src", "hook", "runnerhub-hook"),
                tmp_path / "runnerhub-hook-tls")  # which then takes its place
    assert "RUNNERHUB_CA_FILE" in job_started()


def test_a_job_through_the_relay(guarded: Hub, authority: Authority, card: Pair, token: str,
                                 make_runner) -> None:  # noqa: F811
    runner = make_runner(guarded)
    runner.env.update(RUNNERHUB_URL=f"https://localhost:{guarded.port}", RUNNERHUB_TOKEN=token,
                      RUNNERHUB_CA_FILE=authority.file, **card.client_env())
    code, output = runner.run("echo all the way; exit 100")
    assert code == 100 and "all the way" in output, output
    for name in card.client_env():
        del runner.env[name]
    code, output = runner.run("exit 100")
    assert code != 100 and "RUNNERHUB_CLIENT_CERT" in output, output
