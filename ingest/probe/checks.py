"""Whether a body is what the storage says that it keeps; hides which checksums prove it, and which only may."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from typing import NamedTuple

from ingest.identity import Checksum, checksum_of, etag_checksum, part_size
from ingest.model import ObjectHead
from ingest.probe.sums import Sum, sum_of

_NONE = b""
_SHA256 = ("SHA256", None)
_ELSEWHERE = "storage other than Amazon S3 may have other ETags: read its objects to depth media"


class Mismatch(NamedTuple):
    """A checksum that is stored and wrong."""

    what: str
    stored: str
    computed: str

    def __str__(self) -> str:
        return f"its {self.what} is stored as {self.stored}, and its bytes give {self.computed}"


class Checks:
    """All sums over one body: SHA-256 always, and whatever its headers say that the storage keeps."""

    def __init__(self, head: ObjectHead) -> None:
        self._sha256 = hashlib.sha256()
        self._stored = checksum_of(head.checksum_algorithm, head.checksum, head.checksum_type)
        self._etag = etag_checksum(head.etag, head.headers, storage_class=head.storage_class)
        self._sums: dict[Checksum, Sum] = {}
        for checksum in (self._stored, self._etag):
            if checksum is None or checksum in self._sums or checksum[::2] == _SHA256:
                continue
            size = None if checksum.parts is None else part_size(head.size, checksum.parts)
            if (going := sum_of(checksum, part_size=size)) is not None:
                self._sums[checksum] = going

    def update(self, block: list[bytes]) -> None:
        """By its pieces, in order, which leaves none of them: a thread lets go of what it was given later than it says that it is
        done. May be called in one, if nothing else is asked meanwhile.
        """
        for piece in block:
            self._sha256.update(piece)
            for going in self._sums.values():
                going.update(piece)
        block.clear()

    @property
    def sha256(self) -> str:
        return self._sha256.hexdigest()

    @property
    def md5(self) -> str | None:
        """Of the whole object, if it was summed up."""
        etag = self._etag
        return self._digest(etag).hex() if etag is not None and etag.parts is None else None

    def verified(self) -> str | Mismatch:
        """What is right, or what is wrong; ask once. Parts whose size was guessed prove what they give, and refute nothing; nor does
        an ETag where the checksum beside it is right, or that is of one part: there are servers whose ETags only look like an MD5.
        """
        right: list[str] = []
        for checksum in (self._stored, self._etag):
            if checksum is None:
                continue
            computed = self._digest(checksum)
            if computed == checksum.value:
                right.append(checksum.algorithm if checksum.parts is None else f"{checksum.algorithm} COMPOSITE")
            elif computed and checksum is self._stored and checksum.parts in (None, 1):
                return _words(checksum, computed)
            elif computed and checksum is self._etag and checksum.parts is None and not right:
                return Mismatch("ETag, taken for an MD5,", checksum.value.hex(), f"{computed.hex()}; {_ELSEWHERE}")
        return ",".join(dict.fromkeys(right)) or "SIZE"

    def _digest(self, checksum: Checksum) -> bytes:
        """Empty if it could not be summed up."""
        if checksum[::2] == _SHA256:
            return self._sha256.digest()
        going = self._sums.get(checksum)
        return going.digest() if going is not None else _NONE


def _words(checksum: Checksum, computed: bytes) -> Mismatch:
    algorithm = checksum.algorithm if checksum.parts is None else f"{checksum.algorithm} of one part"
    return Mismatch(algorithm, b64encode(checksum.value).decode(), b64encode(computed).decode())
