"""A hub that answers as a test tells it, for the commands that ask one."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


class ScriptedHub:
    """A hub that answers as told: answers[(method, path)] is a list of
    (status, body) whose last entry repeats; a body is JSON, or bytes for
    anything else, or a list of bytes: pieces of a stream that then breaks."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], list] = {}
        self.seen: list[dict] = []
        script = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: object) -> None:
                pass

            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                url = urlsplit(self.path)
                script.seen.append({
                    "method": self.command, "path": url.path,
                    "query": {k: v[0] for k, v in parse_qs(url.query).items()},
                    "headers": dict(self.headers), "body": self.rfile.read(length)})
                queue = script.answers.get((self.command, url.path))
                if queue is None:
                    queue = [(404, {"success": False, "error": "Endpoint not found",
                                    "code": "not_found"})]
                status, body = queue[0] if len(queue) == 1 else queue.pop(0)
                if isinstance(body, list):
                    self.stream(status, body)
                else:
                    self.whole(status, body)

            do_GET = do_POST = do_PUT = do_DELETE = answer

            def whole(self, status: int, body: object) -> None:
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def stream(self, status: int, pieces: list[bytes]) -> None:
                self.send_response(status)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for piece in pieces:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                    self.wfile.flush()
                self.close_connection = True  # without the last chunk

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def on(self, method: str, path: str, *answers: tuple[int, object]) -> None:
        self.answers[method, path] = list(answers)

    def asked(self, path: str) -> list[dict]:
        return [r for r in self.seen if r["path"] == path]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
