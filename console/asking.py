"""What a job asks for beyond the plain, as programs and as people read it; and what is wrong with one, in the words of who typed it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from config.errors import JobError, OutOfScopeError
from console.show import ASKED, asked, shown

if TYPE_CHECKING:
    from ingest.job import IngestJob

_NAMED: Final = re.compile(
    r"(?:\A|(?<=can't be used: )|(?<=; ))(payload: )?"
    rf"(?:uris\.(\d{{1,6}}): |(uris|connection|depth|include and exclude)(?=: )|({'|'.join(ASKED)})(?:\.(\d{{1,6}}))?(?=[: ])|(?<=payload: ))"
)
_OTHERS: Final = {"uris": "the URIs", "include and exclude": "--include and --exclude"}
_SHOWN: Final = 80


def typed(job: IngestJob | None, *, depth: bool = False) -> str:
    """What `asked` tells, as options of the command line; with `depth` that one, too, if it is not as by itself. Empty if there are none."""
    told = asked(job) or {}
    if depth and job is not None and job.depth != "head":
        told = {"depth": job.depth, **told}
    words: list[str] = []
    for name, value in told.items():
        for one in value if isinstance(value, list) else [value]:
            words += [_option(name)] if one is True else [_option(name), shlex.quote(shown(one))]
    return " ".join(words)


def as_typed(message: str, *, uris: Sequence[str], fields: Mapping[str, Any]) -> str:
    """Why a job can't be used, in which its fields have the names of the options, and one of its URIs or globs is shown itself."""

    def name(found: re.Match[str]) -> str:
        _, uri, other, option, number = found.groups()
        if other is not None:
            return _OTHERS.get(other) or _option(other)
        if uri is None and number is None:
            return "" if option is None else _option(option)
        values = uris if uri is not None else fields[option]
        if int(uri or number) >= len(values):  # no field of the job, but text that somebody typed
            return found[0]
        one = values[int(uri or number)][:_SHOWN]
        if uri is None:
            return f"{_option(option)} {shlex.quote(shown(one))}"
        return "" if message.startswith(repr(one), found.end()) else f"{shown(one)}: "

    return _NAMED.sub(name, message)


@contextmanager
def in_words_of_options() -> Generator[None]:
    """What is wrong with a job once its connection is known has the names of the options, too."""
    try:
        yield
    except (JobError, OutOfScopeError) as error:
        error.message = as_typed(error.message, uris=(), fields=dict.fromkeys(ASKED, ()))
        raise


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
