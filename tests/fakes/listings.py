"""Pages of a listing as servers write them, and what two readers make of them."""

from __future__ import annotations

from config.errors import ProtocolError
from ingest.model import Entry, Page
from ingest.s3.columns import read_page
from ingest.s3.xml import check_tags, read_document, read_listing

NAMESPACE = ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
HEAD = "<Name>bkt</Name><Prefix></Prefix><MaxKeys>1000</MaxKeys><EncodingType>url</EncodingType>"
END = "<IsTruncated>false</IsTruncated>"
TIME = "2026-01-01T00:00:00.123Z"


def document(inside: str, *, attributes: str = NAMESPACE) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult{attributes}>{inside}</ListBucketResult>'.encode()


def parsed(body: bytes) -> Page:
    check_tags(body)
    return read_listing(read_document(body), bucket="bkt", prefix=b"", body=body)


def fast(body: bytes) -> Page | None:
    return read_page(body, bucket="bkt", prefix=b"")


def agree(body: bytes) -> None:
    """Whoever answers at all answers what the parser does; what the parser refuses has no answer here."""
    page = fast(body)
    try:
        expected = parsed(body)
    except ProtocolError:
        assert page is None
        return
    if page is not None:
        assert page == expected
        assert all(type(entry) is Entry and type(entry.key) is bytes for entry in page.entries)


SERVERS = {
    "AWS": (
        "<Contents><Key>{key}</Key><LastModified>{time}</LastModified><ETag>&quot;{etag}&quot;</ETag>"
        "<ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>"
        "<Size>{size}</Size><StorageClass>STANDARD</StorageClass></Contents>"
    ),
    "AWS with owner and restore status": (
        "<Contents><Key>{key}</Key><LastModified>{time}</LastModified><ETag>&quot;{etag}&quot;</ETag><Size>{size}</Size>"
        "<Owner><ID>75aa57</ID><DisplayName>us</DisplayName></Owner><StorageClass>GLACIER</StorageClass>"
        "<RestoreStatus><IsRestoreInProgress>false</IsRestoreInProgress></RestoreStatus></Contents>"
    ),
    "MinIO": (
        "<Contents><Key>{key}</Key><LastModified>{time}</LastModified><ETag>&#34;{etag}&#34;</ETag><Size>{size}</Size>"
        "<Owner><ID>02d6</ID><DisplayName>minio</DisplayName></Owner><StorageClass>STANDARD</StorageClass></Contents>"
    ),
    "moto": (
        '<Contents><Key>{key}</Key><LastModified>{time}</LastModified><ETag>"{etag}"</ETag>'
        "<ChecksumAlgorithm>CRC32</ChecksumAlgorithm><Size>{size}</Size><StorageClass>STANDARD</StorageClass></Contents>"
    ),
    "sparse": "<Contents><Size>{size}</Size><LastModified>{time}</LastModified><Key>{key}</Key></Contents>",
    "bare ETags": (
        "<Contents><Key>{key}</Key><ETag>{etag}</ETag><LastModified>{time}</LastModified><Size>{size}</Size>"
        "<Generation>{size}7</Generation></Contents>"
    ),
    "pretty": (
        "\n  <Contents>\n    <Key>{key}</Key>\n    <LastModified>{time}</LastModified>\n    <ETag>&quot;{etag}&quot;</ETag>\n"
        "    <Size>{size}</Size>\n    <Owner>\r\n\t<ID>us</ID>\n    </Owner>\n  </Contents>"
    ),
}
FOLDER = "<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>"
