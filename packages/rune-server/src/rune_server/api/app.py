"""The FastAPI application: routes, problems, bounds, and the OpenAPI document."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from rune_server.api.bounds import Bounds
from rune_server.api.routes import (
    agents,
    alerts,
    data,
    events,
    organisation,
    policies,
    stats,
)
from rune_server.api.shapes import Problem
from rune_server.auth.middleware import Authentication
from rune_server.errors import ProblemError
from rune_server.failure import described

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from rune_server.platform import Platform

VERSION = "1.0.0"
_DESCRIPTION = """\
Everything the Rune dashboard does, for programs. Lists come in pages: ask for the next one with \
`next_cursor`. What can be edited has an ETag; edits name the one they are based on in `If-Match`. \
Faults are problem documents (RFC 9457) with a stable `code`.
"""


def app(platform: Platform) -> ASGIApp:
    """The application: answers ``/v1/*`` but for what is the edge's."""
    api = _application()
    api.state.platform = platform
    return Bounds(Authentication(api, platform), platform)


@cache
def openapi() -> dict[str, Any]:
    """The OpenAPI document."""
    return _application().openapi()


def _application() -> FastAPI:
    api = FastAPI(
        title="Rune management API",
        version=VERSION,
        description=_DESCRIPTION,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )
    for module in (agents, alerts, data, events, organisation, policies, stats):
        api.include_router(module.router)
    api.add_exception_handler(ProblemError, _problem)
    api.add_exception_handler(RequestValidationError, _invalid)
    api.add_exception_handler(HTTPException, _http)
    api.add_exception_handler(Exception, _internal)
    api.openapi = lambda: _document(api)  # type: ignore[method-assign]

    @api.get("/v1/openapi.json", include_in_schema=False)
    async def document() -> Response:
        return Response(_published(), media_type="application/json")

    return api


@cache
def _published() -> bytes:
    return json.dumps(openapi(), ensure_ascii=False).encode()


def _document(api: FastAPI) -> dict[str, Any]:
    if api.openapi_schema is None:
        made = get_openapi(
            title=api.title,
            version=api.version,
            openapi_version="3.1.0",
            description=api.description,
            routes=api.routes,
        )
        schemas = made["components"]["schemas"]
        schemas["Problem"] = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.pop("HTTPValidationError", None)
        schemas.pop("ValidationError", None)
        made["servers"] = [{"url": "/"}]
        for operations in made["paths"].values():
            for operation in operations.values():
                for parameter in operation.get("parameters", ()):
                    parameter["schema"] = _without_null(parameter["schema"])
        api.openapi_schema = made
    return api.openapi_schema


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter's schema: one that is left out is not sent as null."""
    kinds = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    if len(kinds) != 1 or len(kinds) == len(schema["anyOf"]):
        return schema
    return {**{key: value for key, value in schema.items() if key != "anyOf"}, **kinds[0]}


@cache
def _methods() -> list[tuple[re.Pattern[str], str]]:
    """Paths as patterns, and the methods each answers to."""
    return [
        # Ids of agents and sessions may hold slashes.
        (
            re.compile(re.sub(r"\{(\w+)\}", _place, path)),
            ", ".join(sorted(method.upper() for method in operations)),
        )
        for path, operations in openapi()["paths"].items()
    ]


def _place(found: re.Match[str]) -> str:
    return ".+" if found[1] in ("agent_id", "session_id") else "[^/]+"


async def _problem(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, ProblemError)
    headers = dict(error.all_headers())
    return JSONResponse(
        error.document(),
        status_code=error.status,
        headers=headers,
        media_type="application/problem+json",
    )


async def _invalid(request: Request, error: Exception) -> Response:
    """What FastAPI found wrong with a request, without repeating what was sent."""
    assert isinstance(error, RequestValidationError)
    faults = error.errors()
    kinds = {fault["type"] for fault in faults}
    where = [".".join(str(part) for part in fault["loc"]) for fault in faults]
    if "json_invalid" in kinds:
        return _answer(400, "malformed", "the body is not JSON")
    missing = [fault for fault in faults if fault["type"] == "missing"]
    if any(place.lower() == "header.if-match" for place in where) and missing:
        return _answer(428, "version_required", "If-Match: say which version this is based on")
    if _is_foreign_body(request, faults):
        return _answer(415, "unsupported", "the body must be application/json")
    return _answer(
        422,
        "unprocessable",
        "something in the request cannot be used",
        [
            {"where": place, "reason": str(fault["msg"])}
            for place, fault in zip(where, faults, strict=True)
        ],
    )


def _is_foreign_body(request: Request, faults: Any) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    is_json = kind == "application/json" or kind.endswith("+json")
    return not is_json and any(fault["loc"][:1] == ("body",) for fault in faults)


async def _http(request: Request, error: Exception) -> Response:
    """What the router itself refuses: no such path, no such method."""
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    if error.status_code == 405:
        path = request.url.path
        fits = (methods for pattern, methods in _methods() if pattern.fullmatch(path))
        headers["Allow"] = next(fits, headers.get("Allow", "GET"))
    titles = {404: "not_found", 405: "method_not_allowed"}
    code = titles.get(error.status_code, "refused")
    detail = "nothing is here" if error.status_code == 404 else str(error.detail)
    return _answer(error.status_code, code, detail, headers=headers)


async def _internal(request: Request, error: Exception) -> Response:
    """A fault of ours. The log says where, the caller learns nothing of it."""
    import structlog

    structlog.get_logger("rune_server.api").error(
        "api.failed", route=_route(request), error=described(error)
    )
    return _answer(500, "internal", "the server could not do this; its log says more")


def _route(request: Request) -> str:
    """The route's pattern: paths may hold names."""
    route = request.scope.get("route")
    return str(getattr(route, "path", ""))


def _answer(
    status: int,
    code: str,
    detail: str,
    errors: list[dict[str, Any]] | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    found: dict[str, Any] = {
        "type": "about:blank",
        "title": _TITLES.get(status, "Refused"),
        "status": status,
        "code": code,
        "detail": detail,
    }
    if errors:
        found["errors"] = errors
    return JSONResponse(
        found, status_code=status, headers=headers, media_type="application/problem+json"
    )


_TITLES = {
    400: "Malformed request",
    404: "Not found",
    405: "Method not allowed",
    415: "Unsupported media type",
    422: "Cannot be processed",
    428: "Version required",
    500: "Internal error",
}
