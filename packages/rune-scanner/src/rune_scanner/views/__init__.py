"""Views: every reading of a text that an attack could hide in, each with a map back to it.

The flow, one module a step::

    text ─> clues ─┬─> unicode (invisible, confusables)      the folded form of every view
                   ├─> invisible    tags  variation  zero_width
                   ├─> escapes      escape  quoted  entity  url  form
                   ├─> structure    html  html-hidden  html-comment  html-attribute
                   │                markdown  markdown-hidden
                   ├─> blobs        base64  base32  hex  binary  decimal  punycode
                   └─> disguises    leet  spaced  joined  rot13  reversed  reversed_words
                                    unaccented  upside_down

On the right are the names of the views they make. ``build`` drives them, and looks through what
they decoded again; names of nested decodings are joined with ``>``.
"""

from __future__ import annotations

from rune_scanner.views.base import Limits, OffsetMap, View, Views
from rune_scanner.views.build import build_views

__all__ = ["Limits", "OffsetMap", "View", "Views", "build_views"]
