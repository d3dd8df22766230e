"""Reads one PDF dictionary out of bytes; hides the syntax, and that any of it may be missing or nested without end.

Source: ISO 32000-1, 7.2 and 7.3. Strings are passed over: nothing that is asked for is one.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from ingest.media.view import MalformedError


class Ref(NamedTuple):
    """A reference to another object."""

    number: int
    generation: int


Object = int | bytes | Ref | list["Object"] | dict[bytes, "Object"] | None
"""Names are bytes; strings, reals, booleans and null are None."""

TOKENS: Final = 12_000
"""Parts of all dictionaries of one file that are looked at."""
_DEPTH: Final = 24
_TOKEN: Final = re.compile(
    rb"[\0\t\n\f\r ]*+(?:%[^\r\n]*+[\0\t\n\f\r ]*+)*+"
    rb"(?:(?P<ref>(\d{1,10})[\0\t\n\f\r ]+(\d{1,5})[\0\t\n\f\r ]+R(?![A-Za-z]))"
    rb"|(?P<int>[+-]?\d{1,18}(?![\d.]))"
    rb"|/(?P<name>[^\0\t\n\f\r ()<>\[\]{}/%]{0,127})"
    rb"|(?P<open><<)|(?P<close>>>)|(?P<list>\[)|(?P<end>\])"
    rb"|(?P<hex><[0-9A-Fa-f\s]*>)|(?P<text>\()|(?P<word>[^\0\t\n\f\r ()<>\[\]{}/%]{1,64}))"
)
_REFS: Final = re.compile(rb"[\0\t\n\f\r ]*+(?:\d{1,10}+[\0\t\n\f\r ]++\d{1,5}+[\0\t\n\f\r ]++R[\0\t\n\f\r ]*+){4,}+\]")
"""Kids in their thousands are passed over at once."""
_MARK: Final = re.compile(rb"[\\()]")


class Budget:
    """How many tokens of one file may still be looked at."""

    __slots__ = ("left",)

    def __init__(self, left: int = TOKENS) -> None:
        self.left = left

    def spend(self) -> None:
        """Raises MalformedError when all is spent."""
        self.left -= 1
        if self.left < 0:
            raise MalformedError("it has too many parts")


class Found(NamedTuple):
    """What was read."""

    values: dict[bytes, Object]
    end: int
    """Where it ends, or how far it is held."""
    whole: bool


def dictionary(data: bytes, at: int, budget: Budget) -> Found:
    """The dictionary that begins there. Raises MalformedError where none does."""
    token = _TOKEN.match(data, at)
    if token is None or token.lastgroup != "open":
        raise MalformedError("a dictionary is missing")
    reader = _Reader(data, token.end(), budget)
    values: dict[bytes, Object] = {}
    whole = reader.entries(values, _DEPTH)
    return Found(values, reader.at, whole)


class _Reader:
    __slots__ = ("at", "budget", "data")

    def __init__(self, data: bytes, at: int, budget: Budget) -> None:
        self.data, self.at, self.budget = data, at, budget

    def token(self) -> re.Match[bytes] | None:
        self.budget.spend()
        found = _TOKEN.match(self.data, self.at)
        if found is not None:
            self.at = found.end()
        return found

    def entries(self, values: dict[bytes, Object], depth: int) -> bool:
        """Fills in names and values up to the end of this dictionary; whether its end was reached."""
        while (name := self.token()) is not None:
            if name.lastgroup == "close":
                return True
            if name.lastgroup != "name":
                continue
            token = self.token()
            if token is None:
                return False
            if token.lastgroup == "close":
                return True
            values[name["name"]] = self.value(token, depth)
        return False

    def value(self, token: re.Match[bytes], depth: int) -> Object:
        kind = token.lastgroup
        if kind == "ref":
            return Ref(int(token[2]), int(token[3]))
        if kind == "int":
            return int(token["int"])
        if kind == "name":
            return token["name"]
        if kind in {"open", "list"} and depth == 0:
            raise MalformedError("a dictionary of it is nested too deep")
        if kind == "open":
            inner: dict[bytes, Object] = {}
            self.entries(inner, depth - 1)
            return inner
        if kind == "list":
            return self._list(depth - 1)
        if kind == "text":
            self._text()
        return None

    def _list(self, depth: int) -> list[Object]:
        many = _REFS.match(self.data, self.at)
        if many is not None:
            self.at = many.end()
            return []
        items: list[Object] = []
        while (token := self.token()) is not None and token.lastgroup != "end":
            items.append(self.value(token, depth))
        return items

    def _text(self) -> None:
        """Passes a string over, with its escapes and the brackets in it."""
        depth = 1
        while depth:
            mark = _MARK.search(self.data, self.at)
            self.budget.spend()
            if mark is None:
                self.at = len(self.data)
                return
            self.at = mark.end()
            if mark[0] == b"\\":
                self.at += 1
            else:
                depth += 1 if mark[0] == b"(" else -1
