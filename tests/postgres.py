"""Catalogs on a real PostgreSQL: one server per session and kind, one database per test, copied from a migrated one.

Two kinds: the newest server with an order by bytes, and the oldest that is supported with an order by language.
"""

from __future__ import annotations

import asyncio
import atexit
import hashlib
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from string import ascii_lowercase, digits
from tempfile import mkdtemp
from typing import Final, Literal

import pytest

from benchmarks.postgres import PostgresServer
from config.database import open_database

Kind = Literal["sqlite", "postgres", "linguistic"]
KINDS: Final[tuple[Kind, ...]] = ("sqlite", "postgres", "linguistic")
"""What the catalog's contract holds on."""
TEMPLATE: Final = "migrated"


@cache
def server(kind: Kind) -> PostgresServer:
    """The session's; it ends with it. Skips the test where no linguistic order can be made."""
    if kind == "linguistic":
        made = PostgresServer(version=16, environment={"LOCPATH": str(_locales())})
        options = "ENCODING 'UTF8' LC_COLLATE 'words.utf8' LC_CTYPE 'C'"
    else:
        made, options = PostgresServer(version=18), ""
    atexit.register(made.close)
    made.start()
    url = made.create(TEMPLATE, options=options)
    with ThreadPoolExecutor(1) as thread:  # the test may have a loop of its own
        thread.submit(lambda: asyncio.run(_migrated(url))).result()
    return made


def database(kind: Kind, folder: Path | str) -> str:
    """The name of a migrated database that belongs to this folder: made when it is first asked for, gone when many others were."""
    name = "t_" + hashlib.sha256(str(folder).encode()).hexdigest()[:20]
    if (kind, name) not in _made:
        server(kind).create(name, template=TEMPLATE)
        _made[kind, name] = None
    if len(_made) > _MOST:
        oldest = next(iter(_made))
        del _made[oldest]
        server(oldest[0]).drop(oldest[1])
    return name


def catalog_url(kind: Kind, folder: Path | str) -> str:
    """Of the catalog that belongs to this folder, migrated if it is PostgreSQL."""
    if kind == "sqlite":
        return f"sqlite:///{folder}/catalog.db"
    return server(kind).url(database(kind, folder))


_made: dict[tuple[Kind, str], None] = {}
_MOST: Final = 16


async def _migrated(url: str) -> None:
    async with open_database(url):
        pass


@cache
def _locales() -> Path:
    """A folder with one locale, in which upper and lower case stand together and signs count for little: not the order of bytes."""
    folder = Path(mkdtemp(prefix="longshore-locales-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    folder.chmod(0o755)
    source = folder / "words"
    source.write_text(_SOURCE.format(order="\n".join(_order())))
    try:
        subprocess.run(
            ["localedef", "-c", "-i", source, "-f", "UTF-8", folder / "words.utf8"], check=False, capture_output=True
        )
    except OSError as error:
        pytest.skip(f"no linguistic order can be made here: {error}")
    if not (folder / "words.utf8" / "LC_COLLATE").exists():
        pytest.skip("no linguistic order can be made here: localedef knows no UTF-8; the package `locales` brings it")
    return folder


def _order() -> list[str]:
    lines = [f"{_u(sign)} IGNORE;IGNORE;{_u(sign)}" for sign in "-_/."]
    lines += [f"{_u(digit)} {_u(digit)};<small>;{_u(digit)}" for digit in digits]
    for letter in ascii_lowercase:
        lines.append(f"{_u(letter)} {_u(letter)};<small>;{_u(letter)}")
        lines.append(f"{_u(letter.upper())} {_u(letter)};<capital>;{_u(letter)}")
    return lines


def _u(character: str) -> str:
    return f"<U{ord(character):04X}>"


_SOURCE: Final = """comment_char %
escape_char /
LC_IDENTIFICATION
title "words"
source ""
address ""
contact ""
email ""
tel ""
fax ""
language ""
territory ""
revision "1"
date "2026-01-01"
category "i18n:2012";LC_IDENTIFICATION
category "i18n:2012";LC_COLLATE
END LC_IDENTIFICATION
LC_COLLATE
collating-symbol <small>
collating-symbol <capital>
order_start forward;forward;forward
<small>
<capital>
{order}
order_end
END LC_COLLATE
"""
