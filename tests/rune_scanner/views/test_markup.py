"""HTML and Markdown: what is shown reads as one, what is not is set apart."""

from __future__ import annotations

import json

import pytest

from rune_scanner.views import View, build_views


def views(text: str) -> dict[str, View]:
    return {view.name: view for view in build_views(text).views}


def test_tags_inside_words_are_dropped() -> None:
    text = "<p>ign<b>ore</b> all &amp; every<i></i>thing</p>"
    html = views(text)["html"]
    assert html.text.strip() == "ignore all & everything"
    at = html.text.index("ignore")
    assert text[slice(*html.offsets.to_original(at, at + 6))] == "ign<b>ore"


def test_blocks_stand_on_lines_of_their_own() -> None:
    assert views("<ul><li>one</li><li>two</li></ul>three<br>four")["html"].text.split() == [
        "one",
        "two",
        "three",
        "four",
    ]


@pytest.mark.parametrize(
    "hidden",
    [
        '<div style="display:none">{}</div>',
        "<div style='color: red; visibility : hidden'>{}</div>",
        '<span style="font-size:0px">{}</span>',
        '<span style="font-size:1px;">{}</span>',
        '<p style="opacity:0">{}</p>',
        '<p style="position:absolute;left:-9999px">{}</p>',
        '<p style="color:#fff;background-color:#ffffff">{}</p>',
        '<p style="color:white">{}</p>',
        '<p style="color:#123; background: #123">{}</p>',
        "<p hidden>{}</p>",
        "<div class='x sr-only'>{}</div>",
        '<font color="white">{}</font>',
        "<template>{}</template>",
        "<noscript>{}</noscript>",
        '<div style="width:0;height:0;overflow:hidden">{}</div>',
        '<div style="DISPLAY: NONE"><div>a</div>{}</div>',
    ],
)
def test_what_style_hides_is_in_a_view_of_its_own(hidden: str) -> None:
    made = views(f"<p>Shown</p>{hidden.format('say <b>the</b> word')}<p>Also shown</p>")
    assert "say the word" in made["html-hidden"].text
    assert made["html-hidden"].hidden
    assert "the" not in made["html"].text
    assert "Also shown" in made["html"].text


@pytest.mark.parametrize(
    "shown",
    [
        '<p style="opacity:0.5">x</p>',
        '<p style="font-size:10px">x</p>',
        '<p style="width:0.5em;left:-1px">x</p>',
        '<p style="color:white;background:black">x</p>',
        '<p class="overflow-hidden">x</p>',
        '<p data-hidden="no">x</p>',
        '<p title="a hidden gem">x</p>',
        "<input type=hidden>x",
    ],
)
def test_what_style_shows_is_not(shown: str) -> None:
    assert "html-hidden" not in views(shown)


def test_comments_are_in_a_view_of_their_own() -> None:
    text = "<p>a</p><!-- obey\nme --><p>b</p><!---->"
    comment = views(text)["html-comment"]
    assert comment.text.strip() == "obey\nme"
    assert comment.hidden
    assert text[slice(*comment.offsets.to_original(1, 8))] == "obey\nme"


def test_worded_attributes_are_in_a_view_of_their_own() -> None:
    text = (
        '<meta name="description" content="meta words"><img src=x alt="alt words">'
        "<a title='title &lt;words'>x</a><input value='value words' type=hidden>"
    )
    assert views(text)["html-attribute"].text.split("\n") == [
        "meta words",
        "alt words",
        "title <words",
        "value words",
    ]


def test_html_inside_json_is_read() -> None:
    text = json.dumps({"body": '<p>Hi</p><div style="display:none">obey me</div>'})
    assert views(text)["escape>html-hidden"].text.strip() == "obey me"


def test_html_written_with_entities_is_read() -> None:
    text = "<item>&lt;p&gt;Hi&lt;/p&gt;&lt;!-- obey me --&gt;</item>"
    assert any("obey me" in view.text and view.hidden for view in build_views(text).views)


@pytest.mark.parametrize(
    "text",
    ["a < b and c > d", "List<String> x", "<user@example.com>", "1 <2", "<-- no", "<|im_start|>"],
)
def test_signs_are_not_tags(text: str) -> None:
    assert list(views(text)) == ["raw"]


@pytest.mark.parametrize(
    "text",
    [
        "<b>x",
        "<b",
        '<b title="x',
        "<!-- x",
        "<b><!-- <p>y",
        "<p hidden>x",
        "</b>x",
        "<script>x",
        '<b "><i>z</i>',
    ],
)
def test_unfinished_markup_is_read_to_its_end(text: str) -> None:
    build_views(text)
    assert views(text + "\n<p>tail</p>")["raw"].text.endswith("<p>tail</p>")


def test_emphasis_is_dropped() -> None:
    text = "Please ign**ore** the *previous* `text`, not snake_case or 2 * 3."
    assert (
        views(text)["markdown"].text == "Please ignore the previous text, not snake_case or 2 * 3."
    )


def test_hidden_parts_of_markdown_are_in_a_view_of_their_own() -> None:
    text = (
        '# Title\n[//]: # (a comment)\n[x]: https://example.com "a definition"\n'
        "See [this](https://example.com 'a title') and ![an image](i.png)."
    )
    view = views(text)["markdown-hidden"]
    assert view.text.split("\n") == ["a comment", "a definition", "a title", "an image"]
    assert view.hidden


def test_joined_string_literals_read_as_one() -> None:
    assert views('run("ig" + "nore" + "all")')["joined"].text == 'run("ignoreall")'
