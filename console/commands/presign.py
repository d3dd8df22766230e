"""`longshore presign`: URLs that open single objects in a browser for a while, one a line."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Final

import click

from config.errors import PresignError
from console.commands.common import actor, asynchronous, opened
from console.show import as_json, iso, shown
from console.wrapping import say_wrapped

if TYPE_CHECKING:
    from ingest.presign import Wanted
    from worker.presigning import Signed

_LONGEST_S: Final = 604_800
_DEFAULT_S: Final = 900


@click.command(short_help="Sign URLs that open objects in a browser.")
@click.argument("uris", nargs=-1, metavar="URI...")
@click.option("--connection", metavar="NAME", help="Sign through this connection; else the one that serves the object.")
@click.option(
    "--expires",
    "expires_s",
    type=click.IntRange(1, _LONGEST_S),
    default=_DEFAULT_S,
    show_default=True,
    metavar="SECONDS",
    help="How long they work. With a role, no longer than its sessions.",
)
@click.option("--filename", metavar="NAME", help="The browser saves the object by this name instead of showing it.")
@click.option("--download", is_flag=True, help="The same, by the last part of each key.")
@click.option("--content-type", metavar="TYPE", help="What the answer says it is, as image/png.")
@click.option("--version-id", metavar="ID", help="This version of the object.")
@click.option("--stdin", "from_stdin", is_flag=True, help="Read URIs from standard input, one a line.")
@click.option("--json", "as_lines", is_flag=True, help="One object a line: uri, url, expires_at, connection.")
@asynchronous
async def presign(
    uris: tuple[str, ...],
    connection: str | None,
    expires_s: int,
    filename: str | None,
    download: bool,  # noqa: FBT001  click passes by name
    content_type: str | None,
    version_id: str | None,
    from_stdin: bool,  # noqa: FBT001  the same
    as_lines: bool,  # noqa: FBT001  the same
) -> int:
    """Sign a URL for each object, on a line of its own and in the order asked. Whoever has one can read the object until it ends.

    \b
    longshore presign s3://acme-photos/2026/a.jpg
    longshore presign s3://acme-photos/2026/a.jpg --download --expires 3600
    longshore presign --stdin --connection acme < uris.txt > urls.txt

    A URI is taken literally: nothing in it is decoded. If one of them can't be signed, it is said which and why, and none of its
    batch is printed.
    """  # noqa: D301  \b is for click, which keeps the lines below it
    _check(uris, filename, version_id, download=download, from_stdin=from_stdin)
    async with opened() as service:
        rest, first = (_lines() if from_stdin else iter(uris)), 0
        while batch := list(islice(rest, service.settings.limits.presign_batch)):
            try:
                wanted = _wanted(batch, filename, content_type, version_id, download=download)
                done = await service.presigning.sign(wanted, connection=connection, expires_s=expires_s, actor=actor())
            except PresignError as error:
                _tell(error, batch, first)
                return 1
            click.echo("\n".join(map(_json, batch, done) if as_lines else [one.presigned.url for one in done]))
            _warn(batch, wanted, first)
            first += len(batch)
    return 0


def _check(
    uris: tuple[str, ...], filename: str | None, version_id: str | None, *, download: bool, from_stdin: bool
) -> None:
    if from_stdin == bool(uris):
        raise click.UsageError("name the objects, as s3://bucket/key, or let --stdin read them")
    if filename is not None and download:
        raise click.UsageError("--filename and --download exclude each other")
    for option, value in (("--filename", filename), ("--version-id", version_id)):
        if value is not None and len(uris) != 1:
            raise click.UsageError(f"{option} is of one object: name one URI with it")


def _lines() -> Iterator[str]:
    """Taken literally but for their ends; empty ones are passed over."""
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape", newline="\n")
    return (uri for line in sys.stdin if (uri := line.removesuffix("\n")))


def _wanted(
    uris: list[str], filename: str | None, content_type: str | None, version_id: str | None, *, download: bool
) -> list[Wanted]:
    """Raises PresignError for what is no S3 locator; with its `problems`, as Presigning has them."""
    from ingest.job import PrefixSource
    from ingest.presign import Wanted

    wanted: list[Wanted] = []
    problems: list[tuple[int, str]] = []
    for place, uri in enumerate(uris):
        try:
            bucket, key = PrefixSource.parse(uri)
        except ValueError as error:
            problems.append((place, str(error)))
            continue
        name = key.rpartition(b"/")[2].decode() if download else filename
        wanted.append(Wanted(bucket, key, version_id=version_id, filename=name, content_type=content_type))
    if problems:
        raise PresignError(problems=problems)
    return wanted


def _tell(error: PresignError, batch: list[str], first: int) -> None:
    problems: list[tuple[int, str]] = error.fields.get("problems", [])
    if not problems:
        say_wrapped(f"error: {error.message}")
    for place, what in problems:
        say_wrapped(f"error: URI {first + place + 1:,} ({shown(batch[place][:200])}): {what}")
    before = f"those of the {first:,} before are" if first else "none is"
    if len(batch) > 1 or first:
        say_wrapped(f"No URL of these {len(batch):,} is printed; {before}.")


def _warn(batch: list[str], wanted: list[Wanted], first: int) -> None:
    for place, one in enumerate(wanted):
        if not one.fit_for_browsers:
            say_wrapped(
                f"warning: URI {first + place + 1:,} ({shown(batch[place][:200])}): browsers take '.' and '..' out of a URL's path and "
                "will not find this object; `curl --path-as-is` does",
            )


def _json(uri: str, signed: Signed) -> str:
    expires_at = iso(signed.presigned.expires_at * 1000)
    return as_json({"uri": uri, "url": signed.presigned.url, "expires_at": expires_at, "connection": signed.connection})
