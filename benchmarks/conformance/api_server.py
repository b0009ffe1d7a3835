"""A server on loopback that speaks OpenAI's API, read off the installed client itself.

Every endpoint that a resource of the client asks is answered with JSON of the type that the client
expects there, so the client's test-suite runs against a real protocol and no network. Run it with
``python -m benchmarks.conformance.api_server 4010``.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import pkgutil
import re
import sys
import typing
from datetime import date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel

_VERBS = {"_get": "GET", "_get_api_list": "GET"} | {
    f"_{verb}": verb.upper() for verb in ("post", "put", "patch", "delete")
}
_SENT = b"data: [DONE]\n\n"


class _Heard(BaseModel):
    text: str


class Route(NamedTuple):
    """One endpoint.

    Attributes:
        method: Of HTTP.
        pattern: Matches the path.
        fixed: Path segments that are no parameters; the route with most of them is the right one.
        answer: The type that the client expects.
        pieces: The type of a piece of a stream; None where nothing is streamed.
    """

    method: str
    pattern: re.Pattern[str]
    fixed: int
    answer: Any
    pieces: Any


def routes() -> list[Route]:
    """Every endpoint that the installed client knows."""
    import openai.resources as resources

    found: list[Route] = []
    for info in pkgutil.walk_packages(resources.__path__, resources.__name__ + "."):
        module = importlib.import_module(info.name)
        tree = ast.parse(inspect.getsource(module))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                route = _route(node, vars(module))
                if route is not None:
                    found.append(route)
    return sorted(found, key=lambda route: -route.fixed)


def _route(call: ast.Call, names: dict[str, Any]) -> Route | None:
    assert isinstance(call.func, ast.Attribute)
    method = _VERBS.get(call.func.attr)
    if method is None or not call.args:
        return None
    path = _path(call.args[0])
    given = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    if path is None:
        return None
    answer = given.get("page", given.get("cast_to"))
    if isinstance(given.get("method"), ast.Constant):
        method = str(given["method"].value).upper()  # type: ignore[attr-defined]
    parts = [part for part in path.split("/") if part]
    pattern = "/".join("[^/]+" if part.startswith("{") else re.escape(part) for part in parts)
    return Route(
        method,
        re.compile(f"^/{pattern}$"),
        sum(not part.startswith("{") for part in parts),
        None if answer is None else _value(answer, names),
        _value(given["stream_cls"], names) if "stream_cls" in given else None,
    )


def _path(node: ast.expr) -> str | None:
    """The path of a request, with ``{…}`` for what varies."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.Call) and node.args:
        return _path(node.args[0])
    if isinstance(node, ast.JoinedStr):
        return "".join(str(p.value) if isinstance(p, ast.Constant) else "{x}" for p in node.values)
    if isinstance(node, ast.IfExp):
        return _path(node.orelse)
    return None


def _value(node: ast.expr, names: dict[str, Any]) -> Any:
    """What an expression of the client's source stands for."""
    if isinstance(node, ast.BoolOp):
        node = node.values[-1]
    try:
        return eval(compile(ast.Expression(node), "<resource>", "eval"), dict(names))
    except NameError:  # depends on an argument of the method: one of the audio endpoints
        return _Heard


def example(kind: Any, depth: int = 0) -> Any:
    """The smallest value of a type, as JSON.

    Raises:
        ValueError: There is none.
    """
    if depth > 12:
        raise ValueError("too deep")
    if isinstance(kind, typing.TypeAliasType if sys.version_info >= (3, 12) else ()):
        return example(kind.__value__, depth)
    if hasattr(kind, "__value__"):
        return example(kind.__value__, depth)
    if kind is None or kind is type(None):
        return None
    simple = {str: "string", int: 0, float: 0.5, bool: True, object: {}, Any: {}, dict: {}}
    if kind in simple:
        return simple[kind]
    if kind in (datetime, date):
        return "2019-12-27T18:11:19.117Z" if kind is datetime else "2019-12-27"
    origin, args = get_origin(kind), get_args(kind)
    if origin is typing.Annotated:
        return example(args[0], depth)
    if origin is Literal:
        return args[0]
    if origin is Union or type(kind).__name__ == "UnionType":
        return _first(args, depth)
    if origin in (list, tuple) or getattr(origin, "__name__", "") in ("Sequence", "Iterable"):
        return [example(args[0], depth + 1)] if depth < 6 else []
    if origin is dict:
        return {"foo": example(args[1], depth + 1)}
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return {
            field.alias or name: example(field.annotation, depth + 1)
            for name, field in kind.model_fields.items()
            if field.is_required() or field.default_factory or name in ("object", "id")
        }
    raise ValueError(f"no example of {kind!r}")


def _first(kinds: tuple[Any, ...], depth: int) -> Any:
    """The first of some types that has an example. None only if nothing else does."""
    for kind in sorted(kinds, key=lambda k: k is type(None)):
        try:
            return example(kind, depth + 1)
        except ValueError:
            continue
    raise ValueError("no example of a union")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    known: typing.ClassVar[list[Route]] = []

    def _answer(self) -> None:
        size = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(size)
        asked = json.loads(body) if body and "json" in self.headers.get("content-type", "") else {}
        path = self.path.partition("?")[0]
        for route in self.known:
            if route.method == self.command and route.pattern.match(path):
                streams = isinstance(asked, dict) and asked.get("stream") is True
                if streams and route.pieces is not None:
                    kinds = get_args(route.pieces) or (dict,)
                    piece = json.dumps(example(kinds[0])).encode()
                    self._send(b"data: " + piece + b"\n\n" + _SENT, "text/event-stream")
                elif getattr(route.answer, "__name__", "") == "HttpxBinaryResponseContent":
                    self._send(b"bytes", "application/octet-stream")
                elif route.answer is str:
                    self._send(b"string", "text/plain")
                else:
                    self._send(json.dumps(example(route.answer)).encode(), "application/json")
                return
        self._send(b'{"error": {"message": "no such path"}}', "application/json", 404)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815 - the library's names

    def _send(self, content: bytes, mime: str, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", mime)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def serve(port: int) -> None:
    """Serve until the process ends."""
    _Handler.known = routes()
    server = ThreadingHTTPServer(("127.0.0.1", port), _Handler)
    print(f"{len(_Handler.known)} endpoints at http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
