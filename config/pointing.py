"""Where a PostgreSQL URL points, and what it asks of TLS; hides how much of it can be shown without a part of a password."""

from __future__ import annotations

import os
import re
from typing import Final
from urllib.parse import parse_qs, urlsplit

_SHOWABLE: Final = re.compile(r"[A-Za-z0-9._,:\-]+|\[[0-9A-Fa-f:.%]+\](:[0-9]+)?")
_MODES: Final = ("require", "verify-ca", "verify-full")


def readable(url: str) -> bool:
    """Whether it is sure where its password ends: an @, / or # that is not escaped makes the rest of one look like a host."""
    return "@" not in url or (url.count("@") == 1 and "@" in _authority(url))


def place(url: str) -> str | None:
    """Host and port as the URL has them; None if it has none, or they may be a part of a password."""
    host = _authority(url).rpartition("@")[2]
    return host if readable(url) and _SHOWABLE.fullmatch(host) else None


def tls_mode(url: str) -> str | None:
    """The sslmode that is asked for, if that is one without which no connection is made."""
    asked = parse_qs(url.partition("?")[2]).get("sslmode") or [os.environ.get("PGSSLMODE", "")]
    return asked[-1] if asked[-1] in _MODES else None


def _authority(url: str) -> str:
    try:
        return urlsplit(url).netloc
    except ValueError:  # brackets that don't close
        return ""
