"""Writes the operations of ``rune_core.client`` from the OpenAPI document.

    python -m rune_server.api.client

A test checks that what is committed is what this writes.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import rune_core
from rune_server.api.app import openapi

TARGET = Path(rune_core.__file__).parent / "client" / "operations.py"
_HEAD = '''\
"""The operations of the management API. Written by ``python -m rune_server.api.client``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rune_core.client.call import UNSET, Call, Many, Nothing, One, Pieces, Sender, Unset

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime


class Operations(Sender[One, Many, Nothing, Pieces]):
    """A method an operation. An argument that is not given is left to the server."""
'''
_TYPES = {"integer": "int", "number": "float", "boolean": "bool", "string": "str"}


def written() -> str:
    """The module's text, formatted."""
    document = openapi()
    schemas = document["components"]["schemas"]
    parts = [_HEAD]
    for path in sorted(document["paths"]):
        for method, operation in sorted(document["paths"][path].items()):
            parts.append(_method(method.upper(), path, operation, schemas))
    return subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--line-length", "100", "-"],
        input="\n".join(parts),
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def _method(method: str, path: str, operation: dict[str, Any], schemas: dict[str, Any]) -> str:
    parameters = operation.get("parameters", ())
    places = [each for each in parameters if each["in"] == "path"]
    query = [each for each in parameters if each["in"] == "query" and each["name"] != "cursor"]
    versioned = any(each["name"] == "If-Match" for each in parameters)
    body = _body(operation, schemas)
    fields = body.get("properties", {}) if body is not None else {}
    required = set(body.get("required", ())) if body is not None else set()
    arguments = [f"{each['name']}: {_type(each['schema'], schemas)}" for each in places]
    named = []
    for name, schema, needed in [
        *((each["name"], each["schema"], each.get("required", False)) for each in query),
        *((name, schema, name in required) for name, schema in fields.items()),
    ]:
        kind = _type(schema, schemas)
        named.append(f"{name}: {kind}" if needed else f"{name}: {_or_unset(kind)} = UNSET")
    if versioned:
        named.append("version: int | None = None")
    if named:
        # Those that are needed come first, for whoever reads.
        arguments += ["*", *sorted(named, key=lambda each: "=" in each)]
    call = [repr(method), repr(path)]
    if places:
        call.append(_mapping("places", [each["name"] for each in places]))
    if query:
        call.append(_mapping("query", [each["name"] for each in query]))
    if body is not None:
        call.append(_mapping("body", list(fields)))
    if versioned:
        call.append("version=version, versioned=True")
    returned, sender = _returned(operation)
    text = operation["description"].strip()
    signature = ", ".join(["self", *arguments])
    return (
        f"    def {operation['operationId']}({signature}) -> {returned}:\n"
        f'        """{text}"""\n'
        f"        return self.{sender}(Call({', '.join(call)}))\n"
    )


def _or_unset(kind: str) -> str:
    bare = kind.removesuffix(" | None")
    return f"{bare} | Unset | None" if bare != kind else f"{kind} | Unset"


def _mapping(name: str, keys: list[str]) -> str:
    return f"{name}={{{', '.join(f'{key!r}: {key}' for key in keys)}}}"


def _returned(operation: dict[str, Any]) -> tuple[str, str]:
    for status, answer in operation["responses"].items():
        if not status.startswith("2"):
            continue
        if "content" not in answer:
            return "Nothing", "_nothing"
        content = answer["content"].get("application/json")
        if content is None:
            return "Pieces", "_pieces"
        listed = content["schema"].get("$ref", "").rpartition("/")[2].startswith("Listed_")
        return ("Many", "_many") if listed else ("One", "_one")
    raise AssertionError(operation["operationId"])


def _body(operation: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any] | None:
    given = operation.get("requestBody")
    if given is None:
        return None
    return _resolved(given["content"]["application/json"]["schema"], schemas)


def _resolved(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    found: dict[str, Any] = schemas[name] if name else schema
    return found


def _type(schema: dict[str, Any], schemas: dict[str, Any]) -> str:
    schema = _resolved(schema, schemas)
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(_type(each, schemas) for each in schema["anyOf"]))
    kind = schema.get("type")
    if kind == "null":
        return "None"
    if kind == "array":
        return f"Sequence[{_type(schema['items'], schemas)}]"
    if kind == "object":
        return "Mapping[str, Any]"
    if kind == "string" and schema.get("format") == "date-time":
        return "str | datetime"
    return _TYPES.get(str(kind), "Any")


if __name__ == "__main__":
    TARGET.write_text(written(), encoding="utf-8")
