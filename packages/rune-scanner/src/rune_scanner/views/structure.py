"""Markup: what a reader is shown, and what is there without being shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rune_scanner.views.html import HtmlParts, collages, looks_like_html
from rune_scanner.views.markdown import markdown_hidden, may_emphasise, may_hide, without_emphasis
from rune_scanner.views.rewrite import Reading, edit

if TYPE_CHECKING:
    from collections.abc import Iterator


def html_parts(reading: Reading) -> Iterator[Reading]:
    """Readings of a page: ``html`` (shown), ``html-hidden``, ``-comment``, ``-attribute``."""
    if looks_like_html(reading.text):
        for name, collage, hidden in collages(HtmlParts(reading.text)):
            if collage:
                made = collage.finish(reading.offsets)
                yield Reading(reading.named(name), *made, hidden=hidden or reading.hidden)


def markdown_parts(reading: Reading) -> Iterator[Reading]:
    """Readings of Markdown: ``markdown`` (emphasis dropped) and ``markdown-hidden``."""
    if may_emphasise(reading.text):
        edited = edit(reading.text, reading.offsets, without_emphasis)
        if edited:
            yield Reading(reading.named("markdown"), *edited, hidden=reading.hidden)
    if not may_hide(reading.text):
        return
    collage = markdown_hidden(reading.text)
    if collage:
        yield Reading(
            reading.named("markdown-hidden"), *collage.finish(reading.offsets), hidden=True
        )
