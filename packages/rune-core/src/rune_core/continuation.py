"""How far an instruction goes on after the phrase that gave it away.

What follows such a phrase in its block is more likely part of it than not, but a page may go on
with its own matter on the same line. So the sentences that follow are read: those that order,
address the reader or name a destination belong to it, and so does whatever lies between. It ends
where several sentences in a row are positively plain English description. What cannot be judged,
as in any other language, belongs to it too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from rune_core.session.intent import VERBS, imperatives

if TYPE_CHECKING:
    from collections.abc import Iterator

_GAP_BEFORE_ORDER: Final = 2
_GAP_BEFORE_STRONG_ORDER: Final = 8
"""Plain sentences in a row that an order, or one that names its means, may still come after."""

# The second form is for texts that were put together without a space: `by 7.2%.Ignore your`.
SENTENCE_END: Final = re.compile(
    r"(?<![A-Z])[.!?…][\"'”’)\]]{0,2}\s+|(?<=[a-z0-9%)])[.!?](?=[A-Z][A-Za-z]* )|[。！？]\s*"
)
_BREAK: Final = re.compile(rf"{SENTENCE_END.pattern}|(?:\\r)?\\n|\r?\n")
_WORD: Final = re.compile(r"[^\W\d_]+(?:['’][a-z]{1,3})?")
_LIST_NUMBER: Final = re.compile(r"\s*(?:\d{1,3}|[a-z])[.)](?:\s|$)", re.IGNORECASE)
_RULE: Final = re.compile(r"[\s\-=_*~#+|.]*")
_TO_THE_READER: Final = re.compile(
    r"\b(?:you|yourself|me|my|your (?:new )?(?:job|goal|mission|role|objective|orders?)|must"
    r"|should|shall|never|don['’]t|do not|instead|immediately|asap|please|make sure|be sure"
    r"|remember|ensure that|i (?:want|need|would|expect|order)|i['’]d like"
    r"|it is (?:important|necessary|crucial|vital|imperative))\b"
    r"|^\W*(?:then|after|before|finally|next|also|first|second|third|once|otherwise|if|when|while"
    r"|and|or|but|so|step|note|warning|important|attention|again)\b"
)
_TO_A_MACHINE: Final = re.compile(
    r"\b(?:assistant|ai|llm|agent|chatbot|model|system|prompt|instructions?|commands?|user|users"
    r"|tool|function|task|response|reply|output|password|secret|token|api|admin)\b"
    r"|^\W*(?:[#<\[{|]|[=*_~-]{3})|[<\[{|]/?(?:system|inst|im_|user|assistant)"
)
_DESTINATION: Final = re.compile(
    r"[\w.+-]@[\w-]+\.\w|https?:|www\.|\b[a-z0-9-]+\.(?:com|org|net|io|ru|xyz|co|example|dev|info)\b"
    r"|\b[a-z]{2}\d{2}[a-z0-9 ]{10,30}\b|\d{6}"
)
_FUNCTION_WORDS: Final = frozenset(
    (
        "the", "a", "an", "is", "are", "was", "were", "has", "have", "had", "with", "of", "to",
        "in", "on", "for", "and", "at", "by", "from", "as", "its", "it", "this", "that", "these",
        "very", "our", "their", "his", "her", "which", "who", "than", "or", "but", "be",
    )
)  # fmt: skip
_FEW_WORDS: Final = 5


def orders_end(text: str, start: int, end: int) -> int:
    """Where the instruction ends that is known to reach from before ``start``.

    Args:
        text: The text.
        start: The end of the phrase that gave it away.
        end: The end of the block around it.

    Returns:
        A position from ``start`` to ``end``.
    """
    segments = _segments(text, start, end)
    # The sentence of the phrase itself is part of it whatever it says.
    reached = next(segments, (start, end))[1]
    plain = 0
    for low, high in segments:
        weight = _weight(text[low:high])
        if weight is None:
            continue
        if weight == 0:
            plain += 1
            if plain > _GAP_BEFORE_STRONG_ORDER:
                break
        elif plain <= (_GAP_BEFORE_STRONG_ORDER if weight > 1 else _GAP_BEFORE_ORDER):
            reached = high
            plain = 0
    return reached if text[reached:end].strip() else end


def _segments(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The sentences and lines from ``start`` on, without the white space that ends them."""
    low = start
    for gap in _BREAK.finditer(text, start, end):
        if _LIST_NUMBER.fullmatch(text, low, gap.end()):
            continue  # "2. Open it" is one item
        mark = gap[0].rstrip()
        kept = 0 if mark.startswith("\\") else len(mark)
        yield low, gap.start() + kept
        low = gap.end()
    if low < end:
        yield low, low + len(text[low:end].rstrip())


def _weight(segment: str) -> int | None:
    """0 for plain description, 1 for an order or what may be one, 2 for one with its means.

    None for what has no say, as a line of dashes.
    """
    lower = segment.lower()
    if _RULE.fullmatch(lower):
        return None
    # A comma parts a list as often as an order: "warm rooms, hung with art, create a welcome".
    asks = (
        bool(VERBS & imperatives(lower.replace(",", " "))) or _LIST_NUMBER.match(lower) is not None
    )
    named = _DESTINATION.search(lower) is not None
    to_machine = _TO_A_MACHINE.search(lower) is not None
    to_reader = _TO_THE_READER.search(lower) is not None
    if (asks or to_reader) and (named or to_machine):
        return 2
    if asks or to_reader or named or to_machine:
        return 1
    words = _WORD.findall(lower)
    english = segment.isascii() or not _FUNCTION_WORDS.isdisjoint(words)
    plain = len(words) < _FEW_WORDS or not _FUNCTION_WORDS.isdisjoint(words)
    return 0 if english and plain else 1
