"""Globs over keys, as regular expressions that a hostile pattern can't slow down.

`*` and `?` stop at a slash, `**` does not, `**/` stands for any number of folders or none; `[a-z]` and `[!a-z]` are sets. A pattern
without a slash is matched against the last part of the key, so that `*.jpg` means every JPEG; any other against the whole key.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

_TOKEN = re.compile(
    r"(?P<folders>(?:^|(?<=/))\*\*/)|(?P<deep>\*\*+)|(?P<star>\*)|(?P<one>\?)|(?P<set>\[!?\]?[^\]]*\])|(?P<text>.)",
    re.DOTALL,
)
_WILD = {"folders": r"(?:[^/]*/)*", "deep": r".*", "star": r"[^/]*"}
_MOST_CHARACTERS = 512


def compile_glob(pattern: str) -> re.Pattern[str]:
    """Translate a glob. Raises ValueError for one that is empty, too long or malformed."""
    if not 1 <= len(pattern) <= _MOST_CHARACTERS:
        raise ValueError(f"a glob has 1 to {_MOST_CHARACTERS} characters, this one has {len(pattern)}")
    try:
        return re.compile(_regex(pattern if "/" in pattern else f"**/{pattern}"), re.DOTALL)
    except re.error as error:
        raise ValueError(f"the glob {pattern!r} can't be read: {error}") from error


def _regex(pattern: str) -> str:
    """A wildcard takes the first place where all that stands before the next wildcard as deep as itself fits. If the rest can
    match at all, it can match from there, so an atomic group may forbid a second try: that keeps the time low. Only the last
    wildcard of each depth has to look on, for the place that reaches the end of the key.
    """
    tokens = [(str(token.lastgroup), token[0]) for token in _TOKEN.finditer(pattern)]
    first, *sections = _split(tokens, ("folders", "deep"))
    regex = _section(first, last=not sections)
    for number, section in enumerate(sections, start=1):
        last = number == len(sections)
        wild, body = _WILD[section[0][0]], _section(section[1:], last=last)
        regex += f"{wild}{body}" if last else f"(?>{wild}?{body})"
    return regex


def _section(tokens: Sequence[tuple[str, str]], *, last: bool) -> str:
    first, *chunks = _split(tokens, ("star",))
    regex = _literal(first)
    for number, chunk in enumerate(chunks, start=1):
        body = _literal(chunk[1:])
        regex += rf"[^/]*{body}" if last and number == len(chunks) else rf"(?>[^/]*?{body})"
    return regex + (r"\Z" if last else "")


def _split(tokens: Iterable[tuple[str, str]], kinds: Sequence[str]) -> list[list[tuple[str, str]]]:
    """Cut before each token of these kinds; the first part has none at its head."""
    parts: list[list[tuple[str, str]]] = [[]]
    for token in tokens:
        if token[0] in kinds:
            parts.append([])
        parts[-1].append(token)
    return parts


def _literal(tokens: Iterable[tuple[str, str]]) -> str:
    return "".join(_one(kind, text) for kind, text in tokens)


def _one(kind: str, text: str) -> str:
    if kind == "one":
        return r"[^/]"
    if kind == "set":
        body = text[1:-1].replace("\\", r"\\").replace("[", r"\[")
        negated = body.startswith("!")
        members = body.removeprefix("!").replace("]", r"\]").replace("^", r"\^")
        return f"[^/{members}]" if negated else f"(?!/)[{members}]"
    return re.escape(text)


def key_filter(include: Sequence[str], exclude: Sequence[str]) -> Callable[[bytes], bool] | None:
    """Whether a key is wanted; None where there is nothing to ask."""
    if not include and not exclude:
        return None
    wanted = [compile_glob(pattern) for pattern in include]
    unwanted = [compile_glob(pattern) for pattern in exclude]

    def keep(key: bytes) -> bool:
        text = key.decode("utf-8", "surrogateescape")
        return (not wanted or any(glob.match(text) for glob in wanted)) and not any(
            glob.match(text) for glob in unwanted
        )

    return keep
