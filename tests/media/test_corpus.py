"""What we read of each file of the corpus is what ffprobe, Pillow, exiftool and others say of it (`oracles.py` says who of what)."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from ingest.media.properties import PROPERTIES
from ingest.probe.first_ranges import LEAST
from tests.media import oracles
from tests.media.corpus import AT_LEAST, FILES, FURTHER, MOST, first_of, names, probe
from tests.media.exceptions import EXCEPTIONS
from tests.media.oracles import Answers, Value

NAMES = names()
ANSWERS = oracles.recorded()
LEFT_OUT: dict[str, Value] = {"rotation": 0, "encrypted": False, "alpha": False}
"""What a property means that is not there."""
TOLERANCES: dict[str, tuple[float, float]] = {
    "duration_s": (0.001, 0),
    "bit_rate": (1, 1e-3),
    "frame_rate": (0, 1e-4),
    "latitude": (1e-6, 0),
    "longitude": (1e-6, 0),
    "altitude_m": (1e-3, 0),
}
"""So much, and so much of what the oracle says. ffprobe rounds durations to microseconds, and many containers count in milliseconds."""
KINDS_LEAST, FILES_LEAST, BYTES_MOST = 50, 360, 3_000_000


def _ours(name: str, *, first: int | None = None, least: int = 0) -> Answers:
    body = (FILES / name).read_bytes()
    media = probe(body, first=first or first_of(name), size=len(body), least=least).reading.media
    found: Answers = {"kind": media.kind, "format": media.format, "type": media.type}
    found |= {"width": media.width, "height": media.height, "duration_s": media.duration_s}
    return found | media.more


def _same(of: str, ours: Value, theirs: Value) -> bool:
    if of in TOLERANCES and isinstance(ours, int | float) and isinstance(theirs, int | float):
        much, share = TOLERANCES[of]
        return abs(ours - theirs) <= much + share * abs(theirs)
    return ours == theirs and type(ours) is type(theirs)


@pytest.mark.acceptance("CO-26")
@pytest.mark.parametrize("name", NAMES)
def test_every_property_is_what_the_oracles_say(name: str) -> None:
    ours = _ours(name)
    wrong = {
        of: (said, theirs)
        for of, theirs in ANSWERS[name].items()
        if not _same(of, said := ours.get(of, LEFT_OUT.get(of)), theirs)
    }
    assert not wrong, f"{name}: (ours, theirs) {wrong}"
    assert "problem" not in ours


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_read_with_few_ranges(name: str) -> None:
    body = (FILES / name).read_bytes()
    found = probe(body, first=first_of(name), size=len(body), further=FURTHER)
    assert found.reading.needs is None, f"{name} still needs {found.reading.needs} after {found.ranges}"
    assert len(found.ranges) <= 1 + FURTHER
    held = bytearray(len(body))
    for at, length in found.ranges:
        held[at : at + length] = b"\x01" * length
    assert sum(held) <= MOST
    assert sum(length for _, length in found.ranges) <= MOST


@pytest.mark.parametrize("first", [LEAST, 4 << 10, 32 << 10, 256 << 10])
def test_a_first_range_of_another_length_tells_the_same(first: int) -> None:
    """The prober learns it. From the shortest, pictures may be left uncounted; nothing else is missing, and nothing is wrong."""
    wrong = {
        (name, of, said, theirs)
        for name in NAMES
        for ours in [_ours(name, first=first, least=AT_LEAST)]
        for of, theirs in ANSWERS[name].items()
        if not _same(of, said := ours.get(of, LEFT_OUT.get(of)), theirs)
        and not (first == LEAST and of == "frames" and said is None)
    }
    assert not wrong


def test_the_corpus_is_as_large_as_it_is_said_to_be() -> None:
    kinds = {Path(name).parent.name for name in NAMES}
    assert len(kinds) >= KINDS_LEAST
    assert len(NAMES) >= FILES_LEAST
    assert sum((FILES / name).stat().st_size for name in NAMES) <= BYTES_MOST


def test_every_file_has_answers_and_every_answer_a_file() -> None:
    assert sorted(ANSWERS) == NAMES


def test_answers_use_the_words_of_the_catalog() -> None:
    known = PROPERTIES.keys() | {"kind", "format", "type", "width", "height", "duration_s"}
    assert not {of for answers in ANSWERS.values() for of in answers} - known


def test_exceptions_are_few_and_each_is_of_a_file_that_is_there() -> None:
    assert {name for name, _ in EXCEPTIONS} <= set(NAMES)
    assert len(EXCEPTIONS) <= len(NAMES) // 10
    assert all(reason for _, reason in EXCEPTIONS.values())


@pytest.mark.skipif(
    any(
        oracles.versions().get(tool) != version
        for tool, version in oracles.recorded_with().items()
        if tool != "pyarrow"
    ),
    reason="the oracles are not installed here, or in another version than the one that was asked",
)
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # of EXIF that it finds odd
def test_the_oracles_still_say_what_was_recorded() -> None:
    """Of one file of each kind; `make oracles` asks about all."""
    one_each = {name.split("/")[0]: name for name in NAMES if not name.endswith(".parquet") or find_spec("pyarrow")}
    asked = sorted(one_each.values())
    assert oracles.differences({name: ANSWERS[name] for name in asked}, oracles.ask(asked)) == []
