"""What the headers of an object say is believed only as far as an object can be so."""

from __future__ import annotations

import pytest

from config.errors import ProtocolError
from ingest.s3.body import Span, content_length
from ingest.s3.errors import Subject

_SUBJECT = Subject(request="head", bucket="bkt", key=b"a/key")


@pytest.mark.parametrize("length", ["9" * 19, "9" * 5000, "\u0663", "\u00b2", "-1", "1.0", ""])
def test_a_length_that_no_object_has_is_not_taken(length: str) -> None:
    assert content_length({"content-length": "9" * 18}, _SUBJECT) == 10**18 - 1
    with pytest.raises(ProtocolError, match="how long"):
        content_length({"content-length": length}, _SUBJECT)


@pytest.mark.parametrize("size", ["9" * 19, "\u0663", "*"])
def test_a_range_of_an_object_of_no_possible_size_is_not_taken(size: str) -> None:
    span = Span(0, 3)
    assert span.answered(206, {"content-range": f"bytes 0-3/{'9' * 18}"}, _SUBJECT) == (10**18 - 1, 0)
    with pytest.raises(ProtocolError, match="another range"):
        span.answered(206, {"content-range": f"bytes 0-3/{size}"}, _SUBJECT)
