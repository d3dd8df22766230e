"""The body of an HTTPS source: hides ranges, servers that ignore them, and lengths that lie."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from config.errors import ProtocolError, RequestRefusedError, SourceUnavailableError
from config.limits import Limits
from ingest.https_errors import Subject, torn
from ingest.s3.drip import Drip
from ingest.s3.transport import Answer, TransportError

_LENGTH: Final = re.compile(r"\d{1,18}", re.ASCII)
_CONTENT_RANGE: Final = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.ASCII)
_WHOLE: Final = frozenset({200, 203, 204})


@dataclass(frozen=True, slots=True)
class Extent:
    """Which bytes are wanted. Raises ValueError for none."""

    first: int | None = None
    last: int | None = None

    def __post_init__(self) -> None:
        if self.start < 0 or (self.last is not None and self.last < self.start):
            raise ValueError(f"bytes {self.first} to {self.last} are no range")

    @property
    def start(self) -> int:
        return self.first or 0

    @property
    def partial(self) -> bool:
        return (self.first, self.last) != (None, None)

    @property
    def header(self) -> Mapping[str, str]:
        return {"range": f"bytes={self.start}-{'' if self.last is None else self.last}"} if self.partial else {}

    @property
    def good(self) -> frozenset[int]:
        """The statuses that answer it."""
        return _WHOLE | {206} if self.partial else _WHOLE

    def answered(self, subject: Subject, answer: Answer, *, most_skip: int) -> tuple[int | None, int, int | None]:
        """Size of the whole object, bytes to read past, and bytes to hand out; None where they are not known.

        Raises ProtocolError, RequestRefusedError.
        """
        if answer.status == 206:
            return self._part(subject, answer.headers.get("content-range", ""))
        said = answer.headers.get("content-length", "")
        size = int(said) if _LENGTH.fullmatch(said) else None
        if size is not None and self.start and self.start >= size:
            why = "the object does not reach as far as the range that was asked for"
            raise subject.error(RequestRefusedError, why, code="InvalidRange", object_size=size)
        if self.start > most_skip:
            why = f"the server ignores ranges, and bytes from {self.start} on are wanted"
            raise subject.error(RequestRefusedError, why, code="RangeIgnored")
        ends = [end for end in (size, None if self.last is None else self.last + 1) if end is not None]
        return size, self.start, min(ends) - self.start if ends else None

    def _part(self, subject: Subject, said: str) -> tuple[int | None, int, int]:
        found = _CONTENT_RANGE.fullmatch(said)
        if found is not None:
            first, last = int(found[1]), int(found[2])
            size = None if found[3] == "*" else int(found[3])
            ends_well = last <= self.last if self.last is not None else size in {None, last + 1}
            if first == self.start and first <= last and ends_well and (size is None or last < size):
                return size, 0, last + 1 - first
        raise subject.error(ProtocolError, "the server sends another range than was asked for", code="WrongRange")


class HttpsBody:
    """Read by one reader, before the `with` block ends that it came from."""

    def __init__(
        self, subject: Subject, answer: Answer, *, skip: int, length: int | None, exact: bool, limits: Limits
    ) -> None:
        """`length`: None if the end of the body says it. `exact`: fewer bytes are an error."""
        self._subject = subject
        self._answer = answer
        self._skip = skip
        self._left = length
        self._exact = exact
        self._limits = limits
        self._drip = Drip(limits)
        self.bytes_read = 0
        """Bytes that were handed out."""

    @property
    def bytes_received(self) -> int:
        """With those that were read past."""
        return self._answer.bytes_read

    async def some(self) -> bytes:
        """The next piece, empty at the end. Raises SourceError."""
        most = self._limits.https_bytes - self.bytes_read
        if self._left is not None and self._left > most:
            raise self._too_large(self._limits.https_bytes)
        while self._left != 0:
            part = await self._more()
            if not part:
                if self._exact and self._left:
                    why = "the body ended before the range that was asked for"
                    raise self._subject.error(SourceUnavailableError, why, code="BodyIncomplete")
                self._left = 0
                break
            past = min(self._skip, len(part))
            self._skip -= past
            part = part[past : None if self._left is None else past + self._left]
            if len(part) > most:
                raise self._too_large(self._limits.https_bytes)
            if part:
                self._left = None if self._left is None else self._left - len(part)
                self.bytes_read += len(part)
                return part
        return b""

    async def all(self, most: int) -> bytes:
        """The rest, at most `most` bytes, within `request_s`. Raises SourceError."""
        parts: list[bytes] = []
        taken = 0
        try:
            async with asyncio.timeout(self._limits.request_s):
                while part := await self.some():
                    taken += len(part)
                    if taken > most:
                        raise self._too_large(most)
                    parts.append(part)
        except TimeoutError:
            raise torn(self._subject, TransportError("TimedOut")) from None
        return b"".join(parts)

    async def _more(self) -> bytes:
        try:
            return await self._drip.next(self._answer.some)
        except TransportError as error:
            failure = torn(self._subject, error)
        raise failure

    def _too_large(self, most: int) -> RequestRefusedError:
        why = f"the object is larger than the {most} bytes that are read at most"
        return self._subject.error(RequestRefusedError, why, code="AnswerTooLarge")
