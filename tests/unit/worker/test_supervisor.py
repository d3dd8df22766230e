"""What a supervisor needs no processes for: ports, and what it understands of a process's last words."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from config.errors import CatalogUnavailableError, LongshoreError, QueueUnavailableError, SettingsError
from worker.lifeline import Lifeline, last_words
from worker.supervisor import metrics_ports


def test_each_process_has_a_port_of_its_own() -> None:
    assert metrics_ports(9090, 3) == [9090, 9091, 9092]
    assert metrics_ports(65535, 1) == [65535]


def test_any_free_port_stays_any_free_port() -> None:
    assert metrics_ports(0, 3) == [0, 0, 0]


def test_ports_that_do_not_exist_are_refused_with_one_that_would_do() -> None:
    with pytest.raises(SettingsError, match="65535: set it to 65533 or lower"):
        metrics_ports(65534, 3)
    assert metrics_ports(65533, 3)[-1] == 65535


@pytest.fixture
def line() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.mark.parametrize(
    ("error", "hopeless"),
    [
        (SettingsError("no such place; make it"), True),
        (CatalogUnavailableError("busy"), False),
        (QueueUnavailableError("Redis refuses us"), True),
        (SettingsError("é\U0001f600\ud800" * 20_000), True),
    ],
)
def test_a_refusal_arrives_whole(
    line: tuple[socket.socket, socket.socket], error: LongshoreError, *, hopeless: bool
) -> None:
    ours, theirs = line
    assert Lifeline(theirs).refuse(error)
    theirs.close()
    said = last_words(ours)
    assert said is not None
    assert said.hopeless is hopeless
    assert said.message
    assert error.message.startswith(said.message)


def test_a_process_that_just_died_said_nothing(line: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = line
    assert last_words(ours) is None, "somebody else may still hold the other end"
    theirs.close()
    assert last_words(ours) is None


@pytest.mark.parametrize("said", [b"{", b"[]", b"{}", b'{"refused": "x"}', b"\xff", b"null"])
def test_words_that_make_no_sense_are_none(line: tuple[socket.socket, socket.socket], said: bytes) -> None:
    ours, theirs = line
    theirs.send(said)
    assert last_words(ours) is None
    theirs.close()
    assert last_words(ours) is None


def test_nobody_hears_a_refusal_when_the_supervisor_is_gone(line: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = line
    ours.close()
    assert not Lifeline(theirs).refuse(SettingsError("why"))
