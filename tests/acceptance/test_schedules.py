"""Schedules on the command line, and a worker that makes their runs."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from config.settings import Settings
from tests.acceptance.shell import Customer, Shell
from worker.scheduling import Scheduler
from worker.service import open_service

HOURLY = ("--cron", "0 * * * *")


@pytest.fixture(autouse=True)
def _no_redis(shell: Shell) -> None:
    shell.environment["LONGSHORE_REDIS_URL"] = "redis://127.0.0.1:1/0"


@contextlib.contextmanager
def _catalog(shell: Shell) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(shell.catalog)) as connection, connection:
        yield connection


def _fire(shell: Shell) -> int:
    """As if an hour had passed, and a worker had looked."""
    with _catalog(shell) as catalog:
        catalog.execute("UPDATE schedules SET due_at = due_at - 3600000")

    async def look() -> int:
        settings = Settings.model_validate({"catalog_url": f"sqlite:///{shell.catalog}"})
        async with open_service(settings, observe=lambda _: None) as service:
            return await Scheduler(service, run_ended=lambda _: None).fire()

    with structlog.testing.capture_logs():
        return asyncio.run(look())


def test_a_schedule_makes_runs_until_it_is_paused(customer: Customer, shell: Shell) -> None:
    assert "no schedules yet" in shell.ok("schedules", "list").out
    added = shell.ok("schedules", "add", "hourly", *HOURLY, "s3://acme/2026/", "--depth", "list", "--include", "*.jpg")
    assert ":00:00.000Z" in added.out
    (record,) = shell.ok("schedules", "list", "--json").lines
    assert record == shell.ok("schedules", "show", "hourly", "--json").json
    assert record["job"]["uris"] == ["s3://acme/2026/"]
    assert (record["run"], record["missed"], record["timezone"], record["paused"]) == (None, 0, "UTC", False)
    assert _fire(shell) == 1
    (run,) = shell.ok("runs", "--json").lines
    assert (run["schedule"], run["state"], run["parent"]) == ("hourly", "queued", None)
    assert "schedule hourly" in shell.ok("runs").out
    assert "made by schedule hourly" in shell.ok("runs", "show").out
    listed = shell.ok("schedules", "list").out
    assert (run["run"] in listed, "  --depth list --include '*.jpg'  " in listed) == (True, True)
    assert "depth list, with --include '*.jpg'" in shell.ok("runs", "show").out
    assert run["asked"] == {"include": ["*.jpg"]}
    assert _fire(shell) == 0
    assert shell.ok("schedules", "show", "hourly", "--json").json["missed"] == 1
    shell.ok("runs", "cancel", run["run"])
    shell.ok("schedules", "pause", "hourly")
    assert _fire(shell) == 0
    assert "paused" in shell.ok("schedules", "list").out
    by_hand = shell.ok("schedules", "run", "hourly").out.strip()
    assert shell.ok("schedules", "run", "hourly", "--json").json == {"run": by_hand}
    assert "due next" in shell.ok("schedules", "resume", "hourly").out
    shown = shell.ok("schedules", "show", "hourly").out
    assert "2026/" in shown
    assert ("paused       no" in shown, "False" in shown) == (True, False)
    shell.ok("schedules", "remove", "hourly")
    assert "there is no schedule 'hourly'" in shell.longshore("schedules", "show", "hourly").err


def test_a_schedule_whose_connection_is_gone_fails_once_for_each_time_and_says_why(
    customer: Customer, shell: Shell
) -> None:
    customer.role("ext-1")
    shell.add_role()
    shell.ok("schedules", "add", "hourly", *HOURLY, "s3://acme/", "--connection", "acme")
    in_use = shell.longshore("connections", "remove", "acme", "--yes", "acme")
    assert (in_use.code, "schedules read through it: hourly" in in_use.err) == (1, True)
    with _catalog(shell) as catalog:  # as another version of longshore might leave it
        catalog.execute("UPDATE connections SET removed_at = 1 WHERE name = 'acme'")
        catalog.commit()
    for count in (1, 2):
        assert _fire(shell) == 0
        failed = [(one["state"], one["error_code"]) for one in shell.ok("runs", "--json").lines]
        assert failed == [("failed", "UnknownConnection")] * count
    assert "UnknownConnection: " in shell.ok("schedules", "list").out
    refused = shell.longshore("schedules", "run", "hourly")
    assert (refused.code, "acme" in refused.err) == (1, True)
    again = shell.longshore("runs", "retry", shell.ok("runs", "show", "--json").json["run"])
    assert (again.code, "has no job to try again" in again.err) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("hourly", "--cron", "* * *", "s3://acme"), 2, "needs five"),
        (("hourly", "--cron", "0 0 30 2 *", "s3://acme"), 2, "no date is day '30' of the month"),
        (("hourly", *HOURLY, "--timezone", "Europe/Berlni", "s3://acme"), 2, "did you mean Europe/Berlin"),
        (("hourly", *HOURLY), 2, "URI"),
        (("hourly", *HOURLY, "http://acme"), 2, "no S3 locator"),
        (("hourly", *HOURLY, "s3://acme", "--connection", "nobody"), 1, "no connection 'nobody'"),
        (("hourly", *HOURLY, "s3://other/", "--connection", "acme"), 1, "does not permit"),
        (("Hourly", *HOURLY, "s3://acme"), 1, "no name for a schedule"),
    ],
)
def test_what_can_not_be_scheduled_says_why(
    customer: Customer, shell: Shell, arguments: tuple[str, ...], code: int, said: str
) -> None:
    customer.role("ext-1")
    shell.add_role()
    done: Any = shell.longshore("schedules", "add", *arguments)
    assert (done.code, said in done.err) == (code, True), done
    assert "no schedules yet" in shell.ok("schedules", "list").out
