"""The command line's own manners: help, usage, errors as one paragraph, no traceback."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from console.cli import longshore, run
from console.commands.common import catalog_place
from tests.servers import ROOT
from worker.cores import usable_cores


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith(("AWS_", "LONGSHORE_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LONGSHORE_CATALOG_URL", f"sqlite:///{tmp_path / 'catalog.db'}")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def _commands(group: click.Group, *path: str) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from _commands(command, *path, name)


@pytest.mark.parametrize("path", [(), *_commands(longshore)], ids=" ".join)
def test_every_command_explains_itself(path: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*path, "--help"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("Usage: longshore")
    assert len(said.splitlines()) > 5


@pytest.mark.parametrize("path", [(), *_commands(longshore)], ids=" ".join)
def test_every_command_has_an_example(path: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """docs/operating.md promises one."""
    run([*path, "--help"])
    usage, said = capsys.readouterr().out.split("\n", 1)
    assert usage.startswith("Usage: ")
    assert re.search(rf"[ (]{' '.join(('longshore', *path))}\b", said)


def test_help_on_a_change_does_not_speak_of_a_new_connection(capsys: pytest.CaptureFixture[str]) -> None:
    run(["connections", "update", "--help"])
    said = capsys.readouterr().out
    assert "makes this" not in said
    assert "default: 3600" not in said


@pytest.mark.parametrize(
    "arguments",
    [
        ["ingest"],
        ["ingest", "photos"],
        ["ingest", "https://bucket.s3.amazonaws.com/"],
        ["ingest", "s3://bucket", "--depth", "deep"],
        ["submit", "s3://UPPER"],
        ["assets", "--prefix", "bucket"],
        ["assets", "--state", "lost"],
        ["connections", "add", "acme"],
        ["connections", "add", "acme", "--role-arn", "arn", "--access-key-id", "AKIA"],
        ["connections", "update", "acme"],
        ["runs", "destroy"],
        ["runs", "retry", "r", "--all", "--failed"],
        ["demo", "--objects", "3"],
        ["nonsense"],
    ],
    ids=" ".join,
)
def test_wrong_usage_ends_with_2_and_says_why(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2
    told = capsys.readouterr()
    assert "\nerror: " in told.err
    assert told.out == ""


def test_a_bad_setting_is_one_paragraph_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LONGSHORE_METRICS_PORT", "many")
    assert run(["runs"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: settings can't be used: LONGSHORE_METRICS_PORT")
    assert "Traceback" not in said


def test_a_job_whose_bell_has_no_address_is_not_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LONGSHORE_REDIS_URL", "nonsense")
    assert run(["submit", "s3://bucket"]) == 1
    told = capsys.readouterr()
    assert "LONGSHORE_REDIS_URL" in told.err
    assert told.out == ""
    monkeypatch.delenv("LONGSHORE_REDIS_URL")
    assert run(["runs"]) == 0
    assert re.search(r"no runs yet in /.*/catalog\.db; ", capsys.readouterr().out)


def test_a_catalog_is_named_without_its_password() -> None:
    assert catalog_place("postgresql://u:hunter2@db:5432/name") == "PostgreSQL at db:5432"
    assert catalog_place("postgresql://u:hun@ter2@db:5432/name") == "PostgreSQL"


def test_a_misspelt_variable_is_warned_of_and_stops_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LONGSHORE_REDIS_URI", "redis://:canary@host")
    assert run(["runs"]) == 0
    said = capsys.readouterr().err
    assert said.startswith("warning: LONGSHORE_REDIS_URI is set, but")
    assert "LONGSHORE_REDIS_URL?" in said
    assert "canary" not in said


def test_output_that_can_not_be_written_is_one_line_and_no_traceback(tmp_path: Path) -> None:
    """A disk that is full, or a reader that went away."""
    environment = {**os.environ, "LONGSHORE_CATALOG_URL": f"sqlite:///{tmp_path / 'catalog.db'}"}
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            [sys.executable, "-m", "console", "runs"],
            env=environment,
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert ran.returncode == 1
    assert ran.stderr == "error: the output can't be written: No space left on device\n"


def test_every_error_begins_the_same_way(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["runs", "show"]) == 1
    assert capsys.readouterr().err.startswith("error: there are no runs yet")
    assert run(["runs", "show", "nope"]) == 1
    assert capsys.readouterr().err.startswith("error: there is no run")


def test_an_unknown_run_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["runs", "show", "nope"]) == 1
    assert "there is no run and no job 'nope' in workspace 'main'" in capsys.readouterr().err


def test_an_empty_catalog_has_no_newest_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["runs"]) == 0
    assert "no runs yet" in capsys.readouterr().out
    assert run(["runs", "show"]) == 1


def test_assets_of_an_unknown_connection_are_an_error_and_not_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["assets", "--connection", "acme"]) == 1
    assert "'acme'" in capsys.readouterr().err


def test_a_key_is_not_kept_without_a_key_to_seal_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LONGSHORE_SECRET_ACCESS_KEY", "canary/secret/canary/secret")
    assert run(["connections", "add", "k", "--access-key-id", "AKIAEXAMPLE", "--allow", "s3://bucket"]) == 1
    told = capsys.readouterr()
    assert "LONGSHORE_SECRET_KEYS" in told.err
    assert "canary" not in told.err + told.out


@pytest.mark.parametrize("processes", ["0", "-1", "65", "many", "1.5", "", "9" * 5000])
def test_a_number_of_processes_that_makes_no_sense_is_wrong_usage(
    processes: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["worker", f"--processes={processes}"]) == 2
    assert "is neither a number from 1 to 64 nor auto" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "processes"),
    [([], 1), (["--processes", "64"], 64), (["--processes", "auto"], min(usable_cores(), 64))],
)
def test_processes_are_one_or_a_number_or_one_for_each_core(arguments: list[str], processes: int) -> None:
    assert longshore.commands["worker"].make_context("worker", arguments).params == {"processes": processes}
