"""One request to the dashboard: who reads, where, and how a page is drawn for them."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from starlette.responses import HTMLResponse, RedirectResponse, Response

from rune_server.auth import csrf
from rune_server.auth.client import client_of
from rune_server.dashboard import formats
from rune_server.dashboard.render import Reader, reader
from rune_server.errors import InvalidError, UnauthenticatedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from starlette.datastructures import FormData
    from starlette.requests import Request

    from rune_server.actor import Actor, Permission
    from rune_server.analytics import Analytics
    from rune_server.auth.client import Client
    from rune_server.auth.sessions import SignedIn
    from rune_server.dashboard.frame import Frame, Reading
    from rune_server.dashboard.site import Site
    from rune_server.platform import Platform

FLASH_COOKIE = "__Host-rune_flash"
_MAX_FLASH = 300

Handler = "Callable[[View], Awaitable[Response]]"


@dataclass(frozen=True, slots=True)
class Page:
    """One address of the dashboard.

    Attributes:
        path: Starlette's path, ``/events/{event_id}``.
        handler: Draws it.
        method: GET (HEAD too) or POST.
        needs: What the reader must be allowed; services check once more.
        public: Whether it is for people who are not signed in, too.
        personal: Whether it is about the person alone, whatever their organisations.
        section: The entry of the navigation that it belongs to.
    """

    path: str
    handler: Callable[[View], Awaitable[Response]]
    method: str = "GET"
    needs: Permission | None = None
    public: bool = False
    personal: bool = False
    section: str = ""


@dataclass(slots=True)
class View:
    """One request.

    Attributes:
        request: The request.
        site: What all requests share.
        page: Which address this is.
        signed_in: The person; None for a stranger.
        reading: Who they are in their organisation; None without one.
        now: When it began.
    """

    request: Request
    site: Site
    page: Page
    now: datetime
    signed_in: SignedIn | None = None
    reading: Reading | None = None
    flashes: list[tuple[str, str]] = field(default_factory=list)

    @property
    def platform(self) -> Platform:
        """The platform."""
        return self.site.platform

    @property
    def analytics(self) -> Analytics:
        """Events. Pages that ask it need ``events:read``."""
        return self.site.platform.analytics

    @property
    def actor(self) -> Actor:
        """Who acts.

        Raises:
            UnauthenticatedError: Nobody is signed in.
        """
        return self._reading.actor

    @property
    def _reading(self) -> Reading:
        if self.reading is None:
            raise UnauthenticatedError("sign in first")
        return self.reading

    @property
    def person(self) -> SignedIn:
        """Who is signed in.

        Raises:
            UnauthenticatedError: Nobody is.
        """
        if self.signed_in is None:
            raise UnauthenticatedError("sign in first")
        return self.signed_in

    @property
    def client(self) -> Client:
        """Where the request comes from."""
        return client_of(self.platform.settings, self.request.scope)

    @property
    def zone_choice(self) -> str:
        """A zone's name, or ``auto``."""
        return self.request.cookies.get("rune_zone", "auto")

    @property
    def zone(self) -> ZoneInfo:
        """The reader's time zone: their choice, else the browser's, else UTC."""
        chosen = self.zone_choice
        name = chosen if chosen != "auto" else self.request.cookies.get("rune_browser_zone", "UTC")
        return formats.zone(unquote(name))

    @property
    def theme(self) -> str:
        """``light``, ``dark`` or ``auto``."""
        found = self.request.cookies.get("rune_theme", "auto")
        return found if found in {"light", "dark"} else "auto"

    @property
    def wants_part(self) -> bool:
        """Whether htmx asks for a part of a page."""
        return self.request.headers.get("hx-request") == "true"

    def argument(self, name: str) -> str:
        """A part of the path."""
        return str(self.request.path_params[name])

    def parameter(self, name: str, default: str = "") -> str:
        """A parameter of the address."""
        return self.request.query_params.get(name, default)

    async def form(self) -> FormData:
        """What was posted."""
        return await self.request.form()

    async def text(self, name: str, default: str = "") -> str:
        """A posted text field; ``default`` when it is missing."""
        found = (await self.form()).get(name, default)
        return found if isinstance(found, str) else default

    async def number(self, name: str) -> int | None:
        """A posted whole number; None when it is missing.

        Raises:
            InvalidError: It is no number.
        """
        found = await self.text(name)
        if not found:
            return None
        try:
            return int(found)
        except ValueError:
            raise InvalidError(f"{name}: must be a whole number") from None

    @staticmethod
    def quoted(part: str) -> str:
        """A part of a path, as it stands in an address."""
        return quote(part, safe="")

    async def texts(self, name: str) -> list[str]:
        """All values of a posted field."""
        return [one for one in (await self.form()).getlist(name) if isinstance(one, str)]

    def draw(self, template: str, **values: Any) -> str:
        """A template's text for this reader."""
        token = reader.set(Reader(self.zone, self.now, self._csrf_token()))
        try:
            return self.site.env.get_template(template).render(values)
        finally:
            reader.reset(token)

    def _csrf_token(self) -> str:
        return "" if self.signed_in is None else csrf.token(self.platform, self.signed_in)

    def show(self, template: str, *, status: int = 200, **values: Any) -> Response:
        """A whole page."""
        flashes = [*self._kept_flashes(), *self.flashes]
        frame = None if self.reading is None else self.frame()
        body = self.draw(
            template,
            flashes=flashes,
            frame=frame,
            theme=self.theme,
            zone=self.zone.key,
            zone_choice=self.zone_choice,
            may=self.may,
            may_found=self.platform.settings.registration,
            person=self.signed_in,
            **values,
        )
        answer = HTMLResponse(body, status)
        if FLASH_COOKIE in self.request.cookies:
            answer.delete_cookie(FLASH_COOKIE, secure=True, httponly=True, samesite="lax")
        return answer

    def part(self, template: str, *, status: int = 200, **values: Any) -> Response:
        """A part of a page, for htmx."""
        return HTMLResponse(self.draw(template, may=self.may, **values), status)

    def frame(self) -> Frame:
        """What stands around a page."""
        return self._reading.frame(self.page.section)

    def may(self, permission: str) -> bool:
        """Whether the reader holds a permission: templates hide what would be refused."""
        return self.reading is not None and permission in self.reading.actor.permissions

    def go(self, path: str, flash: str = "", tone: str = "good") -> Response:
        """To another page after something was done.

        Args:
            path: A path of this dashboard.
            flash: One sentence that the next page shows once.
            tone: ``good`` or ``bad``.
        """
        answer = RedirectResponse(path, 303)
        if flash:
            text = json.dumps([tone, flash[:_MAX_FLASH]]).encode()
            answer.set_cookie(
                FLASH_COOKIE,
                base64.urlsafe_b64encode(text).decode(),
                max_age=60,
                secure=True,
                httponly=True,
                samesite="lax",
            )
        return answer

    def _kept_flashes(self) -> list[tuple[str, str]]:
        raw = self.request.cookies.get(FLASH_COOKIE)
        if not raw:
            return []
        try:
            tone, text = json.loads(base64.urlsafe_b64decode(raw))
        except (ValueError, TypeError, binascii.Error):
            return []
        return [("bad" if tone == "bad" else "good", str(text))]
