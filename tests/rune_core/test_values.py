from __future__ import annotations

import dataclasses
import enum
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rune_core.values import MAX_DEPTH, MAX_NODES, render, restore

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=20,
)


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Mail:
    sender: str
    body: str
    size: int = 3


class Model:
    def __init__(self, **fields):
        self.__dict__.update(fields)

    def model_dump(self):
        return dict(self.__dict__)

    def model_copy(self, *, update):
        return type(self)(**{**self.__dict__, **update})


@given(plain)
def test_plain_values_render_as_their_json(value):
    rendered = render(value)
    assert rendered.complete
    if isinstance(value, str):
        assert (rendered.text, rendered.is_text) == (value, True)
    else:
        assert json.loads(rendered.text) == value


@given(plain)
def test_without_cuts_the_value_itself_comes_back(value):
    rendered = render(value)
    assert restore(value, rendered.plain, rendered.plain) is value


@given(st.recursive(st.just("evil") | st.integers(), lambda x: st.lists(x, max_size=3)))
def test_cuts_land_in_the_texts_and_nowhere_else(value):
    def expected(item):
        if isinstance(item, list):
            return [expected(part) for part in item]
        return "[X]" if item == "evil" else item

    rendered = render(value)
    if rendered.is_text:
        return
    after = json.loads(rendered.text.replace("evil", "[X]"))
    assert restore(value, rendered.plain, after) == expected(value)


def cut(value):
    rendered = render(value)
    return restore(value, rendered.plain, json.loads(rendered.text.replace("evil", "[X]")))


def test_kinds_are_kept():
    assert cut(("evil", 1)) == ("[X]", 1)
    assert cut({"a": ("evil",), 7: 1}) == {"a": ("[X]",), 7: 1}
    assert cut(b"evil") == b"[X]"
    assert cut(Mail("a", "evil")) == Mail("a", "[X]")
    assert cut(Model(a="evil", b=1)).__dict__ == {"a": "[X]", "b": 1}
    assert cut([Mail("a", "evil"), Mail("b", "fine")]) == [Mail("a", "[X]"), Mail("b", "fine")]
    assert cut({"evil": 1}) == {"[X]": 1}
    assert cut({"evil", 1}) in (["[X]", 1], [1, "[X]"])


def test_untouched_parts_are_the_same_objects():
    handle = object()
    assert cut({"text": "evil", "handle": handle})["handle"] is handle


def test_odd_values_render():
    assert render(Colour.RED).text == '"red"'
    assert render(2**9000).complete
    assert render({1: b"\xff"}).text == '{"1": "\ufffd"}'
    assert json.loads(render([float("inf")]).text) == [float("inf")]


class Unprintable:
    def __str__(self):
        raise RuntimeError("no")


def cycle():
    value: list[object] = []
    value.append(value)
    return value


def deep():
    value: object = "end"
    for _ in range(MAX_DEPTH + 2):
        value = [value]
    return value


@pytest.mark.parametrize("value", [[Unprintable()], deep(), [0] * (MAX_NODES + 1)])
def test_what_cannot_be_read_whole_is_not_complete(value):
    assert not render(value).complete


def test_a_cycle_ends():
    assert render(cycle()).text == '["[...]"]'
