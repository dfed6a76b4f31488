"""The catalog of the fake portal: entities by name, by references, by query.

Written from Backstage's Catalog API page and components-api 6.1; see
fake_portal.py for how it is used.
"""

import base64
import json
import uuid
from typing import Any

ENABLED = "runner.backstage.io/enabled"
Query = list[tuple[str, str]]


class InputError(Exception):
    """What the portal answers with 400."""


def entity(name: str, *, kind: str = "Component", namespace: str = "default",
           annotations: dict[str, str] | None = None, owner: str = "group:default/team-a",
           description: str | None = None, source: str | None = None,
           enabled: bool = True, **spec: Any) -> dict[str, Any]:
    """A runner-enabled component, unless it is told otherwise."""
    notes = {ENABLED: "true"} if enabled else {}
    if source is not None:
        notes["backstage.io/source-location"] = source
    made: dict[str, Any] = {
        "apiVersion": "backstage.io/v1alpha1", "kind": kind,
        "metadata": {"name": name, "namespace": namespace,
                     "annotations": notes | (annotations or {})},
        "spec": {"type": "service", "lifecycle": "production", "owner": owner} | spec,
        "relations": [{"type": "ownedBy", "targetRef": owner}]}
    if description is not None:
        made["metadata"]["description"] = description
    return made


def ref_of(thing: dict[str, Any]) -> str:
    meta = thing["metadata"]
    return f"{thing['kind']}:{meta.get('namespace', 'default')}/{meta['name']}".lower()


def _at(thing: Any, path: str) -> Any:
    """The value at a dotted path, whose keys may have dots themselves."""
    if path == "":
        return thing
    if not isinstance(thing, dict):
        return None
    for key, value in thing.items():
        if path.lower() == key.lower():
            return value
        if path.lower().startswith(key.lower() + "."):
            found = _at(value, path[len(key) + 1:])
            if found is not None:
                return found
    return None


def _matches(thing: dict[str, Any], condition: str) -> bool:
    key, equals, value = condition.strip().partition("=")
    found = _at(thing, key)
    if not equals:
        return found is not None
    return found is not None and str(found).lower() == value.lower()


def _selected(thing: dict[str, Any], fields: str | None) -> dict[str, Any]:
    """As if only these fields existed: "kind", "metadata.name", "spec.owner"."""
    if not fields:
        return thing
    made: dict[str, Any] = {}
    for path in fields.split(","):
        value = _at(thing, path)
        if value is None:
            continue
        top, _, below = path.partition(".")
        if below:
            made.setdefault(top, {})[below] = value
        else:
            made[top] = value
    return made


class Catalog:
    def __init__(self) -> None:
        self.entities: dict[str, dict[str, Any]] = {}
        self.visible_to: dict[str, set[str]] = {}

    def add(self, thing: dict[str, Any], visible_to: set[str] | None = None) -> dict[str, Any]:
        thing["metadata"].setdefault("namespace", "default")
        thing["metadata"].setdefault("uid", str(uuid.uuid4()))
        thing["metadata"].setdefault("etag", uuid.uuid4().hex)
        self.entities[ref_of(thing)] = thing
        if visible_to is not None:
            self.visible_to[ref_of(thing)] = visible_to
        return thing

    def clear(self) -> None:
        self.entities.clear()
        self.visible_to.clear()

    def _visible(self, who: str) -> list[dict[str, Any]]:
        return [thing for ref, thing in self.entities.items()
                if who in self.visible_to.get(ref, {who})]

    def answer(self, method: str, parts: list[str], query: Query, who: str, seen: Any) -> Any:
        if method == "GET" and parts[:2] == ["entities", "by-name"] and len(parts) == 5:
            ref = f"{parts[2]}:{parts[3]}/{parts[4]}"
            found = [t for t in self._visible(who) if ref_of(t) == ref.lower()]
            if not found:
                raise KeyError(f"No entity named '{parts[4]}' found, with kind '{parts[2]}' "
                               f"in namespace '{parts[3]}'")
            return found[0]
        if method == "GET" and parts == ["entities", "by-query"]:
            return self._by_query(query, who)
        if method == "POST" and parts == ["entities", "by-refs"]:
            return self._by_refs(seen, who)
        raise KeyError("no such path")

    def _by_refs(self, seen: Any, who: str) -> dict[str, Any]:
        if not seen.headers.get("Content-Type", "").startswith("application/json"):
            raise InputError("body must be an object")
        asked = json.loads(seen.body)
        visible = {ref_of(thing): thing for thing in self._visible(who)}
        fields = ",".join(asked.get("fields", []))
        # The letter case counts here: a trap that real portals set as well.
        return {"items": [_selected(visible[ref], fields) if ref in visible else None
                          for ref in asked["entityRefs"]]}

    def _by_query(self, query: Query, who: str) -> dict[str, Any]:
        given = dict(query)
        if not given.get("limit", "20").isdigit():
            raise InputError("request/query/limit must be integer")
        limit, at = int(given.get("limit", "20")), 0
        filters = [value for key, value in query if key == "filter"]
        if "cursor" in given:
            try:
                asked = json.loads(base64.b64decode(given["cursor"], validate=True))
            except ValueError:
                raise InputError("Malformed cursor, could not be parsed") from None
            filters, at = asked["filters"], asked["at"]
        found = sorted((thing for thing in self._visible(who) if not filters or any(
            all(_matches(thing, one) for one in several.split(",")) for several in filters)),
            key=ref_of)
        page = {"nextCursor": self._cursor(filters, at + limit)} \
            if at + limit < len(found) else {}
        if at > 0:
            page["prevCursor"] = self._cursor(filters, max(at - limit, 0))
        return {"items": [_selected(thing, given.get("fields")) for thing in found[at:at + limit]],
                "totalItems": len(found), "pageInfo": page}

    @staticmethod
    def _cursor(filters: list[str], at: int) -> str:
        return base64.b64encode(json.dumps({"filters": filters, "at": at}).encode()).decode()
