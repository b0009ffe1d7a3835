"""``rune demo``: the same agent with and without Rune, on attacks and on honest work.

``world`` is what can be harmed, ``tools`` how an agent reaches it, ``scripted_model`` the gullible
model, ``scenarios`` what is tried, ``run`` tries it and ``table`` shows what came of it.
"""

from __future__ import annotations
