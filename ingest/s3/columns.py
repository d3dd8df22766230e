"""Reads the plain pages of a listing column by column, an order of magnitude faster than element by element.

Hides that nothing here parses XML. One <Contents> shows how this server writes them, and becomes one pattern. If matches of it tile
all that is listed, and nothing but printable ASCII without markup was found between their tags, then what was found are the texts of
well-formed elements. What is left when those are taken out, the frame, is read by ingest/s3/xml.py. Anything else is no answer here,
and is read there as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import pairwise

from config.errors import ProtocolError
from ingest.model import Columns, Entries, Page, Seen
from ingest.s3.names import STRANGE, UnusualError, names
from ingest.s3.xml import LISTED, SIZE_DIGITS, TAGS_MOST, bare_etag, framed, read_document, read_frame

_SPACE = " \t\r\n"
_GAP = rf"[{_SPACE}]*"
_FIELD = r"<(?P<name>[A-Za-z]+)>[^<>]*</(?P=name)>"
_PART = r"<(?P<part>ID|DisplayName|IsRestoreInProgress|RestoreExpiryDate)>[^<>]*</(?P=part)>"
_GROUP = rf"<(?P<group>Owner|RestoreStatus)>{_GAP}(?:{_PART}{_GAP})*</(?P=group)>"
_ROW = re.compile(rf"<(?P<row>Contents|CommonPrefixes)>{_GAP}(?:(?:{_FIELD}|{_GROUP}){_GAP})*</(?P=row)>")
_TEXTS = re.compile(rf"<([A-Za-z]+)>([^<>]*)</\1>({_GAP})")
_FIELDS = rf"(?:(?:{_FIELD}|<(?!Contents|CommonPrefixes)[A-Za-z]+/>){_GAP})*"
_ROOT = rf"<ListBucketResult(?:[{_SPACE}][^<>]*)?>"
_BEFORE = re.compile(rf"(?:<\?xml[^<>]*\?>)?{_GAP}{_ROOT}{_GAP}{_FIELDS}".encode())
_BETWEEN = re.compile(f"{_GAP}{_FIELDS}".encode())
_BEHIND = re.compile(f"{_GAP}{_FIELDS}</ListBucketResult>{_GAP}".encode())

_NAMES = frozenset({"Key", "Prefix"})
_VARYING = _NAMES | {"LastModified", "ETag", "Size"}
"""What differs from object to object; the rest is first tried as if it were markup, the same in all."""
_OPTIONAL = ("ChecksumAlgorithm", "ChecksumType", "StorageClass")
"""What an object may lack, which says the same as if it were there and empty. A group holds the whole element."""
_SEVERAL = "</ChecksumAlgorithm><ChecksumAlgorithm>"
"""The only field that may come more than once, and then reads as one text with commas."""
_QUOTES = ("&quot;", '"', "&#34;")
_QUOTED = "ETag in quotes"
"""The column of ETags whose quotes were taken for markup."""
_LONG, _BEGUN = 32, 8
"""Characters of markup from which on it is compared as a whole, and how many are matched all the same, to find the place."""
_SAMPLES = 8
"""Rows that are tried before a page is, since half a page in vain is dear."""
_DIGEST = 16
"""Bytes of a page's digest: by chance, two pages will not share one."""
_PADDED = re.compile(r"\b0[0-9]")
"""A number that another text would say, too."""
_PLAIN = bytes(sorted(set(range(0x20, 0x7F)) - set(b"<>")))


@dataclass(slots=True)
class _Layout:
    """How one server writes the rows of one page, and the pattern that this makes."""

    parts: list[str] = field(default_factory=list)
    """Of the pattern of a row and the space behind it."""
    names: list[str] = field(default_factory=list)
    """Of its groups."""
    fixed: int = 0
    """How many characters of a row lie in no group."""
    constants: dict[str, str] = field(default_factory=dict)
    """Fields that are in no group, but the same in every row."""
    markup: dict[str, str] = field(default_factory=dict)
    """Groups that match anything, and what they must hold: to compare long markup at once is faster than char by char."""

    def add_markup(self, text: str) -> None:
        begun = text if len(text) < _LONG else text[:_BEGUN]
        self.parts.append(re.escape(begun))
        self.fixed += len(begun)
        if rest := text[len(begun) :]:
            name = f"markup {len(self.names)}"
            self.add_group(name, f"(.{{{len(rest)}}})")
            self.markup[name] = rest

    def add_group(self, name: str, group: str) -> None:
        self.names.append(name)
        self.parts.append(group)

    def pattern(self) -> re.Pattern[str]:
        """From the cache of `re`: pages of one bucket look alike."""
        return re.compile("".join(self.parts), re.DOTALL)


def read_page(body: bytes, *, bucket: str, prefix: bytes, seen: Seen | None = None) -> Page | None:
    """What `read_listing` of ingest/s3/xml.py makes of this body; None if it is not quite plain: ask there. Never raises.

    `seen`: what may have come again; if it has, byte by byte, its entries are not read.
    """
    try:
        objects = _span(body, b"Contents")
        folders = _span(body, b"CommonPrefixes", but=objects)
        frame = _frame(body, objects, folders)
        root = read_document(frame)
        encoded = read_frame(root, bucket=bucket, prefix=prefix, body=frame)
        digest = _digest(body[objects], encoded=encoded) if objects.stop and not folders.stop else None
        folded = _columns(body[folders], "CommonPrefixes") if folders.stop else {}
        common = names(folded.get("Prefix"), encoded=encoded) if folded else []

        def read() -> Columns:
            return _entries(_columns(body[objects], "Contents"), encoded=encoded)

        if seen is not None and digest == seen.digest:
            entries = Entries.recalled(seen, read)
        else:
            entries = Entries(read(), digest=digest) if objects.stop else Entries()
        return framed(root, entries=entries, common_prefixes=common)
    except (ProtocolError, UnicodeDecodeError, UnusualError):
        return None


def _digest(rows: bytes, *, encoded: bool) -> bytes:
    """Of rows, and of how their names are to be read."""
    hashed = sha256(b"url" if encoded else b"")
    hashed.update(rows)
    return hashed.digest()[:_DIGEST]


# -- where the rows are


def _span(body: bytes, tag: bytes, *, but: slice = slice(0, 0)) -> slice:
    """From the first of these elements to the last; empty if there is none. `but`: where none of them can be."""
    opening, closing = b"<%b>" % tag, b"</%b>" % tag
    first = body.find(opening, 0, but.start)
    if first < 0:
        first = body.find(opening, but.stop)
    return slice(first, body.rfind(closing) + len(closing)) if first >= 0 else slice(0, 0)


def _frame(body: bytes, *spans: slice) -> bytes:
    """The document without the spans, each of which stands directly below the root."""
    edges = [0]
    for span in sorted((span for span in spans if span.stop), key=lambda span: span.start):
        edges += (span.start, span.stop)
    edges.append(len(body))
    if len(edges) == 2 or any(one > other for one, other in pairwise(edges)):
        raise UnusualError
    before, *between, behind = (body[first:stop] for first, stop in zip(edges[::2], edges[1::2], strict=True))
    if not (_BEFORE.fullmatch(before) and _BEHIND.fullmatch(behind) and all(map(_BETWEEN.fullmatch, between))):
        raise UnusualError
    frame = b"".join((before, *between, behind))
    _limit(frame.count(b"<"))
    return frame


# -- what is in them


def _columns(listed: bytes, tag: str) -> dict[str, Sequence[str]]:
    """The texts of every row by field; fields that say nothing to us may be among them."""
    rows = listed.decode("ascii")
    opening, closing = f"<{tag}>", f"</{tag}>"
    end = rows.find(closing) + len(closing)
    following = rows.find(opening, end)
    first, gap = rows[:end], rows[end:following] if following >= 0 else ""
    if _SEVERAL not in first:
        layout = _layout(first, gap, fold=True)
        text, pattern = rows + gap, layout.pattern()
        samples = (text.find(opening, len(text) * number // _SAMPLES) for number in range(_SAMPLES))
        if all(pattern.match(text, start) for start in samples if start >= 0):
            columns = _tiled(text, layout)
            if columns is not None:
                _limit(first.count("<") * len(next(iter(columns.values()))))
                return columns
    _limit(rows.count("<"))
    first = _fullest(rows, first, opening, closing).replace(_SEVERAL, ",")
    columns = _tiled(rows.replace(_SEVERAL, ",") + gap, _layout(first, gap, fold=False))
    if columns is None:
        raise UnusualError
    return columns


def _limit(tags: int) -> None:
    """A third of all that a document may have, for each of the three parts it has. Not counted in what is long."""
    if tags > TAGS_MOST // 3:
        raise UnusualError


def _layout(row: str, gap: str, *, fold: bool) -> _Layout:
    """As this row is written. `fold`: what is likely the same in all rows is markup; else it may vary, and be missing."""
    if not _ROW.fullmatch(row) or gap.strip(_SPACE):
        raise UnusualError
    layout, at = _Layout(), 0
    seen: set[str] = set()
    for found in _TEXTS.finditer(row):
        name, text, space = found.groups()
        if name in seen or name.lower() in LISTED:
            raise UnusualError
        seen.add(name)
        if fold and name not in _VARYING and "&" not in text and _is_plain(text):
            layout.constants[name] = text
            continue
        (start, stop), group = found.span(2), "([^<]*)"
        if name in _OPTIONAL:
            (start, stop), group = found.span(), f"((?:<{name}>[^<]*</{name}>{re.escape(space)})?)"
        elif name == "ETag" and (quotes := _quotes(text)):
            name, start, stop = _QUOTED, start + quotes, stop - quotes
        layout.add_markup(row[at:start])
        layout.add_group(name, group)
        at = stop
    layout.add_markup(row[at:] + gap)
    return layout


def _quotes(etag: str) -> int:
    """How long the quotes are at either end."""
    for quote in _QUOTES:
        if len(etag) >= 2 * len(quote) and etag.startswith(quote) and etag.endswith(quote):
            return len(quote)
    return 0


def _fullest(rows: str, row: str, opening: str, closing: str) -> str:
    """A row that has what `row` lacks."""
    for name in _OPTIONAL:
        at = -1 if f"<{name}>" in row else rows.find(f"<{name}>")
        if at >= 0:
            row = rows[rows.rfind(opening, 0, at) : rows.find(closing, at) + len(closing)]
    return row


def _tiled(rows: str, layout: _Layout) -> dict[str, Sequence[str]] | None:
    """The columns; None if this is anything but rows of this layout: each is as long as its fixed part and its groups together."""
    found = layout.pattern().findall(rows)
    columns: dict[str, Sequence[str]] = dict(
        zip(layout.names, zip(*found, strict=True) if len(layout.names) > 1 else [found], strict=False)
    )
    length, seen = layout.fixed * len(found), []
    for name, literal in layout.markup.items():
        length += len(literal) * len(found)
        if columns.pop(name, ()).count(literal) != len(found):
            return None
    for name, column in columns.items():
        joined = "".join(column)
        length += len(joined)
        if name in _OPTIONAL:
            texts = {element: element[element.find(">") + 1 : element.rfind("<")] for element in set(column)}
            columns[name] = [texts[element] for element in column]
            joined = "".join(texts.values())
        if "&" in joined and (name not in _NAMES or STRANGE.search("\1".join(column))):
            return None
        if name == _QUOTED and '"' in joined:
            return None
        seen.append(joined)
    if length != len(rows) or not _is_plain("".join(seen)):
        return None
    return columns | {name: [text] * len(found) for name, text in layout.constants.items()}


def _is_plain(text: str) -> bool:
    return not text.encode("ascii").translate(None, _PLAIN)


# -- what it means


def _entries(columns: dict[str, Sequence[str]], *, encoded: bool) -> Columns:
    keys = names(columns.get("Key"), encoded=encoded)
    nothing = [""] * len(keys)
    sizes, modified = columns.get("Size", nothing), columns.get("LastModified", nothing)
    if "" in modified or "" in sizes or max(map(len, sizes)) > SIZE_DIGITS or not "".join(sizes).isdigit():
        raise UnusualError
    if _PADDED.search(" ".join(sizes)):
        raise UnusualError
    etags = columns.get(_QUOTED) or [bare_etag(etag) for etag in columns.get("ETag", nothing)]
    return (
        keys,
        list(sizes),
        list(etags),
        list(modified),
        [one or "STANDARD" for one in columns.get("StorageClass", nothing)],
        list(columns.get("ChecksumAlgorithm", nothing)),
        list(columns.get("ChecksumType", nothing)),
    )
