"""Globs over keys."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingest.filters import Automaton, _regex, _tokens, compile_glob, key_filter


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
        ("[", "[", True),
        ("a]", "a]", True),
        ("[a-c-].txt", "-.txt", True),
        ("[a-c-].txt", "b.txt", True),
        ("[--a].txt", "A.txt", True),
        ("[a&&b].txt", "&.txt", True),
        ("[\\].txt", "\\.txt", True),
        ("[!a-y]/z", "//z", False),
        ("x[.-0]y", "x/y", False),
        ("x[/]y", "x/y", False),
        ("x[😀-😎]", "x😃", True),
        ("**/raw/*/[!.]*.jpg", "a/raw/b/c.jpg", True),
        ("**/raw/*/[!.]*.jpg", "a/raw/b/.c.jpg", False),
    ],
)
def test_a_glob_matches_what_its_words_say(pattern: str, key: str, matches: bool) -> None:
    assert bool(compile_glob(pattern).match(key)) is matches
    assert bool(_regex(_tokens(pattern)).match(key)) is matches
    assert Automaton([_tokens(pattern)]).match(key) is matches


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("", "1 to 512 characters"),
        ("x" * 513, "1 to 512 characters, this one has 513"),
        ("[z-a]/x", "z-a runs backwards"),
        ("[]", "the set [] names no character; write []] for a closing bracket"),
        ("[!]", "the set [!] names no character; write [!]] for a closing bracket"),
    ],
)
def test_a_glob_that_can_not_be_read_is_refused_in_its_own_words(pattern: str, says: str) -> None:
    with pytest.raises(ValueError, match="glob") as caught:
        compile_glob(pattern)
    assert says in str(caught.value)


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
    expected = _reference(pattern, key)
    assert bool(_regex(_tokens(pattern)).match(key)) is expected
    assert Automaton([_tokens(pattern)]).match(key) is expected


@given(st.lists(st.text("ab/*?[!-]", min_size=1, max_size=9), min_size=1, max_size=4), st.text("ab/-[]", max_size=9))
def test_globs_that_are_read_together_match_what_one_of_them_matches(patterns: list[str], key: str) -> None:
    try:
        globs = [_tokens(pattern) for pattern in patterns]
    except ValueError:
        return
    one_of_them = any(_regex(glob).match(key) for glob in globs)
    assert Automaton(globs).match(key) is one_of_them
    keep = key_filter(patterns, [])
    assert keep is not None
    assert keep(key.encode()) is one_of_them


HOSTILE = (
    "**a*" + "a" * 200 + "b",
    "*a" * 200 + "/**b*c",
    "**a*b" * 100,
    "**/*/" * 100 + "b",
    "**/*a*a*a*/" * 40 + "b",
    "**" + "?" * 250 + "*" + "?" * 250,
)


class _Counted(str):
    """A key that counts how often one of its characters is looked at."""

    __slots__ = ("looks",)

    def __init__(self, _text: str) -> None:
        self.looks = 0

    def __iter__(self) -> Iterator[str]:
        for character in str(self):
            self.looks += 1
            yield character


@pytest.mark.parametrize("pattern", HOSTILE)
@pytest.mark.parametrize("key", ["a" * 1023 + "/", "a/" * 511 + "c/", "a" * 511 + "/" + "a" * 511 + "/"])
def test_a_glob_that_could_look_again_and_again_looks_at_each_character_once(pattern: str, key: str) -> None:
    glob, counted = compile_glob(pattern), _Counted(key)
    assert isinstance(glob, Automaton)
    assert not glob.match(counted)
    assert 0 < counted.looks <= len(key)


@pytest.mark.parametrize(
    "pattern", ["*.jpg", "a/**", "a/**/z", "a/*/b-*.csv", "*x*y*", "**/raw/*.jpg", "**" + "a" * 500]
)
def test_a_glob_that_can_not_is_a_regular_expression_which_is_faster(pattern: str) -> None:
    assert isinstance(compile_glob(pattern), re.Pattern)


@pytest.mark.parametrize("pattern", ["*a" * 200 + "/b", "**a" * 150, "*" * 512, *HOSTILE])
def test_a_hostile_glob_ends(pattern: str) -> None:
    assert not compile_glob(pattern).match("a" * 1023 + "/c/") or set(pattern) == {"*"}


def test_many_globs_cost_no_more_than_their_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred of them are read in one walk, not in a hundred."""
    walks: list[str] = []

    def match(glob: Automaton, text: str, walk: Callable[[Automaton, str], bool] = Automaton.match) -> bool:
        walks.append(text)
        return walk(glob, text)

    monkeypatch.setattr(Automaton, "match", match)
    keep = key_filter([f"**a*{number}" for number in range(100)] + ["**" + "b*" * 200] * 2, [])
    assert keep is not None
    assert keep(b"x/xxay7")
    assert not keep(b"a" * 1024)
    assert len(walks) <= 4


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
