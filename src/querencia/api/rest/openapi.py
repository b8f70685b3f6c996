"""What programs read to know the operations: OpenAPI 3.1, with all that holds of every operation."""

import json
from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from querencia.api.rest.api import PREFIX, api
from querencia.api.rest.endpoint import SCOPES
from querencia.api.rest.problems import KINDS, MEDIA_TYPE

READS = (401, 403, 422, 429, 500, 503)
WRITES = (400, *READS, 409, 413, 415)
PROBLEM = {
    "type": "object",
    "description": "A problem as RFC 9457 says.",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri", "description": "Where the words about this kind of problem are."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "enum": list(KINDS)},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["detail", "code"],
                "properties": {
                    "detail": {"type": "string"},
                    "code": {"type": "string"},
                    "pointer": {"type": "string", "description": "Where in the body, as RFC 6901 says."},
                    "parameter": {"type": "string", "description": "Which parameter of the address."},
                },
            },
        },
    },
}
IDEMPOTENCY_KEY = {
    "in": "header",
    "name": "Idempotency-Key",
    "required": False,
    "description": "Names this request for 24 hours: sent again, it is answered as it was, and nothing is done twice.",
    "schema": {"type": "string", "pattern": '^("[ !#-\\[\\]-~]{1,255}"|[!#-\\[\\]-~]{1,255})$'},
}


def serve(request: HttpRequest) -> HttpResponse:
    return HttpResponse(_written(), content_type="application/json")


@cache
def _written() -> str:
    return json.dumps(document())


@cache
def document() -> dict[str, Any]:
    """The document; the same for everybody."""
    found: dict[str, Any] = json.loads(json.dumps(api.get_openapi_schema(path_prefix=PREFIX)))
    found["servers"] = [{"url": settings.PUBLIC_URL}]
    found["info"]["license"] = {"name": "Apache-2.0", "identifier": "Apache-2.0"}
    for path, operations in found["paths"].items():
        for method, operation in operations.items():
            _complete(operation, method, has_id="{" in path)
    found["components"]["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": "A secret key of the house, qk_…"}
    }
    found["components"]["responses"] = {_name(status): _response(status) for status in sorted({404, *WRITES})}
    found["components"]["schemas"]["Problem"] = PROBLEM
    _drop_unused(found)
    return found


def _complete(operation: dict[str, Any], method: str, *, has_id: bool) -> None:
    scope = SCOPES[operation["operationId"]]
    operation["security"] = [{"key": [scope]}]
    problems = {*(READS if method == "get" else WRITES), *([404] if has_id else [])}
    operation["responses"] |= {
        str(status): {"$ref": f"#/components/responses/{_name(status)}"} for status in sorted(problems)
    }
    if method == "get":
        operation["responses"]["304"] = {"description": "As it was when If-None-Match saw it."}
    if method == "post" and not scope.endswith(":read"):
        operation["parameters"] = [*operation.get("parameters", []), IDEMPOTENCY_KEY]


def _name(status: int) -> str:
    return f"Problem{status}"


def _response(status: int) -> dict[str, Any]:
    said: dict[str, Any] = {
        "description": "; ".join(title for known, title, _do in KINDS.values() if known == status),
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    if status in (429, 503):
        said["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait."}}
    if status in (401, 403):
        said["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    return said


def _drop_unused(found: dict[str, Any]) -> None:
    """Models of addresses are told as parameters, and need no schema."""
    schemas = found["components"]["schemas"]
    while True:
        written = json.dumps(found)
        unused = [name for name in schemas if f'"#/components/schemas/{name}"' not in written]
        if not unused:
            return
        for name in unused:
            del schemas[name]
