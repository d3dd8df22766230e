"""One connection test: which steps its kind has, how long it may take, and what a workspace may see of another's connection."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from config.errors import ConnectionSetupError, CredentialError, LongshoreError
from config.limits import Limits
from credentials.connection import Connection
from credentials.grants import Grant
from credentials.kinds import BasicSpec, BearerSpec, BucketSpec, RoleSpec
from credentials.places import parse_place, place_text
from ingest.check.asking import BucketDoor, Noting, Skews
from ingest.check.causes import plainly, told
from ingest.check.clock import clock_step
from ingest.check.opening import Opened, Opening
from ingest.check.others import for_others
from ingest.check.places import LIST, REACH
from ingest.check.report import Reason, Report, Step, Taken, failed, untried
from ingest.check.roles import ASSUME
from ingest.check.through import Wanted, nothing_of, through_place, wanted_of
from ingest.check.tools import Tools
from ingest.check.waiting import Spreading
from ingest.check.web import WebTest

_ATTEMPTS: Final = 2
"""Of one request: a test tells of trouble instead of sitting it out."""


_SLOW: Final = Reason(
    why="what was asked hangs, drops packets, or is slow: look at the step that was under way, and raise the limit if all is well there"
)


def _say_nothing(_text: str) -> None:
    """For whoever does not watch."""


@dataclass(slots=True, kw_only=True)
class ConnectionTest:
    """Of one connection, once."""

    tools: Tools
    connection: Connection
    uri: str | None = None
    wait_s: float = 0.0
    """How long to wait for policies to spread."""
    say: Callable[[str], None] = _say_nothing
    _found: Taken = field(default_factory=Taken)

    async def run(self) -> Report:
        """Try everything. Raises ConnectionSetupError for a URI that the connection does not permit; all else is in the report."""
        spec = self.connection.spec
        places = self._places()
        spreading = Spreading(self.tools.clock, wait_s=self.wait_s, say=self.say)
        skews = Skews(self.tools.clock.now)
        most = self.tools.settings.limits.check_s
        try:
            async with asyncio.timeout(most + self.wait_s):
                if isinstance(spec, BucketSpec):
                    await self._buckets(spec, places, spreading, skews)
                else:
                    await self._web(spec)
        except TimeoutError:
            at = f" during `{self._found.under_way}`" if self._found.under_way else ""
            why = f"the test took longer than {most:g} s (LONGSHORE_LIMITS__CHECK_S){at}; the rest was not tried"
            self._found.append(failed("time", why, _SLOW))
        if isinstance(spec, BucketSpec):
            self._found.append(clock_step(skews))
        report = Report(
            connection=self.connection.name,
            kind=self.connection.kind,
            steps=tuple(self._found),
            waited_s=spreading.waited_s,
        )
        return report if self.connection.open_to_view else for_others(report, self.connection)

    def _places(self) -> tuple[Grant, ...]:
        if self.uri is None:
            return self.connection.grants
        try:
            place = parse_place(self.uri)
        except ValueError as error:
            raise ConnectionSetupError(f"--uri: {error}") from None
        self.connection.permits(place.bucket, place.prefix.encode())
        return (place,)

    async def _buckets(self, spec: BucketSpec, places: tuple[Grant, ...], spreading: Spreading, skews: Skews) -> None:
        opening = Opening(
            tools=self.tools,
            connection=self.connection,
            places=places,
            spreading=spreading,
            skews=skews,
            found=self._found,
        )
        try:
            opened = await opening.open()
        except CredentialError as error:  # such as places too many for a session's policy
            self._found.append(failed(ASSUME, error.message, Reason(why=error.message, target="connection")))
            return
        if isinstance(spec, RoleSpec) and spec.scope == "bedrock":
            why = "the scope is bedrock: there are no buckets, and no model is called by a test"
            self._found.append(untried(LIST, why))
            return
        if not places:
            self._found.append(untried(LIST, "no bucket is named: give one with --uri s3://bucket/prefix/", vital=True))
            return
        most = self.tools.settings.limits.check_places
        for place in places[:most]:
            await self._place(wanted_of(place, spec), opened, spreading, skews)
        for place in places[most:]:
            why = f"the first {most} places are tried (LONGSHORE_LIMITS__CHECK_PLACES): give this one with --uri"
            self._found.append(untried(LIST, why, about=place_text(place), vital=True))
        if spec.output is not None:
            self._found.append(untried("write", "a test writes nothing", about=place_text(spec.output)))

    async def _place(self, wanted: Wanted, opened: Opened, spreading: Spreading, skews: Skews) -> None:
        """What a test has no word for is a step that failed, and the next place is tried all the same."""
        tools = self.tools
        try:
            door = BucketDoor(
                http=Noting(tools.guarded if wanted.names_endpoint else tools.http, skews),
                gates=tools.gates,
                limits=_impatient(tools.settings.limits),
                location=tools.located(self.connection, wanted.place.bucket),
                now=tools.clock.now,
            )
            if opened.repairs is None:
                self._found.begin(REACH, wanted.about)
                self._found += await _unsigned(door, wanted)
                return
            await through_place(door, wanted, opened, spreading, self._found)
        except LongshoreError as error:
            self._found.append(failed(REACH, told(error), *plainly(error), about=wanted.about))

    async def _web(self, spec: BasicSpec | BearerSpec) -> None:
        self._found.begin("secret")
        try:
            secret = await self.tools.kept.secret(self.connection)
        except LongshoreError as error:
            reason = Reason(why="the secret can't be had: see what it says", target="own")
            self._found.append(failed("secret", error.message, reason))
            return
        await WebTest(fetcher=self.tools.fetcher, spec=spec, secret=secret, found=self._found).run()


async def _unsigned(door: BucketDoor, wanted: Wanted) -> list[Step]:
    """There is nobody to ask as: only that the endpoint answers, and when, can be seen."""
    why = "there is no session to ask with"
    try:
        await door.knock()
    except LongshoreError as error:
        return [failed(REACH, told(error), *plainly(error), about=wanted.about), *nothing_of(wanted, why)]
    return nothing_of(wanted, why)


def _impatient(limits: Limits) -> Limits:
    return limits.model_copy(update={"attempts": min(limits.attempts, _ATTEMPTS)})


def summary(report: Report) -> str:
    """In short, as it is kept with the connection."""
    found: dict[str, Any] = report.summary()
    return json.dumps(found, sort_keys=True)
