"""The part of JSON Schema that the API's description uses, no more."""

from typing import Any

_TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None),
          "number": (int, float), "integer": int}


def _has_type(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    return isinstance(value, _TYPES[name])


def resolve(document: dict, ref: str) -> dict:
    assert ref.startswith("#/"), ref
    node: Any = document
    for part in ref[2:].split("/"):
        assert part in node, f"{ref} leads nowhere"
        node = node[part]
    return node


def refs(node: Any) -> list[str]:
    if isinstance(node, list):
        return [ref for item in node for ref in refs(item)]
    if isinstance(node, dict):
        own = [node["$ref"]] if "$ref" in node else []
        return own + [ref for item in node.values() for ref in refs(item)]
    return []


def validate(document: dict, schema: dict, value: Any, where: str = "$") -> None:
    """Also fails at a property that the schema does not name."""
    if "$ref" in schema:
        validate(document, resolve(document, schema["$ref"]), value, where)
        return
    if "const" in schema:
        assert value == schema["const"], where
    if "enum" in schema:
        assert value in schema["enum"], f"{where}: {value!r}"
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    assert not types or any(_has_type(value, t) for t in types), f"{where}: {value!r}"
    if isinstance(value, list) and "items" in schema:
        for n, item in enumerate(value):
            validate(document, schema["items"], item, f"{where}[{n}]")
    if isinstance(value, dict) and "properties" in schema:
        for name in schema.get("required", []):
            assert name in value, f"{where}.{name} is missing"
        for name, item in value.items():
            assert name in schema["properties"], f"{where}.{name} is not described"
            validate(document, schema["properties"][name], item, f"{where}.{name}")
