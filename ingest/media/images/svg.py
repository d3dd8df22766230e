"""SVG: the tag that its text begins with; hides XML, of which no more is read than that and nothing is expanded."""

from __future__ import annotations

import math
import re
from typing import Final

from ingest.media.properties import Media
from ingest.media.view import MalformedError, MoreNeededError, View

PROLOG_MOST: Final = 64 << 10
"""Bytes within which the root's tag must end."""
_WISH: Final = 16 << 10
_PARTS_MOST: Final = 256
_BOMS: Final = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_ROOT: Final = re.compile(r"<(?:[A-Za-z_][\w.-]{0,60}:)?svg(?=[\s/>])")
_INK: Final = re.compile(r"\S")
_SUBSET: Final = re.compile(r"""["']|<!--|\]\s*+>""")
_CLOSED_BY: Final = {'"': '"', "'": "'", "<!--": "-->"}
_MARK: Final = re.compile("[\"'>]")
_ATTRIBUTE: Final = re.compile(r"""\s([A-Za-z_][\w:.-]{0,100})\s{0,20}=\s{0,20}(?:"([^"<]*)"|'([^'<]*)')""")
_LENGTH: Final = re.compile(
    r"\s*\+?(\d{1,20}(?:\.\d{0,40})?|\.\d{1,40})(?:[eE]([+-]?\d{1,3}))?\s*([A-Za-z%]*)\s*", re.ASCII
)
_NUMBER: Final = re.compile(r"[+-]?(?:\d{1,20}(?:\.\d{0,40})?|\.\d{1,40})(?:[eE][+-]?\d{1,3})?", re.ASCII)
_PIXELS: Final = {"": 1, "px": 1, "pt": 96 / 72, "pc": 16, "in": 96, "cm": 96 / 2.54, "mm": 9.6 / 2.54, "q": 2.4 / 2.54}
"""Of one unit (CSS Values 4, 6.2). Others are of something that the file does not say."""
_SIZE_MOST: Final = 1_000_000_000


def is_svg(head: bytes) -> bool:
    """Whether the root is `svg`, or the document type says that it will be: a prolog may be longer than the first bytes."""
    text = _decoded(head)
    if not text.startswith("<"):
        return False
    at, named = _root(text)
    return named or _ROOT.match(text, at) is not None


def read_svg(view: View, media: Media) -> None:
    """Width and height in CSS pixels: as it says, or as its viewBox does. Raises MoreNeededError, MalformedError."""
    text = _decoded(view.held(0, PROLOG_MOST))
    at, _ = _root(text)
    root = _ROOT.match(text, at)
    end = _end(text, root.end()) if root is not None else -1
    if root is None or end < 0:
        _ask(view)
        raise MalformedError("its root is not to be found")
    said: dict[str, str] = {}
    for found in _ATTRIBUTE.finditer(text, root.end(), end):
        said.setdefault(found[1], found[2] if found[2] is not None else found[3])
    width, height = _length(said.get("width")), _length(said.get("height"))
    box = _box(said.get("viewBox"))
    if box is not None:
        if width is None and height is None:
            width, height = box
        elif width is None and height is not None:
            width = height * box[0] / box[1]
        elif height is None and width is not None:
            height = width * box[1] / box[0]
    if width is not None and height is not None and width < _SIZE_MOST and height < _SIZE_MOST:
        media.width, media.height = max(1, round(width)), max(1, round(height))


def _ask(view: View) -> None:
    """Asks for all of the prolog once. Raises MoreNeededError."""
    held = len(view.held(0))
    most = PROLOG_MOST if view.size is None else min(PROLOG_MOST, view.size)
    if held < most:
        raise MoreNeededError(0, most)


def _decoded(head: bytes) -> str:
    for mark, encoding in _BOMS:
        if head.startswith(mark):
            return head[len(mark) :].decode(encoding, "replace").lstrip()
    return head.decode("utf-8", "replace").lstrip()


def _root(text: str) -> tuple[int, bool]:
    """Where the first tag begins, or the text ends before that; and whether the document type names `svg`."""
    at, named = 0, False
    for _ in range(_PARTS_MOST):
        if text.startswith("<?", at):
            end = text.find("?>", at)
            following = end + 2
        elif text.startswith("<!--", at):
            end = text.find("-->", at + 4)
            following = end + 3
        elif text[at : at + 9].upper() == "<!DOCTYPE":
            named = text[at + 9 : at + 80].split(None, 1)[:1] in (["svg"], ["svg>"], ["svg:svg"])
            end = _doctype(text, at + 9)
            following = end + 1
        else:
            return at, named
        if end < 0:
            return len(text), named
        at = _ink(text, following)
    return at, named


def _ink(text: str, at: int) -> int:
    """Where white space ends."""
    found = _INK.search(text, at)
    return found.start() if found is not None else len(text)


def _doctype(text: str, at: int) -> int:
    """Where the `>` is that ends it, behind its internal subset if it has one; -1: not here."""
    subset, end = text.find("[", at), text.find(">", at)
    if subset < 0 or (0 <= end < subset):
        return end
    at = subset
    while found := _SUBSET.search(text, at):
        close = _CLOSED_BY.get(found[0])
        if close is None:
            return found.end() - 1
        end = text.find(close, found.end())
        if end < 0:
            return -1
        at = end + len(close)
    return -1


def _end(text: str, at: int) -> int:
    """Where the `>` is that ends a tag: not one within quotes. -1: not here."""
    for _ in range(4 * _PARTS_MOST):
        found = _MARK.search(text, at)
        if found is None:
            return -1
        if found[0] == ">":
            return found.start()
        at = text.find(found[0], found.end()) + 1
        if at == 0:
            return -1
    return -1


def _length(said: str | None) -> float | None:
    found = _LENGTH.fullmatch(said) if said is not None else None
    if found is None or (unit := _PIXELS.get(found[3].lower())) is None:
        return None
    length = float(f"{found[1]}e{found[2] or 0}") * unit
    return length if math.isfinite(length) and length > 0 else None


def _box(said: str | None) -> tuple[float, float] | None:
    numbers = [float(one) for one in _NUMBER.findall(said[:400])] if said is not None else []
    if len(numbers) != 4 or not all(math.isfinite(one) for one in numbers) or numbers[2] <= 0 or numbers[3] <= 0:
        return None
    return numbers[2], numbers[3]
