"""The fast way reads what the parser reads, or nothing at all."""

from __future__ import annotations

from urllib.parse import quote_from_bytes
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.listings import END, FOLDER, HEAD, SERVERS, TIME, agree, document, fast, parsed

# -- what servers write is read the fast way

_KEYS = st.lists(st.binary(min_size=1, max_size=12) | st.text("ab/=%+ &\x02", min_size=1).map(str.encode), max_size=12)


@given(server=st.sampled_from(sorted(SERVERS)), keys=_KEYS, folders=_KEYS, early=st.booleans(), plus=st.booleans())
@settings(max_examples=300)
def test_plain_pages_of_any_keys_are_read_the_fast_way(
    server: str, keys: list[bytes], folders: list[bytes], early: bool, plus: bool
) -> None:
    texts = [quote_from_bytes(key, safe="/").replace("%20", "+" if plus else "%20") for key in keys + folders]
    rows = [
        SERVERS[server].format(key=text, time=TIME, etag=f"{number:032x}", size=number * 977)
        for number, text in enumerate(texts[: len(keys)])
    ]
    listed = "".join(rows + [FOLDER.format(text) for text in texts[len(keys) :]])
    body = document(listed + HEAD + END if early else HEAD + END + listed)
    page = fast(body)
    if not keys + folders:
        assert page is None
    else:
        assert page == parsed(body)
        assert [entry.key for entry in page.entries] + page.common_prefixes == keys + folders


@given(
    keys=st.lists(st.text(st.characters(codec="ascii", min_codepoint=0x20, max_codepoint=0x7E), min_size=1), min_size=1)
)
def test_keys_that_are_not_encoded_are_taken_as_they_stand(keys: list[str]) -> None:
    rows = [SERVERS["AWS"].format(key=escape(key, {'"': "&quot;"}), time=TIME, etag="e", size=1) for key in keys]
    page = fast(document("<Name>bkt</Name>" + END + "".join(rows)))
    assert page is not None
    assert [entry.key for entry in page.entries] == [key.encode() for key in keys]


@given(
    kinds=st.lists(st.integers(0, 3), min_size=1, max_size=30),
    typed=st.booleans(),
    space=st.sampled_from(["", "\n  ", " "]),
)
def test_objects_with_and_without_checksums_may_stand_on_one_page(kinds: list[int], typed: bool, space: str) -> None:
    rows = [
        f"<Contents><Key>k{number}</Key><LastModified>{TIME}</LastModified><ETag>&quot;e{number}&quot;</ETag>{space}"
        + "".join(f"<ChecksumAlgorithm>{name}</ChecksumAlgorithm>" for name in ("SHA1", "CRC32", "")[:algorithms])
        + (f"<ChecksumType>COMPOSITE</ChecksumType>{space}" if typed and algorithms else "")
        + f"<Size>1</Size><StorageClass>{'GLACIER' if number % 2 else ''}</StorageClass></Contents>"
        for number, algorithms in enumerate(kinds)
    ]
    body = document(HEAD + END + "".join(rows))
    assert fast(body) == parsed(body)


@pytest.mark.parametrize("where", ["StorageClass", "ChecksumAlgorithm", "ChecksumType"])
def test_a_text_that_differs_in_one_object_is_seen_even_if_it_is_as_long_as_the_others(where: str) -> None:
    rows = [SERVERS["AWS"].format(key=f"k{number}", time=TIME, etag="e", size=1) for number in range(40)]
    tag = f"<{where}>"
    rows[33] = rows[33].replace(tag, tag + "~").replace("~" + rows[33].partition(tag)[2][0], "~")
    body = document(HEAD + END + "".join(rows))
    page = fast(body)
    assert page == parsed(body)
    assert page.entries[33][1:] != page.entries[32][1:]


def test_a_token_and_a_wrong_count_are_seen() -> None:
    row = SERVERS["AWS"].format(key="k", time=TIME, etag="e", size=1)
    more = "<IsTruncated>true</IsTruncated><NextContinuationToken>1/+=</NextContinuationToken>"
    page = fast(document(HEAD + more + "<KeyCount>1</KeyCount>" + row))
    assert page is not None
    assert page.next_token == "1/+="
    assert fast(document(HEAD + more + "<KeyCount>2</KeyCount>" + row)) is None


# -- what is unusual is left to the parser


def _row(more: str = "", *, key: str = "k", size: str = "1") -> str:
    return f"<Contents><Key>{key}</Key><LastModified>{TIME}</LastModified><Size>{size}</Size>{more}</Contents>"


@pytest.mark.parametrize(
    "inside",
    [
        "",
        _row("<!-- -->"),
        _row() + "<!-- -->" + _row(),
        "<!-- " + _row() + " -->",
        "<![CDATA[" + _row() + "]]>",
        "<Other>" + _row() + "</Other>",
        _row() + "<Contents/>",
        "<CommonPrefixes/>" + _row(),
        _row() + FOLDER.format("p") + _row(),
        _row('<ETag a="b">e</ETag>'),
        _row("<Size>2</Size>"),
        _row("<Owner><Size>2</Size></Owner>"),
        _row("<Owner><Size>2</Size></Owner>").replace("<Size>1</Size>", ""),
        _row("<StorageClass>A</StorageClass><StorageClass>B</StorageClass>"),
        _row() + "<!-- -->" + FOLDER.format("p/"),
        FOLDER.format("p/") + _row() + FOLDER.format("q/"),
        _row("<Prefix>&odd;</Prefix>"),
        _row("<Other>&odd;</Other>"),
        _row("junk"),
        _row(key="<![CDATA[k]]>"),
        _row(key="&#107;"),
        _row(key="&am") + _row(key="p;"),
        _row(key="a]]>b"),
        _row(key="a%") + _row(key="20"),
        _row(key="%41%%41B"),
        _row(key="a\tb"),
        _row(key="a\x01b"),
        _row(key="\u00fc"),
        _row("<commonPrefixes>p</commonPrefixes>"),
        "<contents/>" + _row(),
        _row("".join(f"<A{one}>x</A{one}>" for one in range(40)).translate(str.maketrans("0123456789", "abcdefghij")))
        * 1100,
        _row() + "<A/>" * 80_000,
        _row(key=""),
        _row(size="1_0"),
        _row(size="-1"),
        _row(size=" 1"),
        _row(size="9" * 5000),
        _row(size="") + _row(size="11"),
        _row() + _row(size="\u0661"),
        _row() + _row("<ETag>e</ETag>"),
        _row('<ETag>"e"</ETag>') + _row('<ETag>""e""</ETag>'),
        _row("<ChecksumAlgorithm>a</ChecksumAlgorithm><Other/><ChecksumAlgorithm>b</ChecksumAlgorithm>"),
        _row().replace("Contents>", "s3:Contents>"),
    ],
)
def test_the_unusual_is_for_the_parser(inside: str) -> None:
    body = document(HEAD + END + inside)
    assert fast(body) is None
    agree(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<Contents>",
        b"</Contents><Contents>",
        document(HEAD + END + _row())[:-1],
        document(HEAD + END + _row()) + b"x",
        b"<!DOCTYPE a>" + document(HEAD + END + _row()).partition(b"\n")[2],
        document(HEAD + END + _row()).replace(b"ListBucketResult", b"Error"),
        document(HEAD + END + _row()).replace(b"bkt", b"other"),
        document(HEAD + END + _row(), attributes=' a="'),
        document(HEAD + END + _row(), attributes="/"),
        document(HEAD + _row()),
    ],
)
def test_a_document_that_is_not_a_good_listing_has_no_fast_answer(body: bytes) -> None:
    assert fast(body) is None
    agree(body)
