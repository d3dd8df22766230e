"""Depth `list` and depth `head`: what the listing says, and what an object's headers say."""

from __future__ import annotations

from collections import Counter

from ingest.catalog.assets import Asset, Records
from ingest.compare import Merged
from ingest.model import ARCHIVED, Entry
from ingest.probe.looking import ObjectSource
from ingest.probe.records import of_head
from ingest.versions import labels_of


def unprobed(merged: Merged) -> tuple[Records, Counter[str]]:
    """Depth `list`: what the listing says is all there is. Returns the records, and the changes by outcome."""
    changes, count, new = merged.changes, len(merged.changes), merged.new.count(1)
    plain = (
        changes.keys,
        list(map(int, changes.sizes)),
        changes.etags,
        changes.modified,
        changes.classes,
        changes.checksum_kinds(),
    )
    archived = [name in ARCHIVED for name in changes.classes]
    if not any(archived):
        records = Records((*plain, ["present"] * count, ["list"] * count), labels=labels_of(changes))
        return records, Counter(added=new, changed=count - new)
    states = ["archived" if one else "present" for one in archived]
    outcomes = Counter(
        "archived" if one else "added" if is_new else "changed"
        for one, is_new in zip(archived, merged.new, strict=True)
    )
    return Records((*plain, states, ["list"] * count), labels=labels_of(changes)), outcomes


async def head(source: ObjectSource, entry: Entry) -> Asset:
    """Depth `head`: the headers of exactly the object that was listed. See `ingest.probe.looking.Probe`."""
    return of_head(entry, await source.head(entry.key, if_match=entry.etag or None))
