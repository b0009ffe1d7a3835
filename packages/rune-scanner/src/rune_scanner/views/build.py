"""From a text to its views: which decodings are tried on what, and how far."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from rune_scanner.views.base import Limits, OffsetMap, View, Views
from rune_scanner.views.blobs import SeenRuns, blobs, punycode
from rune_scanner.views.clues import clues_in
from rune_scanner.views.disguises import disguises
from rune_scanner.views.escapes import undo
from rune_scanner.views.invisible import hidden_messages
from rune_scanner.views.rewrite import Reading
from rune_scanner.views.structure import html_parts, markdown_parts
from rune_scanner.views.unicode import fold, without_surrogates

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rune_scanner.views.clues import Clues

_LIMITS = Limits()


def build_views(text: str, limits: Limits | None = None) -> Views:
    """Every reading of ``text``, ``raw`` first.

    Args:
        text: Any string; lone surrogates are allowed.
        limits: Bounds on the work; what they cut off is named in ``limits_hit``.
    """
    clean = without_surrogates(text)
    raw = Reading("raw", clean, OffsetMap.identity(len(clean)))
    return _Search(limits or _LIMITS, raw).run()


class _Task(NamedTuple):
    """A reading to look at.

    Attributes:
        reading: The reading.
        depth: How many decodings are behind it.
        known_tags: How many ``<`` of it were looked at as markup before; -1 if none.
        final: Whether it is looked through no further.
    """

    reading: Reading
    depth: int
    known_tags: int = -1
    final: bool = False


class _Search:
    """One breadth-first walk over the readings of a text, shallow ones first."""

    def __init__(self, limits: Limits, raw: Reading) -> None:
        self._limits = limits
        self._left = limits.budget(len(raw.text))
        self._queue = deque([_Task(raw, 0)])
        self._texts = {raw.text}
        self._runs = SeenRuns()
        self._hit: dict[str, None] = {}

    def run(self) -> Views:
        """Walk until there is nothing left to decode, or a limit is reached."""
        views: list[View] = []
        while self._queue:
            task = self._queue.popleft()
            reading = task.reading
            clues = clues_in(reading.text)
            folded, folded_offsets = fold(reading.text, reading.offsets, controls=clues.controls)
            view = View(
                reading.name, reading.text, reading.offsets, folded, folded_offsets, reading.hidden
            )
            views.append(view)
            if not task.final:
                for child in self._children(task, view, clues):
                    if self._admits(child, len(views)):
                        self._queue.append(child)
        return Views(tuple(views), tuple(self._hit))

    def _admits(self, task: _Task, views: int) -> bool:
        text = task.reading.text
        if text in self._texts or text.isspace():
            return False
        if task.depth > self._limits.max_depth:
            reason = "depth"
        elif views + len(self._queue) >= self._limits.max_views:
            reason = "views"
        elif len(text) > self._left:
            reason = "chars"
        else:
            self._left -= len(text)
            self._texts.add(text)
            return True
        self._hit[reason] = None
        return False

    def _children(self, task: _Task, view: View, clues: Clues) -> Iterator[_Task]:
        reading = task.reading
        deeper = task.depth + 1
        if not reading.text.isascii():
            yield from (_Task(child, deeper) for child in hidden_messages(reading))
        undone = undo(reading)
        markup = undone[1] if undone else reading
        tags = markup.text.count("<")
        if tags > max(task.known_tags, 0):
            for child in html_parts(markup):
                yield _Task(child, deeper, known_tags=child.text.count("<"))
        if task.known_tags < 0:
            yield from (_Task(child, deeper, final=True) for child in markdown_parts(markup))
        yield from (_Task(child, deeper) for child in blobs(reading, clues, self._runs))
        yield from (_Task(child, deeper, final=True) for child in punycode(reading))
        if undone:
            # What is spelt out here is spelt out there too, so disguises are looked for once.
            yield _Task(undone[0], deeper, known_tags=tags)
            if deeper <= self._limits.max_depth:
                return
        for child, final in disguises(reading, view.folded, view.folded_offsets, clues):
            yield _Task(child, task.depth if final else deeper, tags, final)
