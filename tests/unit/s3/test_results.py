"""Tags and what became of a copy, read from answers that may lie."""

from __future__ import annotations

from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import ProtocolError
from ingest.s3.copying import PARTS_MOST, WHOLE_MOST, part_size
from ingest.s3.results import Written, read_tags, read_upload_id, read_written
from ingest.s3.xml import read_document

NAMESPACE = ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
_CHARACTERS = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")
_TAGS = st.dictionaries(st.text(_CHARACTERS, min_size=1, max_size=128), st.text(_CHARACTERS, max_size=256), max_size=50)


def tag(name: str, value: str) -> str:
    return f"<Tag><Key>{escape(name)}</Key><Value>{escape(value)}</Value></Tag>"


def tagging(inside: str, namespace: str = NAMESPACE) -> bytes:
    return f'<?xml version="1.0"?><Tagging{namespace}><TagSet>{inside}</TagSet></Tagging>'.encode()


@given(tags=_TAGS, namespace=st.sampled_from([NAMESPACE, ""]))
def test_tags_come_back_as_they_were_set_and_sorted(tags: dict[str, str], namespace: str) -> None:
    body = tagging("".join(tag(name, value) for name, value in tags.items()), namespace)
    assert list(read_tags(read_document(body)).items()) == sorted(tags.items())


@pytest.mark.parametrize(
    "body",
    [
        tagging("".join(tag(f"k{number}", "v") for number in range(51))),
        tagging(tag("k" * 129, "v")),
        tagging(tag("k", "v" * 257)),
        tagging(tag("", "v")),
        tagging(tag("k", "v") * 2),
        tagging("<Tag><Key>k</Key></Tag>"),
        tagging("<Tag><Value>v</Value></Tag>"),
        tagging("<Tag><Key>k</Key><Key>l</Key><Value>v</Value></Tag>"),
        tagging("<Other/>"),
        b"<Tagging/>",
        b"<Tagging><TagSet/><TagSet/></Tagging>",
        b"<ListBucketResult/>",
        b"<html/>",
    ],
)
def test_what_is_no_set_of_tags_is_none(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        read_tags(read_document(body))


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_what_was_written_is_told_with_its_checksum(algorithm: str) -> None:
    inside = f"<ETag>&quot;abc&quot;</ETag><Checksum{algorithm}>AAAA</Checksum{algorithm}>"
    body = f"<CopyObjectResult{NAMESPACE}>{inside}<ChecksumType>FULL_OBJECT</ChecksumType></CopyObjectResult>"
    assert read_written(read_document(body.encode()), "CopyObjectResult") == Written(
        "abc", algorithm, "AAAA", "FULL_OBJECT"
    )
    plain = read_document(b"<CopyPartResult><ETag>abc</ETag></CopyPartResult>")
    assert read_written(plain, "CopyPartResult") == Written("abc")


@pytest.mark.parametrize("inside", ["", "<UploadId/>", "<UploadId>a</UploadId><UploadId>b</UploadId>"])
def test_an_upload_without_one_id_was_not_begun(inside: str) -> None:
    body = f"<InitiateMultipartUploadResult>{inside}</InitiateMultipartUploadResult>"
    with pytest.raises(ProtocolError):
        read_upload_id(read_document(body.encode()))


@given(size=st.integers(1, 50 * 1024**4), least=st.integers(5 * 1024**2, WHOLE_MOST))
def test_ten_thousand_parts_are_enough_and_none_is_too_large(size: int, least: int) -> None:
    part = part_size(size, least=least)
    assert least <= part <= WHOLE_MOST
    assert -(-size // part) <= PARTS_MOST or part == WHOLE_MOST
    assert -(-50 * 10**12 // part_size(50 * 10**12, least=least)) <= PARTS_MOST
