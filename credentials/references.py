"""Secrets that live elsewhere: in a variable, a file, or AWS Secrets Manager. Hides where a reference leads, and whether it may.

Whoever makes a connection may name a reference, and must not reach the operator's own secrets by it: only what begins with an entry
of LONGSHORE_SECRET_REFERENCES is ever read.
"""

from __future__ import annotations

import asyncio
import json
import os
import posixpath
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol
from weakref import WeakValueDictionary

import structlog

from config.errors import SecretReferenceError, SecretUnavailableError, SettingsError
from config.settings import Settings
from credentials.clock import Clock
from credentials.secretfiles import read_file

log = structlog.get_logger(__name__)

Scheme = Literal["env", "file", "awssm"]
_VARIABLE: Final = "LONGSHORE_SECRET_REFERENCES"
_NEVER: Final = ("LONGSHORE_", "AWS_")
"""Variables that hold our own secrets, or may."""
_FORMS: Final[dict[Scheme, tuple[re.Pattern[str], str]]] = {
    "env": (re.compile(r"env://(?P<name>[A-Za-z_][A-Za-z0-9_]{0,127})"), "env://NAME_OF_A_VARIABLE"),
    "file": (re.compile(r"file://(?P<name>/[A-Za-z0-9/_.+=@:, -]{1,1023})"), "file:///absolute/path"),
    "awssm": (
        re.compile(
            r"awssm://(?P<name>[A-Za-z0-9/_+=.@-]{1,512}|arn:aws[a-z-]{0,16}:secretsmanager:(?P<at>[a-z0-9][a-z0-9-]{0,31}):\d{12}"
            r":secret:[A-Za-z0-9/_+=.@-]{1,512})(?:\?region=(?P<region>[a-z0-9][a-z0-9-]{0,31}))?(?:#(?P<json_key>[!-~]{1,128}))?"
        ),
        "awssm://name-or-ARN, then ?region=eu-west-1 and #key-in-its-JSON if need be",
    ),
}
_ENTRY: Final = re.compile(r"(?:env://\w{0,128}|file:///[\w/.+=@:-]{0,1023}|awssm://[\w/+=.@:-]{0,600})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Where a secret lives; made by `References.parse` alone, so it is one that may be read."""

    text: str
    scheme: Scheme
    name: str
    """A variable's name, a file's path, or a secret's name or ARN."""
    region: str | None = None
    json_key: str | None = None


class Manager(Protocol):
    """Whoever keeps secrets; `SecretsManager` does."""

    async def read(self, name: str, *, region: str | None) -> str:
        """Raises SecretReferenceError, or CredentialError."""
        ...


@dataclass(frozen=True, slots=True)
class _Kept:
    value: str = field(repr=False)
    at: float


class References:
    """Reads what may be read, and keeps it for a while."""

    def __init__(
        self,
        *,
        settings: Settings,
        manager: Manager,
        clock: Clock,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        """Raises SettingsError for an entry of the operator's list that can't be one."""
        self._allowed, self._limits = settings.secret_references, settings.limits
        self._manager, self._clock, self._environment = manager, clock, environment
        self._kept: OrderedDict[Reference, _Kept] = OrderedDict()
        self._forgotten = 0
        self._locks: WeakValueDictionary[Reference, asyncio.Lock] = WeakValueDictionary()
        for entry in self._allowed:
            if _ENTRY.fullmatch(entry) is None:
                raise SettingsError(
                    f"{_VARIABLE}: {entry!r} is not the beginning of a reference; write for example env://ACME_, "
                    "file:///run/secrets/ or awssm://longshore/, with commas between them"
                )

    def parse(self, text: str) -> Reference:
        """Raises ValueError that says what to type, or that the operator does not allow it."""
        reference = _read(text)
        if reference.scheme == "env" and reference.name.upper().startswith(_NEVER):
            raise ValueError(
                "variables that begin with LONGSHORE_ or AWS_ are our own, and no connection's secret is read from them"
            )
        if not any(_begins(reference, entry) for entry in self._allowed):
            if not self._allowed:
                raise ValueError(
                    f"references to secrets are not allowed here; the operator may list what they begin with in {_VARIABLE}"
                )
            raise ValueError(
                f"this reference is not among those that are allowed here; it must begin with {', '.join(self._allowed)}: "
                f"choose another, or ask the operator to add to {_VARIABLE}"
            )
        return reference

    async def secret(self, text: str) -> str:
        """What a reference leads to, which must be allowed still. Raises SecretReferenceError, and what `read` raises."""
        return await self.read(self._allowed_still(text))

    async def read(self, reference: Reference) -> str:
        """The secret, at most `secret_reference_s` old. While its keeper can't be reached, the one known last serves.

        Raises SecretReferenceError, SecretUnavailableError, or another CredentialError if our own identity is refused.
        """
        lock = self._locks.get(reference)
        if lock is None:
            lock = self._locks[reference] = asyncio.Lock()
        async with lock:
            kept = self._kept.get(reference)
            if kept is not None and self._clock.monotonic() - kept.at < self._limits.secret_reference_s:
                return kept.value
            forgotten = self._forgotten
            try:
                value = await self._fetched(reference)
            except SecretUnavailableError as error:
                if kept is None or forgotten != self._forgotten:
                    raise
                log.warning("the secret known last serves", reference=reference.text, reason=error.message)
                return kept.value
            if forgotten == self._forgotten:  # else it may be the very one that was refused
                self._keep(reference, value)
            return value

    def forget(self, reference: Reference | str) -> None:
        """Read it anew the next time: what it led to was refused."""
        if isinstance(reference, str):
            reference = self._allowed_still(reference)
        self._forgotten += 1
        self._kept.pop(reference, None)

    def _allowed_still(self, text: str) -> Reference:
        try:
            return self.parse(text)
        except ValueError as error:
            raise SecretReferenceError(f"the secret {text} can't be read: {error}") from None

    def _keep(self, reference: Reference, value: str) -> None:
        self._kept[reference] = _Kept(value, self._clock.monotonic())
        self._kept.move_to_end(reference)
        if len(self._kept) > self._limits.secrets_elsewhere:
            self._kept.popitem(last=False)

    async def _fetched(self, reference: Reference) -> str:
        try:
            async with asyncio.timeout(self._limits.secret_read_s):
                whole = await self._whole(reference)
        except TimeoutError:
            raise SecretUnavailableError(
                f"the secret {reference.text} could not be read within {self._limits.secret_read_s:g} s; look at where it lives"
            ) from None
        value = whole if reference.json_key is None else _of_json(whole, reference)
        if not value.isprintable() or not value:
            raise SecretReferenceError(
                f"the secret {reference.text} is empty, or holds line breaks or other characters that no secret has; store it anew there"
            )
        return value

    async def _whole(self, reference: Reference) -> str:
        if reference.scheme == "awssm":
            return await self._manager.read(reference.name, region=reference.region)
        if reference.scheme == "file":
            roots = [_path(entry) for entry in self._allowed if _begins(reference, entry)]
            return await asyncio.to_thread(read_file, reference.name, roots=roots, most=self._limits.secret_bytes)
        value = self._environment.get(reference.name)
        if not value:
            raise SecretReferenceError(f"the secret {reference.text} is not there: set that variable for every worker")
        return value


def _read(text: str) -> Reference:
    scheme = next((scheme for scheme in _FORMS if text.startswith(f"{scheme}://")), None)
    if scheme is None:
        raise ValueError(f"a reference to a secret is {', or '.join(form for _, form in _FORMS.values())}")
    pattern, form = _FORMS[scheme]
    found = pattern.fullmatch(text)
    if found is None:
        raise ValueError(f"such a reference is {form}; percent signs and what else does not belong there are refused")
    parts = found.groupdict()
    if scheme == "file" and (text != text.strip() or posixpath.normpath(parts["name"]) != parts["name"]):
        raise ValueError("write the whole path of the file, without . or .. and with single slashes")
    region, at = parts.get("region"), parts.get("at")
    if region and at and region != at:
        raise ValueError(f"its ARN says region {at}, and ?region= another; leave ?region= out")
    return Reference(text=text, scheme=scheme, name=parts["name"], region=region or at, json_key=parts.get("json_key"))


def _begins(reference: Reference, entry: str) -> bool:
    """Whether the operator's entry allows it. That of files is a file or a folder, whether it ends with a slash or not."""
    if reference.scheme == "file":
        path = _path(entry) if entry.startswith("file://") else None
        return path is not None and (reference.name == path or reference.name.startswith(path.rstrip("/") + "/"))
    begins = f"{reference.scheme}://{reference.name}".startswith(entry)
    if reference.scheme == "awssm" and reference.name.startswith("arn:"):  # awssm://a means names, not every ARN
        return begins and (entry == "awssm://" or entry.startswith("awssm://arn:"))
    return begins


def _path(entry: str) -> str:
    return posixpath.normpath(entry.removeprefix("file://"))


def _of_json(whole: str, reference: Reference) -> str:
    try:
        found = json.loads(whole)
    except (ValueError, RecursionError):
        found = None
    value = found.get(reference.json_key) if isinstance(found, dict) else None
    if not isinstance(value, str):
        raise SecretReferenceError(
            f"the secret {reference.text} is no JSON object with a text under that key; correct the part behind #, or the secret"
        )
    return value
