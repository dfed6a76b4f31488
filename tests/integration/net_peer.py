"""One end of a connection, run inside a network namespace by the tests.

    net_peer.py serve ADDRESS PORT     answers TCP and UDP with the address of
                                       who asks; prints "ready" first
    net_peer.py dial tcp|udp ADDRESS PORT
                                       prints "open WHAT-IT-ANSWERED",
                                       "refused", "unreachable" or "silent"
"""

import errno
import socket
import sys
import threading

# Far longer than any answer here takes; only an answer that never comes
# lasts so long.
PATIENCE_S = 30
# A datagram, or the word that it was refused, may get lost: the kernel says
# so only once a second.
RESEND_S = 0.3


def serve_udp(server: socket.socket) -> None:
    while True:
        _, peer = server.recvfrom(64)
        server.sendto(peer[0].encode(), peer)


def serve(address: str, port: int) -> None:
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind((address, port))
    tcp = socket.create_server((address, port))
    threading.Thread(target=serve_udp, args=(udp,), daemon=True).start()
    print("ready", flush=True)
    while True:
        connection, peer = tcp.accept()
        with connection:
            connection.sendall(peer[0].encode())


def ask(client: socket.socket) -> bytes:
    """Sends and waits for the answer, again and again."""
    client.settimeout(RESEND_S)
    for _ in range(int(PATIENCE_S / RESEND_S)):
        client.send(b"?")
        try:
            return client.recv(64)
        except TimeoutError:
            continue
    raise TimeoutError


def dial(kind: str, address: str, port: int) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM if kind == "tcp"
                       else socket.SOCK_DGRAM) as client:
        client.settimeout(PATIENCE_S)
        try:
            client.connect((address, port))
            answer = ask(client) if kind == "udp" else client.recv(64)
            return f"open {answer.decode()}"
        except TimeoutError:
            return "silent"
        except OSError as error:
            if error.errno == errno.ECONNREFUSED:
                return "refused"
            if error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH):
                return "unreachable"
            raise


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2], int(sys.argv[3]))
    else:
        print(dial(sys.argv[2], sys.argv[3], int(sys.argv[4])), flush=True)
