"""The way in: signing in and up, the second factor, invitations, forgotten passwords."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.background import BackgroundTask
from starlette.responses import RedirectResponse

from rune_server.accounts import invitations, users
from rune_server.auth import cookies, email, providers, reset, sessions, sign_in
from rune_server.auth.redirect import local_path
from rune_server.dashboard.links import query
from rune_server.dashboard.reading import ORGANISATION_COOKIE
from rune_server.dashboard.view import Page
from rune_server.errors import ProblemError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.responses import Response

    from rune_server.auth.sign_in import SignInStep
    from rune_server.dashboard.view import View


PROBLEMS = {
    "oauth": "Signing in there did not work. Try again.",
    "oauth_unknown": "There is no account for you here. Ask for an invitation.",
    "oauth_unproven": "There is an account with this address. Sign in with its password first.",
    "not_found": "This way of signing in is not set up here.",
    "rate_limited": "Too many attempts. Try again in a few minutes.",
}
"""What ``/sign-in?problem=…`` says; the way back from a provider names codes, never text."""


async def form(view: View) -> Response:
    """Where one signs in."""
    if view.signed_in is not None:
        return RedirectResponse(local_path(view.parameter("next", "/")), 303)
    return _form(view)


def _form(view: View, error: ProblemError | None = None, email: str = "") -> Response:
    return view.show(
        "auth/sign_in.html",
        status=200 if error is None else error.status,
        title="Sign in to Rune",
        next=local_path(view.parameter("next", "/")),
        error=error,
        problem=_problem(view.parameter("problem")),
        email=email,
        registration=view.platform.settings.registration,
        providers=_providers(view),
    )


def _problem(code: str) -> str:
    return PROBLEMS.get(code, "That did not work. Try again.") if code else ""


def _providers(view: View) -> list[tuple[str, str]]:
    """OAuth providers that the operator has set up: name, label."""
    labels = {"github": "GitHub", "google": "Google"}
    return [(name, labels[name]) for name in providers.configured(view.platform.settings)]


async def with_password(view: View) -> Response:
    """Take address and password."""
    email = await view.text("email")
    target = local_path(await view.text("next", "/"))
    try:
        step = await sign_in.with_password(
            view.platform, email, await view.text("password"), view.client, given(view)
        )
    except ProblemError as error:
        return _form(view, error, email)
    return _after(step, target)


def _after(step: SignInStep, target: str) -> Response:
    if step.done:
        return _with_cookies(RedirectResponse(target, 303), step.cookies)
    path = "/sign-in/second-factor" + query(next=target)
    return _with_cookies(RedirectResponse(path, 303), step.cookies)


async def second_factor_form(view: View) -> Response:
    """Where one gives the second factor."""
    return _second_factor(view)


def _second_factor(view: View, error: ProblemError | None = None) -> Response:
    return view.show(
        "auth/second_factor.html",
        status=200 if error is None else error.status,
        title="Second factor",
        next=local_path(view.parameter("next", "/")),
        error=error,
    )


async def with_second_factor(view: View) -> Response:
    """Take a code."""
    try:
        step = await sign_in.with_second_factor(
            view.platform, given(view), await view.text("code"), view.client
        )
    except ProblemError as error:
        if error.code == "expired":
            return view.go("/sign-in", error.detail, "bad")
        return _second_factor(view, error)
    return _after(step, local_path(await view.text("next", "/")))


async def sign_out(view: View) -> Response:
    """End this session."""
    ended = await sessions.sign_out(view.platform, view.person)
    return _with_cookies(view.go("/sign-in", "You are signed out."), ended)


_SIGN_UP = ("email", "name", "organisation")


async def sign_up_form(view: View) -> Response:
    """Where one makes an account and an organisation."""
    return _sign_up(view)


def _sign_up(
    view: View, error: ProblemError | None = None, values: dict[str, str] | None = None
) -> Response:
    return view.show(
        "auth/sign_up.html",
        status=200 if error is None else error.status,
        title="Create your account",
        error=error,
        values=values or dict.fromkeys(_SIGN_UP, ""),
        registration=view.platform.settings.registration,
        providers=_providers(view),
    )


async def sign_up(view: View) -> Response:
    """Make the account; it works once the address is proven by mail."""
    values = {name: await view.text(name) for name in _SIGN_UP}
    try:
        await users.register(
            view.platform, **values, password=await view.text("password"), client=view.client
        )
    except ProblemError as error:
        return _sign_up(view, error, values)
    return view.show(
        "auth/sent.html",
        title="Look at your mail",
        text="We sent you a link. Open it to confirm your address, then sign in.",
    )


def _press(view: View, title: str, label: str, error: ProblemError | None = None) -> Response:
    """What a link of a mail shows: a button. Mail scanners follow links, they press nothing."""
    return view.show(
        "auth/press.html",
        status=200 if error is None else error.status,
        title=title,
        label=label,
        action=view.request.url.path,
        error=error,
    )


_VERIFY = ("Confirm your address", "Confirm my address")
_NEW_EMAIL = ("Your new address", "Use this address")


async def verify(view: View) -> Response:
    """Ask for the click that proves an address."""
    return _press(view, *_VERIFY)


async def verified(view: View) -> Response:
    """Take the link that proves an address."""
    try:
        await reset.verify(view.platform, view.argument("token"), view.client)
    except ProblemError as error:
        return _press(view, *_VERIFY, error)
    return view.go("/sign-in", "Your address is confirmed. Sign in.")


async def new_email(view: View) -> Response:
    """Ask for the click that makes an address an account's."""
    return _press(view, *_NEW_EMAIL)


async def take_new_email(view: View) -> Response:
    """Take the link that proves a new address."""
    try:
        address = await email.complete(view.platform, view.argument("token"), view.client)
    except ProblemError as error:
        return _press(view, *_NEW_EMAIL, error)
    path = "/sign-in" if view.signed_in is None else "/settings/account"
    return view.go(path, f"Your address is {address} now.")


async def forgotten(view: View) -> Response:
    """Where one asks for a new password."""
    if not view.platform.mailer.configured:
        return _no_mail(view)
    return view.show("auth/forgotten.html", title="A new password", error=None)


async def ask_reset(view: View) -> Response:
    """Send the link, if there is such an account; the answer is the same if not."""
    if not view.platform.mailer.configured:
        return _no_mail(view)
    email = await view.text("email")
    try:
        await reset.count(view.platform, email, view.client)
    except ProblemError as error:
        return view.show(
            "auth/forgotten.html", status=error.status, title="A new password", error=error
        )
    answer = view.show(
        "auth/sent.html",
        title="Look at your mail",
        text="If there is an account with this address, a link for a new password is on its way.",
    )
    answer.background = BackgroundTask(reset.ask, view.platform, email, view.client)
    return answer


def _no_mail(view: View) -> Response:
    """Who can help where no link can be sent."""
    return view.show("auth/no_mail.html", title="A new password")


async def reset_form(view: View) -> Response:
    """Where one sets a new password."""
    return _reset(view)


def _reset(view: View, error: ProblemError | None = None) -> Response:
    return view.show(
        "auth/reset.html",
        status=200 if error is None else error.status,
        title="Set a new password",
        token=view.argument("token"),
        error=error,
    )


async def complete_reset(view: View) -> Response:
    """Take the new password."""
    try:
        await reset.complete(
            view.platform, view.argument("token"), await view.text("password"), view.client
        )
    except ProblemError as error:
        return _reset(view, error)
    return view.go("/sign-in", "The password was set. Sign in with it.")


async def invitation(view: View) -> Response:
    """What one is invited to."""
    return await _invitation(view)


async def _invitation(view: View, error: ProblemError | None = None, name: str = "") -> Response:
    token = view.argument("token")
    return view.show(
        "auth/invitation.html",
        status=200 if error is None else error.status,
        title="You are invited",
        token=token,
        invited=await invitations.look(view.platform, token, view.client),
        error=error,
        name=name,
    )


async def accept(view: View) -> Response:
    """Join: with the account one is signed in to, or with a new one."""
    token = view.argument("token")
    name = await view.text("name")
    try:
        if view.signed_in is not None:
            organisation = await invitations.accept(
                view.platform, token, view.signed_in, view.client
            )
            answer = view.go("/", "Welcome.")
            cookie = cookies.cookie(ORGANISATION_COOKIE, str(organisation), seconds=31_536_000)
            return _with_cookies(answer, (cookie,))
        user_id = await invitations.accept_as_new(
            view.platform,
            token,
            name=name,
            password=await view.text("password"),
            client=view.client,
        )
    except ProblemError as error:
        return await _invitation(view, error, name)
    step = await sign_in.step(
        view.platform, user_id, view.client, method="invitation", given=given(view)
    )
    return _after(step, "/")


def given(view: View) -> dict[str, str]:
    """The request's cookies, as ``auth`` reads them."""
    return cookies.parse(view.request.headers.raw)


def _with_cookies(answer: Response, to_set: Iterable[str]) -> Response:
    for value in to_set:
        answer.headers.append("set-cookie", value)
    return answer


def _page(path: str, handler: Any, method: str = "GET") -> Page:
    return Page(path, handler, method, public=True)


PAGES = (
    _page("/sign-in", form),
    _page("/sign-in", with_password, "POST"),
    _page("/sign-in/second-factor", second_factor_form),
    _page("/sign-in/second-factor", with_second_factor, "POST"),
    Page("/sign-out", sign_out, "POST", personal=True),
    _page("/sign-up", sign_up_form),
    _page("/sign-up", sign_up, "POST"),
    _page("/verify/{token}", verify),
    _page("/verify/{token}", verified, "POST"),
    _page("/email/{token}", new_email),
    _page("/email/{token}", take_new_email, "POST"),
    _page("/reset", forgotten),
    _page("/reset", ask_reset, "POST"),
    _page("/reset/{token}", reset_form),
    _page("/reset/{token}", complete_reset, "POST"),
    _page("/invitations/{token}", invitation),
    _page("/invitations/{token}", accept, "POST"),
)
