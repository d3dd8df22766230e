"""The synthetic server in a process of its own, for a harness or a test: hides how it is started, asked and ended."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Running:
    """A server that is up."""

    url: str
    bucket: str

    def stats(self) -> dict[str, Any]:
        return self._ask("_stats", "GET")

    def reset(self) -> None:
        self._ask("_reset", "POST")

    def _ask(self, page: str, method: str) -> dict[str, Any]:
        request = Request(f"{self.url}/{page}", method=method)
        with build_opener(ProxyHandler({})).open(request, timeout=10) as answer:
            said: dict[str, Any] = json.loads(answer.read())
        return said


@contextmanager
def synthetic_server(**options: object) -> Iterator[Running]:
    """`options`: those of `python -m benchmarks.server`, with _ for -. It ends with the block."""
    arguments = [text for name, value in options.items() for text in ("--" + name.replace("_", "-"), str(value))]
    command = [sys.executable, "-m", "benchmarks.server", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        try:
            assert child.stdout is not None
            said = json.loads(child.stdout.readline())
            yield Running(said["url"], said["bucket"])
        finally:
            child.terminate()
