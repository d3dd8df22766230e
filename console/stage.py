"""Starts what the demo needs, each part a process of its own, and ends every one of them however the demo ends."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO, Any, Final

from console.running import EXIT_STOPPED

ANSWER_S: Final = 60.0
"""How long the cloud may take to start or to answer."""
_WORKER_S: Final = 60.0
_STOP_S: Final = 10.0
_TAIL_LINES: Final = 30


Run = Callable[[Sequence[str]], int]
"""Runs a command in this process and returns its exit code."""


class StageError(Exception):
    """A part of the demo did not do what it must."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A running cloud and a running worker."""

    environment: dict[str, str]
    """What a command needs in its environment to work with them."""
    facts: dict[str, str]
    """What the cloud says of itself: bucket, accounts, ..."""
    metrics_url: str
    _cloud: subprocess.Popen[str]
    _run: Run

    def ask(self, verb: str, *arguments: int | str) -> Any:
        """Let the cloud do something; see console/cloud.py."""
        return _ask(self._cloud, verb, *arguments)

    def longshore(self, *arguments: str, silent: bool = False) -> str:
        """Run a command as a user would, and return its output; shown as typed unless `silent`. Raises StageError.

        It runs in this process: a dozen of Python's starts would take longer than all they do.
        """
        if not silent:
            print(f"$ longshore {shlex.join(arguments)}", flush=True)
        out = io.StringIO()
        with _as_environment(self.environment), contextlib.redirect_stdout(out):
            code = self._run(arguments)
        if not silent:
            print(out.getvalue(), end="", flush=True)
        if code == EXIT_STOPPED:
            raise KeyboardInterrupt
        if code:
            raise StageError(f"`longshore {shlex.join(arguments)}` ended with code {code}")
        return out.getvalue()

    def metrics(self) -> list[str]:
        """What Prometheus would scrape from the worker, line by line."""
        text: str = _get(self.metrics_url).decode()
        return text.splitlines()


@contextlib.contextmanager
def stage(run: Run) -> Generator[Stage]:
    """Start a cloud and a worker; end both. Raises StageError with the end of a log if one does not start.

    SIGTERM and SIGHUP become KeyboardInterrupt inside; while everything is ended no signal interrupts.
    """
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="longshore-demo-")))
        try:
            stack.enter_context(_signals())
            cloud = stack.enter_context(_cloud(directory))
            facts = _line(cloud, directory / "cloud.log")
            port = _free_port()
            environment = _environment(facts, directory, metrics_port=port)
            worker = stack.enter_context(_worker(environment, directory))
            url = f"http://127.0.0.1:{port}"
            _wait_until_well(f"{url}/healthz", worker, directory / "worker.log")
            yield Stage(environment, facts, f"{url}/metrics", cloud, run)
        except StageError as error:
            raise StageError(f"{error}\n{_tail(directory / 'worker.log')}") from error
        finally:
            _ignore_signals()


def _environment(facts: Mapping[str, str], directory: Path, *, metrics_port: int) -> dict[str, str]:
    """Nothing of the user's own AWS account and settings gets in."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "LONGSHORE_"))}
    return clean | {
        "AWS_ACCESS_KEY_ID": facts["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": facts["secret_access_key"],
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",  # the one that the AWS CLI reads
        "AWS_ENDPOINT_URL": facts["endpoint"],
        "LONGSHORE_REDIS_URL": facts["redis"],
        "LONGSHORE_CATALOG_URL": f"sqlite:///{directory / 'longshore.db'}",
        "LONGSHORE_METRICS_PORT": str(metrics_port),
        "LONGSHORE_LIMITS__DRAIN_S": "3",
        "LONGSHORE_OPEN_ROLES": "allow",  # moto gives sessions without an external ID too, which AWS does not
        "NO_PROXY": "127.0.0.1",
        "PYTHONUNBUFFERED": "1",
    }


@contextlib.contextmanager
def _as_environment(environment: Mapping[str, str]) -> Generator[None]:
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(environment)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def _cloud(directory: Path) -> Generator[subprocess.Popen[str]]:
    with (
        (directory / "cloud.log").open("w") as log,
        _in_own_group(
            "-m", "console.cloud", str(directory), stderr=log, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process,
    ):
        try:
            yield process
        finally:
            assert process.stdin is not None
            with contextlib.suppress(OSError):
                process.stdin.close()
            _end(process, gently=None)


@contextlib.contextmanager
def _worker(environment: Mapping[str, str], directory: Path) -> Generator[subprocess.Popen[str]]:
    with (
        (directory / "worker.log").open("w") as log,
        _in_own_group("-m", "arq", "worker.main.WorkerSettings", stderr=log, stdout=log, env=environment) as process,
    ):
        try:
            yield process
        finally:
            _end(process, gently=signal.SIGTERM)


def _in_own_group(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    """A Python process that Ctrl-C does not reach: we end it, in order."""
    return subprocess.Popen([sys.executable, *arguments], text=True, start_new_session=True, **options)  # noqa: S603 - our own programs


def _end(process: subprocess.Popen[str], *, gently: signal.Signals | None) -> None:
    if gently is not None:
        process.send_signal(gently)
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def _signals() -> Generator[None]:
    """Each becomes KeyboardInterrupt; afterwards they are as they were."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = [signal.signal(number, interrupt) for number in _SIGNALS]
    try:
        yield
    finally:
        for number, handler in zip(_SIGNALS, before, strict=True):
            signal.signal(number, handler)


def _ignore_signals() -> None:
    """From now on everything is ended undisturbed."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _ask(cloud: subprocess.Popen[str], verb: str, *arguments: int | str) -> Any:
    assert cloud.stdin is not None
    try:
        cloud.stdin.write(json.dumps([verb, *arguments]) + "\n")
        cloud.stdin.flush()
    except OSError as error:
        raise StageError("the cloud's process has ended") from error
    return _line(cloud, None)


def _line(cloud: subprocess.Popen[str], log: Path | None) -> Any:
    """The cloud's next line, waited for no longer than ANSWER_S."""
    assert cloud.stdout is not None
    late = threading.Timer(ANSWER_S, cloud.kill)
    late.start()
    try:
        line = cloud.stdout.readline()
    finally:
        late.cancel()
    if not line:
        raise StageError(f"the cloud's process has ended\n{_tail(log) if log else ''}")
    return json.loads(line)


def _wait_until_well(url: str, worker: subprocess.Popen[str], log: Path) -> None:
    until = time.monotonic() + _WORKER_S
    while time.monotonic() < until:
        if worker.poll() is not None:
            raise StageError(f"the worker ended with code {worker.returncode} before it was ready")
        try:
            _get(url)
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
        else:
            return
    raise StageError(f"the worker was not ready after {_WORKER_S:.0f} s; its log is {log}")


def _get(url: str) -> bytes:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(url, timeout=5) as answer:
        body: bytes = answer.read()
    return body


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _tail(log: Path) -> str:
    if not log.exists():
        return ""
    lines = _read(log.open(errors="replace"))[-_TAIL_LINES:]
    return "\n".join([f"the end of {log.name}:", *lines]) if lines else ""


def _read(file: IO[str]) -> list[str]:
    with file:
        return file.read().splitlines()
