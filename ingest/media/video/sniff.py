"""Which of these a file is, by its first bytes."""

from __future__ import annotations

from ingest.media.formats import Format


def sniff(head: bytes) -> Format | None:
    """See `ingest.media.formats.Sniffer`."""
    return None
