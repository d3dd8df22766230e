"""What one bucket holds, page by page: each page is checked before anybody sees it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from functools import partial

from config.errors import AccessDeniedError, ProtocolError
from ingest.model import Page, Range, Recall, Seen
from ingest.s3.columns import read_page
from ingest.s3.errors import Subject, explained
from ingest.s3.exchange import Call
from ingest.s3.listing import Progress, check_page, cut
from ingest.s3.requests import Requests
from ingest.s3.version_xml import read_versions
from ingest.s3.versions import check_versions, denied, versions_query
from ingest.s3.xml import check_tags, is_error, read_document, read_listing
from ingest.versions import Marker


class Listings(Requests):
    """What an S3Client can list."""

    async def list_page(
        self,
        *,
        prefix: bytes,
        start_after: bytes | None = None,
        token: str | None = None,
        delimiter: bytes = b"",
        max_keys: int = 1000,
        floor: bytes | None = None,
        seen: Seen | None = None,
    ) -> Page:
        """One LIST answer, checked. `token` goes on where a page ended, and `start_after` is not sent beside it.

        `floor`: everything up to here has been listed, so nothing of it may come again. `seen`: what an earlier run saw there.
        Raises SourceError, CredentialError.
        """
        subject = self._listed(prefix)
        query = {"list-type": b"2", "encoding-type": b"url", "max-keys": str(max_keys).encode(), "prefix": prefix}
        if delimiter:
            query["delimiter"] = delimiter
        if token is not None:
            query["continuation-token"] = token.encode()
        elif start_after is not None:
            query["start-after"] = start_after
        call = Call(subject=subject, method="GET", query=query, headers=self._headers())
        plain = partial(read_page, bucket=subject.bucket, prefix=prefix, seen=seen)
        page = await self._run(call, lambda: self._list_once(call, read_listing, plain))
        lowest = max((end for end in (floor, start_after) if end is not None), default=None)
        check_page(page, prefix=prefix, delimiter=delimiter, floor=lowest, start_after=start_after, what=str(subject))
        return page

    async def list_versions(
        self, *, prefix: bytes, after: bytes | None = None, token: str | None = None, max_keys: int = 1000
    ) -> Page:
        """One answer of ListObjectVersions, checked; its entries are VersionEntries. `after`: the key behind whose versions to begin.

        `token` goes on where a page ended, be it in the midst of a key. Raises SourceError, CredentialError.
        """
        subject, marker = self._listed(prefix), None if token is None else Marker.of(token)
        query = versions_query(prefix=prefix, after=after, marker=marker, max_keys=max_keys)
        call = Call(subject=subject, method="GET", query=query, headers=self._headers())
        try:
            page = await self._run(call, lambda: self._list_once(call, read_versions))
        except AccessDeniedError as error:
            raise denied(error) from None
        check_versions(page, prefix=prefix, after=after, marker=marker, what=str(subject))
        return page

    async def pages(
        self, *, prefix: bytes, within: Range | None = None, delimiter: bytes = b"", recall: Recall | None = None
    ) -> AsyncGenerator[Page]:
        """The whole listing of `prefix` inside `within`, page by page; empty pages come too. Use it under `aclosing`.

        `recall`: what an earlier run saw, so that pages that come again need not be read.
        Raises SourceError (ListingError if the pages don't fit together) and CredentialError.
        """
        within = within or Range()
        progress = Progress(floor=within.lo, what=str(self._listed(prefix)))
        token: str | None = None
        while True:
            page = await self.list_page(
                prefix=prefix,
                start_after=within.lo,
                token=token,
                delimiter=delimiter,
                max_keys=self._limits.page_keys,
                floor=progress.floor,
                seen=recall(progress.floor) if recall is not None else None,
            )
            progress.add(page)
            page = cut(page, within)
            yield page
            token = page.next_token
            if token is None:
                return

    def _listed(self, prefix: bytes) -> Subject:
        return Subject(request="list", bucket=self._location.bucket, key=prefix)

    async def _list_once(
        self, call: Call, read: Callable[..., Page], plain: Callable[[bytes], Page | None] = lambda _: None
    ) -> Page:
        with await self._exchange.attempt(call, self._route.address) as answered:
            body = await answered.all(most=self._limits.list_body_bytes)
            if (page := plain(body)) is not None:
                return page
            try:
                check_tags(body)
                root = read_document(body)
                if not is_error(root):
                    return read(root, bucket=call.subject.bucket, prefix=call.subject.key, body=body)
            except ProtocolError as error:
                raise explained(ProtocolError, call.subject, error.message, status=200) from None
            raise self._exchange.refusal(call, answered, body)

    def _headers(self) -> dict[str, str]:
        headers = {}
        if self._location.requester_pays:
            headers["x-amz-request-payer"] = "requester"
        if self._location.expected_owner is not None:
            headers["x-amz-expected-bucket-owner"] = self._location.expected_owner
        return headers
