"""What a family of formats says of itself, so that the others need not know it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ingest.media.properties import Kind, Media
from ingest.media.view import View

Parser = Callable[[View, Media], None]
"""Fills in what the file says. Raises MoreNeededError, MalformedError; what it found by then stays in the Media."""


class Format(NamedTuple):
    """One format, as its first bytes tell it."""

    kind: Kind
    name: str
    """As in `Media.format`."""
    type: str
    """As in `Media.type`."""
    read: Parser | None = None
    """None: nothing more is read of it. It may set format and type anew, where the first bytes are shared."""


Sniffer = Callable[[bytes], Format | None]
"""Of the first bytes of an object, 64 at least if it has as many. Raises nothing."""
