"""Asks one bucket for what is answered by a small document. Hides attempts, what mends them, and that an answer of 200 may be an error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar
from xml.etree.ElementTree import Element

from config.errors import ProtocolError
from config.limits import Limits
from ingest.s3.address import Location
from ingest.s3.errors import explained
from ingest.s3.exchange import Answered, Call
from ingest.s3.requests import Requests
from ingest.s3.xml import is_error, read_document

T = TypeVar("T")


class Asker(Requests):
    """Made as `S3Client` is."""

    @property
    def location(self) -> Location:
        return self._location

    @property
    def limits(self) -> Limits:
        return self._limits

    async def ask(
        self, call: Call, read: Callable[[Element], T], *, check: Callable[[Answered], None] | None = None
    ) -> T:
        """What `read` makes of the answer's document; `check` looks at its headers first. Raises SourceError, CredentialError.

        White space may stand before the document: that keeps a connection open while a copy takes long.
        """

        async def once() -> T:
            with await self._exchange.attempt(call, self._route.address) as answered:
                body = (await answered.all(most=self.limits.error_body_bytes)).lstrip(b" \t\r\n")
                if check is not None:
                    check(answered)
                try:
                    root = read_document(body)
                    if not is_error(root):
                        return read(root)
                except ProtocolError as error:
                    raise explained(ProtocolError, call.subject, error.message, status=200) from None
                raise self._exchange.refusal(call, answered, body)

        return await self._run(call, once)

    async def tell(self, call: Call) -> Mapping[str, str]:
        """Ask for what is answered without a document: its headers, names in lower case. Raises as `ask`."""

        async def once() -> Mapping[str, str]:
            with await self._exchange.attempt(call, self._route.address) as answered:
                return answered.headers

        return await self._run(call, once)
