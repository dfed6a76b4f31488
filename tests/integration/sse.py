"""A follower of server-sent events, as a dashboard is one."""

import http.client
import json
import threading
from typing import Any, NamedTuple

from hub import Hub, wait_for


class Event(NamedTuple):
    id: int
    name: str
    data: Any


class Follower:
    """Reads /api/events on a thread of its own: what happened to jobs goes to
    `events`, the hub's figures and changes of runners, which have no number, to
    `figures` and `runners`."""

    def __init__(self, hub: Hub, query: str = "", last: int | None = None,
                 headers: dict[str, str] | None = None):
        self.events: list[Event] = []
        self.figures: list[Any] = []
        self.runners: list[Any] = []
        self._connection = (
            http.client.HTTPSConnection("127.0.0.1", hub.port, timeout=120, context=hub.tls)
            if hub.tls else http.client.HTTPConnection("127.0.0.1", hub.port, timeout=120))
        headers = dict(headers or {})
        if last is not None:
            headers["Last-Event-ID"] = str(last)
        self._connection.request("GET", "/api/events" + query, headers=headers)
        self._socket = self._connection.sock
        self.answer = self._connection.getresponse()
        assert self.answer.status == 200, self.answer.read()
        assert self.answer.getheader("Content-Type") == "text/event-stream"
        self.ended = threading.Event()
        # Its greeting: from here on nothing is missed.
        assert self.answer.readline() == b"retry: 2000\n"
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def __enter__(self) -> "Follower":
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._socket.shutdown(2)
        except OSError:
            pass  # the hub ended it before
        self._thread.join()
        self.answer.close()
        self._connection.close()

    def _read(self) -> None:
        fields: dict[str, str] = {}
        try:
            for raw in self.answer:
                line = raw.decode().rstrip("\n")
                if line and not line.startswith(":"):
                    name, value = line.split(": ", 1)
                    assert name not in fields, f"two {name} in one event"
                    fields[name] = value
                elif fields.get("event") == "metrics":
                    assert "id" not in fields  # not what a follower resumes from
                    self.figures.append(json.loads(fields["data"]))
                    fields = {}
                elif fields.get("event") == "runner:status":
                    assert "id" not in fields
                    self.runners.append(json.loads(fields["data"]))
                    fields = {}
                elif fields:
                    self.events.append(Event(int(fields["id"]), fields["event"],
                                             json.loads(fields["data"])))
                    fields = {}
        except (OSError, http.client.HTTPException, ValueError, AttributeError):
            pass  # closed, by us or by the hub's end
        self.ended.set()

    def wait(self, count: int) -> list[Event]:
        wait_for(lambda: len(self.events) >= count, what=f"{count} events")
        return list(self.events)

    def wait_job(self, job_id: str, status: str) -> list[Event]:
        """The events so far, once this job has come to this status."""
        def there() -> bool:
            return any(e.data["jobId"] == job_id and e.data["status"] == status
                       for e in self.events)
        wait_for(there, what=f"event {status} of {job_id}")
        return list(self.events)
