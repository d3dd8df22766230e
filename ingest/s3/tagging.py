"""Reads the tags of objects of one bucket. Hides that no If-Match holds for them."""

from __future__ import annotations

from functools import partial

from config.errors import ObjectChangedError
from ingest.s3.asker import Asker
from ingest.s3.errors import Subject, explained
from ingest.s3.exchange import Answered, Call
from ingest.s3.results import read_tags


class S3Tags:
    """Safe to share between tasks."""

    def __init__(self, asker: Asker) -> None:
        self._asker = asker

    async def tags(self, key: bytes, *, probed: str = "", version_id: str = "") -> dict[str, str]:
        """The tags of an object, sorted; of a version if its ID is given. `probed`: the version that its HEAD named, if any.

        Raises SourceError (ObjectChangedError if it is another version by now) and CredentialError.
        """
        location = self._asker.location
        headers = {"x-amz-request-payer": "requester"} if location.requester_pays else {}
        if location.expected_owner is not None:
            headers["x-amz-expected-bucket-owner"] = location.expected_owner
        call = Call(
            subject=Subject(request="tags", bucket=location.bucket, key=key),
            method="GET",
            key=key,
            query={"tagging": b""} | ({"versionId": version_id.encode()} if version_id else {}),
            headers=headers,
        )
        return await self._asker.ask(call, read_tags, check=partial(_check_version, call.subject, probed))


def _check_version(subject: Subject, probed: str, answered: Answered) -> None:
    if probed and answered.headers.get("x-amz-version-id", probed) != probed:
        raise explained(ObjectChangedError, subject, "it is no longer the version that was probed", status=200)
