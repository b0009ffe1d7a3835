"""What is read: files and folders, decoded without losing a byte, binaries named and left out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rune_core.cli.exits import CliError
from rune_core.cli.sources import NotScanned, Source, collect, is_binary, read, rows


def names(items: list[Source | NotScanned]) -> list[str]:
    return [item.name for item in items]


def tree(*paths: str) -> None:
    for name in paths:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("text\n")


def test_folders_are_walked_in_order_and_version_control_is_not_entered() -> None:
    tree("b.md", "a/c.md", "a/b/d.txt", ".git/config", ".hidden/e.md", "node_modules/x.md")
    assert names(collect(["."], [], None)) == [
        "b.md",
        ".hidden/e.md",
        "a/c.md",
        "a/b/d.txt",
        "node_modules/x.md",
    ]


def test_a_folder_of_version_control_is_read_when_it_is_named() -> None:
    tree(".git/config")
    assert names(collect([".git"], [], None)) == [".git/config"]


@pytest.mark.parametrize("glob", ["*.md", "**/*.md"])
def test_include_takes_globs_at_any_depth(glob: str) -> None:
    tree("b.md", "a/c.md", "a/d.txt")
    assert names(collect(["."], [], None, include=[glob])) == ["b.md", "a/c.md"]


def test_exclude_leaves_out_files_and_whole_folders() -> None:
    tree("b.md", "a/c.md", "build/d.md", "a/build/e.md")
    assert names(collect(["."], [], None, exclude=["build", "c.*"])) == ["b.md"]


def test_globs_do_not_filter_what_was_named_itself() -> None:
    tree("b.md")
    assert names(collect(["b.md"], [], None, exclude=["*.md"])) == ["b.md"]


def test_the_report_being_written_is_not_scanned() -> None:
    tree("out.sarif", "b.md")
    found = collect(["."], [], None, leave_out=Path("out.sarif").resolve())
    assert names(found) == ["b.md"]


def test_a_loop_of_links_ends() -> None:
    tree("a/b.md")
    Path("a/loop").symlink_to("..", target_is_directory=True)
    assert names(collect(["."], [], None)) == ["a/b.md"]


def test_a_broken_link_is_reported() -> None:
    Path("gone.md").symlink_to("nowhere")
    (item,) = collect(["."], [], None)
    assert isinstance(item, NotScanned)
    assert item.fails


def test_a_pipe_met_in_a_folder_is_not_waited_for() -> None:
    os.mkfifo("pipe")
    (item,) = collect(["."], [], None)
    assert isinstance(item, NotScanned)
    assert "regular" in item.reason


@pytest.mark.parametrize("word", ["missing.md", "docs/missing", "./x", "../y.txt"])
def test_a_mistyped_path_is_not_scanned_as_a_clean_text(word: str) -> None:
    with pytest.raises(CliError, match="no such file"):
        collect([word], [], None)


@pytest.mark.parametrize(
    "text", ["hello", "see docs/x.md now", "see https://host/a.md", "a b.c", "", "x" * 5000]
)
def test_what_is_no_path_is_a_text(text: str) -> None:
    (item,) = collect([text], [], None)
    assert isinstance(item, Source)
    assert item.text == text


def test_an_address_is_not_scanned_in_place_of_its_page() -> None:
    with pytest.raises(CliError, match="Rune fetches nothing"):
        collect(["https://host/page"], [], None)
    (item,) = collect([], [], "https://host/page")
    assert isinstance(item, Source)


@pytest.mark.skipif(os.geteuid() == 0, reason="root enters every folder")
def test_a_folder_that_cannot_be_entered_is_named() -> None:
    tree("shut/a.md")
    Path("shut").chmod(0)
    try:
        with pytest.raises(CliError, match=r"shut/a\.md: cannot be read: Permission denied"):
            collect(["shut/a.md"], [], None)
    finally:
        Path("shut").chmod(0o700)


def test_several_targets_are_paths() -> None:
    tree("b.md")
    with pytest.raises(CliError, match="no such file"):
        collect(["b.md", "hello"], [], None)


@given(data=st.binary(max_size=300).filter(lambda data: data[:2] not in (b"\xff\xfe", b"\xfe\xff")))
def test_bytes_survive_decoding(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    data = data.removeprefix(b"\xef\xbb\xbf")
    path = tmp_path_factory.mktemp("bytes") / "f"
    path.write_bytes(data)
    if data.startswith(b"\xef\xbb\xbf"):
        return
    pieces = read(Source("f", path=path), binary_as_text=True)
    assert not isinstance(pieces, NotScanned)
    assert "".join(pieces).encode("utf-8", "surrogateescape") == data


def test_a_character_across_two_reads_stays_whole() -> None:
    text = "x" * 8191 + "é" + "y" * (1 << 20) + "😀"
    Path("f").write_text(text, encoding="utf-8")
    pieces = read(Source("f", path=Path("f")))
    assert not isinstance(pieces, NotScanned)
    assert "".join(pieces) == text


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_names_the_encoding(encoding: str) -> None:
    Path("f").write_bytes("grüße".encode(encoding))
    pieces = read(Source("f", path=Path("f")))
    assert not isinstance(pieces, NotScanned)
    assert "".join(pieces) == "grüße"


@pytest.mark.parametrize(
    ("head", "binary"),
    [
        (b"", False),
        (b"plain text\r\n\ttabbed", False),
        ("grüße, 你好".encode(), False),
        (
            "grüße aus einer alten Datei, in der nicht viele Zeichen so sind".encode("latin-1"),
            False,
        ),
        (b"\x1b[31mred\x1b[0m in a log", False),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", True),
        (bytes(range(1, 256)), True),
    ],
)
def test_binary_is_told_from_text(head: bytes, binary: bool) -> None:
    assert is_binary(head) is binary


def test_rows_come_with_their_line_and_bad_rows_are_named() -> None:
    lines = [
        '{"text": "one"}',
        "",
        "nonsense",
        '{"other": 1}',
        '{"text": null}',
        '{"text": {"a": 2}}',
    ]
    got = list(rows(Source("f"), ["\n".join(lines)], "text"))
    assert [item.row for item in got] == [1, 3, 4, 5, 6]
    assert [item.text for item in got if isinstance(item, Source)] == ["one", '{"a": 2}']
    assert [item.reason for item in got if isinstance(item, NotScanned)] == [
        "the row is not valid JSON",
        "the row has no field 'text'",
        "field 'text' is null",
    ]


def test_a_field_may_be_nested() -> None:
    row = '{"messages": [{"content": "hi"}], "a.b": "flat"}'
    assert [item.text for item in rows(Source("f"), [row], "messages.0.content")] == ["hi"]  # type: ignore[union-attr]
    assert [item.text for item in rows(Source("f"), [row], "a.b")] == ["flat"]  # type: ignore[union-attr]


@given(
    values=st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=8),
    cut=st.integers(1, 9),
)
def test_rows_do_not_depend_on_how_the_text_arrives(values: list[str], cut: int) -> None:
    import json

    text = "\n".join(json.dumps({"t": value}) for value in values)
    pieces = [text[start : start + cut] for start in range(0, len(text), cut)]
    assert [item.text for item in rows(Source("f"), pieces, "t")] == values  # type: ignore[union-attr]
