"""Bundles as they come over the wire: nothing in them can do more than be refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from local_rune_server import bundle_of, document

from rune_core.bundle.backoff import REFUSED_SECONDS, Backoff
from rune_core.bundle.model import decode, encode, revision_of
from rune_core.bundle.verify import verify
from rune_core.errors import (
    KeyRefusedError,
    ServerAnswerError,
    ServerBusyError,
    ServerRefusedError,
    ServerUnreachableError,
)

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
names = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=20)
documents = st.builds(document, names, st.text(max_size=50), st.integers(0, 99))


@given(st.binary())
def test_bytes_are_a_bundle_or_an_error(body):
    with pytest.raises(ServerAnswerError):
        decode(body)


@given(st.dictionaries(st.sampled_from(["schema", "revision", "policies"]), anything) | anything)
def test_json_is_a_bundle_or_an_error(value):
    try:
        bundle = decode(json.dumps(value).encode())
    except ServerAnswerError:
        return
    assert bundle.schema == "1"


@given(st.lists(documents, max_size=5, unique_by=lambda each: each["name"]))
def test_what_a_server_makes_is_whole_and_stays_so(each):
    bundle = decode(json.dumps(bundle_of(*each)).encode())
    assert verify(bundle) == ()
    assert decode(encode(bundle)) == bundle
    assert revision_of(tuple(reversed(bundle.policies))) == bundle.revision


@given(
    st.lists(documents, min_size=1, max_size=4, unique_by=lambda each: each["name"]),
    st.data(),
)
def test_any_change_is_noticed(each, data):
    bundle = bundle_of(*each)
    changed = json.loads(json.dumps(bundle))
    target = data.draw(st.sampled_from(changed["policies"]))
    key = data.draw(st.sampled_from(["name", "revision", "yaml", "sha256"]))
    if key == "revision":
        target[key] += 1
    elif key == "sha256":
        target[key] = target[key][::-1] if target[key] != target[key][::-1] else "0" * 64
    else:
        target[key] += "x"
    assert verify(decode(json.dumps(changed).encode()))


@pytest.mark.parametrize("name", ["", "a\nb", "a\n", "\x1b[2J", "x" * 129])
def test_a_name_that_would_forge_a_line_of_a_log_is_refused(name):
    with pytest.raises(ServerAnswerError):
        decode(json.dumps(bundle_of(document(name, ""))).encode())


def test_errors_do_not_repeat_what_was_there():
    with pytest.raises(ServerAnswerError) as caught:
        decode(json.dumps({"schema": "1", "revision": "zq7canary", "policies": []}).encode())
    assert "zq7canary" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_waits_grow_are_spread_and_bounded():
    backoff = Backoff(1.0, 60.0)
    waits = [backoff.after() for _ in range(200)]
    assert all(0.0 <= wait <= min(60.0, 2.0**n) for n, wait in enumerate(waits))
    assert len(set(waits)) > 190
    assert max(waits) > 30.0
    backoff.reset()
    assert backoff.after() <= 1.0


@pytest.mark.parametrize(
    ("error", "least"),
    [
        (ServerBusyError("x", status=429, retry_after=120.0), 120.0),
        (ServerBusyError("x", status=503), 0.0),
        (ServerUnreachableError("x", reason="dns"), 0.0),
        (KeyRefusedError("x", status=401), REFUSED_SECONDS),
        (KeyRefusedError("x", status=403, retry_after=5.0), 5.0),
        (ServerRefusedError("x", status=404), REFUSED_SECONDS),
        (ServerRefusedError("x", status=400), 0.0),
        (ServerAnswerError("x"), 0.0),
    ],
)
def test_what_the_server_asks_for_is_the_least(error, least):
    waits = [Backoff(1.0).after(error) for _ in range(20)]
    assert all(least <= wait <= least + 1.0 for wait in waits)
