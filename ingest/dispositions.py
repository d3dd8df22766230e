"""What an answer's headers are to say, from names that anybody may have chosen: hides what a header and a file system can't take.

Sources: RFC 6266 (Content-Disposition), RFC 8187 (`filename*`), RFC 9110 section 8.3 (Content-Type).
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final
from urllib.parse import quote

from config.errors import PresignError

_ATTR_CHARS: Final = "!#$&+-.^_`|~"
"""Besides letters and digits, what RFC 8187 lets stand without an escape."""
_TURNING: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""These turn the order of what follows, so that `exe` at the end of a name reads as something else."""
_NAME_BYTES: Final = 1024
_TOKEN: Final = r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,127}"  # noqa: S105  an HTTP token
_CONTENT_TYPE: Final = re.compile(rf'{_TOKEN}/{_TOKEN}(?: ?; ?{_TOKEN}=(?:{_TOKEN}|"[ !#-\[\]-~]{{0,127}}")){{0,8}}')


def attachment(filename: str) -> str:
    """The Content-Disposition by which a browser saves the body under this name; ASCII, and no name can end it or add to it.

    Of a path the last part counts; control characters and those that turn the order of reading become `_`.
    Raises PresignError for a name that is too long, or no Unicode.
    """
    last = re.split(r"[/\\]", filename.rstrip("/\\"))[-1]
    name = "".join("_" if one in _TURNING or unicodedata.category(one) in {"Cc", "Zl", "Zp"} else one for one in last)
    if name.strip(" .") == "":
        name = "download"
    try:
        encoded = name.encode()
    except UnicodeEncodeError:
        raise PresignError(f"the file name {filename[:80]!r} is no valid Unicode") from None
    if len(encoded) > _NAME_BYTES:
        raise PresignError(f"the file name {filename[:80]!r}... has {len(encoded):,} bytes; 1,024 are the most")
    return f"attachment; filename*=UTF-8''{quote(encoded, safe=_ATTR_CHARS)}"


def checked_content_type(text: str) -> str:
    """It as it came. Raises PresignError if no answer can have this Content-Type."""
    if len(text) > 255 or _CONTENT_TYPE.fullmatch(text) is None:
        raise PresignError(
            f"{text[:80]!r} can't be a content type: write it as image/png, or text/plain; charset=utf-8"
        )
    return text
