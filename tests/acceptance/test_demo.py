"""The demo, as a stranger runs it: it proves what it shows, and leaves nothing behind however it ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers import ROOT


@contextmanager
def _demo(directory: Path, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "console", "demo", *arguments],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(directory), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _left_running(directory: Path) -> list[str]:
    """Processes whose command line or environment names the directory."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            about = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:
            continue
        if str(directory).encode() in about:
            found.append(f"{process.name}: {about[:200]!r}")
    return found


def _nothing_is_left(directory: Path) -> bool:
    return not _left_running(directory) and not list(directory.iterdir())


def _until(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if text in line:
            return
    raise AssertionError(f"the demo never said {text!r}")


def test_the_demo_ends_by_itself_with_every_number_as_it_must_be(tmp_path: Path) -> None:
    with _demo(tmp_path, "--objects", "60") as process:
        out, err = process.communicate(timeout=100)
    assert process.returncode == 0, out + err
    for text in (
        "60 listed, 60 added",
        "6 changed",
        "6 removed",
        "longshore_objects_total",
        "all of it is as it must be",
    ):
        assert text in out
    assert "arn:aws:iam::111122223333:user/longshore" in out
    (issued,) = set(re.findall(r'"sts:ExternalId": "([A-Za-z0-9]{32})"', out))
    assert f"must ask for the external ID {issued}:" in out
    assert _nothing_is_left(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_an_interrupted_demo_leaves_nothing_running(tmp_path: Path, number: signal.Signals) -> None:
    with _demo(tmp_path, "--objects", "60") as process:
        _until(process, "the bucket acme-media has")
        process.send_signal(number)
        process.communicate(timeout=60)
    assert process.returncode == 130
    assert _nothing_is_left(tmp_path)


def test_a_demo_that_fails_shows_why_and_leaves_nothing_running(tmp_path: Path) -> None:
    """The worker's own part breaks: here by a module that shadows arq."""
    (shadow := tmp_path / "shadow").mkdir()
    (shadow / "arq.py").write_text("raise SystemExit('no arq today')\n")
    (directory := tmp_path / "tmp").mkdir()
    with _demo(directory, "--objects", "60", PYTHONPATH=str(shadow)) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "the worker ended with code 1" in err
    assert "no arq today" in err
    assert _nothing_is_left(directory)
