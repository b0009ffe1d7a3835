"""Other sites cannot act in a person's name: what the middleware lets through, and the token."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from tests.rune_server.auth.conftest import Browser, make_user

from rune_server.auth import csrf, sessions
from rune_server.auth.middleware import Authentication
from rune_server.errors import ForbiddenError

if TYPE_CHECKING:
    from starlette.requests import Request
    from tests.rune_server.conftest import MovableClock

    from rune_server.platform import Platform
    from rune_server.state.tables.users import User


def site(platform: Platform, browser: Browser) -> httpx.AsyncClient:
    """A page that says who sends the request, behind the middleware."""

    async def who(request: Request) -> Response:
        found = sessions.current(request)
        try:
            await csrf.require(platform, request)
        except ForbiddenError as error:
            return JSONResponse({"code": error.code}, 403)
        return JSONResponse({"email": found.email if found else None})

    app = Authentication(
        Starlette(routes=[Route("/", who, methods=["GET", "POST", "DELETE"])]), platform
    )
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app),
        base_url="https://rune.test",
        headers={"cookie": "; ".join(f"{k}={v}" for k, v in browser.cookies.items())},
    )


async def test_who_is_found_out_and_the_token_renewed(
    platform: Platform, browser: Browser, ada: User, clock: MovableClock
) -> None:
    await browser.sign_in()
    clock.forward(minutes=16)
    async with site(platform, browser) as client:
        answer = await client.get("/")
    assert answer.json() == {"email": "ada@example.com"}
    [cookie] = answer.headers.get_list("set-cookie")
    assert cookie.startswith("__Host-rune_token=eyJ")


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"sec-fetch-site": "cross-site"}, "cross_site"),
        ({"sec-fetch-site": "same-site"}, "cross_site"),
        ({"origin": "https://evil.example"}, "cross_site"),
        ({"origin": "https://rune.test.evil.example"}, "cross_site"),
        ({"origin": "http://rune.test"}, "cross_site"),
        ({"origin": "https://rune.test:8443"}, "cross_site"),
        ({"origin": "null"}, "cross_site"),
        ({"origin": "https://["}, "cross_site"),
        ({"origin": "https://rune.test", "sec-fetch-site": "same-origin"}, "csrf"),
        ({}, "csrf"),
        ({"x-csrf-token": "0" * 64}, "csrf"),
        ({"x-csrf-token": "\xe9"}, "csrf"),
    ],
)
async def test_changes_without_the_token_or_from_elsewhere(
    platform: Platform, browser: Browser, ada: User, headers: dict[str, str], code: str
) -> None:
    await browser.sign_in()
    raw = {name: value.encode("latin-1") for name, value in headers.items()}
    async with site(platform, browser) as client:
        for method in ("POST", "DELETE"):
            answer = await client.request(method, "/", headers=raw)
            assert (answer.status_code, answer.json()["code"]) == (403, code)


async def test_the_token_in_header_or_form(platform: Platform, browser: Browser, ada: User) -> None:
    token = csrf.token(platform, await browser.sign_in())
    async with site(platform, browser) as client:
        by_header = await client.post("/", headers={"x-csrf-token": token})
        by_form = await client.post("/", data={"csrf_token": token})
        as_json = await client.post("/", json={"csrf_token": token})
    assert (by_header.status_code, by_form.status_code) == (200, 200)
    assert as_json.status_code == 403


async def test_the_token_of_another_session(
    platform: Platform, browser: Browser, ada: User
) -> None:
    """Eve's token is worth nothing in Ada's session, nor is the one of Ada's other browser."""
    await make_user(platform, "eve@example.com", organisation="Evil")
    await browser.sign_in()
    others = [
        await Browser(platform).sign_in("eve@example.com"),
        await Browser(platform).sign_in(),
    ]
    async with site(platform, browser) as client:
        for other in others:
            token = csrf.token(platform, other)
            assert (await client.post("/", headers={"x-csrf-token": token})).status_code == 403


async def test_a_key_and_a_cookie_never_mix(
    platform: Platform, browser: Browser, ada: User
) -> None:
    await browser.sign_in()
    async with site(platform, browser) as client:
        for name in ("X-Rune-Key", "Authorization"):
            assert (await client.get("/", headers={name: "x"})).json() == {"email": None}
