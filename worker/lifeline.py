"""The line between a supervisor and one of its processes: hides what crosses it, and what it means when an end of it is gone.

A supervisor that is killed can't say good-bye: the system closes its end, and that is the process's word to end as well. The
other way goes at most one message: why the process refuses to work, which only a human can mend.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from dataclasses import dataclass
from typing import Final

import structlog

from config.errors import LongshoreError, QueueUnavailableError
from config.limits import Limits

log = structlog.get_logger(__name__)

_MOST_BYTES: Final = 64 * 1024
_MOST_CHARACTERS: Final = _MOST_BYTES // 16
"""JSON writes up to twelve bytes for one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a process does not work."""

    message: str
    hopeless: bool
    """Whether it would refuse again, as long as nobody changes the settings."""


class Lifeline:
    """The process's end."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        channel.settimeout(0)
        os.set_inheritable(channel.fileno(), False)  # noqa: FBT003  positional only

    def watch(self, limits: Limits) -> None:
        """From now on, end this process as SIGTERM does when the supervisor is gone. Call it in a loop that heeds SIGTERM."""
        loop = asyncio.get_running_loop()

        def heard() -> None:
            if self._channel.recv(_MOST_BYTES):
                return  # a supervisor says nothing; a later one might
            loop.remove_reader(self._channel)
            log.warning("the supervisor is gone; this process ends, too")
            # Nobody is left who would kill a process that hangs: the system's own alarm does, whatever Python is busy with.
            signal.setitimer(signal.ITIMER_REAL, limits.drain_s + limits.stop_grace_s)
            os.kill(os.getpid(), signal.SIGTERM)

        loop.add_reader(self._channel, heard)

    def refuse(self, error: LongshoreError) -> bool:
        """Tell why this process ends. Returns whether it was said; if not, nobody is there to hear it."""
        # A worker waits for a Redis that is away: one that it gives up on has refused its password.
        hopeless = not error.transient or isinstance(error, QueueUnavailableError)
        try:
            self._channel.send(json.dumps({"refused": error.message[:_MOST_CHARACTERS], "hopeless": hopeless}).encode())
        except OSError:
            return False
        return True


def last_words(channel: socket.socket) -> Refusal | None:
    """What a process that has ended said on the supervisor's end of its line; None if it just died."""
    try:
        said = channel.recv(_MOST_BYTES, socket.MSG_DONTWAIT)
        words = json.loads(said)
        return Refusal(message=str(words["refused"]), hopeless=bool(words["hopeless"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
