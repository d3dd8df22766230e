"""What to say of settings that can't be used, and of variables that nobody reads: the nearest name that there is."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Mapping
from typing import Final
from urllib.parse import urlsplit

_PREFIX: Final = "LONGSHORE_"
_LIMITS: Final = "LONGSHORE_LIMITS__"
_KUBERNETES: Final = re.compile(
    r"LONGSHORE_(?:\w+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_\w+)?)"
)
"""What Kubernetes sets in every container for a service that is called longshore-something; beside these, `..._PORT=tcp://...`."""


_TARGET: Final = re.compile(
    r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/(?:[A-Za-z0-9!_.'()=+@:-][A-Za-z0-9!_.'()/=+@:-]{0,510}/)?"
)


def matching(pattern: str, what: str) -> Callable[[str], str]:
    """A check for pydantic. Raises ValueError that says `what` the whole value must be."""
    compiled = re.compile(pattern, re.ASCII)

    def check(value: str) -> str:
        if compiled.fullmatch(value) is None:
            raise ValueError(what)
        return value

    return check


def one_of(*choices: str) -> Callable[[str], str]:
    """A check for pydantic: one of these, in upper or lower case. Raises ValueError that lists them."""
    by_name = {choice.lower(): choice for choice in choices}

    def check(value: str) -> str:
        if value.lower() not in by_name:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return by_name[value.lower()]

    return check


def endpoint(value: str | None) -> str | None:
    """A check for pydantic. Raises ValueError for what is not the address of a server."""
    if value is None:
        return None
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("must be the address of a server: https://host[:port] or http://host[:port]")
    return value


def copy_target(value: str) -> str:
    """A check for pydantic: `s3://bucket/` or `s3://bucket/prefix/`, made of what any policy can say. Raises ValueError."""
    if _TARGET.fullmatch(value) is None:
        raise ValueError(
            "must be places as s3://bucket/prefix/, which end with a slash and have only letters, digits and !_.'()/=+@:- in them; "
            "what is copied lands below them"
        )
    return value


def no_such(variable: str, *, known: Collection[str]) -> str:
    """That nothing reads this variable, with the nearest one that is read."""
    limits = variable.upper().startswith(_LIMITS)
    prefix = _LIMITS if limits else _PREFIX
    names = [name.removeprefix(prefix) for name in known if name.startswith(_LIMITS) or not limits]
    near = difflib.get_close_matches(variable.upper().removeprefix(prefix), names, n=1, cutoff=0.65)
    what = "limit" if limits else "setting"
    return f"there is no such {what}" + (
        f"; did you mean {prefix}{near[0]}?" if near else "; docs/operating.md lists them"
    )


def strays(environment: Mapping[str, str], *, known: Collection[str]) -> list[str]:
    """A sentence for each variable that begins with LONGSHORE_ and that nothing reads. Never shows a value."""
    return [
        f"{name} is set, but {no_such(name, known=known)}"
        for name, value in sorted(environment.items())
        if name.upper().startswith(_PREFIX)
        and name.upper() not in known
        and not _KUBERNETES.fullmatch(name)
        and not (name.endswith("_PORT") and value.startswith(("tcp://", "udp://", "sctp://")))
    ]
