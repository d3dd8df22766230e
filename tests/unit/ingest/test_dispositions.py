"""Names that anybody may have chosen can't end the header they are put into, nor add to it."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import PresignError
from ingest.dispositions import attachment, checked_content_type

_START = "attachment; filename*=UTF-8''"
_NASTY = st.sampled_from(list("\r\n\0\"'\\/;=%*,: \t\x7f\x85\u2028\u202e\u200fé日🦭.a"))
_NAMES = st.text(_NASTY, max_size=40) | st.text(max_size=40)


@pytest.mark.acceptance("KO-01")
@given(_NAMES)
def test_any_name_becomes_one_header_that_reads_back(name: str) -> None:
    value = attachment(name)
    assert value.isascii()
    assert value.isprintable()
    assert value.startswith(_START)
    encoded = value.removeprefix(_START)
    assert not set(encoded) & set("\"'\\/;=*,: ()<>@?[]{}")
    read = unquote(encoded, errors="strict")
    assert read
    assert not set(read) & set("\r\n\0/\\\u2028\u202e\u200f")
    assert read.strip(". ")


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("a.png", "a.png"),
        ("日本 é.png", "日本 é.png"),
        ("in/2026/a.png", "a.png"),
        ("C:\\temp\\a.png", "a.png"),
        ("../../etc/passwd", "passwd"),
        ("folder/", "folder"),
        ("a\r\nSet-Cookie: x", "a__Set-Cookie: x"),
        ('a"; filename="b', 'a"; filename="b'),
        ("photo\u202egnp.exe", "photo_gnp.exe"),
        ("👩\u200d🚀.png", "👩\u200d🚀.png"),
        ("", "download"),
        ("..", "download"),
        ("/", "download"),
    ],
)
def test_a_name_is_kept_as_far_as_it_can_be(name: str, read: str) -> None:
    assert unquote(attachment(name).removeprefix(_START)) == read


def test_a_name_that_is_no_unicode_is_refused() -> None:
    with pytest.raises(PresignError, match="no valid Unicode"):
        attachment("a\ud800")


@pytest.mark.parametrize("text", ["image/png", "text/plain; charset=utf-8", 'a/b;c="d e"', "application/vnd.api+json"])
def test_a_content_type_passes_as_it_is(text: str) -> None:
    assert checked_content_type(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "image",
        "image/",
        "/png",
        "image/png\r\n",
        "image/png\nX: y",
        "a/b;",
        'a/b; c="\r\n"',
        "a/é",
        "a/" + "b" * 300,
    ],
)
def test_what_is_no_content_type_is_refused(text: str) -> None:
    with pytest.raises(PresignError, match="content type"):
        checked_content_type(text)
