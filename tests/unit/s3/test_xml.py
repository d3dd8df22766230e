"""Listings are read exactly or not at all."""

from __future__ import annotations

from urllib.parse import quote_from_bytes
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import ProtocolError
from ingest.model import Entries, Entry, Page
from ingest.s3.xml import bare_etag, check_tags, read_document, read_error, read_listing

_HEAD = "<Name>bkt</Name><Prefix></Prefix><IsTruncated>false</IsTruncated>"
_URL = "<EncodingType>url</EncodingType>"


def _object(key: str = "k", *, size: str = "1", more: str = "") -> str:
    return f"<Contents><Key>{key}</Key><Size>{size}</Size><LastModified>2026-01-01T00:00:00.123Z</LastModified>{more}</Contents>"


def _document(inside: str, *, attributes: str = "") -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult{attributes}>{inside}</ListBucketResult>'.encode()


def _read(body: bytes, *, prefix: bytes = b"") -> Page:
    return read_listing(read_document(body), bucket="bkt", prefix=prefix, body=body)


def test_what_is_listed_comes_out_as_listed() -> None:
    more = (
        "<ETag>&quot;abc-2&quot;</ETag><StorageClass>GLACIER</StorageClass><ChecksumAlgorithm>CRC32</ChecksumAlgorithm>"
        "<ChecksumAlgorithm>SHA256</ChecksumAlgorithm><ChecksumType>COMPOSITE</ChecksumType><Owner><ID>x</ID></Owner>"
    )
    page = _read(_document(_HEAD + _object(size="53687091200000", more=more) + _object("l")))
    assert list(page.entries) == [
        Entry(b"k", 53687091200000, "abc-2", "2026-01-01T00:00:00.123Z", "GLACIER", "CRC32,SHA256", "COMPOSITE"),
        Entry(b"l", 1, "", "2026-01-01T00:00:00.123Z", "STANDARD", "", ""),
    ]
    assert page.next_token is None


@pytest.mark.parametrize(
    "attributes", ["", ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"', ' xmlns="urn:something:else"']
)
def test_any_namespace_or_none_is_understood(attributes: str) -> None:
    page = _read(_document(_HEAD + _object(), attributes=attributes))
    assert [entry.key for entry in page.entries] == [b"k"]


@given(key=st.binary(min_size=1), plus=st.booleans())
def test_an_encoded_key_comes_back_byte_by_byte(key: bytes, plus: bool) -> None:
    text = quote_from_bytes(key, safe="/")
    text = text.replace("%20", "+") if plus else text
    page = _read(_document(_HEAD + _URL + _object(text)))
    assert page.entries[0].key == key


_XML_TEXT = st.text(
    st.characters(min_codepoint=0x20, exclude_categories=["Cs"]).filter(lambda c: c not in "\ufffe\uffff"), min_size=1
)


@given(key=_XML_TEXT)
def test_a_key_from_a_server_that_does_not_encode_is_taken_as_it_stands(key: str) -> None:
    """`%20` and `+` in it are themselves."""
    page = _read(_document(_HEAD + _object(escape(key))))
    assert page.entries[0].key == key.encode()


@given(st.binary())
def test_no_bytes_at_all_make_the_parser_fail_in_any_other_way(body: bytes) -> None:
    try:
        _read(body)
    except ProtocolError:
        pass
    else:
        pytest.fail("noise was taken for a listing")


@given(st.integers(min_value=0))
def test_no_part_of_a_listing_passes_for_the_whole(cut: int) -> None:
    whole = _document(_HEAD + _URL + _object("a") + _object("b"))
    with pytest.raises(ProtocolError):
        _read(whole[: cut % len(whole)])


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"<html><body>Log in</body></html>", "<html>"),
        (b"<!doctype html><p>hi", "not XML"),
        (b'<!DOCTYPE x [<!ENTITY a "b">]><ListBucketResult/>', "plain XML"),
        ('<?xml version="1.0" encoding="UTF-16"?><ListBucketResult/>'.encode("utf-16"), "plain XML"),
        (b'{"keys": []}', "not XML"),
        (b"<ListAllMyBucketsResult/>", "ListAllMyBucketsResult"),
        (_document(_HEAD.replace("bkt", "other")), "bucket 'other'"),
        (_document(_HEAD.replace("<Prefix></Prefix>", "<Prefix>q</Prefix>")), "prefix 'q'"),
        (_document("<Name>bkt</Name>"), "truncated"),
        (_document(_HEAD.replace("false", "TRUE")), "truncated"),
        (_document(_HEAD.replace("false", "true")), "no token"),
        (_document(_HEAD.replace("false", "true") + "<NextContinuationToken/>"), "no token"),
        (_document(_HEAD + "<IsTruncated>true</IsTruncated>"), "twice"),
        (_document(_HEAD + "<KeyCount>2</KeyCount>" + _object()), "KeyCount"),
        (_document(_HEAD + _object(size="")), "size"),
        (_document(_HEAD + _object(size="-1")), "size"),
        (_document(_HEAD + _object(size="1e3")), "size"),
        (_document(_HEAD + _object("")), "no name"),
        (_document(_HEAD + "<Contents><Key>k</Key><Size>1</Size></Contents>"), "time"),
        (_document(_HEAD + "<CommonPrefixes/>"), "no name"),
        (_document(_HEAD + _URL + _object("100%")), "encoded"),
        (_document(_HEAD + _object("a\rb")), "carriage return"),
        (_document(_HEAD + _object("a&#1;b")), "not XML"),
    ],
)
def test_every_lie_is_named(body: bytes, why: str) -> None:
    with pytest.raises(ProtocolError, match=why) as caught:
        _read(body)
    assert caught.value.transient


@pytest.mark.parametrize(
    "inside",
    [
        _object().replace("<Contents>", '<Contents xmlns="">'),
        _object().replace("Contents", "contents"),
        _object().replace("Contents", "CONTENTS"),
        f"<Listed>{_object()}</Listed>",
        '<CommonPrefixes xmlns="urn:x"><Prefix>p/</Prefix></CommonPrefixes>',
        "<commonPrefixes><Prefix>p/</Prefix></commonPrefixes>",
    ],
)
def test_objects_that_are_listed_in_another_way_than_s3s_do_not_pass_for_none(inside: str) -> None:
    with pytest.raises(ProtocolError, match="listed where"):
        _read(_document(_HEAD + inside, attributes=' xmlns="urn:s3"'))


@pytest.mark.parametrize("size", ["9" * 19, "9" * 5000, "\u00b2", "-1", "1.0", ""])
def test_a_size_is_a_number_that_can_be_stored(size: str) -> None:
    assert _read(_document(_HEAD + _object(size="9" * 15))).entries[0].size == 10**15 - 1
    with pytest.raises(ProtocolError, match="size"):
        _read(_document(_HEAD + _object(size=size)))


def test_a_listing_of_more_tags_than_a_page_can_have_is_not_parsed() -> None:
    many = "<Owner><ID>x</ID><DisplayName>y</DisplayName></Owner><RestoreStatus><IsRestoreInProgress>false</IsRestoreInProgress></RestoreStatus>"
    check_tags(_document(_HEAD + _object("k" * 3000, more=many) * 1000))
    check_tags(b"x" * 10_000_000)
    with pytest.raises(ProtocolError, match="tags"):
        check_tags(_document(_HEAD + "<a/>" * 75_000))


def test_a_prefix_may_be_echoed_encoded_or_plain() -> None:
    """Some servers encode the keys but not the prefix."""
    for echoed in ("a+b%2B/", "a b+/"):
        head = _HEAD.replace("<Prefix></Prefix>", f"<Prefix>{echoed}</Prefix>")
        assert _read(_document(head + _URL), prefix=b"a b+/").entries == Entries()


def test_folders_and_tokens_come_with_the_page() -> None:
    inside = (
        _HEAD.replace("false", "true")
        + _URL
        + "<KeyCount>2</KeyCount><NextContinuationToken>1a/+=</NextContinuationToken>"
        + "<CommonPrefixes><Prefix>a%2F</Prefix></CommonPrefixes><CommonPrefixes><Prefix>b%2F</Prefix></CommonPrefixes>"
    )
    page = _read(_document(inside))
    assert (page.common_prefixes, page.next_token) == ([b"a/", b"b/"], "1a/+=")


def test_a_token_counts_only_where_the_listing_goes_on() -> None:
    page = _read(_document(_HEAD + "<NextContinuationToken>x</NextContinuationToken>"))
    assert page.next_token is None


def test_an_error_document_is_read_and_anything_else_is_none() -> None:
    body = (
        b"<Error><Code> SlowDown </Code><Message>m</Message><Region>eu-west-1</Region><RequestId>r</RequestId></Error>"
    )
    document = read_error(body)
    assert (document.code, document.message, document.region, document.request_id) == (
        "SlowDown",
        "m",
        "eu-west-1",
        "r",
    )
    for other in (b"", b"<html/>", b"<Error", b"<!DOCTYPE x><Error><Code>x</Code></Error>"):
        assert read_error(other).code == ""


@pytest.mark.parametrize("text", ['"abc"', "abc", 'W/"abc"', ' "abc" '])
def test_an_etag_loses_its_quotes(text: str) -> None:
    assert bare_etag(text) == "abc"
