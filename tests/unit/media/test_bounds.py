"""What no column holds is not handed on, whatever a parser says."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.media.bounds import BITS_MOST, NUMBER_MOST, PIXELS_MOST, SECONDS_MOST, TEXT_MOST, bound
from ingest.media.properties import Media, Value

_VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(st.characters(codec=None), max_size=2_000)
)


def test_what_fits_is_left_as_it_is() -> None:
    media = Media(
        "video",
        "mp4",
        "video/mp4",
        PIXELS_MOST,
        0,
        SECONDS_MOST,
        {"frames": NUMBER_MOST, "alpha": False, "camera_make": "Å"},
    )
    bound(media)
    assert media == Media(
        "video",
        "mp4",
        "video/mp4",
        PIXELS_MOST,
        0,
        SECONDS_MOST,
        {"frames": NUMBER_MOST, "alpha": False, "camera_make": "Å"},
    )


@pytest.mark.parametrize(
    "lie",
    [
        Media(width=PIXELS_MOST + 1),
        Media(height=-1),
        Media(duration_s=float("nan")),
        Media(duration_s=float("inf")),
        Media(duration_s=-0.5),
        Media(more={"bit_rate": 1 << 64}),
        Media(more={"bit_depth": BITS_MOST + 1}),
        Media(more={"bit_depth": -8}),
        Media(more={"frame_rate": float("inf")}),
    ],
    ids=lambda lie: str((lie.width, lie.height, lie.duration_s, lie.more)),
)
def test_what_is_beyond_any_file_is_left_out_and_said(lie: Media) -> None:
    bound(lie)
    assert (lie.width, lie.height, lie.duration_s, lie.more) == (
        None,
        None,
        None,
        {"problem": "it claims what can't be"},
    )


def test_a_problem_that_was_said_before_stays() -> None:
    media = Media(width=-1, more={"problem": "it ends early"})
    bound(media)
    assert media.more == {"problem": "it ends early"}


@given(st.dictionaries(st.sampled_from(["camera_make", "frames", "latitude"]), _VALUES))
def test_every_value_can_be_stored(more: dict[str, Value]) -> None:
    media = Media(more=more)
    bound(media)
    assert json.loads(json.dumps(media.more, allow_nan=False)) == media.more
    for value in media.more.values():
        assert not isinstance(value, str) or ("\x00" not in value and len(value.encode()) <= 4 * TEXT_MOST)
