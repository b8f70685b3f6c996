"""The same for people: a page that is made of what programs read, in the language of whoever reads it."""

import json
import re
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.text import slugify
from django.utils.translation import gettext
from django.views.decorators.http import require_GET

from querencia.api.rest.fields import MANY_MAX
from querencia.api.rest.openapi import document
from querencia.api.rest.problems import KINDS

# What stands in addresses of examples; where nothing is said, a number.
EXAMPLES = {"kind": "customer_key", "value": "K-1001", "name": "loyal", "card_number": "2026-0042", "key": "autumn"}


@dataclass(frozen=True)
class Field:
    """A field of a body, or a parameter of an address."""

    name: str
    kind: str
    is_needed: bool
    told: str


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    anchor: str
    title: str
    told: str
    scope: str
    parameters: list[Field]
    fields: list[Field]
    example: str


@require_GET
def page(request: HttpRequest) -> HttpResponse:
    """Every operation with an example that works once it is copied."""
    address = request.build_absolute_uri("/").rstrip("/")
    problems = [
        {"code": code, "status": status, "told": gettext(told)} for code, (status, _title, told) in KINDS.items()
    ]
    context = {"groups": groups(), "problems": problems, "address": address, "many": MANY_MAX}
    return render(request, "api/reference.html", context)


def groups() -> dict[str, list[Operation]]:
    """The operations by what they are about, in the active language."""
    found: dict[str, list[Operation]] = {}
    for path, methods in document()["paths"].items():
        for method, said in methods.items():
            found.setdefault(said["tags"][0], []).append(_operation(path, method.upper(), said))
    return {gettext(name): operations for name, operations in found.items()}


def _operation(path: str, method: str, said: dict[str, Any]) -> Operation:
    summary = said["summary"]
    body = said.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    return Operation(
        method=method,
        path=path,
        anchor=slugify(said["operationId"]),
        title=gettext(summary),
        told=_told(said),
        scope=said["security"][0]["key"][0],
        parameters=[
            Field(each["name"], _kind(each["schema"]), each["required"], _told(each))
            for each in said.get("parameters", [])
            if each["in"] != "header"
        ],
        fields=_fields(_resolved(body)),
        example=_curl(path, method, _example(_resolved(body))),
    )


def _told(said: dict[str, Any]) -> str:
    text = " ".join(said.get("description", "").split())
    return gettext(text) if text else ""


def _resolved(schema: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    return document()["components"]["schemas"][name] if name else schema


def _fields(schema: dict[str, Any]) -> list[Field]:
    needed = schema.get("required", [])
    return [
        Field(name, _kind(said), name in needed, _told(said)) for name, said in schema.get("properties", {}).items()
    ]


def _kind(schema: dict[str, Any]) -> str:
    """What may stand there, in few words."""
    schema = _resolved(schema)
    if "enum" in schema:
        return " · ".join(str(value) for value in schema["enum"] if value)
    if "anyOf" in schema:
        kinds = [_kind(each) for each in schema["anyOf"] if each.get("type") != "null"]
        return " | ".join(dict.fromkeys(kinds))
    if schema.get("type") == "array":
        return f"[ {_kind(schema['items'])} ]"
    if schema.get("type") == "object" and "properties" in schema:
        return "{ " + ", ".join(schema["properties"]) + " }"
    return str(schema.get("format") or schema.get("type", ""))


def _example(schema: dict[str, Any]) -> Any:
    if "examples" in schema:
        return schema["examples"][0]
    items = schema.get("properties", {}).get("items", {}).get("items")
    return {"items": [_example(_resolved(items))]} if items else None


def _curl(path: str, method: str, body: Any) -> str:
    address = re.sub(r"{(\w+)}", lambda found: EXAMPLES.get(found[1], "1"), path)
    lines = [f'curl -X {method} "$QUERENCIA{address}"', '-H "Authorization: Bearer $KEY"']
    if body is not None:
        written = json.dumps(body, ensure_ascii=False, indent=2)
        lines += ['-H "Content-Type: application/json"', f"-d '{written}'"]
    return " \\\n  ".join(lines)
