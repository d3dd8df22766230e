"""Workers in a few milliseconds: a process that has loaded everything forks them. Real processes, real signals, real exits.

`python -m tests.chaos.zygote` reads one JSON line per order from its input and answers with one; it ends, and its workers with
it, when its input does.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import json
import os
import signal
import sys
import traceback
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, NoReturn

from tests.servers import ROOT

_PR_SET_PDEATHSIG = 1


class Zygote:
    """The controller's end."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._turn = asyncio.Lock()
        self._ended: dict[int, int] = {}

    async def spawn(self, *, environment: dict[str, str], log: Path, tamper: str = "") -> int:
        """Start a worker; returns its process number."""
        answer = await self._ask(environment=environment, log=str(log), tamper=tamper)
        self._ended.pop(answer["pid"], None)  # numbers come again
        return int(answer["pid"])

    async def signal(self, pid: int, number: signal.Signals) -> bool:
        """Returns whether it was sent: only to a worker that was started here and whose exit was not asked for yet.

        0, -1 and other negative numbers mean many processes, of other people too.
        """
        return bool((await self._ask(signal=number, to=pid))["sent"])

    async def exit_code(self, pid: int) -> int | None:
        """As subprocess tells it: negative for a signal; None while it runs. Its number is not used again before this is asked."""
        if pid not in self._ended:
            answer = await self._ask(look=pid)
            if answer["code"] is not None:
                self._ended[pid] = int(answer["code"])
        return self._ended.get(pid)

    async def _ask(self, **order: Any) -> dict[str, Any]:
        """Whoever is cancelled meanwhile leaves no answer behind for others to take for theirs."""
        return await asyncio.shield(asyncio.ensure_future(self._answer(order)))

    async def _answer(self, order: dict[str, Any]) -> dict[str, Any]:
        async with self._turn:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            await self._process.stdin.drain()
            answer: dict[str, Any] = json.loads(await self._process.stdout.readline())
            return answer


@contextlib.asynccontextmanager
async def a_zygote() -> AsyncGenerator[Zygote]:
    """Ready when it is yielded; ends with the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.chaos.zygote",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        limit=1 << 20,
    )
    assert process.stdout is not None
    assert json.loads(await process.stdout.readline()) == {"ready": True}
    try:
        yield Zygote(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


def main() -> None:
    """Load, then fork on demand."""
    # everything that a worker imports, now or later

    import worker.main  # noqa: F401 - as are those above

    _warm()
    gc.collect()
    gc.freeze()
    children: set[int] = set()
    _say(ready=True)
    for line in iter(sys.stdin.readline, ""):
        order = json.loads(line)
        if (pid := order.get("look")) is not None:
            found, status = os.waitpid(pid, os.WNOHANG)
            children.discard(found)
            _say(code=os.waitstatus_to_exitcode(status) if found else None)
        elif (number := order.get("signal")) is not None:
            _say(sent=_send(order["to"], number, children))
        elif pid := os.fork():
            children.add(pid)
            _say(pid=pid)
        else:
            _work(order)
    for pid in [*children]:
        _send(pid, signal.SIGKILL, children)


def _send(pid: int, number: int, children: set[int]) -> bool:
    """To a child that was not waited for, so that its number is nobody else's; a number that is not one child is never used."""
    if pid <= 1 or pid not in children:
        return False
    os.kill(pid, number)
    return True


def _say(**answer: Any) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _warm() -> None:
    """What botocore reads from its files, it reads once: most of what a worker's first session costs."""
    from botocore.loaders import JSONFileLoader

    read = JSONFileLoader.load_file
    kept: dict[str, Any] = {}

    def load_file(self: Any, file_path: str) -> Any:
        if kept.get(file_path) is None:
            kept[file_path] = read(self, file_path)
        return kept[file_path]

    JSONFileLoader.load_file = load_file
    import botocore.session

    session = botocore.session.get_session()
    session.create_client("sts", region_name="us-east-1", aws_access_key_id="none", aws_secret_access_key="none")


def _work(order: dict[str, Any]) -> NoReturn:
    """In the child: what `longshore worker` does, in its own environment, with its log in a file."""
    code = 1
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        log = os.open(order["log"], os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.environ.clear()
        os.environ.update(order["environment"])
        from config.errors import LongshoreError
        from config.settings import Settings
        from tests.chaos.tampering import prepare
        from worker.main import run

        prepare(order["tamper"])
        try:
            code = run(Settings.load())
        except LongshoreError as error:
            sys.stderr.write(f"error: {error.message}\n")
    except BaseException:  # noqa: BLE001 - whatever it is, this is the end of a child that must not go on as its parent
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
