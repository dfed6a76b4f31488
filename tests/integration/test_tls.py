"""TLS on the hub's own port: who gets in and how, what a certificate that is no
good does, and how it is replaced."""

import os
import random
import signal
import socket
import ssl
import subprocess
import warnings
from typing import Callable, Iterator

import pytest

from http_raw import Peer
from hub import Hub, free_port, wait_for
from sse import Follower
from tls_lab import Authority, Pair

NOWHERE = "unix:///nonexistent/engine.sock"
KEY = "a-key-of-the-tests-0123456789"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(str(tmp_path_factory.mktemp("authority")))


@pytest.fixture(scope="module")
def own(authority: Authority) -> Pair:
    return authority.make("hub.example")


@pytest.fixture(scope="module")
def hub(make_module_hub: Callable[..., Hub], authority: Authority, own: Pair) -> Hub:
    made = make_module_hub({"DOCKER_HOST": NOWHERE, **own.hub_env(),
                            "RUNNERHUB_COMPONENTS_LISTEN": f"127.0.0.1:{free_port()}"})
    made.tls = authority.client()
    return made.start()


@pytest.fixture(scope="module")
def silent(hub: Hub) -> Iterator[list[socket.socket]]:
    """Clients that never complete their handshake."""
    peers = [socket.create_connection(("127.0.0.1", hub.port), timeout=60) for _ in range(40)]
    for peer in peers[20:]:
        peer.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(32))
    yield peers
    for peer in peers:
        peer.close()


def shown_serial(hub: Hub) -> int:
    """Of the certificate that a new connection gets."""
    with Peer(hub.port, tls=hub.tls) as peer:
        return int(peer.socket.getpeercert()["serialNumber"], 16)


# -- who gets in -----------------------------------------------------------------

def test_it_is_served_while_others_are_silent(hub: Hub, silent: list[socket.socket]) -> None:
    assert hub.get("/health").json["checks"]["database"] == "pass"
    assert len(silent) == 40


def test_the_hub_tells_of_its_certificate(hub: Hub, own: Pair) -> None:
    tls = hub.get("/api/system").data["tls"]
    assert tls["subject"] == "CN=hub.example" and tls["issuer"] == "CN=The tests' authority"
    assert tls["names"] == ["localhost", "127.0.0.1"]
    assert (tls["clientAuth"], tls["error"]) == ("off", None)
    assert tls["notBefore"] < tls["notAfter"]
    line = next(line for line in hub.get("/metrics").text.splitlines() if line.startswith(
        "github_runnerhub_tls_certificate_expiry_timestamp_seconds "))
    assert float(line.split()[1]) == own.expires()
    assert f"https://127.0.0.1:{hub.port}" in hub.log()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_modern_versions_are_spoken(hub: Hub, authority: Authority,
                                    version: ssl.TLSVersion) -> None:
    context = authority.client()
    context.minimum_version = context.maximum_version = version
    with Peer(hub.port, tls=context) as peer:
        assert peer.socket.selected_alpn_protocol() == "http/1.1"
        assert peer.socket.compression() is None
        cipher = peer.socket.cipher()[0]
        assert "GCM" in cipher or "CHACHA20" in cipher
        assert peer.ask(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").status in (200, 404)
        assert not peer.socket.session.has_ticket  # nothing to decrypt it with later


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_versions_are_refused(hub: Hub, authority: Authority,
                                  version: ssl.TLSVersion) -> None:
    context = authority.client()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError, match="(?i)protocol version|unsupported"):
        Peer(hub.port, tls=context)


@pytest.mark.parametrize("cipher", ["AES128-SHA", "AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-SHA",
                                    "ECDHE-ECDSA-AES256-SHA384"])
def test_weak_ciphers_are_refused(hub: Hub, authority: Authority, cipher: str) -> None:
    context = authority.client()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(f"{cipher}:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError, match="(?i)handshake failure"):
        Peer(hub.port, tls=context)


def test_plain_http_is_told_where_it_is(hub: Hub) -> None:
    for request in (b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
                    b"POST /api/jobs/delegate HTTP/1.1\r\nHost: localhost\r\n"
                    b"Content-Length: 2\r\n\r\n{}", b"G"):
        with Peer(hub.port) as peer:
            peer.send(request)
            reply = peer.reply()
            assert reply.status == 400 and b'"code":"https_port"' in reply.body
            assert b"this is an HTTPS port" in reply.body
            assert peer.read_to_end() == b""


def test_the_unix_socket_stays_plain(hub: Hub) -> None:
    with Peer(os.path.join(hub.state_dir, "api", "hub.sock")) as peer:
        assert peer.get("/api/jobs").status == 401


def test_the_components_address_speaks_it_too(hub: Hub) -> None:
    port = int(hub.env["RUNNERHUB_COMPONENTS_LISTEN"].split(":")[1])
    with Peer(port, tls=hub.tls) as peer:
        assert peer.get("/nothing-here").status in (403, 404)
    with Peer(port) as peer:
        assert b"https_port" in peer.get("/").body


def test_who_listens_for_others_without_it_is_warned(make_hub: Callable[..., Hub],
                                                     authority: Authority) -> None:
    others = {"DOCKER_HOST": NOWHERE, "RUNNERHUB_LISTEN": "0.0.0.0", "RUNNERHUB_API_KEY": KEY}

    def warned(client: ssl.SSLContext | None = None, **env: str) -> bool:
        made = make_hub({**others, **env})
        made.tls = client
        made.start().terminate()  # all that it says at its start is there then
        return "other machines reach the hub without TLS" in made.log()

    assert warned()
    assert not warned(RUNNERHUB_TRUSTED_PROXIES="127.0.0.1")
    assert not warned(authority.client(), **authority.make("hub").hub_env())


def test_garbage_ends_the_connection_and_nothing_else(hub: Hub) -> None:
    chance = random.Random(5)
    hello = b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03"
    for n in range(60):
        start = chance.choice((b"\x16", hello, hello[:5], b"\x80", b"\x00", b"\x17\x03\x03"))
        with Peer(hub.port) as peer:
            peer.send_unless_refused(start + chance.randbytes(chance.randrange(1, 3000)))
            peer.half_close()
            peer.read_to_end()
    assert hub.get("/health").json["checks"]["database"] == "pass"


def test_a_session_that_is_tampered_with_ends(hub: Hub) -> None:
    """Behind a good handshake: records that nobody sealed."""
    for junk in (b"\x17\x03\x03\x00\x20" + os.urandom(32), os.urandom(200), b"\x17\x03\x03\xff\xff"):
        with Peer(hub.port, tls=hub.tls) as peer:
            os.write(peer.socket.fileno(), junk)
            socket.socket.shutdown(peer.socket, socket.SHUT_WR)
            with pytest.raises((ssl.SSLError, ConnectionResetError, EOFError)):
                peer.socket.recv(100)
                raise EOFError
    assert hub.get("/health").json["checks"]["database"] == "pass"


def test_events_flow(hub: Hub) -> None:
    with Follower(hub) as follower:
        job = hub.delegate(["true"])
        wait_for(lambda: any(e.data.get("jobId", e.data.get("id")) for e in follower.events),
                 what="an event")
        hub.post(f"/api/jobs/{job}/cancel")


# -- how it is replaced ----------------------------------------------------------

def test_a_new_certificate_is_taken_by_itself(hub: Hub, own: Pair, authority: Authority) -> None:
    with Peer(hub.port, tls=hub.tls) as before:
        new = authority.make("hub.example")
        own.replace_by(new)
        wait_for(lambda: shown_serial(hub) == new.serial(), what="the new certificate")
        ask = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
        assert before.ask(ask).status in (200, 503)  # goes on with the old one


def test_a_signal_does_it_at_once(hub: Hub, own: Pair, authority: Authority) -> None:
    new = authority.make("hub.example")
    own.replace_by(new)
    os.kill(hub.pid, signal.SIGHUP)
    wait_for(lambda: shown_serial(hub) == new.serial(), what="the new certificate")


def test_a_broken_one_leaves_the_old_one_in_use(hub: Hub, own: Pair, authority: Authority) -> None:
    serial = shown_serial(hub)
    stranger = authority.make("stranger")
    with open(own.key, "rb") as file:
        key = file.read()
    os.replace(stranger.key, own.key)  # the key of another certificate
    error = wait_for(lambda: hub.get("/api/system").data["tls"]["error"], what="its trouble")
    assert "not the one of the certificate" in error
    assert "the old one stays in use" in hub.log() and shown_serial(hub) == serial
    with open(own.key, "wb") as file:
        file.write(key)
    wait_for(lambda: hub.get("/api/system").data["tls"]["error"] is None, what="no trouble")


# -- what a hub does not start with ------------------------------------------------

def start_fails(runnerhub: str, tmp_path: str, env: dict[str, str]) -> str:
    done = subprocess.run(
        [runnerhub, "serve"], capture_output=True, text=True, timeout=60,
        env={**os.environ, "RUNNERHUB_STATE_DIR": os.path.join(tmp_path, "state"),
             "DOCKER_HOST": NOWHERE, "PORT": "0", **env})
    assert done.returncode != 0
    return done.stderr


def test_certificates_that_are_no_good(runnerhub: str, tmp_path: str,
                                       authority: Authority) -> None:
    good, other = authority.make("good"), authority.make("other")
    sealed = authority.make("sealed", pass_phrase=b"phrase")
    shared = authority.make("shared")
    os.chmod(shared.key, 0o644)
    missing = os.path.join(authority.directory, "missing.pem")
    for pair, words in (
            (authority.make("old", first_day=-90, last_day=-1), "has expired on"),
            (authority.make("new", first_day=1), "begins only on"),
            (Pair(good.certificate, other.key), "not the one of the certificate"),
            (Pair(missing, good.key), "No such file"), (Pair(good.certificate, missing), "No such"),
            (Pair(good.key, good.key), "no start line"),
            (Pair(good.certificate, good.certificate), good.certificate),
            (sealed, "pass phrase"), (shared, "chmod o-rwx")):
        assert words in start_fails(runnerhub, tmp_path, pair.hub_env()), words
    lone = {"RUNNERHUB_TLS_CERT": good.certificate}
    assert "RUNNERHUB_TLS_KEY" in start_fails(runnerhub, tmp_path, lone)
    assert "over TLS only" in start_fails(
        runnerhub, tmp_path, {"RUNNERHUB_TLS_CLIENT_CA": authority.file})
    assert "set both" in start_fails(
        runnerhub, tmp_path, {**good.hub_env(), "RUNNERHUB_TLS_CLIENT_AUTH": "all"})


# -- those who never said a word -----------------------------------------------------

def test_silent_ones_are_dropped(hub: Hub, silent: list[socket.socket]) -> None:
    for peer in silent:
        assert peer.recv(100) == b""  # after http's time for a request's head
    assert hub.get("/health").json["checks"]["database"] == "pass"
