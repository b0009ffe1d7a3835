"""What HTML shows, and what it holds without showing it.

A scanner, not a parser: it knows tags, quotes, comments and which element a tag closes, which
is what decides whether words are seen. It goes through the text once, whatever the text is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rune_scanner.views.escapes import entities
from rune_scanner.views.rewrite import Collage

if TYPE_CHECKING:
    from collections.abc import Iterator

_words = str.split  # keeps lists of names readable

_MARKUP = re.compile(
    r"<(?:!--|!doctype|/[a-z]|(?:a|abbr|article|b|body|br|button|center|code|details|div|em|font"
    r"|footer|form|h[1-6]|head|header|hr|html|i|iframe|img|input|label|li|link|main|meta|nav|ol|p"
    r"|pre|q|s|script|section|small|span|strong|style|sub|sup|svg|table|tbody|td|template|textarea"
    r"|th|thead|title|tr|tt|u|ul|wbr)[\s/>])",
    re.IGNORECASE,
)
_TAG_NAME = re.compile(r"/?[A-Za-z][A-Za-z0-9:-]{0,40}")
_TAG_REST = re.compile(r"""(?:[^"'>]++|"[^"]*+"|'[^']*+')*+>""")
_ATTRIBUTE = re.compile(
    r"""(?<![\w:-])([\w:-]{1,40}+)\s*+=\s*+(?:"([^"]*+)"|'([^']*+)'|([^\s"'>]++))"""
)
_HIDDEN_WORD = re.compile(r"(?<![\w=-])hidden(?![\w-])", re.IGNORECASE)
_SECRET_INPUT = re.compile(r"""(?<![\w-])type\s{0,4}=\s{0,4}["']?hidden""", re.IGNORECASE)
_QUOTED_VALUE = re.compile(r"""=\s*+(?:"[^"]*+"|'[^']*+')""")
_TELLING = re.compile(
    r"alt|title|aria-|content|placeholder|style|hidden|class|color|size|value|summary",
    re.IGNORECASE,
)
_WORDED = frozenset(
    ["alt", "title", "aria-label", "aria-description", "content", "placeholder", "summary"]
)
_NO_CONTENT = frozenset(
    _words("area base br col embed hr img input link meta param source track wbr")
)
_INLINE = frozenset(
    _words(
        "a abbr acronym b bdi bdo big cite code data del dfn em font i ins kbd label mark q s samp"
        " img small span strike strong sub sup time tt u var wbr"
    )
)
_UNSHOWN = frozenset(["script", "style"])  # code, read as it stands in the raw text
_CONCEALED = frozenset(["template", "noscript", "noembed", "noframes", "datalist"])
_HIDING_CLASS = re.compile(
    r"(?<![\w-])(?:hidden|invisible|sr-only|visually-hidden|screen-reader-text|d-none)(?![\w-])",
    re.IGNORECASE,
)
_HIDING_STYLE = re.compile(
    r"display\s{0,4}:\s{0,4}none|visibility\s{0,4}:\s{0,4}(?:hidden|collapse)"
    r"|(?<![\w-])opacity\s{0,4}:\s{0,4}0?(?:\.0{1,9})?0?(?![\d.])"
    r"|font-size\s{0,4}:\s{0,4}(?:0|0?\.\d{1,9}|1px)(?![\d.])"
    r"|(?<![\w-])(?:max-)?(?:width|height)\s{0,4}:\s{0,4}0(?![\d.])"
    r"|(?<![\w-])(?:left|top|right|text-indent|margin-left)\s{0,4}:\s{0,4}-\d{3,9}"
    r"|(?<![\w-])color\s{0,4}:\s{0,4}transparent|clip\s{0,4}:\s{0,4}rect\(0|mso-hide\s{0,4}:\s{0,4}all"
    r"|scale\(0(?![\d.])",
    re.IGNORECASE,
)
_COLOR = re.compile(r"(?<![\w-])color\s{0,4}:\s{0,4}([^;]{1,40})", re.IGNORECASE)
_BACKGROUND = re.compile(r"background(?:-color)?\s{0,4}:\s{0,4}([^;]{1,80})", re.IGNORECASE)
_WHITE = frozenset(
    ["white", "#fff", "#ffffff", "#fefefe", "rgb(255,255,255)", "rgba(255,255,255,1)"]
)


def looks_like_html(text: str) -> bool:
    """Whether ``text`` holds a tag or a comment that HTML knows."""
    return "<" in text and _MARKUP.search(text) is not None


class HtmlParts:
    """The text of a page, sorted by who sees it.

    Attributes:
        visible: What is shown, without tags: ``ign<b>ore</b>`` reads ``ignore``.
        concealed: Text in elements that style or attributes hide.
        comments: What stands in comments.
        attributes: Alternative texts, titles, labels and meta descriptions.
    """

    __slots__ = ("attributes", "comments", "concealed", "visible")

    def __init__(self, text: str) -> None:
        self.visible = Collage()
        self.concealed = Collage()
        self.comments = Collage()
        self.attributes = Collage()
        self._read(text)

    def _read(self, text: str) -> None:
        at = 0
        closing, depth = "", 0  # the element that hides what we are in, and how deep in it
        quotes = comments = True  # whether looking for the other end can still succeed
        position = text.find("<")
        while position >= 0:
            if comments and text.startswith("<!--", position):
                stop = text.find("-->", position + 4)
                comments = stop >= 0
                if comments:
                    self._text(text, at, position, shown=not closing)
                    self._comment(text, position + 4, stop)
                    at = stop + 3
                    position = text.find("<", at)
                    continue
            name = _TAG_NAME.match(text, position + 1)
            if not name:
                position = text.find("<", position + 1)
                continue
            end = -1
            if quotes:
                rest = _TAG_REST.match(text, name.end())
                end = rest.end() if rest else -1
                quotes = rest is not None
            if end < 0:
                end = text.find(">", name.end()) + 1
                if not end:
                    break
            self._text(text, at, position, shown=not closing)
            at = end
            tag = name.group().lower()
            if closing:
                depth += (tag == closing) - (tag == "/" + closing)
                if depth == 0:
                    closing = ""
            elif tag[0] != "/":
                hides = self._open(text, tag, name.end(), end - 1)
                if hides and tag not in _NO_CONTENT and text[end - 2] != "/":
                    closing, depth = tag, 1
                    self.concealed.line_break(at)
            if tag in _UNSHOWN:
                stop = text.find("</" + tag, at)
                at = len(text) if stop < 0 else stop
                if stop < 0:
                    break
            elif tag.lstrip("/") not in _INLINE:
                (self.concealed if closing else self.visible).line_break(position)
            position = text.find("<", at)
        self._text(text, at, len(text), shown=not closing)

    def _text(self, text: str, start: int, end: int, *, shown: bool) -> None:
        if start < end:
            target = self.visible if shown else self.concealed
            target.paste_edited(text, start, end, entities)

    def _comment(self, text: str, start: int, end: int) -> None:
        if text[start:end].strip():
            self.comments.line_break(start)
            self.comments.paste_edited(text, start, end, entities)

    def _open(self, text: str, tag: str, start: int, end: int) -> bool:
        """Take the worded attributes of an opening tag; whether it hides its element."""
        hides = tag in _CONCEALED
        if start >= end or not _TELLING.search(text, start, end):
            return hides
        if _HIDDEN_WORD.search(text, start, end):
            bare = _QUOTED_VALUE.sub("", text[start:end])
            hides = hides or _HIDDEN_WORD.search(bare) is not None
        secret = _SECRET_INPUT.search(text, start, end) is not None
        for found in _ATTRIBUTE.finditer(text, start, end):
            name = found.group(1).lower()
            group = found.lastindex or 4
            value = found.group(group)
            if name in _WORDED or (name == "value" and secret):
                if value.strip():
                    self.attributes.line_break(found.start())
                    self.attributes.paste_edited(text, *found.span(group), entities)
            elif name == "style":
                hides = hides or _style_hides(value)
            elif name == "class":
                hides = hides or _HIDING_CLASS.search(value) is not None
            elif name == "color" and tag == "font":
                hides = hides or value.strip().lower() in _WHITE
            elif name == "size" and tag == "font":
                hides = hides or value.strip() == "0"
        return hides


def _style_hides(style: str) -> bool:
    if _HIDING_STYLE.search(style):
        return True
    color = _COLOR.search(style)
    if not color:
        return False
    ink = color.group(1).replace(" ", "").lower().removesuffix("!important")
    background = _BACKGROUND.search(style)
    paper = background.group(1).replace(" ", "").lower() if background else "white"
    return ink == paper or (ink in _WHITE and paper in _WHITE)


def collages(parts: HtmlParts) -> Iterator[tuple[str, Collage, bool]]:
    """The parts by view name, and whether they are hidden."""
    yield "html", parts.visible, False
    yield "html-hidden", parts.concealed, True
    yield "html-comment", parts.comments, True
    yield "html-attribute", parts.attributes, True
