"""PDF: how many pages it has and whether it asks for a password; hides cross-references of all kinds and where they lie.

Source: ISO 32000-1, 7.5. Its end is read first, then one more place at most; what lies further apart is left out.
"""

from __future__ import annotations

import re
from typing import Final

from ingest.media.documents.pdf_objects import Budget, Found, Object, Ref, dictionary
from ingest.media.documents.pdf_xref import Xref
from ingest.media.nearby import ending
from ingest.media.properties import Media
from ingest.media.view import MalformedError, View

_TAIL: Final = 65_536
_LINEAR: Final = re.compile(rb"\d{1,10}[\0\t\n\f\r ]{1,8}\d{1,5}[\0\t\n\f\r ]{1,8}obj[\0\t\n\f\r ]{0,8}(?=<<)")
_PAGES_MOST: Final = 10_000_000


def read(view: View, media: Media) -> None:
    """See `ingest.media.formats.Parser`."""
    head = view.held(0)
    base = max(0, head[:1024].find(b"%PDF-"))
    linear = _linearized(head[base : base + 1024], view)
    if linear is not None:
        media.more["pages"] = linear
        trailer = _first_trailer(head, base)
        if trailer is not None:
            media.more["encrypted"] = b"Encrypt" in trailer.values
            view.reach = max(view.reach, trailer.end)
            return
    start, tail = ending(view, _TAIL)
    xref = Xref(view, base, start, tail)
    xref.sections()
    media.more["encrypted"] = b"Encrypt" in xref.trailer
    if linear is None:
        media.more["pages"] = _pages(xref)


def _linearized(head: bytes, view: View) -> int | None:
    """Pages as the first object of a linearized file says, if nothing was added to the file since."""
    first = _LINEAR.search(head)
    if first is None or b"/Linearized" not in head:
        return None
    try:
        values = dictionary(head, first.end(), Budget()).values
    except MalformedError:
        return None
    pages = values.get(b"N")
    if b"Linearized" in values and isinstance(pages, int) and values.get(b"L") == view.size and 0 < pages < _PAGES_MOST:
        return pages
    return None


def _first_trailer(head: bytes, base: int) -> Found | None:
    """The trailer, or the dictionary of the table, that stands at the beginning of a linearized file."""
    first = _LINEAR.search(head, base)
    second = _LINEAR.search(head, first.end(), base + 32_768) if first is not None else None
    trailer = head.find(b"trailer", base, base + 32_768)
    at = (
        trailer + 7 if trailer >= 0 and (second is None or trailer < second.start()) else second.end() if second else -1
    )
    if at < 0:
        return None
    try:
        found = dictionary(head, at, Budget())
    except MalformedError:
        return None
    return found if found.whole and b"Root" in found.values else None


def _pages(xref: Xref) -> int:
    root = _followed(xref, xref.trailer.get(b"Root"))
    pages = _followed(xref, root.get(b"Pages"))
    count = pages.get(b"Count")
    if isinstance(count, Ref):
        count = xref.number(count)
    if not isinstance(count, int) or not 0 <= count < _PAGES_MOST:
        raise MalformedError("its number of pages is missing")
    return count


def _followed(xref: Xref, value: Object) -> dict[bytes, Object]:
    if isinstance(value, dict):
        return value
    if not isinstance(value, Ref):
        raise MalformedError("its catalog is missing")
    return xref.dictionary(value)
