"""Tell an attack that is talked about from one that is made.

Security writing quotes attacks and says what they are. So a match that lies in a quotation
(quotation marks, back-ticks, a code block, a block quote, a labelled item), or in reported speech
("telling the model to …"), while the words around it speak of attacks or of finding them, is
doubted: it weighs less. What a call's arguments mention is told by `call_mention`.

Anyone can write "for example" and quotation marks around an attack. What that buys is little: tool
results are not doubted at all, a doubted match still marks where its text came from, and a call
that such a text wants is judged by its origin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rune_scanner.call_mention import CallMentions
from rune_scanner.finding import Surface, Threat
from rune_scanner.writing_mention import WritingMentions

if TYPE_CHECKING:
    from rune_scanner.finding import Span

SAID_OF: Final = frozenset(
    (
        Threat.PROMPT_INJECTION,
        Threat.JAILBREAK,
        Threat.SYSTEM_PROMPT_LEAK,
        Threat.PRIVILEGE_ESCALATION,
    )
)
_IN_WRITING: Final = SAID_OF | {Threat.TOOL_MANIPULATION, Threat.DATA_EXFILTRATION}
# In a call's arguments these are what would stop it. Instructions to the agent are only flagged.
_IN_CALLS: Final = frozenset((Threat.COMMAND_INJECTION, Threat.DATA_EXFILTRATION))
_THREATS: Final = {
    Surface.DOCUMENT: _IN_WRITING,
    Surface.INPUT: _IN_WRITING,
    Surface.TOOL_CALL: _IN_CALLS,
}
_ESCAPED: Final = "escape>"  # Markdown and programs escape what they show
_COMMENT: Final = "html-comment"
_ENCODINGS: Final = frozenset(("base64", "base32", "hex", "binary", "decimal", "rot13"))
# Patterns take a little of what stands around a phrase along.
_LEADING_IN_CALLS: Final = " \t\r\n.=>*-"
_LEADING: Final = f"{_LEADING_IN_CALLS}:"
_BREAKS: Final = ("\\n", "\\r", "\\t")  # as JSON writes them
_TRAILING: Final = " \t\r\n\\\"'`\u201d\u2019\u00bb;,.|)}"


class Mentions:
    """Where a text mentions attacks rather than makes them.

    Args:
        text: The text.
        surface: Where the text was met.
    """

    __slots__ = ("_call", "_text", "_threats", "_writing")

    def __init__(self, text: str, surface: Surface) -> None:
        self._text = text
        self._threats = _THREATS.get(surface, frozenset())
        self._call = CallMentions(text) if surface is Surface.TOOL_CALL else None
        self._writing = WritingMentions(text)

    def hold(self, threat: Threat, span: Span) -> bool:
        """Whether a match of a rule against ``threat`` is only mentioned.

        Args:
            threat: What the rule warns of.
            span: The match, in characters of the text.
        """
        if threat not in self._threats:
            return False
        text, (start, end) = self._text, span
        leading = _LEADING_IN_CALLS if self._call is not None else _LEADING
        while start < end and text[start] in leading:
            start += 1
        while start < end:
            if text[end - 1] in _TRAILING:
                end -= 1
            elif self._call is not None and text.startswith(_BREAKS, end - 2) and end - 2 > start:
                end -= 2
            else:
                break
        return (self._call or self._writing).hold(start, end)

    def hold_hidden(self, threat: Threat, span: Span, view: str) -> bool:
        """Whether a match that was read in a hidden reading is only shown for all to see.

        Args:
            threat: What the rule warns of.
            span: The match, in characters of the text.
            view: The name of the reading.
        """
        if threat not in self._threats or self._call is not None:
            return False
        kind = view.removeprefix(_ESCAPED)
        if kind == _COMMENT:
            return self._writing.show_comment(*span)
        return kind in _ENCODINGS and self._writing.show_encoded(*span)
