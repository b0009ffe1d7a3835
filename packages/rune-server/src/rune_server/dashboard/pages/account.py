"""One's own account: name, password, second factor, sessions, appearance; and organisations."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID
from zoneinfo import available_timezones

from markupsafe import Markup

from rune_server.accounts import organisations, users
from rune_server.auth import cookies, email, reset, second_factor, sessions
from rune_server.dashboard.reading import ORGANISATION_COOKIE
from rune_server.dashboard.view import Page
from rune_server.errors import NotFoundError, ProblemError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.responses import Response

    from rune_server.auth.second_factor import Enrolment
    from rune_server.dashboard.view import View

_YEAR = 365 * 86_400
_PATH = "/settings/account"


async def account(view: View) -> Response:
    """The page."""
    return await _account(view)


async def _account(
    view: View,
    *,
    enrolment: Enrolment | None = None,
    codes: tuple[str, ...] = (),
    error: ProblemError | None = None,
) -> Response:
    person = view.person
    return view.show(
        "pages/account.html",
        status=200 if error is None else error.status,
        title="Account",
        sessions=await sessions.listed(view.platform, person),
        left=await second_factor.codes_left(view.platform, person),
        enrolment=enrolment,
        # Drawn by segno from our own URI; shapes only.
        qr=Markup(enrolment.svg) if enrolment else "",  # noqa: S704
        codes=codes,
        error=error,
        zones=["auto", *sorted(available_timezones())],
    )


async def rename(view: View) -> Response:
    """Change one's name."""
    return await _done(view, users.rename(view.platform, view.person, await view.text("name")))


async def change_email(view: View) -> Response:
    """Send a link to a new address."""
    wanted = await view.text("email")
    asked = email.ask(
        view.platform,
        view.person,
        wanted,
        password=await view.text("password"),
        code=await view.text("code"),
        client=view.client,
    )
    return await _done(
        view, asked, f"A link went to {wanted.strip()}. Your address changes once it is opened."
    )


async def change_password(view: View) -> Response:
    """Change one's password."""
    change = reset.change(
        view.platform,
        view.person,
        await view.text("old"),
        await view.text("new"),
        view.client,
    )
    return await _done(view, change, "The password was changed, and your other sessions ended.")


async def _done(view: View, change: Awaitable[None], said: str = "Saved.") -> Response:
    try:
        await change
    except ProblemError as error:
        return await _account(view, error=error)
    return view.go(_PATH, said)


async def begin_second_factor(view: View) -> Response:
    """Show what an authenticator scans."""
    try:
        enrolment = await second_factor.begin(view.platform, view.person)
    except ProblemError as error:
        return await _account(view, error=error)
    return await _account(view, enrolment=enrolment)


async def confirm_second_factor(view: View) -> Response:
    """Put it in force with a first code, and show the recovery codes."""
    try:
        codes = await second_factor.confirm(
            view.platform, view.person, await view.text("code"), view.client
        )
    except ProblemError as error:
        enrolment = await second_factor.waiting(view.platform, view.person)
        return await _account(view, enrolment=enrolment, error=error)
    return await _account(view, codes=codes)


async def new_codes(view: View) -> Response:
    """Replace the recovery codes."""
    try:
        codes = await second_factor.new_recovery_codes(
            view.platform, view.person, await view.text("password"), view.client
        )
    except ProblemError as error:
        return await _account(view, error=error)
    return await _account(view, codes=codes)


async def remove_second_factor(view: View) -> Response:
    """Remove it."""
    removal = second_factor.remove(
        view.platform,
        view.person,
        await view.text("password"),
        await view.text("code"),
        view.client,
    )
    return await _done(view, removal, "The second factor was removed.")


async def end_session(view: View) -> Response:
    """End one of one's sessions."""
    try:
        session_id = UUID(view.argument("session_id"))
    except ValueError:
        raise NotFoundError("there is no such session") from None
    await sessions.end(view.platform, view.person, session_id)
    return view.go(_PATH, "The session was ended.")


async def end_others(view: View) -> Response:
    """End all sessions but this one."""
    await sessions.sign_out_everywhere(view.platform, view.person, but_here=True)
    return view.go(_PATH, "You are signed out everywhere else.")


async def choose_zone(view: View) -> Response:
    """Choose a time zone for this browser."""
    chosen = await view.text("zone", "auto")
    answer = view.go(_PATH, "Times are shown in this zone.")
    if chosen == "auto" or chosen in available_timezones():
        answer.set_cookie("rune_zone", chosen, max_age=_YEAR, secure=True, samesite="lax")
    return answer


async def switch(view: View) -> Response:
    """Look at another of one's organisations."""
    chosen = await view.text("organisation")
    for one in await organisations.of_user(view.platform, view.person.user_id):
        if str(one.organisation.id) == chosen:
            answer = view.go("/")
            answer.headers.append(
                "set-cookie", cookies.cookie(ORGANISATION_COOKIE, chosen, seconds=_YEAR)
            )
            return answer
    raise NotFoundError("you do not belong to this organisation")


async def new_organisation(view: View) -> Response:
    """Name a new organisation, or read why one cannot."""
    return await _new_organisation(view)


async def _new_organisation(view: View, error: ProblemError | None = None) -> Response:
    belongs = bool(await organisations.of_user(view.platform, view.person.user_id))
    may = view.platform.settings.registration
    return view.show(
        "auth/organisation.html",
        status=200 if error is None else error.status,
        title="New organisation" if may or belongs else "No organisation",
        belongs=belongs,
        error=error,
    )


async def create_organisation(view: View) -> Response:
    """Make it, and look at it."""
    try:
        made = await organisations.create(view.platform, view.person, await view.text("name"))
    except ProblemError as error:
        return await _new_organisation(view, error)
    answer = view.go("/welcome", f"{made.name} was made. You own it.")
    answer.headers.append(
        "set-cookie", cookies.cookie(ORGANISATION_COOKIE, str(made.id), seconds=_YEAR)
    )
    return answer


def _page(path: str, handler: Callable[[View], Awaitable[Response]], method: str = "GET") -> Page:
    return Page(path, handler, method, personal=True, section="account")


PAGES = (
    _page(_PATH, account),
    _page(f"{_PATH}/name", rename, "POST"),
    _page(f"{_PATH}/email", change_email, "POST"),
    _page(f"{_PATH}/password", change_password, "POST"),
    _page(f"{_PATH}/second-factor", begin_second_factor, "POST"),
    _page(f"{_PATH}/second-factor/confirm", confirm_second_factor, "POST"),
    _page(f"{_PATH}/second-factor/codes", new_codes, "POST"),
    _page(f"{_PATH}/second-factor/remove", remove_second_factor, "POST"),
    _page(f"{_PATH}/sessions/end-others", end_others, "POST"),
    _page(f"{_PATH}/sessions/{{session_id}}/end", end_session, "POST"),
    _page(f"{_PATH}/zone", choose_zone, "POST"),
    _page("/switch", switch, "POST"),
    _page("/organisations/new", new_organisation),
    _page("/organisations/new", create_organisation, "POST"),
)
