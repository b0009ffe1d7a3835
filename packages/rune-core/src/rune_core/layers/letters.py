"""How much a text looks like language, told by which letters follow each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from numpy.typing import NDArray

SYMBOLS: Final = 28
"""The letters a to z, a digit, and anything else."""
_OTHER, _DIGIT = 27, 26
_ACCENTED = {
    "a": "àáâãäåÀÁÂÃÄÅ", "c": "çÇ", "e": "èéêëÈÉÊË", "i": "ìíîïÌÍÎÏ", "n": "ñÑ",
    "o": "òóôõöøÒÓÔÕÖØ", "u": "ùúûüÙÚÛÜ", "y": "ýÿÝ",
}  # fmt: skip
_CODES = bytearray([_OTHER] * 256)
for _number in range(26):
    _CODES[ord("a") + _number] = _CODES[ord("A") + _number] = _number
for _letter, _forms in _ACCENTED.items():
    for _form in _forms:
        _CODES[ord(_form)] = ord(_letter) - ord("a")
for _code in b"0123456789@$!|":
    _CODES[_code] = _DIGIT
_TABLE = bytes(_CODES)
# A letter for each pair of symbols, made by `python -m training.letters`: A is likeliest, every
# letter after it half a bit less so.
_PAIRS = (
    "SMKJZPJQJZOGMFSMZFHGMOTYJXPIHZUZGVVOJKVGPVFVVJLVHZVVGVMJHXLXGZXGLWKHYYEYZKNFKYZRPZTO"
    "IXZKFSSZHZZULQHVZMOTKWZZNZRCJPKJKPLPMYUKJGVMTHHKSLPNOZQDHXYZMNTWFWZJZXEWXHUKNZZZKYRE"
    "GQXWHXKIIYYOYIHYYFJXMVYVPXREGZZTCZZTHZZPSYIZZQMLOZZZTZNFLQLJKLKZZYPIMEHNZKGFZKZNRRSK"
    "HRTTESSLIRTYTRCRTRMUNSRUUQLKHYSWEQVMFVUSVMLXYYIMNYRYPVNEHTZMFWZZIZMFTUHNZXMJMRRZIZPE"
    "FMSQEZZUGYZKLVIHZZPZIZYZLZRFJTNGIKIUKNOQZPHSZWHGNPVZLZSESRMKRJRYMYMMIFLKZGLIGJLUOZWG"
    "FWZOGVRMKZZGNRKIZGMJNZZZOZQGQRQPVRPQPOPHPSVRPNPQBOPQQOKHJOMJEWNUIZPQKMIUZLJIJNSZLZPF"
    "KVKPFSZIKZLMVTMPTNJFJTMVNYQDKXUYGZZEHZZORZHPZJMLPZOVLRQEMJHMIVJZOSPJKHVIYGFHZZZZSWRH"
    "JVZVBVVXFTYZZWHYWXVVVYVYVWOLGZYVGYTIDXZVZLIZWILYZXMWVZQGFQNTGRSSLVSMOSYKSPSFURTVSULD"
    "MRUQNVSTTXZSJRFNZZHOPXUXWZKCHOOOFONOKQOOOSVPONMKONONLHHDSRSRRSSRUVVTNRURSTORUSUTUSCD"
    "IMKKMKNMKSPNKLKJSKIHNRKXNYJD"
)


def symbols(text: str) -> NDArray[Any]:
    """A text's characters as numbers below ``SYMBOLS``, one each."""
    import numpy as np

    return np.frombuffer(text.encode("latin-1", "replace").translate(_TABLE), np.uint8)


def surprise(text: str) -> NDArray[Any]:
    """Bits by which each character surprises after the one before it, (characters,).

    The first stands as after a space. English takes some 3.5 bits a character, letters
    drawn from it at random 5, and other letters more.
    """
    import numpy as np

    found = symbols(text).astype(np.intp)
    before = np.concatenate([[_OTHER], found[:-1]])
    pairs = np.frombuffer(_PAIRS.encode("ascii"), np.uint8).astype(np.float32)
    return (pairs[before * SYMBOLS + found] - ord("A")) / 2
