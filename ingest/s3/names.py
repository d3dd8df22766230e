"""The names in a page of a listing, all at once; hides entities and percent-escapes."""

from __future__ import annotations

import re
from binascii import unhexlify
from collections.abc import Sequence
from string import hexdigits

_ENTITIES = {"&lt;": "<", "&gt;": ">", "&quot;": '"', "&#34;": '"', "&apos;": "'", "&#39;": "'", "&amp;": "&"}
"""The last one last: what it leaves may look like another."""
STRANGE = re.compile("&(?!" + "|".join(name[1:] for name in _ENTITIES) + ")")
"""An ampersand that begins none of them."""
_LONE_PERCENT = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_ESCAPED = re.compile(rb"(?:%..)+")
_ESCAPES = {f"%{a}{b}".encode(): bytes.fromhex(a + b) for a in hexdigits for b in hexdigits}
_ESCAPES_REPLACED = 8
"""Different ones in a page; beyond that it is cheaper to go from name to name."""


class UnusualError(Exception):
    """This is for a real parser."""


def names(texts: Sequence[str] | None, *, encoded: bool) -> list[bytes]:
    """The bytes of keys or prefixes."""
    if texts is None or "" in texts:
        raise UnusualError
    joined = "\1".join(texts)
    if "&" in joined:
        for entity, char in _ENTITIES.items():
            joined = joined.replace(entity, char)
    names = joined.encode("ascii")
    if encoded and (b"%" in names or b"+" in names):
        return _decoded(names.replace(b"+", b" "))
    return names.split(b"\1")


def _decoded(names: bytes) -> list[bytes]:
    """Pages have few different escapes, so that each is replaced in all names at once. A decoded percent sign waits as STX."""
    if _LONE_PERCENT.search(names):
        raise UnusualError
    text = names
    for _ in range(_ESCAPES_REPLACED):
        at = text.find(b"%")
        if at < 0:
            return text.replace(b"\2", b"%").split(b"\1")
        escape = text[at : at + 3]
        byte = _ESCAPES[escape]
        if byte < b" ":
            break
        text = text.replace(escape, b"\2" if byte == b"%" else byte)
    return [_ESCAPED.sub(_unescaped, name) for name in names.split(b"\1")]


def _unescaped(run: re.Match[bytes]) -> bytes:
    return unhexlify(run[0].replace(b"%", b""))
