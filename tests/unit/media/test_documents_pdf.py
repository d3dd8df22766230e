"""How many pages a PDF has and whether it is encrypted, however it keeps its objects, and how few ranges it takes to know it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.media.documents.pdf_streams import Table
from tests.unit.media import document_files as files
from tests.unit.media.ranged import ranged, whole

_ENCRYPT = b"/Encrypt<</Filter/Standard/V 1>>"
_FAR = b"<</Length 150000>>stream\n" + bytes(150_000) + b"\nendstream"


def test_a_classic_table() -> None:
    media = whole(files.pdf(files.pages(7)))
    assert (media.kind, media.format, media.type) == ("document", "pdf", "application/pdf")
    assert media.more == {"pages": 7, "encrypted": False}


@pytest.mark.parametrize("predicted", [False, True])
def test_objects_in_streams(predicted: bool) -> None:
    assert whole(files.pdf_of_streams(files.pages(200), predicted=predicted)).more["pages"] == 200


def test_an_encrypted_file_says_so_and_still_its_pages_where_these_are_plain() -> None:
    assert whole(files.pdf(files.pages(2), _ENCRYPT)).more == {"pages": 2, "encrypted": True}
    packed = whole(files.pdf_of_streams(files.pages(2), _ENCRYPT)).more
    assert packed == {"encrypted": True, "problem": "its objects are encrypted"}


def test_a_linearized_file_tells_all_in_its_first_range() -> None:
    found = ranged(files.linearized(321))
    assert (found.media.more, found.further) == ({"pages": 321, "encrypted": False}, [])


def test_a_linearized_file_that_grew_is_read_from_its_end() -> None:
    body, places = files.laid(files.pages(5))
    data = body.replace(b"%PDF-1.5\n", b"%PDF-1.5\n", 1)
    grown = files.linearized(1)[:400] + data
    shift = 400
    whole_table = files.table({n: at + shift for n, at in places.items()}, len(grown), b"/Root 1 0 R")
    assert whole(grown + whole_table).more["pages"] == 5


def test_the_newest_increment_counts() -> None:
    old = files.pdf(files.pages(1))
    first = int(old.rsplit(b"startxref\n", 1)[1].split()[0])
    body, places = files.laid({2: files.pages(4)[2]}, old)
    data = body + files.table(places, len(body), b"/Root 1 0 R/Prev %d" % first)
    assert whole(data).more["pages"] == 4


def test_a_hybrid_file_keeps_what_old_readers_must_not_see_in_a_stream() -> None:
    objects = files.pages(6)
    plain, hidden = {1: objects[1], 30: b"<<>>"}, files.pdf_of_streams(objects)
    stream_at = int(hidden.rsplit(b"startxref\n", 1)[1].split()[0])
    body, places = files.laid(plain, hidden)
    data = body + files.table(places, len(body), b"/Root 1 0 R/XRefStm %d" % stream_at)
    assert whole(data).more["pages"] == 6


def test_a_count_may_stand_elsewhere() -> None:
    objects = files.pages(3) | {2: b"<</Type/Pages/Count 8 0 R/Kids[]>>", 8: b"12"}
    assert whole(files.pdf(objects)).more["pages"] == 12


def test_strings_comments_and_thousands_of_kids_are_passed_over() -> None:
    tree = b"<</Title(a \\) >> /Count 1 (b) c)/Hex <AB CD>% /Count 2\n/Kids[" + b"9 0 R " * 20_000 + b"]/Count 20000>>"
    assert whole(files.pdf(files.pages(1) | {2: tree})).more["pages"] == 20_000


def test_what_somebody_put_before_it_shifts_all_places() -> None:
    assert whole(files.pdf(files.pages(2), junk=b"\n\n\0junk\n")).more["pages"] == 2


def test_the_end_is_one_further_range_and_what_stands_at_the_beginning_is_held() -> None:
    data = files.pdf(files.pages(3) | {90: _FAR})
    found = ranged(data)
    assert found.media.more == {"pages": 3, "encrypted": False}
    assert found.further == [(len(data) - 65_536, 65_536)]


def test_a_tree_far_from_both_ends_is_a_second_range() -> None:
    objects = {90: _FAR} | files.pages(3) | {91: _FAR}
    found = ranged(files.pdf(objects))
    assert (found.media.more["pages"], len(found.further)) == (3, 2)


def test_a_table_longer_than_the_tail_is_asked_for_at_once() -> None:
    body, places = files.laid(files.pages(2))
    objects = dict.fromkeys(range(10, 5000), b"0")
    body, more = files.laid(objects, body)
    rows = b"".join(b"%010d 00000 n \n" % (places | more).get(n, 0) for n in range(5_000))
    data = body + b"xref\n0 5000\n%strailer\n<</Size 5000/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (rows, len(body))
    found = ranged(data)
    assert (found.media.more["pages"], len(found.further)) == (2, 2)


def test_what_lies_in_more_than_two_places_is_left_out() -> None:
    first, second = {1: files.pages(1)[1]}, {2: files.pages(1)[2]}
    found = ranged(files.pdf({90: _FAR} | first | {91: _FAR} | second | {92: _FAR}))
    assert (found.media.more, found.enough, len(found.further)) == ({"encrypted": False}, False, 2)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"%PDF-1.4\nnothing more", "its table of objects can't be found"),
        (b"%PDF-1.4\nstartxref\n3\n%%EOF", "its table of objects is not where it should be"),
        (b"%PDF-1.4\nstartxref\n99999\n%%EOF", "it points outside itself"),
        (files.pdf({1: b"<</Pages 2 0 R>>", 2: b"<</Kids[]>>"}), "its number of pages is missing"),
        (files.pdf({1: b"<</Pages 7 0 R>>"}), "an object of it is missing"),
        (files.pdf({1: b"<</Pages 2 0 R>>", 2: b"<</Count -4>>"}), "its number of pages is missing"),
    ],
)
def test_what_is_broken_is_said(data: bytes, problem: str) -> None:
    assert whole(data).more["problem"] == problem


def _predicted(rows: bytes, ways: list[int], width: int) -> bytes:
    """PNG's five ways (RFC 2083, 6), one for each row."""
    found, above = bytearray(), bytes(width)
    for way, at in zip(ways, range(0, len(rows), width), strict=True):
        line = rows[at : at + width]
        found.append(way)
        for place, value in enumerate(line):
            left, corner = (line[place - 1], above[place - 1]) if place else (0, 0)
            distances = (abs(above[place] - corner), abs(left - corner), abs(left + above[place] - 2 * corner))
            paeth = (left, above[place], corner)[distances.index(min(distances))]
            guess = (0, left, above[place], (left + above[place]) // 2, paeth)[way]
            found.append((value - guess) & 255)
        above = line
    return bytes(found)


def _spend(_: int) -> None:
    """As much as there is."""


@given(
    st.lists(st.tuples(st.sampled_from((2, 2, 2, 0, 1, 3, 4)), st.binary(min_size=6, max_size=6)), min_size=1),
    st.data(),
)
def test_a_row_is_the_same_however_it_was_predicted(rows: list[tuple[int, bytes]], data: st.DataObject) -> None:
    packed = _predicted(b"".join(line for _, line in rows), [way for way, _ in rows], 6)
    said = {b"W": [1, 4, 1], b"Size": len(rows), b"DecodeParms": {b"Predictor": 15}}
    number = data.draw(st.integers(0, len(rows) - 1))
    table = Table(packed, said, _spend)  # type: ignore[arg-type]  # a dict of one kind of values
    for asked in (number, data.draw(st.integers(0, number)), number):
        line = rows[asked][1]
        assert table.entry(asked) == (line[0], int.from_bytes(line[1:5], "big"), line[5])


def test_a_long_table_is_summed_not_undone() -> None:
    lines = [number.to_bytes(6, "big") for number in range(0, 90_000_000, 1_000)]
    said = {b"W": [1, 4, 1], b"Size": 90_000, b"DecodeParms": {b"Predictor": 12}}
    table = Table(files.up(b"".join(lines), 6), said, _spend)  # type: ignore[arg-type]  # a dict of one kind of values
    assert table.entry(89_999) == (0, int.from_bytes(lines[-1][1:5], "big"), lines[-1][5])
