"""Tells text from what is none, and which text it is; hides encodings. It looks at no more than the first bytes."""

from __future__ import annotations

import re
from typing import Final

from ingest.media.formats import Format

_PLAIN: Final = Format("text", "txt", "text/plain")
_HTML: Final = Format("text", "html", "text/html")
_XHTML: Final = Format("text", "html", "application/xhtml+xml")
_XML: Final = Format("text", "xml", "application/xml")
_JSON: Final = Format("text", "json", "application/json")
_NDJSON: Final = Format("text", "ndjson", "application/x-ndjson")
_CSV: Final = Format("text", "csv", "text/csv")
_TSV: Final = Format("text", "tsv", "text/tab-separated-values")

_CONTROLS: Final = bytes({*range(32), 127} - {7, 8, 9, 10, 12, 13, 27})
"""Bytes that no text has; bell, backspace, form feed and escape stand in logs of terminals."""
_SPACE: Final = b" \t\r\n"
_HTML_START: Final = re.compile(
    rb"(?:<!--.{0,512}?-->\s*)?<(?:!doctype\s+html|html|head|body|title|script|meta)\b", re.IGNORECASE | re.DOTALL
)
_XML_START: Final = re.compile(rb"<\?xml[ \t\r\n]|<!DOCTYPE[ \t\r\n]|<[A-Za-z_][\w.:-]{0,64}+[^<>]{0,512}\sxmlns[:=]")
_JSON_START: Final = re.compile(
    rb"\{[ \t\r\n]*(?:\"(?:[^\"\\]|\\.){0,512}\"[ \t\r\n]*:|\}[ \t\r\n]*$)"
    rb"|\[[ \t\r\n]*(?:[{\[\"]|\][ \t\r\n]*$|(?:-?\d{1,32}(?:\.\d{0,32})?(?:[eE][+-]?\d{1,4})?|true|false|null)[ \t\r\n]*(?:,|\][ \t\r\n]*$))",
    re.DOTALL,
)
_QUOTED: Final = re.compile(rb'"[^"]{0,1024}"')
_LINES: Final = 16


def sniff(head: bytes) -> Format | None:
    """The kind of text, or None if it is none."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _wide(head)
    text = head.removeprefix(b"\xef\xbb\xbf")
    if not text or len(text.translate(None, _CONTROLS)) != len(text):
        return None
    if _is_utf8(text):
        return _which(text)
    start = text.lstrip(_SPACE)  # HTML and XML may say themselves in which encoding they are
    return found if start[:1] == b"<" and (found := _marked(start)) is not _PLAIN else None


def _wide(head: bytes) -> Format | None:
    """UTF-16, which only its first two bytes tell."""
    even = head[: len(head) & ~1]
    try:
        text = even.decode("utf-16")
    except UnicodeDecodeError as broken:
        if broken.start < len(even) - 4:
            return None
        text = even[: broken.start].decode("utf-16", "ignore")
    plain = text.encode("utf-8", "replace")
    return _which(plain) if plain and len(plain.translate(None, _CONTROLS)) == len(plain) else None


def _is_utf8(text: bytes) -> bool:
    if text.isascii():
        return True
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as broken:
        return broken.reason == "unexpected end of data" and broken.start > len(text) - 4
    return True


def _which(text: bytes) -> Format:
    start = text.lstrip(_SPACE)
    first = start[:1]
    if first == b"<":
        return _marked(start)
    if first in {b"{", b"["} and _JSON_START.match(start):
        return _NDJSON if _is_lines(start) else _JSON
    return _table(text) or _PLAIN


def _marked(start: bytes) -> Format:
    if _HTML_START.match(start):
        return _HTML
    if _XML_START.match(start):
        return _XHTML if re.search(rb"<html[\s>]", start[:1024]) else _XML
    return _PLAIN


def _is_lines(start: bytes) -> bool:
    """Whether each line is a value of its own."""
    line, found, rest = start.partition(b"\n")
    line, rest = line.rstrip(), rest.lstrip(_SPACE)
    pair = {b"{": b"}", b"[": b"]"}[start[:1]]
    return bool(found) and line.endswith(pair) and rest[:1] == start[:1]


def _table(text: bytes) -> Format | None:
    """Lines with equally many separators."""
    lines = text.split(b"\n", _LINES)[:-1][: _LINES - 1]
    lines = [_QUOTED.sub(b"", line) if b'"' in line else line for line in lines]
    if len(lines) < 2:
        return None
    for separator, form in ((b",", _CSV), (b"\t", _TSV), (b";", _CSV), (b"|", _CSV)):
        count = lines[0].count(separator)
        if count and (len(lines) > 2 or count > 1) and all(line.count(separator) == count for line in lines):
            return form
    return None
