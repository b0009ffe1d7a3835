"""A GitHub on this machine that speaks its real protocol: OAuth 2.0 with PKCE, and two API calls.

As documented by GitHub: ``/login/oauth/authorize`` (a page for browsers),
``/login/oauth/access_token`` (form in, JSON out when asked for, errors with status 200), ``/user``
and ``/user/emails``.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import secrets
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

CLIENT_ID, CLIENT_SECRET = "github-client", "github-secret"


@dataclass
class GitHubFake:
    """Its accounts, and what it was asked.

    Attributes:
        user: What ``/user`` says.
        emails: What ``/user/emails`` says.
        broken: Answer everything with 503.
    """

    user: dict[str, Any] = field(
        default_factory=lambda: {"id": 583231, "login": "ada", "name": "Ada Lovelace"}
    )
    emails: list[dict[str, Any]] = field(
        default_factory=lambda: [
            {"email": "old@example.com", "verified": True, "primary": False},
            {"email": "Ada@Example.com", "verified": True, "primary": True},
            {"email": "new@example.com", "verified": False, "primary": False},
        ]
    )
    broken: bool = False
    url: str = ""
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)

    def authorize(self, url: str) -> str:
        """What a browser does whose person agrees: the address that GitHub sends it back to."""
        parts = urlsplit(url)
        assert f"{parts.scheme}://{parts.netloc}" == self.url
        assert parts.path == "/login/oauth/authorize"
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        assert query["client_id"] == CLIENT_ID
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        assert "user:email" in query["scope"]
        code = secrets.token_hex(10)
        self.codes[code] = query
        return query["redirect_uri"] + "?" + urlencode({"code": code, "state": query["state"]})

    def page(self, url: str) -> str:
        """What GitHub shows a browser: who asks, a button to agree, and one to refuse."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        refused = urlencode(
            {
                "error": "access_denied",
                "error_description": "The user has denied your application access.",
                "state": query["state"],
            }
        )
        agreed = html.escape(self.authorize(f"{self.url}{url}"))
        back = html.escape(f"{query['redirect_uri']}?{refused}")
        return (
            "<!doctype html><title>Authorize application</title>"
            f'<a href="{agreed}">Authorize</a> <a href="{back}">Cancel</a>'
        )

    def exchange(self, form: dict[str, str]) -> dict[str, str]:
        known = self.codes.pop(form.get("code", ""), None)
        if form.get("client_id") != CLIENT_ID or form.get("client_secret") != CLIENT_SECRET:
            return {"error": "incorrect_client_credentials", "error_description": "…"}
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if (
            known is None
            or challenge != known["code_challenge"]
            or form.get("redirect_uri") != known["redirect_uri"]
        ):
            return {"error": "bad_verification_code", "error_description": "…"}
        token = f"gho_{secrets.token_hex(18)}"
        self.tokens.add(token)
        return {"access_token": token, "token_type": "bearer", "scope": "read:user,user:email"}


class _Handler(BaseHTTPRequestHandler):
    github: GitHubFake

    def do_POST(self) -> None:
        size = int(self.headers["content-length"])
        form = {k: v[0] for k, v in parse_qs(self.rfile.read(size).decode()).items()}
        basic = self.headers.get("authorization", "")
        if basic.startswith("Basic "):
            identifier, _, secret = base64.b64decode(basic[6:]).decode().partition(":")
            form |= {"client_id": identifier, "client_secret": secret}
        assert self.headers["accept"] == "application/json"
        self._say(200, self.github.exchange(form))

    def do_GET(self) -> None:
        token = self.headers.get("authorization", "").removeprefix("Bearer ")
        path = urlsplit(self.path).path
        if path == "/login/oauth/authorize":
            self._show(self.github.page(self.path))
        elif token not in self.github.tokens:
            self._say(401, {"message": "Bad credentials"})
        elif path == "/api/user":
            self._say(200, self.github.user)
        elif path == "/api/user/emails":
            self._say(200, self.github.emails)
        else:
            self._say(404, {"message": "Not Found"})

    def _show(self, page: str) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/html; charset=utf-8")
        self.send_header("content-length", str(len(page.encode())))
        self.end_headers()
        self.wfile.write(page.encode())

    def _say(self, status: int, body: object) -> None:
        raw = json.dumps(body).encode()
        self.send_response(503 if self.github.broken else status)
        self.send_header("content-type", "application/json; charset=utf-8")
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


class Running:
    """A fake that runs for the length of a block."""

    def __enter__(self) -> GitHubFake:
        github = GitHubFake()
        handler = type("Handler", (_Handler,), {"github": github})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        github.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return github

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
