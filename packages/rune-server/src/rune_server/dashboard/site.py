"""What all requests of one process share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rune_server.dashboard import assets
from rune_server.dashboard.feeds import Feeds
from rune_server.dashboard.render import environment
from rune_server.dashboard.shared_answers import SharedAnswers

if TYPE_CHECKING:
    from jinja2 import Environment

    from rune_server.dashboard.assets import StaticFiles
    from rune_server.platform import Platform


@dataclass(frozen=True, slots=True)
class Site:
    """The dashboard of one process.

    Attributes:
        platform: The platform.
        static: Files.
        env: Templates.
        answers: Figures that open pages share.
        checks: Whether streams' readers may still read.
        feeds: Live rows.
    """

    platform: Platform
    static: StaticFiles
    env: Environment
    answers: SharedAnswers
    checks: SharedAnswers
    feeds: Feeds


def make_site(platform: Platform) -> Site:
    """A site for a platform.

    Raises:
        AssetsError: The front-end packages are missing and cannot be fetched.
    """
    static = assets.load()
    return Site(
        platform, static, environment(static), SharedAnswers(), SharedAnswers(1.0), Feeds(platform)
    )
