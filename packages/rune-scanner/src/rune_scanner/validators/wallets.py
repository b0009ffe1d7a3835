"""Addresses and keys of crypto currencies: Base58Check, Bech32, Keccak (EIP-55)."""

from __future__ import annotations

import hashlib
from typing import Final

_BASE58: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BECH32: Final = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_BECH32_GENERATOR: Final = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_BECH32_CONST: Final = 1
_BECH32M_CONST: Final = 0x2BC830A3
_LANE: Final = (1 << 64) - 1
_KECCAK_RATE: Final = 136
_KECCAK_ROTATIONS: Final = (
    (0, 36, 3, 41, 18),
    (1, 44, 10, 45, 2),
    (62, 6, 43, 15, 61),
    (28, 55, 25, 21, 56),
    (27, 20, 39, 8, 14),
)


def base58_decode(text: str) -> bytes | None:
    """``text`` decoded from Bitcoin's base 58, leading zeros kept; None if it is not that."""
    number = 0
    for char in text:
        digit = _BASE58.find(char)
        if digit < 0:
            return None
        number = number * 58 + digit
    zeros = len(text) - len(text.lstrip("1"))
    return b"\0" * zeros + number.to_bytes((number.bit_length() + 7) // 8, "big")


def base58check(text: str) -> bool:
    """Whether the last four bytes of ``text`` are the double SHA-256 of the rest."""
    data = base58_decode(text)
    if data is None or len(data) < 5:
        return False
    digest = hashlib.sha256(hashlib.sha256(data[:-4]).digest()).digest()
    return digest[:4] == data[-4:]


def bitcoin_base58(text: str) -> bool:
    """Whether ``text`` is a P2PKH or P2SH address: version 0 or 5, 20 bytes, checksum."""
    data = base58_decode(text)
    return data is not None and len(data) == 25 and data[0] in (0, 5) and base58check(text)


def bitcoin_private_key(text: str) -> bool:
    """Whether ``text`` is a WIF private key or an extended private key (``xprv``)."""
    data = base58_decode(text)
    if data is None or not base58check(text):
        return False
    wif = data[0] == 0x80 and (len(data) == 37 or (len(data) == 38 and data[33] == 1))
    return wif or (len(data) == 82 and text[1:4] == "prv")


def bech32(text: str) -> bool:
    """Whether ``text`` carries a Bech32 or Bech32m checksum, in one letter case."""
    if text not in (text.lower(), text.upper()):
        return False
    prefix, separator, data = text.lower().rpartition("1")
    if not separator or not prefix or len(data) < 6:
        return False
    values = [_BECH32.find(char) for char in data]
    if min(values) < 0:
        return False
    expanded = [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]
    checksum = 1
    for value in expanded + values:
        top = checksum >> 25
        checksum = (checksum & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate(_BECH32_GENERATOR):
            if top >> bit & 1:
                checksum ^= generator
    return checksum in (_BECH32_CONST, _BECH32M_CONST)


def ethereum_address(text: str) -> bool:
    """Whether ``0x…`` may be an address: in mixed case the EIP-55 checksum must hold."""
    body = text[2:]
    lowered = body.lower()
    if len(body) != 40 or len(set(lowered)) < 8:
        return False
    if body in (lowered, body.upper()):
        return True
    digest = keccak256(lowered.encode("ascii", "replace")).hex()
    return all(
        char == (char.upper() if digest[index] >= "8" else char.lower())
        for index, char in enumerate(body)
    )


def keccak256(data: bytes) -> bytes:
    """Keccak-256 as Ethereum uses it (the padding of before SHA-3), which hashlib lacks."""
    padded = bytearray(data + b"\x01" + b"\0" * (-(len(data) + 1) % _KECCAK_RATE))
    padded[-1] |= 0x80
    lanes = [[0] * 5 for _ in range(5)]
    for start in range(0, len(padded), _KECCAK_RATE):
        for index in range(_KECCAK_RATE // 8):
            at = start + index * 8
            lanes[index % 5][index // 5] ^= int.from_bytes(padded[at : at + 8], "little")
        lanes = _keccak_f(lanes)
    return b"".join(lanes[index][0].to_bytes(8, "little") for index in range(4))


def _keccak_f(a: list[list[int]]) -> list[list[int]]:
    register = 1
    for _ in range(24):
        parity = [a[x][0] ^ a[x][1] ^ a[x][2] ^ a[x][3] ^ a[x][4] for x in range(5)]
        for x in range(5):
            mix = parity[x - 1] ^ _rotate(parity[(x + 1) % 5], 1)
            for y in range(5):
                a[x][y] ^= mix
        b = [[0] * 5 for _ in range(5)]
        for x in range(5):
            for y in range(5):
                b[y][(2 * x + 3 * y) % 5] = _rotate(a[x][y], _KECCAK_ROTATIONS[x][y])
        a = [
            [b[x][y] ^ (~b[(x + 1) % 5][y] & b[(x + 2) % 5][y]) for y in range(5)] for x in range(5)
        ]
        for bit in range(7):
            register = (register << 1 ^ (register >> 7) * 0x71) & 0xFF
            if register & 2:
                a[0][0] ^= 1 << ((1 << bit) - 1)
    return a


def _rotate(lane: int, count: int) -> int:
    return (lane << count | lane >> (64 - count)) & _LANE
