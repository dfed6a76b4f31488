"""The messages between a runner's listener and its worker, as the protocol
notes describe them: two little-endian 32-bit numbers (kind, length in bytes)
and a text in UTF-16, little endian. Shares nothing with the product.
"""

import json
import struct
from typing import Any

JOB, CANCEL, SHUTDOWN, OS_SHUTDOWN = 1, 2, 3, 4


def frame(kind: int, text: str | bytes = "") -> bytes:
    body = text if isinstance(text, bytes) else text.encode("utf-16-le", "surrogatepass")
    return struct.pack("<ii", kind, len(body)) + body


def typed(value: Any) -> Any:
    """A value of contextData in its typed encoding; strings stay bare."""
    if isinstance(value, dict):
        return {"t": 2, "d": [{"k": k, "v": typed(v)} for k, v in value.items()]}
    if isinstance(value, list):
        return {"t": 1, "a": [typed(v) for v in value]}
    if isinstance(value, bool):
        return {"t": 3, "b": value}
    if isinstance(value, (int, float)):
        return {"t": 4, "n": value}
    return value


def job(github: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """A job message with everything that a real one has, in small."""
    context = {
        "token": "ghs_context_token",
        "repository": "octo/hello-world",
        "run_id": "9876543210",
        "run_attempt": "2",
        "run_number": "42",
        "workflow": "CI",
        "sha": "0123456789abcdef0123456789abcdef01234567",
        "ref": "refs/heads/main",
        "event_name": "push",
        "actor": "mona",
        "event": {"repository": "a trap", "run_id": 1,
                  "commits": [{"message": "}]\",\\ {\"run_id\":\"2\""}]},
        **(github or {}),
    }
    return {
        "messageType": "PipelineAgentJobRequest",
        "plan": {"scopeIdentifier": "0" * 32, "planId": "p", "version": 7},
        "timeline": {"id": "t"},
        "jobId": "6f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0",
        "jobDisplayName": "build (\U0001f986 d\u00fcck, 18)",
        "jobName": "__default",
        "requestId": 7,
        "lockedUntil": "0001-01-01T00:00:00",
        "resources": {"endpoints": [{
            "name": "SystemVssConnection", "url": "https://pipelines.invalid/",
            "authorization": {"parameters": {"AccessToken": "eyJ.access.token"}}}]},
        "contextData": {"github": typed(context), "needs": typed({}), "matrix": None},
        "mask": [{"type": "regex", "value": "s3cr3t"}],
        "variables": {"system.github.token": {"value": "ghs_variable", "isSecret": True},
                      "system.github.job": {"value": "build"}},
        "steps": [],
        **fields,
    }


def text(message: dict[str, Any]) -> str:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))
