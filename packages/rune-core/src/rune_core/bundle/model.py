"""A bundle: every policy that a server has for this instance, as ``GET /v1/policies`` hands it out.

Unknown fields are ignored, so that a newer server can say more.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from rune_core.errors import ServerAnswerError

SCHEMA = "1"
MAX_POLICIES = 1000

RefusalCode = Literal["revision", "sha256", "duplicate", "policy", "internal"]
_Digest = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]


class Document(msgspec.Struct, frozen=True):
    """One policy.

    Attributes:
        name: Its name on the server.
        revision: Counts up with each change.
        sha256: Of the text's UTF-8 bytes, in hex.
        yaml: The text.
    """

    name: Annotated[str, msgspec.Meta(pattern=r"^[^\x00-\x1f\x7f]+\Z", max_length=128)]
    revision: Annotated[int, msgspec.Meta(ge=0)]
    sha256: _Digest
    yaml: Annotated[str, msgspec.Meta(max_length=1_000_000)]

    @property
    def path(self) -> str:
        """How faults in it name it."""
        return f"server:{self.name}@{self.revision}"


class Bundle(msgspec.Struct, frozen=True, kw_only=True):
    """All of them. ``revision`` names exactly this content: see ``revision_of``."""

    schema: str
    revision: _Digest
    policies: Annotated[tuple[Document, ...], msgspec.Meta(max_length=MAX_POLICIES)]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a bundle was not activated.

    Attributes:
        name: The policy to blame; empty when it is the bundle as a whole.
        revision: That policy's revision.
        line: 1-based line in it; 0 when no line is to blame.
        key: The YAML key, such as ``rules[0].when``.
        code: What kind of fault it is.
        message: For people who may read policies. Stays in this process.
    """

    name: str
    revision: int
    line: int
    key: str
    code: RefusalCode
    message: str

    def __str__(self) -> str:
        return self.message


_decoder = msgspec.json.Decoder(Bundle)
_encoder = msgspec.json.Encoder()


def decode(body: bytes) -> Bundle:
    """Read a bundle.

    Raises:
        ServerAnswerError: It is none, or of a version that this release does not read.
    """
    try:
        bundle = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ServerAnswerError(f"not a bundle of policies: {_first_line(error)}") from None
    if bundle.schema != SCHEMA:
        raise ServerAnswerError("a bundle of a version that this rune-core does not read: upgrade")
    return bundle


def encode(bundle: Bundle) -> bytes:
    """The bundle as JSON, as ``decode`` reads it."""
    return _encoder.encode(bundle)


def revision_of(documents: tuple[Document, ...]) -> str:
    """SHA-256 over the compact JSON of ``[[name, revision, sha256], …]``, sorted by name."""
    named = sorted([document.name, document.revision, document.sha256] for document in documents)
    return hashlib.sha256(_encoder.encode(named)).hexdigest()


def _first_line(error: Exception) -> str:
    """Msgspec says what it expected and where, never what was there."""
    return str(error).partition("\n")[0] if isinstance(error, msgspec.DecodeError) else "not UTF-8"
