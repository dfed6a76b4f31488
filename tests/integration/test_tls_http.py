"""The HTTP server over TLS: everything that test_http_server.py asks of it, once
more, since TLS must change nothing of it."""

from typing import Iterator

import pytest

from http_raw import EchoServer, Peer
from test_http_server import *  # noqa: F401,F403
from tls_lab import Authority


@pytest.fixture(scope="module", autouse=True)
def over_tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    authority = Authority(str(tmp_path_factory.mktemp("tls")))
    pair = authority.make()
    Peer.tls = authority.client()
    EchoServer.always = (f"cert={pair.certificate}", f"key={pair.key}")
    yield
    Peer.tls = None
    EchoServer.always = ()
