"""The HTTP server of src/net as its peers see it, well-behaved or not."""

import json
import os
import pathlib
import random
import resource
import socket
import stat
import subprocess
from typing import Iterator

import pytest

from http_raw import EchoServer, Peer, Reply, wait_for

MB = 1024 * 1024
BODY_MAX = 10 * MB


@pytest.fixture(scope="module")
def server(build_dir: str) -> Iterator[EchoServer]:
    with EchoServer(build_dir) as server:
        yield server


def state(server: EchoServer) -> dict[str, int]:
    return json.loads(server.get("/state").body)


def info(reply: Reply) -> list[str]:
    return reply.body.decode().splitlines()


# -- what must be refused ----------------------------------------------------

HOST = b"Host: x\r\n"
GET = b"GET / HTTP/1.1\r\n" + HOST
POST = b"POST /echo HTTP/1.1\r\n" + HOST
SECOND = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"

MALFORMED = {
    # lengths: what a second reader could count differently
    "two different Content-Length": POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "two equal Content-Length": POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "Content-Length list": POST + b"Content-Length: 3, 3\r\n\r\nabc",
    "Content-Length +2": POST + b"Content-Length: +2\r\n\r\nab",
    "Content-Length -1": POST + b"Content-Length: -1\r\n\r\n",
    "Content-Length 3abc": POST + b"Content-Length: 3abc\r\n\r\nabc",
    "Content-Length 0x3": POST + b"Content-Length: 0x3\r\n\r\nabc",
    "Content-Length 3 3": POST + b"Content-Length: 3 3\r\n\r\nabc",
    "Content-Length empty": POST + b"Content-Length:\r\n\r\n",
    "Content-Length 2^64+3": POST + b"Content-Length: 18446744073709551619\r\n\r\nabc",
    "Content-Length with NUL": POST + b"Content-Length: 3\x00\r\n\r\nabc",
    "Content-Length then chunked": POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked then Content-Length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    "chunked then Content-Length 0": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n",
    "space before the colon": POST + b"Content-Length : 35\r\n\r\n" + SECOND,
    "tab before the colon": POST + b"Content-Length\t: 35\r\n\r\n" + SECOND,
    # transfer codings
    "two Transfer-Encoding": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding in HTTP/1.0": b"POST /echo HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "xchunked": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "gzip, chunked": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked, gzip": POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "identity": POST + b"Transfer-Encoding: identity\r\n\r\n",
    "vertical tab before chunked": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    # chunks
    "chunk size 0x2": POST + b"Transfer-Encoding: chunked\r\n\r\n0x2\r\nab\r\n0\r\n\r\n",
    "chunk size with a leading blank": POST + b"Transfer-Encoding: chunked\r\n\r\n 2\r\nab\r\n0\r\n\r\n",
    "chunk size with a trailing blank": POST + b"Transfer-Encoding: chunked\r\n\r\n2 \r\nab\r\n0\r\n\r\n",
    "chunk size -2": POST + b"Transfer-Encoding: chunked\r\n\r\n-2\r\nab\r\n0\r\n\r\n",
    "chunk size missing": POST + b"Transfer-Encoding: chunked\r\n\r\n\r\nab\r\n0\r\n\r\n",
    "chunk size over 64 bits": POST + b"Transfer-Encoding: chunked\r\n\r\n10000000000000002\r\nab\r\n0\r\n\r\n",
    "chunk longer than its size": POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nabcd\r\n0\r\n\r\n",
    "chunk line with bare LF": POST + b"Transfer-Encoding: chunked\r\n\r\n2\nab\r\n0\r\n\r\n",
    "chunk extension with bare LF": POST + b"Transfer-Encoding: chunked\r\n\r\n2;a\nab\r\n0\r\n\r\n",
    "chunk extension without end": POST + b"Transfer-Encoding: chunked\r\n\r\n2;" + b"a" * 60000,
    "mostly chunk framing": POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"1;aaaaaaaaaaaaaaaa\r\nx\r\n" * 20000,
    # lines
    "obs-fold": GET + b"X-Foo: a\r\n b\r\n\r\n",
    "obs-fold with a tab": GET + b"X-Foo: a\r\n\tb\r\n\r\n",
    "folded Content-Length": POST + b"Content-Length:\r\n 35\r\n\r\n" + SECOND,
    "folded last line": GET + b"X-Foo: a\r\n \r\n\r\n",
    "blank before the first header": b"GET / HTTP/1.1\r\n Host: x\r\n\r\n",
    "bare LF after the request line": b"GET / HTTP/1.1\nHost: x\r\n\r\n",
    "bare LF after a header": b"GET / HTTP/1.1\r\nHost: x\n\r\n",
    "bare LF at the end": GET + b"\n",
    "only bare LF": b"GET / HTTP/1.1\nHost: x\n\n",
    "bare CR in a value": GET + b"X-Foo: a\rb\r\n\r\n",
    "bare CR in the target": b"GET /a\rb HTTP/1.1\r\nHost: x\r\n\r\n",
    "NUL in a value": GET + b"X-Foo: a\x00b\r\n\r\n",
    "NUL in Authorization": GET + b"Authorization: Bearer a\x00b\r\n\r\n",
    "NUL in a name": GET + b"X-F\x00oo: a\r\n\r\n",
    "NUL in the target": b"GET /a\x00b HTTP/1.1\r\nHost: x\r\n\r\n",
    "control byte in a value": GET + b"X-Foo: a\x01b\r\n\r\n",
    "DEL in a value": GET + b"X-Foo: a\x7fb\r\n\r\n",
    "empty header name": GET + b": a\r\n\r\n",
    "header without a colon": GET + b"X-Foo\r\n\r\n",
    "blank in a header name": GET + b"X Foo: a\r\n\r\n",
    "UTF-8 in a header name": GET + "X-F\u00f6: a\r\n\r\n".encode(),
    "two empty lines first": b"\r\n\r\n" + GET + b"\r\n",
    # Host
    "no Host": b"GET / HTTP/1.1\r\nX-Foo: a\r\n\r\n",
    "no header at all": b"GET / HTTP/1.1\r\n\r\n",
    "two Hosts": GET + b"Host: y\r\n\r\n",
    "two equal Hosts": GET + HOST + b"\r\n",
    "empty Host": b"GET / HTTP/1.1\r\nHost:\r\n\r\n",
    "Host with a slash": b"GET / HTTP/1.1\r\nHost: x/y\r\n\r\n",
    "Host with a comma": b"GET / HTTP/1.1\r\nHost: x,y\r\n\r\n",
    "Host with an at sign": b"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n",
    # request lines
    "HTTP/0.9": b"GET /\r\n\r\n",
    "HTTP/1.2": b"GET / HTTP/1.2\r\nHost: x\r\n\r\n",
    "HTTP/2.0": b"GET / HTTP/2.0\r\nHost: x\r\n\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "version in lower case": b"GET / http/1.1\r\nHost: x\r\n\r\n",
    "version 01.1": b"GET / HTTP/01.1\r\nHost: x\r\n\r\n",
    "method in lower case": b"get / HTTP/1.1\r\nHost: x\r\n\r\n",
    "unknown method": b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n",
    "CONNECT": b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n",
    "two blanks": b"GET /  HTTP/1.1\r\nHost: x\r\n\r\n",
    "blank in the target": b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
    "TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "nothing but blanks": b"    \r\n\r\n",
    # targets
    "asterisk": b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    "relative target": b"GET a HTTP/1.1\r\nHost: x\r\n\r\n",
    "fragment": b"GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n",
    "absolute form without host": b"GET http:///a HTTP/1.1\r\nHost: x\r\n\r\n",
    "raw UTF-8 in the target": "GET /\u00e4 HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
    "%00": b"GET /a%00b HTTP/1.1\r\nHost: x\r\n\r\n",
    "%0a": b"GET /a%0ab HTTP/1.1\r\nHost: x\r\n\r\n",
    "%00 in the query": b"GET /a?b=%00 HTTP/1.1\r\nHost: x\r\n\r\n",
    "%2e%2e": b"GET /a/%2e%2e/b HTTP/1.1\r\nHost: x\r\n\r\n",
    "%2E. at the end": b"GET /a/%2E. HTTP/1.1\r\nHost: x\r\n\r\n",
    "..": b"GET /../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
    "dots behind an encoded slash": b"GET /a%2f..%2fb HTTP/1.1\r\nHost: x\r\n\r\n",
    "overlong UTF-8": b"GET /%c0%ae HTTP/1.1\r\nHost: x\r\n\r\n",
    "surrogate": b"GET /%ed%a0%80 HTTP/1.1\r\nHost: x\r\n\r\n",
    "cut UTF-8": b"GET /%c3 HTTP/1.1\r\nHost: x\r\n\r\n",
    "bad UTF-8 in the query": b"GET /?a=%ff HTTP/1.1\r\nHost: x\r\n\r\n",
    "% at the end": b"GET /% HTTP/1.1\r\nHost: x\r\n\r\n",
    "% with one digit": b"GET /%4 HTTP/1.1\r\nHost: x\r\n\r\n",
    "% without digits": b"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n",
    "broken escape in the query": b"GET /?a=%g1 HTTP/1.1\r\nHost: x\r\n\r\n",
    "too many parameters": b"GET /?" + b"a=1&" * 65 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
}
VERSION_CASES = {"HTTP/0.9", "HTTP/1.2", "HTTP/2.0", "HTTP/2 preface"}


def refused(peer: Peer) -> Reply:
    """One refusal, then the end: nothing behind it was taken for a request."""
    reply = peer.reply()
    assert reply.headers["connection"] == "close"
    assert reply.headers["x-request-id"]
    said = json.loads(reply.body)
    assert said["status"] == reply.status and said["message"] and said["code"]
    assert peer.read_to_end() == b""
    return reply


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_is_refused_once_and_closed(server: EchoServer, case: str) -> None:
    with server.peer() as peer:
        peer.send_unless_refused(MALFORMED[case] + SECOND)
        expected = {505, 400} if case in VERSION_CASES else range(400, 500)
        assert refused(peer).status in expected
    assert server.get("/hello").status == 200


@pytest.mark.parametrize("case", [c for c in MALFORMED if len(MALFORMED[c]) < 200])
def test_malformed_byte_by_byte(server: EchoServer, case: str) -> None:
    """The verdict does not depend on where the network cuts."""
    with server.peer() as peer:
        for byte in MALFORMED[case] + SECOND:
            peer.send_unless_refused(bytes([byte]))
            if peer.readable(0):
                break
        assert 400 <= refused(peer).status <= 505


def test_garbage_never_hurts(server: EchoServer) -> None:
    dice = random.Random(20)
    for _ in range(300):
        data = bytearray(dice.choice(list(MALFORMED.values()))[:2000])
        for _ in range(dice.randint(1, 8)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        with server.peer() as peer:
            peer.send_unless_refused(bytes(data))
            peer.half_close()
            peer.read_to_end()
    assert server.get("/hello").status == 200


# -- limits ------------------------------------------------------------------

def test_header_flood_is_431(server: EchoServer) -> None:
    for flood in (b"X-Long: " + b"a" * 70000, b"X: y\r\n" * 20000, b"X" * 70000):
        with server.peer() as peer:
            peer.send_unless_refused(GET + flood + b"\r\n\r\n")
            assert refused(peer).status == 431
    with server.peer() as peer:
        peer.send_unless_refused(b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\n\r\n")
        assert refused(peer).status == 431


def test_headers_up_to_the_limit_pass(server: EchoServer) -> None:
    room = 16 * 1024 - len(GET) - len(b"X-Foo: \r\n\r\n")
    with server.peer() as peer:
        assert peer.ask(GET + b"X-Foo: " + b"a" * room + b"\r\n\r\n").status == 200
        peer.send(GET + b"X-Foo: " + b"a" * (room + 1) + b"\r\n\r\n")
        assert refused(peer).status == 431


def test_body_of_10_mb_and_a_byte_is_413(server: EchoServer) -> None:
    with server.peer() as peer:
        peer.send_unless_refused(POST + b"Content-Length: %d\r\n\r\n" % (BODY_MAX + 1)
                                 + b"x" * (BODY_MAX + 1))
        assert refused(peer).status == 413
    with server.peer() as peer:
        chunk = b"100000\r\n" + b"x" * MB + b"\r\n"
        peer.send_unless_refused(POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 10
                                 + b"1\r\nx\r\n0\r\n\r\n")
        assert refused(peer).status == 413


def test_body_of_10_mb_passes(server: EchoServer) -> None:
    body = os.urandom(BODY_MAX)
    with server.peer() as peer:
        reply = peer.ask(POST + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        assert reply.status == 200 and reply.body == body


def test_slow_senders_are_told_408(build_dir: str) -> None:
    with EchoServer(build_dir, "header_ms=300", "body_ms=300") as server:
        with server.peer() as peer:
            peer.send(b"GET / HT")
            assert refused(peer).status == 408
        with server.peer() as peer:  # bytes do not buy more time for the head
            peer.send(GET)
            while not peer.readable(0.02):
                peer.send_unless_refused(b"X-Foo: a\r\n")
            assert refused(peer).status == 408
        with server.peer() as peer:
            peer.send(POST + b"Content-Length: 10\r\n\r\nabc")
            assert refused(peer).status == 408


def test_idle_connections_are_closed(build_dir: str) -> None:
    with EchoServer(build_dir, "idle_ms=300") as server:
        with server.peer() as fresh, server.peer() as used:
            assert used.get("/hello").status == 200
            assert used.read_to_end() == b""
            assert fresh.read_to_end() == b""


def test_a_peer_that_takes_nothing_is_dropped(build_dir: str) -> None:
    with EchoServer(build_dir, "write_ms=300") as server:
        with server.peer(4096) as plain, server.peer(4096) as stream:
            plain.send(b"GET /big?bytes=60000000 HTTP/1.1\r\nHost: x\r\n\r\n")
            stream.send(b"GET /flow?bytes=60000000 HTTP/1.1\r\nHost: x\r\n\r\n")
            wait_for(lambda: b"|/big?bytes" in server.get("/done").body, "the end of the reply")
            wait_for(lambda: state(server)["closed"] == 1, "the end of the stream")
            wait_for(lambda: state(server)["connections"] == 1, "both to be dropped")


def test_full_queue_is_503(build_dir: str) -> None:
    with EchoServer(build_dir, "workers=1", "queue=2") as server:
        peers = [server.peer() for _ in range(8)]
        for peer in peers:
            peer.send(b"GET /block HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_for(lambda: sum(peer.readable(0) for peer in peers) >= 5, "refusals")
        server.release()
        replies = [peer.reply() for peer in peers]
        statuses = [reply.status for reply in replies]
        assert 2 <= statuses.count(200) <= 3 and statuses.count(503) == 8 - statuses.count(200)
        for peer in peers:
            peer.socket.close()


def test_too_many_connections_are_503(build_dir: str) -> None:
    with EchoServer(build_dir, "connections=3") as server:
        kept = [server.peer() for _ in range(3)]
        assert [peer.get("/hello").status for peer in kept] == [200] * 3
        with server.peer() as one_more:
            assert refused(one_more).status == 503
        assert kept[0].get("/hello").status == 200
        for peer in kept:
            peer.socket.close()


# -- what must work ----------------------------------------------------------

def test_request_as_the_handler_sees_it(server: EchoServer) -> None:
    with server.peer() as peer:
        reply = peer.ask(b"GET /x%20y/%C3%A4?a=b+c&d=%3D%26&e&=f&a=2 HTTP/1.1\r\n"
                         b"hOsT: x\r\nX-FOO: \t padded \t \r\nX-Empty:\r\nX-Multi: 1\r\nX-Multi: 2\r\n\r\n")
        assert info(reply) == ["method=GET", "path=/x y/\u00e4", "body=0", "query a=b c", "query d==&",
                               "query e=", "query =f", "query a=2", "header host=[x]",
                               "header x-foo=[padded]", "header x-multi=[1, 2]", "header x-empty=[]"]
        reply = peer.ask(b"\r\nGET http://x:80/info?q=1 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert info(reply)[:4] == ["method=GET", "path=/info", "body=0", "query q=1"]
        assert reply.headers["x-extra"] == "yes"
        assert info(peer.ask(b"GET http://x HTTP/1.1\r\nHost: x\r\n\r\n"))[1] == "path=/"
        assert info(peer.get("/a/..b/.../c.."))[1] == "path=/a/..b/.../c.."


def test_keep_alive_and_close(server: EchoServer) -> None:
    with server.peer() as peer:
        for _ in range(20):
            assert peer.get("/hello").headers.get("connection") is None
        reply = peer.ask(GET + b"Connection: close\r\n\r\n")
        assert reply.headers["connection"] == "close" and peer.read_to_end() == b""
    with server.peer() as peer:
        assert peer.ask(b"GET / HTTP/1.0\r\n\r\n").headers["connection"] == "close"
        assert peer.read_to_end() == b""
    with server.peer() as peer:
        for _ in range(2):
            reply = peer.ask(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            assert reply.headers["connection"] == "keep-alive"


def test_pipelined_requests_are_answered_in_order(server: EchoServer) -> None:
    count = 3000
    data = b"".join(POST + b"Content-Length: %d\r\n\r\n%d" % (len(str(i)), i) for i in range(count))
    with server.peer() as peer:
        peer.send(data)
        assert [peer.reply().body for _ in range(count)] == [b"%d" % i for i in range(count)]


def test_pipelined_behind_a_slow_one_and_a_stream(server: EchoServer) -> None:
    with server.peer() as peer:
        peer.send(b"GET /later HTTP/1.1\r\nHost: x\r\n\r\n"
                  b"GET /flow?bytes=300000 HTTP/1.1\r\nHost: x\r\n\r\n"
                  b"HEAD /big?bytes=77 HTTP/1.1\r\nHost: x\r\n\r\n" + POST +
                  b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n2;ext=1\r\nbc\r\n0\r\nTrailer: t\r\n\r\n" + GET + b"\r\n")
        assert peer.reply().body == b"later\n"
        assert peer.reply().body == b"f" * 300000
        assert peer.reply(to_head=True).headers["content-length"] == "77"
        assert peer.reply().body == b"abc"
        assert info(peer.reply())[1] == "path=/"


def test_requests_in_single_bytes(server: EchoServer) -> None:
    with server.peer() as peer:
        for byte in POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" + GET + b"X-Foo: 1\r\n\r\n":
            peer.send(bytes([byte]))
        assert peer.reply().body == b"abc"
        assert "header x-foo=[1]" in info(peer.reply())


def test_head_has_no_body(server: EchoServer) -> None:
    with server.peer() as peer:
        for path, length in (("/big?bytes=100", "100"), ("/flow?bytes=5&length=1", "5"), ("/flow?bytes=5", None)):
            peer.send(f"HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            reply = peer.reply(to_head=True)
            assert reply.status == 200 and reply.headers.get("content-length") == length
        assert peer.get("/hello").status == 200


def test_expect_continue(server: EchoServer) -> None:
    with server.peer() as peer:
        peer.send(POST + b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert peer.read_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert peer.ask(b"abc").body == b"abc"
        peer.send(POST + b"Content-Length: %d\r\nExpect: 100-continue\r\n\r\n" % (BODY_MAX + 1))
        assert refused(peer).status == 413
    with server.peer() as peer:
        peer.send(POST + b"Content-Length: 3\r\nExpect: a-miracle\r\n\r\n")
        assert refused(peer).status == 417


def test_upgrade_offers_are_not_taken(server: EchoServer) -> None:
    with server.peer() as peer:
        offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\n"
        assert peer.ask(GET + offer + b"\r\n").status == 200
        assert peer.ask(POST + offer + b"Content-Length: 3\r\n\r\nabc").body == b"abc"
        assert peer.get("/hello").status == 200


def test_half_closed_peers_are_answered(server: EchoServer) -> None:
    for path, body in (("/hello", 48), ("/big?bytes=3000000", 3000000), ("/later", 6),
                       ("/flow?bytes=3000000&length=1", 3000000)):
        with server.peer() as peer:
            peer.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            peer.half_close()
            assert len(peer.reply().body) == body and peer.read_to_end() == b""
    with server.peer() as peer:  # all of several
        peer.send((GET + b"\r\n") * 5)
        peer.half_close()
        assert peer.read_to_end().count(b"HTTP/1.1 200") == 5
    for cut in (b"GET / HT", GET, POST + b"Content-Length: 9\r\n\r\nabc"):
        with server.peer() as peer:
            peer.send(cut)
            peer.half_close()
            assert refused(peer).status == 400


def test_request_id(server: EchoServer) -> None:
    with server.peer() as peer:
        assert peer.ask(GET + b"X-Request-Id: My-1.id_\r\n\r\n").headers["x-request-id"] == "My-1.id_"
        for bad in (b"a b", b"", b"a" * 65, b"a;b"):
            made = peer.ask(GET + b"X-Request-Id: " + bad + b"\r\n\r\n").headers["x-request-id"]
            assert len(made) == 36 and made[14] == "7"


def test_access_line_of_every_request(build_dir: str) -> None:
    with EchoServer(build_dir) as server:
        with server.peer() as peer:
            peer.ask(b"POST /info?a=1 HTTP/1.1\r\nHost: x\r\nX-Request-Id: one\r\nContent-Length: 3\r\n\r\nabc")
            assert len(peer.get("/big?bytes=1000").body) == 1000
            assert len(peer.get("/flow?bytes=2000").body) == 2000
            peer.send(b"bad\r\n")
            peer.reply()
            address = "127.0.0.1:%d" % peer.socket.getsockname()[1]
        lines = [line.split("|") for line in server.get("/done").body.decode().splitlines()]
        assert lines[0][:6] == ["one", address, "POST", "/info", "/info?a=1", "200"] and lines[0][6] == "3"
        assert lines[1][2:] == ["GET", "", "/big?bytes=1000", "200", "0", "1000"]
        assert lines[2][2:] == ["GET", "", "/flow?bytes=2000", "200", "0", "2000"]
        assert lines[3][2:6] == ["-", "", "", "400"]


# -- streams -----------------------------------------------------------------

def follow(server: EchoServer, query: str = "") -> Peer:
    peer = server.peer()
    peer.send(f"GET /follow{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert peer.head()[0] == 200
    return peer


def test_stream_of_known_length(server: EchoServer) -> None:
    with server.peer() as peer:
        reply = peer.get("/flow?bytes=5000000&length=1")
        assert reply.headers["content-length"] == "5000000" and reply.body == b"f" * 5000000
        assert peer.get("/hello").status == 200


def test_broken_promises_end_the_connection(server: EchoServer) -> None:
    with server.peer() as peer:
        peer.send(b"GET /flow?bytes=1000&length=1&short=1 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert peer.head()[1]["content-length"] == "1000"
        assert len(peer.read_to_end()) < 1000
    with server.peer() as peer:
        peer.send(b"GET /flow?bytes=1000&abort=1 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert not peer.read_to_end().endswith(b"0\r\n\r\n")


def test_stream_to_http_1_0_ends_with_the_connection(server: EchoServer) -> None:
    with server.peer() as peer:
        reply = peer.ask(b"GET /flow?bytes=100000 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert "transfer-encoding" not in reply.headers and reply.body == b"f" * 100000


def test_slow_reader_does_not_block_others(build_dir: str) -> None:
    with EchoServer(build_dir, "workers=1") as server:
        with server.peer(4096) as slow:
            slow.send(b"GET /flow?bytes=10000000 HTTP/1.1\r\nHost: x\r\n\r\n")
            assert len(server.get("/flow?bytes=3000000").body) == 3000000
            assert server.get("/hello").status == 200
            assert len(slow.reply().body) == 10000000


def test_disconnect_calls_closed_exactly_once(build_dir: str) -> None:
    with EchoServer(build_dir) as server:
        for round_ in range(1, 6):
            peers = [follow(server) for _ in range(10)]
            assert state(server)["opened"] == 10 * round_
            for peer in peers:
                peer.socket.close()
            server.get("/wake")
            wait_for(lambda: state(server)["closed"] == 10 * round_, "closed()")
        now = state(server)
        assert (now["opened"], now["closed"], now["closed_twice"], now["streams"]) == (50, 50, 0, 0)


def test_keepalive_of_a_silent_stream(server: EchoServer) -> None:
    with follow(server, "?keepalive=1") as peer:
        assert [peer.chunk() for _ in range(3)] == [b": still here\n\n"] * 3
        server.get("/wake")
        while not (piece := peer.chunk()).startswith(b"wake"):
            assert piece == b": still here\n\n"


def test_wakes_from_other_threads_are_never_lost(build_dir: str) -> None:
    count = 3000
    with EchoServer(build_dir) as server:
        peers = [follow(server) for _ in range(20)]
        assert server.get(f"/storm?n={count}").body == b"over\n"
        expected = b"".join(b"wake %d\n" % i for i in range(1, count + 1))
        for peer in peers:
            got = b""
            while len(got) < len(expected):
                got += peer.chunk()
            assert got == expected
            peer.socket.close()


def test_thousand_parallel_streams(build_dir: str) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with EchoServer(build_dir) as server:
        peers = [follow(server) for _ in range(1000)]
        assert state(server)["streams"] == 1000
        for wake in (1, 2, 3):
            server.get("/wake")
            for peer in peers:
                assert peer.chunk() == b"wake %d\n" % wake
        for peer in peers[:500]:
            peer.socket.close()
        wait_for(lambda: state(server)["streams"] == 500, "half of them to end")
        server.stop()  # ends the others at once
        for peer in peers[500:]:
            assert peer.read_to_end() == b""
            peer.socket.close()


# -- the end -----------------------------------------------------------------

def test_stop_waits_for_running_requests(build_dir: str) -> None:
    with EchoServer(build_dir) as server:
        with server.peer() as busy, server.peer() as idle, follow(server) as stream:
            busy.send(b"GET /block HTTP/1.1\r\nHost: x\r\n\r\n")
            wait_for(lambda: state(server)["blocked"] == 1, "the handler to run")
            assert server.process.stdin
            server.process.stdin.write(b"\n")
            server.process.stdin.close()  # the line and the end arrive together
            server.process.stdin = None
            assert busy.reply().body == b"released\n"
            assert idle.read_to_end() == b"" and stream.read_to_end() == b""


def test_listening_twice_is_a_clear_error(build_dir: str, server: EchoServer) -> None:
    result = subprocess.run([f"{build_dir}/tests/unit/http_echo_server", f"port={server.port}"],
                            capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert result.returncode == 1 and "another process listens there" in result.stderr


# -- the unix socket ---------------------------------------------------------

def refused_socket(build_dir: str, path: str) -> str:
    result = subprocess.run([f"{build_dir}/tests/unit/http_echo_server", f"socket={path}"],
                            capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert result.returncode == 1
    return result.stderr


def test_a_unix_socket_serves_like_a_port(build_dir: str, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "hub.sock"
    with EchoServer(build_dir, f"socket={path}") as server:
        assert stat.S_IMODE(path.stat().st_mode) == 0o666
        with Peer(str(path)) as peer:
            reply = peer.ask(POST + b"Content-Length: 3\r\n\r\nabc")
            assert (reply.status, reply.body) == (200, b"abc")
            assert peer.get("/state").status == 200
            assert peer.ask(GET + b"Content-Length: x\r\n\r\n").status == 400
            assert peer.read_to_end() == b""
        assert "|unix|POST|" in server.get("/done").body.decode()
        assert "another process listens there" in refused_socket(build_dir, str(path))
        assert path.exists()
    assert not path.exists()


def test_a_socket_that_was_left_is_replaced_and_nothing_else(build_dir: str, tmp_path: pathlib.Path) -> None:
    left, file = tmp_path / "left.sock", tmp_path / "file"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(left))
    with EchoServer(build_dir, f"socket={left}"), Peer(str(left)) as peer:
        assert peer.get("/state").status == 200
    file.write_text("precious")
    assert "something else is there" in refused_socket(build_dir, str(file))
    assert file.read_text() == "precious"
    assert "longer than the 107 bytes" in refused_socket(build_dir, f"{tmp_path}/{'x' * 108}")
    assert "directory does not exist" in refused_socket(build_dir, f"{tmp_path}/no/where")


def test_a_second_address_is_told_apart(build_dir: str) -> None:
    with EchoServer(build_dir, "extra") as server:
        assert server.process.stdout
        extra = int(server.process.stdout.readline())
        assert extra not in (0, server.port)
        with server.peer() as first, Peer(extra) as second:
            assert b"extra" not in first.get("/info").body
            # What was sent, as it was sent: a bare "?" too.
            assert b"extra target=/in%66o?\n" in second.get("/in%66o?").body
            whole = second.ask(b"GET http://x/info?a=%20 HTTP/1.1\r\nHost: x\r\n\r\n").body
            assert b"extra target=/info?a=%20\n" in whole
