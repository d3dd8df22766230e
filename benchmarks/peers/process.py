"""What every peer in Python shares: hides how it is told what to do, and how it says what it did."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

CLIENT_KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIABENCHMARK0000000",
    "AWS_SECRET_ACCESS_KEY": "not/a/secret/of/anyone/anywhere/0000000",
}
"""The server looks at no signature; clients want to make one."""
REGION = "us-east-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The work of one process."""

    work: Literal["list", "head", "media", "commit"]
    endpoint: str
    bucket: str
    shape: str
    keys: int
    """How many there are."""
    most: int
    """How many of them are to be listed, or listed and headed; whole pages. Slow peers do a part of the same work."""
    streams: int
    """Requests at once, where the peer lets one choose."""

    @property
    def pages(self) -> int:
        return -(-self.most // 1000)


def run(work: Callable[[Asked], int]) -> None:
    """Read the arguments, do the work, print how many objects it saw."""
    parser = argparse.ArgumentParser()
    parser.add_argument("work", choices=["list", "head", "commit"])
    for name in ("endpoint", "bucket", "shape"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("keys", "most", "streams"):
        parser.add_argument(f"--{name}", type=int, required=True)
    asked = Asked(**vars(parser.parse_args()))
    os.environ.update(CLIENT_KEYS, AWS_DEFAULT_REGION=REGION, AWS_REGION=REGION)
    print(json.dumps({"objects": work(asked)}))
