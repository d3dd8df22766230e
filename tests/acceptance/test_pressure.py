"""A disk that is full in the midst of a run: real processes wait, say why, go on by themselves, or end when told to."""

from __future__ import annotations

import contextlib
import resource
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.acceptance.shell import Customer, Shell

COUNT = 6_000


@contextlib.contextmanager
def _ingesting(customer: Customer, shell: Shell) -> Iterator[subprocess.Popen[str]]:
    """A `longshore ingest` that has committed something and has much to do."""
    customer.bucket("acme", {})
    customer.tell("put_many", bucket="acme", prefix="k/", count=COUNT)
    customer.tell("fault", kind="delay", op="list", times=0, seconds=0.3)
    shell.environment |= {"LONGSHORE_LIMITS__LIST_STREAMS": "1", "LONGSHORE_LIMITS__DRAIN_S": "5"}
    with shell.process("ingest", "s3://acme", "--depth", "list", "--json") as process:
        deadline = time.monotonic() + 30
        while not _committed(shell):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield process


def _committed(shell: Shell) -> int:
    with contextlib.suppress(sqlite3.OperationalError), contextlib.closing(sqlite3.connect(shell.catalog)) as catalog:
        return int(catalog.execute("SELECT count(*) FROM spans").fetchone()[0])
    return 0


def _room(process: subprocess.Popen[str], size: int) -> None:
    """How long a file may become that this process writes."""
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def _told(process: subprocess.Popen[str], word: str) -> str:
    assert process.stderr is not None
    for line in process.stderr:
        if word in line:
            return line
    raise AssertionError(f"it ended without a word of {word!r}")


@pytest.mark.acceptance("LS-14")
def test_a_full_disk_pauses_a_run_which_goes_on_by_itself_once_there_is_room(customer: Customer, shell: Shell) -> None:
    with _ingesting(customer, shell) as process:
        _room(process, 8192)
        told = _told(process, "waiting")
        assert "disk" in told
        assert process.poll() is None
        _room(process, resource.RLIM_INFINITY)
        done = shell.wait(process)
    assert done.code == 0, done
    assert (done.json["state"], done.json["listed"], done.json["added"]) == ("complete", COUNT, COUNT)
    assert "back" in done.err
    with contextlib.closing(sqlite3.connect(shell.catalog)) as catalog:
        assert catalog.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert catalog.execute("SELECT count(*) FROM assets WHERE state = 'present'").fetchone() == (COUNT,)


def test_a_run_that_waits_for_the_disk_ends_when_told_to_and_goes_on_with_the_next_command(
    customer: Customer, shell: Shell
) -> None:
    with _ingesting(customer, shell) as process:
        _room(process, 8192)
        _told(process, "waiting")
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        done = shell.wait(process)
        assert time.monotonic() - began < 30
    assert done.code == 1
    customer.tell("clear")
    shell.environment["LONGSHORE_LIMITS__LEASE_S"] = "6"
    assert shell.ok("ingest", "s3://acme", "--depth", "list", "--json").json["state"] == "complete"
    assert {run["state"] for run in shell.ok("runs", "--json").lines} == {"complete"}
    records = [record["key"] for record in shell.ok("assets", "--json").lines]
    assert len(records) == len(set(records)) == COUNT
