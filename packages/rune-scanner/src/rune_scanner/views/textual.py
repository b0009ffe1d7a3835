"""Is it text? The question that keeps hashes, ids and images from becoming views."""

from __future__ import annotations

import re

_TEXT_BYTES = bytes([9, 10, 13, *range(32, 127)])
_WORD_BYTES = b" \nabcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\ufffd\ue000-\uf8ff\U000f0000-\U0010ffff]"
)

_HIGH_BYTES = bytes(range(9)) + bytes(range(0x0B, 0x10))  # of alphabets; not tab and newline

_SAME = 8  # from this many bytes on, a text has some different letters
_LETTERS_IN_USE = 4
_SHORT = 24  # below this many bytes, chance could produce a few letters
_MOSTLY = 0.85  # share of text in a long blob: one bad byte must not hide the rest
_WORDY = 0.7  # share of letters and spaces in a short one


def text_of_bytes(data: bytes, shortest: int = 8) -> str:
    """``data`` as text if that is what it holds, else the empty string.

    Random bytes pass less than once in a million; a long text with some bytes broken passes.
    """
    if len(data) < shortest or (len(data) >= _SAME and len(set(data[:64])) < _LETTERS_IN_USE):
        return ""
    if _is_wide(data):
        return _wide(data)
    if data.isascii():
        strange = len(data.translate(None, _TEXT_BYTES))
        if not strange:
            words = len(data) - len(data.translate(None, _WORD_BYTES))
            wordy = len(data) >= _SHORT or words >= _WORDY * len(data)
            return data.decode("ascii") if wordy else ""
        if len(data) < _SHORT or strange > (1 - _MOSTLY) * len(data):
            return ""
        return data.decode("ascii")
    return _multibyte(data)


def looks_textual(head: bytes) -> bool:
    """Whether the first bytes of a blob may be the beginning of a text. Quick, and generous."""
    if not head:
        return False
    if head.isascii() and len(head.translate(None, _TEXT_BYTES)) <= len(head) // 7:
        return True
    if _is_wide(head):
        return True
    kept = len(head.decode("utf-8", "ignore").encode())
    return kept >= _MOSTLY * len(head) - 3


def _is_wide(data: bytes) -> bool:
    """Whether every other byte is small, as in UTF-16 of any alphabet."""
    return any(
        len(high.translate(None, _HIGH_BYTES)) * 5 <= len(high) for high in (data[1::2], data[::2])
    )


def _wide(data: bytes) -> str:
    """UTF-16 without a mark, the way PowerShell encodes its commands."""
    little = len(data[1::2].translate(None, _HIGH_BYTES)) <= len(
        data[::2].translate(None, _HIGH_BYTES)
    )
    decoded = data[: len(data) // 2 * 2].decode("utf-16-le" if little else "utf-16-be", "replace")
    return "" if _UNPRINTABLE.search(decoded) else decoded


def _multibyte(data: bytes) -> str:
    # Cheap first: random bytes fail within the first few.
    head = data[:256]
    if len(head.decode("utf-8", "ignore").encode()) < _MOSTLY * len(head) - 3:
        return ""
    decoded = data.decode("utf-8", "replace")
    strange = len(_UNPRINTABLE.findall(decoded))
    if strange and (len(data) < _SHORT or strange > (1 - _MOSTLY) * len(decoded)):
        return ""
    sample = decoded[:256]
    words = sum(map(str.isalpha, sample)) + sample.count(" ")
    least = _WORDY if len(data) < _SHORT else 0.5
    return decoded if words >= least * len(sample) else ""
