"""What the fake answers about a bucket or an object besides what is in it: its region and tags."""

from __future__ import annotations

from xml.sax.saxutils import escape

from tests.fakes.s3_answers import error
from tests.fakes.s3_store import Bucket, Stored
from tests.fakes.s3_wire import Answer

_NAMESPACE = ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


def document(root: str, inside: str) -> Answer:
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<{root}{_NAMESPACE}>{inside}</{root}>'
    return Answer(headers={"Content-Type": "application/xml"}, body=text.encode("utf-8", "surrogateescape"))


def answer_location(bucket: Bucket) -> Answer:
    """us-east-1 is told as nothing."""
    return document("LocationConstraint", "" if bucket.region == "us-east-1" else bucket.region)


def answer_tags(stored: Stored | None) -> Answer:
    if stored is None:
        return error(404, "NoSuchKey", "The specified key does not exist.")
    tags = "".join(
        f"<Tag><Key>{escape(name)}</Key><Value>{escape(value)}</Value></Tag>" for name, value in stored.tags.items()
    )
    return document("Tagging", f"<TagSet>{tags}</TagSet>")
