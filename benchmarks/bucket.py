"""A virtual bucket that answers S3's reading requests: hides what is computed, what is cached and what is made up."""

from __future__ import annotations

from typing import Final

from benchmarks.keys import KeySpace
from benchmarks.listing import Slice, list_slice
from benchmarks.objects import Objects, Patterned, checksums, headers
from benchmarks.render import Renderer, common_prefixes, echoed
from benchmarks.wire import ListQuery, Pieces, Request, answer, refusal, token_for

_NAMESPACE: Final = b"http://s3.amazonaws.com/doc/2006-03-01/"
_END: Final = b"</ListBucketResult>"


class VirtualBucket:
    """LIST (version 2), HEAD and GET. Signatures and conditions are not looked at: nothing here ever changes."""

    def __init__(
        self, *, name: str, region: str, space: KeySpace, cache_bytes: int, objects: Objects | None = None
    ) -> None:
        self.name: Final = name.encode()
        self.space: Final = space
        self._region = f"x-amz-bucket-region: {region}\r\n".encode()
        self._objects = objects or Patterned()
        self._variety = self._objects.variety
        described = [self._objects.describe(number) for number in range(self._variety)]
        self._renderer = Renderer(space, described, cache_bytes=cache_bytes)
        self._sizes = [one.size for one in described]
        self._headers = [headers(one) for one in described]
        self._heads = [
            b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s%s\r\n" % (one.size, headers(one), checksums(one))
            for one in described
        ]

    def reply(self, request: Request) -> tuple[str, int, Pieces]:
        """Class of the request (list, head, get, other), status, and the answer whole."""
        if request.bucket != self.name:
            return "other", 404, refusal(404, "NoSuchBucket", "There is one bucket here", method=request.method)
        if request.method == b"HEAD":
            return self._head(request.key)
        if request.method != b"GET":
            return "other", 405, refusal(405, "MethodNotAllowed", "This server is for reading")
        return self._get(request) if request.key else self._list(request.query)

    def _head(self, key: bytes) -> tuple[str, int, Pieces]:
        if not key:
            return "other", 200, answer(200, [], headers=self._region)
        index = self.space.find(key)
        if index is None:
            return "head", 404, refusal(404, "NoSuchKey", "", method=b"HEAD")
        return "head", 200, [self._heads[index % self._variety]]

    def _get(self, request: Request) -> tuple[str, int, Pieces]:
        index = self.space.find(request.key)
        if index is None:
            return "get", 404, refusal(404, "NoSuchKey", "The specified key does not exist.")
        size = self._sizes[index % self._variety]
        first, last, status = 0, size - 1, 200
        if request.span is not None:
            begin, end = request.span
            if begin:
                first, last = int(begin), min(int(end or size), size - 1)
            elif end:
                first = max(0, size - int(end))
            if first > last or not (begin or end):
                return "get", 416, refusal(416, "InvalidRange", "The requested range is not satisfiable")
            status = 206
        said = self._headers[index % self._variety]
        said += f"Content-Range: bytes {first}-{last}/{size}\r\n".encode() if status == 206 else b""
        start = f"HTTP/1.1 {status} OK\r\nContent-Length: {last - first + 1}\r\n".encode()
        return "get", status, [start + said + b"\r\n", self._objects.content(index, first, last)]

    def _list(self, query: bytes) -> tuple[str, int, Pieces]:
        if b"list-type=2" not in query:
            if query == b"location":
                place = b"<LocationConstraint xmlns='%s'/>" % _NAMESPACE
                return "other", 200, answer(200, [place], headers=self._region)
            return "other", 501, refusal(501, "NotImplemented", "Only ListObjectsV2 is served")
        try:
            asked = ListQuery.read(query)
        except ValueError:
            return "list", 400, refusal(400, "InvalidArgument", "The continuation token or max-keys is not valid")
        found = list_slice(
            self.space,
            prefix=asked.prefix,
            delimiter=asked.delimiter,
            start_after=asked.start_after,
            begin=asked.begin,
            max_keys=asked.max_keys,
        )
        body = [self._opening(asked, found), *self._renderer.contents(found.indexes, encoded=asked.encoded)]
        body.append(common_prefixes(found.prefixes, encoded=asked.encoded) + _END)
        return "list", 200, answer(200, body, headers=self._region)

    def _opening(self, asked: ListQuery, found: Slice) -> bytes:
        prefix, delimiter, after = (
            echoed(text, encoded=asked.encoded) for text in (asked.prefix, asked.delimiter, asked.start_after)
        )
        begun = (
            b""
            if asked.begin is None
            else b"<ContinuationToken>%s</ContinuationToken>" % token_for(asked.begin).encode()
        )
        following = found.next_index
        token = b"" if following is None else token_for(following).encode()
        return b"".join(
            [
                b'<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="%s">' % _NAMESPACE,
                b"<Name>%s</Name><Prefix>%s</Prefix>" % (self.name, prefix),
                begun,
                b"<NextContinuationToken>%s</NextContinuationToken>" % token if token else b"",
                b"<StartAfter>%s</StartAfter>" % after if after else b"",
                b"<KeyCount>%d</KeyCount>" % (len(found.indexes) + len(found.prefixes)),
                b"<MaxKeys>%d</MaxKeys>" % asked.max_keys,
                b"<Delimiter>%s</Delimiter>" % delimiter if delimiter else b"",
                b"<EncodingType>url</EncodingType>" if asked.encoded else b"",
                b"<IsTruncated>%s</IsTruncated>" % (b"true" if token else b"false"),
            ]
        )
