"""Globs over keys."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingest.filters import compile_glob, key_filter


@pytest.mark.parametrize(
    ("pattern", "key", "matches"),
    [
        ("*.jpg", "a.jpg", True),
        ("*.jpg", "deep/down/a.jpg", True),
        ("*.jpg", "a.jpg/b", False),
        ("a/*.jpg", "a/b.jpg", True),
        ("a/*.jpg", "a/b/c.jpg", False),
        ("a/*.jpg", "x/a/b.jpg", False),
        ("a/**", "a/b/c", True),
        ("a/**", "a/", True),
        ("a/**/z", "a/z", True),
        ("a/**/z", "a/b/c/z", True),
        ("a/**/z", "a/bz", False),
        ("**/raw/*", "raw/x", True),
        ("**/raw/*", "a/raw/x", True),
        ("**/raw/*", "a/draw/x", False),
        ("?.txt", "é.txt", True),
        ("?/b", "//b", False),
        ("[ab].txt", "b.txt", True),
        ("[!ab].txt", "b.txt", False),
        ("[]].txt", "].txt", True),
        ("[^a].txt", "^.txt", True),
        ("a\\b", "a\\b", True),
        ("new\nline*", "new\nline\n", True),
        ("/lead", "/lead", True),
        ("a//b", "a//b", True),
        ("[a", "[a", True),
    ],
)
def test_a_glob_matches_what_its_words_say(pattern: str, key: str, matches: bool) -> None:
    assert bool(compile_glob(pattern).match(key)) is matches


@pytest.mark.parametrize("pattern", ["", "x" * 513, "[z-a]/x"])
def test_a_glob_that_can_not_be_read_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="glob"):
        compile_glob(pattern)


def _reference(pattern: str, key: str) -> bool:
    """The same language, tried every way."""
    pattern = pattern if "/" in pattern else "**/" + pattern

    @cache
    def fits(p: int, k: int) -> bool:
        if p == len(pattern):
            return k == len(key)
        if pattern.startswith("**/", p) and (p == 0 or pattern[p - 1] == "/"):
            return fits(p + 3, k) or any(key[i - 1] == "/" and fits(p + 3, i) for i in range(k + 1, len(key) + 1))
        if pattern.startswith("**", p):
            end = p
            while end < len(pattern) and pattern[end] == "*":
                end += 1
            return any(fits(end, i) for i in range(k, len(key) + 1))
        if pattern[p] == "*":
            return any(fits(p + 1, i) for i in range(k, len(key) + 1) if "/" not in key[k:i])
        return k < len(key) and (pattern[p] == key[k] or (pattern[p] == "?" and key[k] != "/")) and fits(p + 1, k + 1)

    return fits(0, 0)


@given(st.text("ab/*?", min_size=1, max_size=12), st.text("ab/", max_size=14))
@example("a*/b/**b", "ab/b/ab")
@example("**/*/a*b/**/b", "aab/ab/b/b")
def test_forbidding_second_tries_changes_no_answer(pattern: str, key: str) -> None:
    assert bool(compile_glob(pattern).match(key)) is _reference(pattern, key)


@pytest.mark.parametrize("pattern", ["*a" * 200 + "/b", "**a" * 150, "**/*a*a*a*/" * 40 + "b", "*" * 512])
def test_a_hostile_glob_ends(pattern: str) -> None:
    assert not compile_glob(pattern).match("a" * 1023 + "/c") or set(pattern) == {"*"}


def test_a_filter_keeps_what_is_included_and_not_excluded() -> None:
    keep = key_filter(["*.jpg", "*.png"], ["private/**"])
    assert keep is not None
    assert [keep(key) for key in (b"a.jpg", b"x/b.png", b"c.gif", b"private/d.jpg", b"\xff\xfe.jpg")] == [
        True,
        True,
        False,
        False,
        True,
    ]


def test_no_globs_mean_no_filter() -> None:
    assert key_filter([], []) is None
