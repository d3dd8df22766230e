"""On anything at all the fast way and the parser agree, or the fast way says nothing."""

from __future__ import annotations

import re
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.listings import END, FOLDER, HEAD, NAMESPACE, SERVERS, TIME, agree, document, fast, parsed

_ODD_TEXTS = [
    "",
    " ",
    "9" * 18,
    "1" + "0" * 18,
    "\t",
    "\r",
    "\n",
    "\x00",
    "\x0b",
    "\x7f",
    "\ufffe",
    "\u0663",
    "\u00fc",
    TIME,
]
_ODD_TEXTS += re.findall(
    r"\S+",
    "k a+b 7 07 -1 1_0 STANDARD CRC32 %41 %2541 %25 % %4 %zz %%41B %01 %02%25 &amp; &lt; &quot; &#34; &#x41; & &am",
)
_ODD_TEXTS += re.findall(r"\S+", """' " "e" "e &quot;e&quot; W/&quot;e&quot; > ]]> < <a/> <!--c--> <![CDATA[k]]>""")
_ODD_TEXTS.append("a b")
_ODD_TEXT = st.sampled_from(_ODD_TEXTS)
_MORE_NAMES = re.findall(
    r"\w+", "StorageClass ChecksumAlgorithm ChecksumType Owner ID Prefix Other RestoreStatus Contents"
)
_SPACES = st.sampled_from(["", "", "", "\n  ", " ", "\r\n", "\x0c", "x"])


@st.composite
def _rows(draw: st.DrawFn) -> str:
    """Rows of one layout, with texts that may be odd, of which some are changed."""
    order = draw(st.permutations(["Key", "LastModified", "ETag", "Size"]))
    more = draw(st.lists(st.sampled_from(_MORE_NAMES), max_size=3))
    names = [*order, *more] if draw(st.booleans()) else [*more, *order]
    space, gap = draw(_SPACES), draw(_SPACES)
    usual = {"Size": "12", "LastModified": TIME, "ETag": draw(_ODD_TEXT), "StorageClass": "GLACIER"}
    rows = []
    for number in range(draw(st.integers(1, 5))):
        fields = [[name, usual.get(name, f"t{number % 2}")] for name in names]
        for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
            at = draw(st.integers(0, len(fields) - 1))
            change = draw(st.sampled_from(["text", "text", "name", "drop", "twice", "nest"]))
            if change == "text":
                fields[at][1] = draw(_ODD_TEXT)
            elif change == "name":
                fields[at][0] = draw(st.sampled_from([*order, *_MORE_NAMES]))
            elif change == "twice":
                fields.insert(at, list(fields[at]))
            elif change == "nest":
                fields[at][1] = f"<{names[0]}>{fields[at][1]}</{names[0]}>"
            elif len(fields) > 1:
                del fields[at]
        rows.append(
            "<Contents>" + space.join(f"<{name}>{text}</{name}>" for name, text in fields) + space + "</Contents>"
        )
    return gap.join(rows)


@st.composite
def _bodies(draw: st.DrawFn) -> bytes:
    ordinary = [HEAD, END]
    odd = [
        "<KeyCount>2</KeyCount>",
        "<Prefix/>",
        "<Contents/>",
        "<!-- -->",
        "\n",
        "x",
        "<Other><A/></Other>",
        "<Contents>x</Contents>",
    ]
    parts = [*ordinary, draw(_rows()), *draw(st.lists(st.sampled_from(odd), max_size=1))]
    parts += [FOLDER.format(draw(_ODD_TEXT)) for _ in range(draw(st.integers(0, 2)))]
    if draw(st.booleans()):
        parts = draw(st.permutations(parts))
    if draw(st.booleans()):
        parts = [part.replace("<EncodingType>url</EncodingType>", "") for part in parts]
    attributes = draw(st.sampled_from([NAMESPACE, "", ' a="b"', ' xmlns="urn:x" a=\'"\'', " a"]))
    return document("".join(parts), attributes=attributes)


@given(_bodies())
@settings(max_examples=600)
def test_on_any_layout_both_agree(body: bytes) -> None:
    agree(body)


_PIECES = [b"\0", b"\r", b"\xff", b"\xc3\xbc", b" "]
_PIECES += re.findall(
    rb"\S+",
    b'< > & " % 1 /> <!-- --> ]]> <![CDATA[ <?x?> &amp; <Key> </Key> <ETag/> <Size>1</Size> </ListBucketResult>',
)
_PIECES += re.findall(rb"\S+", b"<Contents> </Contents> <Contents/> <CommonPrefixes> </CommonPrefixes>")


@st.composite
def _damaged(draw: st.DrawFn) -> bytes:
    """A good page, in which some bytes were changed, lost, put in or doubled."""
    row = SERVERS[draw(st.sampled_from(sorted(SERVERS)))]
    count = draw(st.integers(1, 4))
    rows = [
        row.format(key=f"a/{number}%20b", time=TIME, etag="0123456789abcdef", size=number) for number in range(count)
    ]
    body = document(HEAD + END + "".join(rows) + FOLDER.format("p/") * draw(st.integers(0, 2)))
    for _ in range(draw(st.integers(1, 3))):
        first, last = sorted((draw(st.integers(0, len(body))), draw(st.integers(0, len(body)))))
        last = min(last, first + draw(st.sampled_from([0, 1, 1, 5, 100, 10_000])))
        piece = draw(st.sampled_from([b"", body[first:last] * 2]) | st.sampled_from(_PIECES) | st.binary(max_size=2))
        body = body[:first] + piece + body[last:]
    return body


@given(_damaged())
@settings(max_examples=1200)
def test_on_damaged_pages_both_agree(body: bytes) -> None:
    agree(body)


_WHOLE = document(
    HEAD + END + "".join(SERVERS["AWS"].format(key=k, time=TIME, etag="e", size=1) for k in "ab") + FOLDER.format("c/")
)


def test_each_byte_of_a_page_counts() -> None:
    """Every cut, and each byte once replaced by what could do harm."""
    assert fast(_WHOLE) == parsed(_WHOLE)
    for at in range(len(_WHOLE)):
        assert fast(_WHOLE[:at]) is None
        for byte in (b"<", b"&", b"\x01", b"0"):
            agree(_WHOLE[:at] + byte + _WHOLE[at + 1 :])


@given(st.lists(st.sampled_from(_WHOLE.replace(b">", b">\0").split(b"\0")), max_size=30))
def test_on_any_sequence_of_tags_both_agree(pieces: list[bytes]) -> None:
    agree(b"".join(pieces))
    for one, other in pairwise(pieces):
        agree(_WHOLE.replace(one, other, 1))
