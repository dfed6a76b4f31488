"""The measures, in the order in which they run.

A measure is a module with TITLE (one line) and run(context) -> list of Row;
it raises Missing with a clear text when something that it needs is absent.
"""

from types import ModuleType

from measures import (component, crowd, delegate, followers, hook, latency, listing, logs, memory,
                      queued, relay, startup, step)

ALL: dict[str, ModuleType] = {
    "delegate": delegate,
    "latency": latency,
    "step": step,
    "hook": hook,
    "relay": relay,
    "logs": logs,
    "followers": followers,
    "crowd": crowd,
    "component": component,
    "queued": queued,
    "listing": listing,
    "memory": memory,
    "startup": startup,
}
