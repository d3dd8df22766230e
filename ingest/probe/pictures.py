"""Perceptual hashes of pictures; hides the processes that decode them, which hostile ones may crash, fill or hold up."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from config.limits import Limits

_DECODER: Final = Path(__file__).with_name("decoder.py")
_PIECE: Final = 256 * 1024
_LINE_MOST: Final = 80
_LIFE: Final = 1_000
"""Pictures that one process decodes before another takes its place: what a decoder leaks ends with it."""


class Picture(NamedTuple):
    """What came of one."""

    hash: str
    """64 bits as 16 hex digits; empty if there is none."""
    problem: str = ""
    """Why there is none."""


def can_decode() -> bool:
    """Whether what decodes pictures is installed."""
    return importlib.util.find_spec("PIL") is not None


class _Decoder:
    """One process, and how many pictures it has seen."""

    __slots__ = ("_process", "seen")

    def __init__(self, process: Process) -> None:
        self._process = process
        self.seen = 0

    @classmethod
    async def start(cls, limits: Limits) -> _Decoder:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", str(_DECODER), str(limits.image_memory_bytes), str(limits.image_pixels)),
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            env={},  # it needs nothing, and ours holds secrets
            start_new_session=True,  # a Ctrl-C is for us, and we end it
        )
        return cls(process)

    async def ask(self, body: bytes) -> str:
        """The line that it answers, empty if it died. Raises OSError if it died before all was asked."""
        self.seen += 1
        asked, answers = self._process.stdin, self._process.stdout
        assert asked is not None
        assert answers is not None
        asked.write(len(body).to_bytes(4, "big"))
        for at in range(0, len(body), _PIECE):
            asked.write(body[at : at + _PIECE])
            await asked.drain()
        line = await answers.readline()
        return line.decode("ascii", "replace").strip()[:_LINE_MOST] if line.endswith(b"\n") else ""

    async def end(self) -> None:
        with suppress(ProcessLookupError):
            self._process.kill()
        if self._process.stdin is not None:
            self._process.stdin.close()
        await self._process.wait()


class Pictures:
    """At most `image_decoders` processes, started when there is something to decode."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._places = asyncio.Semaphore(limits.image_decoders)
        self._idle: list[_Decoder] = []

    async def hash(self, body: bytes) -> Picture:
        """The difference hash of a picture. Raises nothing: what can't be decoded has none, and so has what takes too long."""
        async with self._places:
            decoder, line = None, ""
            try:
                async with asyncio.timeout(self._limits.image_s):
                    decoder = self._idle.pop() if self._idle else await _Decoder.start(self._limits)
                    line = await decoder.ask(body)
            except TimeoutError:
                return Picture("", "it takes too long to decode")
            except OSError:
                line = ""
            finally:
                if decoder is not None:
                    await self._after(decoder, good=bool(line))
        if not line:
            return Picture("", "what decoded it crashed")
        return Picture("", line[1:]) if line.startswith("-") else Picture(line)

    async def _after(self, decoder: _Decoder, *, good: bool) -> None:
        if good and decoder.seen < _LIFE:
            self._idle.append(decoder)
        else:
            await asyncio.shield(decoder.end())

    async def aclose(self) -> None:
        """End what is idle; what is asked ends with who asks."""
        while self._idle:
            await self._idle.pop().end()
