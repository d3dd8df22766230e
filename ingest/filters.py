"""Globs over keys: hides how a key is matched in time that no glob, however hostile, can stretch.

`*` and `?` stop at a slash, `**` does not, `**/` stands for any number of folders or none; `[a-z]` and `[!a-z]` are sets, and a `[`
that nothing closes is itself. A pattern without a slash is matched against the last part of the key, so that `*.jpg` means every
JPEG; any other against the whole key.
"""

from __future__ import annotations

import re
import sys
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from operator import xor
from typing import NamedTuple

_TOKEN = re.compile(
    r"(?P<folders>(?:^|(?<=/))\*\*/)|(?P<deep>\*\*+)|(?P<star>\*)|(?P<one>\?)|(?P<set>\[!?\]?[^\]]*\])|(?P<text>.)",
    re.DOTALL,
)
_WILD = {"folders": r"(?:[^/]*/)*", "deep": r".*", "star": r"[^/]*"}
_SLASH = (ord("/"), ord("/"))
_MOST_CHARACTERS = 512
_MOST_STATES = 2048
"""Of one automaton: it keeps a mask of this many bits for each of the characters that its globs tell apart."""


class _Token(NamedTuple):
    kind: str
    text: str
    members: Sequence[tuple[int, int]] = ()
    """The characters that it stands for, as ascending ranges of code points; none for a wildcard."""


class Automaton:
    """Globs read at the same time, in one step per character whatever they and the key are: it never goes back.

    Bit by bit, a state says which of the globs' items may be the next; see Baeza-Yates and Gonnet, "A new approach to text
    searching" (1992). A wildcard is an item that may be the next again.
    """

    def __init__(self, globs: Iterable[Sequence[_Token]]) -> None:
        self._starts = self._ends = 0
        wild = dict.fromkeys(_WILD, 0)
        edges = {0: 0}
        bit = 1
        for tokens in globs:
            self._starts |= bit
            for kind, _, members in tokens:
                if kind in wild:
                    wild[kind] |= bit
                    continue
                for edge in (end for low, high in members for end in (low, high + 1)):
                    edges[edge] = edges.get(edge, 0) ^ bit
                bit <<= 1
            self._ends |= bit
            bit <<= 1
        self._folders, self._within, self._across = wild["folders"], wild["star"] | wild["deep"], wild["deep"]
        self._edges = sorted(edges)
        self._masks = list(accumulate((edges[edge] for edge in self._edges), xor))

    def match(self, text: str) -> bool:
        """Whether one of the globs matches the whole text."""
        state, in_folder = self._starts, 0
        for character in text:
            mask = self._masks[bisect_right(self._edges, ord(character)) - 1]
            if character == "/":
                state = (state & mask) << 1 | state & (self._across | self._folders) | in_folder
                in_folder = 0
            else:
                in_folder |= state & self._folders
                state = (state & mask) << 1 | state & self._within
            if not state | in_folder:
                return False
        return bool(state & self._ends)


def compile_glob(pattern: str) -> re.Pattern[str] | Automaton:
    """Translate a glob. Raises ValueError for one that is empty, too long or malformed."""
    tokens = _tokens(pattern)
    return _regex(tokens) if _is_tame(tokens) else Automaton([tokens])


def _tokens(pattern: str) -> list[_Token]:
    if not 1 <= len(pattern) <= _MOST_CHARACTERS:
        raise ValueError(f"a glob has 1 to {_MOST_CHARACTERS} characters, this one has {len(pattern)}")
    found = _TOKEN.finditer(pattern if "/" in pattern else f"**/{pattern}")
    try:
        return [_Token(kind, token[0], _members(kind, token[0])) for token in found if (kind := str(token.lastgroup))]
    except ValueError as error:
        raise ValueError(f"the glob {pattern!r} can't be read: {error}") from error


def _members(kind: str, text: str) -> list[tuple[int, int]]:
    """Only a slash stands for a slash. Raises ValueError for a set that is none."""
    if kind in _WILD:
        return []
    if kind == "text":
        return [(ord(text), ord(text))]
    if kind == "one":
        return _all_but([_SLASH])
    negated = text.startswith("[!")
    body = text[2:-1] if negated else text[1:-1]
    if not body:
        raise ValueError(
            f"the set {text} names no character; write {text}] for a closing bracket, [[] for an opening one"
        )
    ranges = []
    for low, high, one in re.findall(r"(.)-(.)|(.)", body, re.DOTALL):
        if high < low:
            raise ValueError(f"{low}-{high} runs backwards")
        ranges.append((ord(low or one), ord(high or one)))
    return _all_but([*ranges, _SLASH] if negated else [*_all_but(ranges), _SLASH])


def _all_but(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    others, start = [], 0
    for low, high in sorted(ranges):
        if start < low:
            others.append((start, low - 1))
        start = max(start, high + 1)
    return [*others, (start, sys.maxunicode)] if start <= sys.maxunicode else others


def _is_tame(tokens: Sequence[_Token]) -> bool:
    """Whether its regular expression takes no more than (key times glob) steps, so that it is the faster way.

    What follows a deep wildcard may be tried at each character, so it must hold no star, which runs on each time. What follows
    a wildcard for folders is tried at each folder, so its stars must stay in one folder: each runs over another one then.
    """
    _, *sections = _split(tokens, ("folders", "deep"))
    for section in sections:
        texts = [token.text for token in section]
        if "*" in texts and (section[0].kind == "deep" or "/" in texts[texts.index("*") :]):
            return False
    return True


def _regex(tokens: Sequence[_Token]) -> re.Pattern[str]:
    """A wildcard takes the first place where all that stands before the next wildcard as deep as itself fits. If the rest can
    match at all, it can match from there, so an atomic group may forbid a second try: that keeps the time low. Only the last
    wildcard of each depth has to look on, for the place that reaches the end of the key.
    """
    first, *sections = _split(tokens, ("folders", "deep"))
    regex = _section(first, last=not sections)
    for number, section in enumerate(sections, start=1):
        last = number == len(sections)
        wild, body = _WILD[section[0].kind], _section(section[1:], last=last)
        regex += f"{wild}{body}" if last else f"(?>{wild}?{body})"
    return re.compile(regex, re.DOTALL)


def _section(tokens: Sequence[_Token], *, last: bool) -> str:
    first, *chunks = _split(tokens, ("star",))
    regex = _literal(first)
    for number, chunk in enumerate(chunks, start=1):
        body = _literal(chunk[1:])
        regex += rf"[^/]*{body}" if last and number == len(chunks) else rf"(?>[^/]*?{body})"
    return regex + (r"\Z" if last else "")


def _split(tokens: Iterable[_Token], kinds: Sequence[str]) -> list[list[_Token]]:
    """Cut before each token of these kinds; the first part has none at its head."""
    parts: list[list[_Token]] = [[]]
    for token in tokens:
        if token.kind in kinds:
            parts.append([])
        parts[-1].append(token)
    return parts


def _literal(tokens: Iterable[_Token]) -> str:
    return "".join(_one(token) for token in tokens)


def _one(token: _Token) -> str:
    if token.kind == "text":
        return re.escape(token.text)
    ranges = "".join(f"\\U{low:08x}-\\U{high:08x}" for low, high in token.members)
    return f"[{ranges}]" if ranges else r"(?!)"


def key_filter(include: Sequence[str], exclude: Sequence[str]) -> Callable[[bytes], bool] | None:
    """Whether a key is wanted; None where there is nothing to ask. Raises ValueError for a malformed glob."""
    if not include and not exclude:
        return None
    wanted, unwanted = _compiled(include), _compiled(exclude)

    def keep(key: bytes) -> bool:
        text = key.decode("utf-8", "surrogateescape")
        return (not wanted or any(glob.match(text) for glob in wanted)) and not any(
            glob.match(text) for glob in unwanted
        )

    return keep


def _compiled(patterns: Iterable[str]) -> list[re.Pattern[str] | Automaton]:
    """Each as it is fastest: a regular expression of its own, or as part of as few automata as will hold them."""
    regexes: list[re.Pattern[str] | Automaton] = []
    packs: list[list[list[_Token]]] = []
    for tokens in map(_tokens, patterns):
        if _is_tame(tokens):
            regexes.append(_regex(tokens))
        elif packs and sum(map(len, packs[-1])) + len(tokens) <= _MOST_STATES:
            packs[-1].append(tokens)
        else:
            packs.append([tokens])
    return [*regexes, *map(Automaton, packs)]
