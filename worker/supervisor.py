"""Several worker processes as one: starts them, restarts what dies, passes signals on. Works on nothing, and imports little.

Each process is a new interpreter and no fork: a fork would share what was imported, and the collector and the reference counts
would unshare it within minutes; and it would take over whatever threads, locks and loops this process might ever come to have.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from config.errors import SettingsError
from config.limits import Limits
from config.logging import configure_logging
from config.settings import Settings
from credentials.clock import SystemClock
from worker.lifeline import Refusal, last_words
from worker.restarts import Monotonic, Restarts
from worker.wakeups import Wakeups

log = structlog.get_logger(__name__)

MOST_PROCESSES: Final = 64
_STOP: Final = (signal.SIGTERM, signal.SIGINT)
_ROOT: Final = Path(__file__).resolve().parents[1]

Command = Callable[[int, int, int], Sequence[str]]
"""Number, port and channel of a process to the command that starts it."""


@dataclass(slots=True)
class _Living:
    process: subprocess.Popen[bytes]
    channel: socket.socket


@dataclass(slots=True)
class _Place:
    """One of the N, whichever process fills it."""

    number: int
    port: int
    restarts: Restarts
    living: _Living | None = None


class Supervisor:
    """Keeps one process on each of `ports`. Runs in the main thread, since signals arrive there."""

    def __init__(self, *, command: Command, ports: Sequence[int], limits: Limits, clock: Monotonic) -> None:
        self._command, self._limits, self._clock = command, limits, clock
        self._places = [
            _Place(number, port, Restarts(clock=clock, limits=limits)) for number, port in enumerate(ports, start=1)
        ]
        self._kill_at: float | None = None
        self._killed = False
        self._refusal: Refusal | None = None

    def run(self) -> int:
        """Until SIGTERM or SIGINT, and every process has ended. Returns 0, or 1 if one had to be killed.

        Raises SettingsError when a process refuses to work in its first life: each next one would, too.
        """
        with Wakeups((*_STOP, signal.SIGCHLD)) as wakeups:
            try:
                while self._kill_at is None or self._alive():
                    self._start_what_is_due()
                    for number in wakeups.wait(self._patience_s()):
                        if number in _STOP:
                            self._told_to_stop()
                    self._see_who_ended()
                    self._kill_what_is_late()
            finally:  # whatever happens here, processes that lose their line end by themselves
                for living in self._alive():
                    living.channel.close()
        if self._refusal is not None:
            raise SettingsError(self._refusal.message)
        log.info("supervisor ended", killed=self._killed)
        return int(self._killed)

    def _alive(self) -> list[_Living]:
        return [place.living for place in self._places if place.living is not None]

    def _patience_s(self) -> float | None:
        """How long nothing is to do unless a signal comes."""
        if self._kill_at is not None:
            return None if self._killed else max(0.0, self._kill_at - self._clock.monotonic())
        return min((wait for place in self._places if (wait := place.restarts.wait_s) is not None), default=None)

    def _start_what_is_due(self) -> None:
        for place in self._places:
            if self._kill_at is None and place.restarts.wait_s == 0:
                self._start(place)

    def _start(self, place: _Place) -> None:
        place.restarts.started()
        try:
            place.living = living = self._spawn(place)
        except OSError as error:  # no memory, too many files or processes: it may pass
            pause_s = place.restarts.ended()
            log.warning("a process can't be started", process=place.number, reason=str(error), again_in_s=pause_s)
            return
        log.info("process started", process=place.number, pid=living.process.pid, metrics_port=place.port)

    def _spawn(self, place: _Place) -> _Living:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                # A group of its own: Ctrl-C on a terminal reaches a whole group, and then once more through us.
                process = subprocess.Popen(  # noqa: S603  our own command
                    self._command(place.number, place.port, theirs.fileno()),
                    stdin=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    process_group=0,
                )
            except OSError:
                ours.close()
                raise
        return _Living(process, ours)

    def _see_who_ended(self) -> None:
        for place in self._places:
            living = place.living
            if living is None or (code := living.process.poll()) is None:
                continue
            refusal = last_words(living.channel)
            living.channel.close()
            place.living = None
            lived_s, starting = round(place.restarts.lived_s, 1), place.restarts.starting
            event = log.bind(process=place.number, pid=living.process.pid, ended_with=_told(code), lived_s=lived_s)
            if self._kill_at is not None:
                event.info("process ended")
            elif refusal is not None and refusal.hopeless and starting:
                self._refusal = refusal
                self._stop()
            else:
                pause_s = place.restarts.ended()
                reason = {"reason": refusal.message} if refusal else {}
                event.warning("process ended; another one is started", again_in_s=pause_s, **reason)

    def _told_to_stop(self) -> None:
        if self._kill_at is None:
            log.info("told to stop", processes=len(self._alive()))
            self._stop()
        else:
            # Not SIGTERM twice: a process may well get one more of it, from who tells all that we consist of to stop.
            log.info("told to stop again; nothing in flight is waited for")
            self._send(signal.SIGINT)

    def _stop(self) -> None:
        self._kill_at = self._clock.monotonic() + self._limits.drain_s + self._limits.stop_grace_s
        self._send(signal.SIGTERM)

    def _send(self, number: signal.Signals) -> None:
        for living in self._alive():
            living.process.send_signal(number)

    def _kill_what_is_late(self) -> None:
        if self._kill_at is None or self._killed or self._clock.monotonic() < self._kill_at:
            return
        for place in self._places:
            if place.living is not None:
                self._killed = True
                log.error("process does not end; it is killed", process=place.number, pid=place.living.process.pid)
                place.living.process.kill()


def supervise(settings: Settings, *, processes: int) -> int:
    """Run that many workers until told to stop. Returns the exit code. Raises SettingsError if they can't work."""
    configure_logging(level=settings.log_level, format=settings.log_format)
    for stray in Settings.strays():
        log.warning(stray)
    ports = metrics_ports(settings.metrics_port, processes)
    log.info("supervisor started", processes=processes, metrics_ports=ports, pid=os.getpid())
    return Supervisor(command=_command, ports=ports, limits=settings.limits, clock=SystemClock()).run()


def metrics_ports(first: int, processes: int) -> list[int]:
    """`first` and those behind it; 0 is any free port for each. Raises SettingsError if there are not so many."""
    if first and first + processes - 1 > 65535:
        raise SettingsError(
            f"LONGSHORE_METRICS_PORT is {first}, and {processes} processes need as many ports from there on; the last one is "
            f"65535: set it to {65536 - processes} or lower, or to 0"
        )
    return [first + number if first else 0 for number in range(processes)]


def _command(number: int, port: int, channel: int) -> list[str]:
    # -m puts the working directory first, where anything may be called `config` or `worker`; unless it is our own source tree.
    safe = [] if Path.cwd() == _ROOT else ["-P"]
    return [sys.executable, *safe, "-m", "worker.child", str(number), str(port), str(channel)]


def _told(code: int) -> str:
    """An exit code in words: Popen's is negative for a signal."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
