"""Servers in processes of their own, which end with the block that started them: moto, and our fault-injecting S3."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

ROOT = Path(__file__).resolve().parents[1]

_MOTO = """
import json, sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
print(json.dumps({"url": f"http://{host}:{port}"}), flush=True)
sys.stdin.read()
"""

_direct = build_opener(ProxyHandler({}))


@contextlib.contextmanager
def process(arguments: Sequence[str]) -> Iterator[str]:
    """A Python process whose first line is `{"url": ...}`; yields that URL and ends the process."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "default"}
    with subprocess.Popen(
        [sys.executable, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        env=environment,
    ) as child:
        try:
            assert child.stdout is not None
            yield str(json.loads(child.stdout.readline())["url"])
        finally:
            child.kill()


@contextlib.contextmanager
def moto_server() -> Iterator[str]:
    """S3, STS, IAM and SQS by moto; yields its URL."""
    with process(["-c", _MOTO]) as url:
        yield url


@contextlib.contextmanager
def fake_s3_server() -> Iterator[str]:
    """The S3 and STS of tests/fakes/s3.py; yields its URL, which `tell` takes."""
    with process(["-m", "tests.fakes.s3", "--port", "0"]) as url:
        yield url


def tell(url: str, verb: str, **fields: Any) -> Any:
    """Say something to a fake in another process: the verbs stand in tests/fakes/s3_control.py. Blocks for a moment."""
    request = Request(f"{url}/_fake/{verb}", data=json.dumps(fields).encode(), method="POST")
    try:
        with _direct.open(request, timeout=10) as answer:
            return json.loads(answer.read())
    except HTTPError as refusal:
        refusal.add_note(refusal.read().decode("utf-8", "replace"))
        raise
