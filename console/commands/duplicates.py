"""`longshore assets --duplicates`: objects with the same content, as lines for people or objects for programs, a page at a time."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final

import click

from console.show import as_json, asset_record, counted, shown_key

if TYPE_CHECKING:
    from ingest.catalog.duplicates import Among, Group
    from ingest.job import PrefixSource
    from worker.service import Service

_PAGE: Final = 1000
_TOLD: Final = {"sha256": "SHA-256", "md5": "MD5 and size", "checksum": "checksum and size"}


async def show_duplicates(
    service: Service, names: Mapping[str, str], where: PrefixSource | None, *, limit: int | None, as_lines: bool
) -> None:
    """`names`: of connections, by their IDs. `limit`: groups."""
    from ingest.catalog.duplicates import Among

    among = Among(list(names)) if where is None else Among(list(names), where.bucket, where.prefix)
    left = limit
    async with aclosing(_groups(service, among)) as groups:
        async for group in groups:
            if left == 0:
                return
            left = None if left is None else left - 1
            if as_lines:
                click.echo(as_json(_record(service, names, group)))
            else:
                click.echo("\n".join(_lines(names, group)))


async def _groups(service: Service, among: Among) -> AsyncGenerator[Group]:
    """The surest first; of those, the ones that waste most."""
    from ingest.catalog.duplicates import WAYS

    members = service.settings.limits.duplicates_told
    for by in WAYS:
        after: Group | None = None
        while True:
            page = await service.catalog.duplicates(by, among, after=after, limit=_PAGE, members=members)
            for group in page:
                yield group
            if len(page) < _PAGE:
                break
            after = page[-1]


def _record(service: Service, names: Mapping[str, str], group: Group) -> dict[str, Any]:
    workspace = service.settings.workspace
    return {
        "by": group.by,
        "value": ":".join(map(str, group.name[:2])) if group.by == "checksum" else group.name[0],
        "size": group.size,
        "count": group.count,
        "wasted": group.wasted,
        "assets": [
            asset_record(row, workspace=workspace, connection=names[row["connection_id"]]) for row in group.members
        ],
    }


def _lines(names: Mapping[str, str], group: Group) -> list[str]:
    """`wasted` comes first, so that it can be sorted and added up."""
    lines = [f"{group.wasted:>14,}  {counted(group.count, 'object')} of {group.size:,} bytes, by {_TOLD[group.by]}"]
    lines += [
        f"    {names[row['connection_id']]:<16} s3://{row['bucket']}/{shown_key(row['key'])}" for row in group.members
    ]
    more = group.count - len(group.members)
    return [*lines, f"    and {more:,} more"] if more else lines
