"""A cable between two programs of a test, which can be pulled.

What connects here is connected with the target: another TCP port of this
machine or a unix socket. cut() ends all connections and answers nobody,
freeze() keeps them and moves nothing, mend() makes all good again;
cut_behind(n) cuts each connection once n more bytes of answers have passed.
"""

import os
import selectors
import socket
import tempfile
import threading
from typing import Any

PIECE = 16384

Address = tuple[str, int] | str


def _socket(address: Address) -> socket.socket:
    return socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)


class Cable:
    def __init__(self, target: Address):
        self.target = target
        self.dir = tempfile.mkdtemp(prefix="runnerhub-cable-") if isinstance(target, str) else ""
        self.address: Address = os.path.join(self.dir, "s") if self.dir else ("127.0.0.1", 0)
        self.cuts = 0  # connections that were cut behind some bytes
        self._lock = threading.Condition()
        self._frozen = False
        self._left: int | None = None
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._listen()

    @property
    def url(self) -> str:
        if isinstance(self.address, str):
            return f"unix://{self.address}"
        return f"http://127.0.0.1:{self.address[1]}"

    def _listen(self) -> None:
        self._listener = _socket(self.address)
        if not self.dir:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        elif os.path.exists(str(self.address)):
            os.unlink(str(self.address))
        self._listener.bind(self.address)
        self._listener.listen(64)
        if not self.dir:
            self.address = self._listener.getsockname()
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            far = _socket(self.target)
            try:
                far.connect(self.target)
            except OSError:
                near.close()
                far.close()
                continue
            with self._lock:
                self._pairs.add((near, far))
            threading.Thread(target=self._serve, args=(near, far), daemon=True).start()

    def _serve(self, near: socket.socket, far: socket.socket) -> None:
        try:
            self._forward(near, far)
        except OSError:
            pass  # either side ended it, or cut() did
        with self._lock:
            self._pairs.discard((near, far))
        self._end(near, far)

    def _forward(self, near: socket.socket, far: socket.socket) -> None:
        with selectors.DefaultSelector() as ready:
            ready.register(near, selectors.EVENT_READ, far)
            ready.register(far, selectors.EVENT_READ, near)
            while ready.get_map():
                for key, _ in ready.select():
                    source: Any = key.fileobj
                    self._wait_unfrozen()
                    if data := source.recv(PIECE):
                        key.data.sendall(self._allowed(data) if source is far else data)
                    else:
                        ready.unregister(source)
                        key.data.shutdown(socket.SHUT_WR)

    def _wait_unfrozen(self) -> None:
        with self._lock:
            self._lock.wait_for(lambda: not self._frozen)

    def _allowed(self, data: bytes) -> bytes:
        with self._lock:
            if self._left is None:
                return data
            self._left -= len(data)
            if self._left > 0:
                return data
            self._left = None
            self.cuts += 1
        raise ConnectionError("cut here, by the test's wish")

    @staticmethod
    def _end(*sockets: socket.socket) -> None:
        for end in sockets:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it has ended already
            end.close()

    def cut(self) -> None:
        self._end(self._listener)
        with self._lock:
            pairs = list(self._pairs)
        for pair in pairs:
            self._end(*pair)

    def freeze(self) -> None:
        with self._lock:
            self._frozen = True

    def cut_behind(self, count: int) -> None:
        """The connection over which the count-th byte from here on comes is
        cut before it."""
        with self._lock:
            self._left = count

    def mend(self) -> None:
        with self._lock:
            self._frozen = False
            self._lock.notify_all()
        if self._listener.fileno() < 0:
            self._listen()

    def close(self) -> None:
        self.mend()
        self.cut()
        if self.dir:
            if os.path.exists(str(self.address)):
                os.unlink(str(self.address))
            os.rmdir(self.dir)
