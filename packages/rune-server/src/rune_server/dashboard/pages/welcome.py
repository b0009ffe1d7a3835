"""The first steps: framework, key, two lines, and a page that turns green by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse

from rune_server.actor import Permission
from rune_server.analytics import EVERYTHING
from rune_server.auth import keys
from rune_server.dashboard.view import Page
from rune_server.tls import CERTIFICATE_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.responses import Response

    from rune_server.auth.keys import NewKey
    from rune_server.dashboard.view import View


@dataclass(frozen=True, slots=True)
class Framework:
    """How to guard an agent of one framework."""

    key: str
    label: str
    icon: str
    package: str
    code: str


FRAMEWORKS = (
    Framework(
        "langchain",
        "LangChain",
        "link",
        "rune-langchain",
        "from rune_langchain import ShieldMiddleware\n\n"
        'agent = create_agent(model, tools, middleware=[ShieldMiddleware(agent_id="my-agent")])',
    ),
    Framework(
        "llamaindex",
        "LlamaIndex",
        "layers",
        "rune-llamaindex",
        "from rune_llamaindex import shield_llm, shield_tools\n\n"
        'llm = shield_llm(llm, agent_id="my-agent")\n'
        'tools = shield_tools(tools, agent_id="my-agent")',
    ),
    Framework(
        "openai",
        "OpenAI",
        "cpu",
        "rune-openai",
        'from rune_openai import ShieldOpenAI\n\nclient = ShieldOpenAI(agent_id="my-agent")',
    ),
    Framework(
        "agents-sdk",
        "OpenAI Agents",
        "users",
        "rune-openai",
        'from rune_openai import shield_agent\n\nagent = shield_agent(agent, agent_id="my-agent")',
    ),
    Framework(
        "python",
        "Plain Python",
        "terminal",
        "rune-core",
        "from rune_core import Shield\n\n"
        "shield = Shield()\n"
        'with shield.session(agent_id="my-agent"):\n'
        '    shield.validate_action("send_email", {"to": "ada@example.com"})',
    ),
)


async def welcome(view: View) -> Response:
    """The page."""
    return await _welcome(view)


async def make_key(view: View) -> Response:
    """Make a key for the first agent, shown on this page alone."""
    made = await keys.create(view.platform, view.actor, name="first agent")
    return await _welcome(view, made)


async def _welcome(view: View, made: NewKey | None = None) -> Response:
    wanted = view.parameter("framework")
    chosen = next((one for one in FRAMEWORKS if one.key == wanted), FRAMEWORKS[0])
    has_key = False
    if view.may(Permission.KEYS_READ):
        has_key = any(
            row.revoked_at is None for row in await keys.listed(view.platform, view.actor)
        )
    key = made.key if made else "rune_live_…"
    return view.show(
        "pages/welcome.html",
        title="Connect an agent",
        frameworks=[(one.key, one.label, one.icon) for one in FRAMEWORKS],
        chosen=chosen,
        made=made,
        has_key=has_key,
        install=f"pip install {chosen.package}",
        environment="\n".join(_environment(view, key)),
        own_certificate=view.platform.settings.tls_certificate is None,
        arrived=await _arrived(view),
    )


def _environment(view: View, key: str) -> Iterator[str]:
    """What an agent's process must be told."""
    settings = view.platform.settings
    yield f"export RUNE_URL={settings.url}"
    yield f"export RUNE_API_KEY={key}"
    if settings.tls_certificate is None:
        # Nobody's certificate store knows the one that the server made for itself. Where it lies
        # is for those who may give agents their keys.
        folder = settings.data_dir if view.may(Permission.KEYS_WRITE) else "…"
        yield f"export RUNE_CA_FILE={folder}/tls/{CERTIFICATE_FILE}"


async def arrived(view: View) -> Response:
    """Whether the first event is here; asked by the open page."""
    return JSONResponse({"arrived": await _arrived(view)})


async def _arrived(view: View) -> bool:
    page = await view.analytics.events(view.actor.organisation_id, EVERYTHING, None, 1)
    return bool(page.items)


PAGES = (
    Page("/welcome", welcome, needs=Permission.EVENTS_READ, section="welcome"),
    Page("/welcome", make_key, "POST", needs=Permission.KEYS_WRITE, section="welcome"),
    Page("/welcome/arrived", arrived, needs=Permission.EVENTS_READ, section="welcome"),
)
