"""Says what is wrong with the reading of one hostile file: what it raised, how long it took, what it says that no column holds."""

from __future__ import annotations

import json
import math
import signal
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, get_args

from ingest.media.properties import PROPERTIES, Kind, Media
from ingest.media.view import PIECE_MOST
from tests.media.corpus import Fetched, probe
from tests.media.mutating import Input

CPU_MOST_S: Final = 0.050
"""Of all readings of one input: with the first range, and again with each further one."""
MEMORY_MOST: Final = 16 << 20
"""Bytes that one input may take at once, itself not counted."""
HANGS_S: Final = 60.0
TEXT_MOST: Final = 1_000
JSON_MOST: Final = 16_000
_KINDS: Final = frozenset(get_args(Kind))
_INT: Final = (1 << 31) - 1
_BIGINT: Final = (1 << 63) - 1

Probe = Callable[[Input], Fetched]


class Judgement(NamedTuple):
    """Of one input."""

    wrong: str | None
    cpu_s: float
    found: str
    """`read`, `broken`, `unread` (more was needed than two ranges) or `unknown`."""


class HangingError(BaseException):
    """It took so long that it was stopped. No parser can catch it by `except Exception`."""


def probed(one: Input) -> Fetched:
    """The prober's loop."""
    return probe(one.body, first=one.first, size=one.size, least=one.least)


def judge(one: Input, run: Probe = probed) -> Judgement:
    """Reads it, and once more if that took too long: other processes slow this one down, the input always does."""
    judged = _judge(one, run)
    for _ in range(3):
        if judged.cpu_s <= CPU_MOST_S or judged.wrong is not None:
            return judged
        judged = min(judged, _judge(one, run), key=lambda each: each.cpu_s)
    return judged._replace(wrong=judged.wrong or f"it took {1000 * judged.cpu_s:.0f} ms")


def _judge(one: Input, run: Probe) -> Judgement:
    began = time.process_time()
    try:
        reading = run(one).reading
    except (Exception, HangingError) as raised:  # noqa: BLE001 - whatever it raises is what is looked for
        return Judgement(
            f"it raised {type(raised).__name__}: {str(raised)[:200]}", time.process_time() - began, "raised"
        )
    cpu_s = time.process_time() - began
    wrong = _needs(reading.needs, one.size) or complaint(reading.media)
    media = reading.media
    found = (
        "unknown"
        if not media.format
        else "unread"
        if reading.needs
        else "broken"
        if "problem" in media.more
        else "read"
    )
    return Judgement(wrong, cpu_s, found)


def memory(one: Input, run: Probe = probed) -> int:
    """The most bytes it takes at once. Slow: for a sample, and for what seems large."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        run(one)
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


@contextmanager
def watched() -> Iterator[Callable[[], None]]:
    """What hangs is stopped, if the given function is called before each input. For a process's main thread.

    By the wall's clock: a timer of CPU time would make the kernel count CPU time in ticks of 4 ms, and no longer in nanoseconds.
    """

    def stop(signum: int, frame: Any) -> None:
        raise HangingError(f"it was stopped after {HANGS_S:.0f} s")

    before = signal.signal(signal.SIGALRM, stop)
    try:
        yield lambda: _set_alarm(HANGS_S)
    finally:
        _set_alarm(0)
        signal.signal(signal.SIGALRM, before)


def _set_alarm(seconds: float) -> None:
    signal.setitimer(signal.ITIMER_REAL, seconds)


def _needs(needs: tuple[int, int] | None, size: int | None) -> str | None:
    if needs is None:
        return None
    at, length = needs
    inside = size is None or at + length <= size
    return None if at >= 0 and 0 < length <= PIECE_MOST and inside else f"it asks for {length} bytes at {at} of {size}"


def complaint(media: Media) -> str | None:
    """What no column could hold; None: all is well."""
    said: dict[str, object] = {"kind": media.kind, "format": media.format, "type": media.type, **media.more}
    try:
        if len(json.dumps(said, allow_nan=False)) > JSON_MOST:
            return "its JSON is too long"
    except (TypeError, ValueError, RecursionError) as error:
        return f"its JSON can't be written: {error}"
    if media.kind not in _KINDS:
        return f"its kind is {media.kind!r}"
    if strange := set(media.more) - PROPERTIES.keys():
        return f"no such properties: {sorted(strange)}"
    for name, value in {**said, "width": media.width, "height": media.height, "duration_s": media.duration_s}.items():
        if value is not None and (wrong := _wrong(name, value)):
            return f"{name} {wrong}: {str(value)[:80]!r}"
    return None


def _wrong(name: str, value: object) -> str | None:
    if isinstance(value, str):
        return _wrong_text(value)
    kind, (least, most) = _NUMBERS.get(name, (None, (0, 0)))
    if kind is None:
        return None if name in _FLAGS and isinstance(value, bool) else "should be a text or a flag"
    if isinstance(value, bool) or not isinstance(value, kind):
        return "is of the wrong type"
    assert isinstance(value, int | float)
    return None if math.isfinite(value) and least <= value <= most else "is out of bounds"


def _wrong_text(value: str) -> str | None:
    try:
        value.encode()
    except UnicodeEncodeError:
        return "is no UTF-8"
    return "is too long" if len(value) > TEXT_MOST else "holds NUL" if "\x00" in value else None


_FLAGS: Final = frozenset({"alpha", "has_audio", "encrypted"})
_NUMBERS: Final[Mapping[str, tuple[Any, tuple[float, float]]]] = {
    "width": (int, (0, _INT)),
    "height": (int, (0, _INT)),
    "duration_s": (float | int, (0, 1e12)),
    "orientation": (int, (1, 8)),
    "frames": (int, (0, _BIGINT)),
    "bit_depth": (int, (0, 1 << 16)),
    "latitude": (float | int, (-90, 90)),
    "longitude": (float | int, (-180, 180)),
    "altitude_m": (float | int, (-1e9, 1e9)),
    "frame_rate": (float | int, (0, 1e9)),
    "rotation": (int, (0, 270)),
    "sample_rate": (int, (0, _BIGINT)),
    "channels": (int, (0, _BIGINT)),
    "bit_rate": (int, (0, _BIGINT)),
    "pages": (int, (0, _BIGINT)),
    "entries": (int, (0, _BIGINT)),
    "rows": (int, (0, _BIGINT)),
    "columns": (int, (0, _BIGINT)),
}
"""Of each number: its type, and between what it lies."""
