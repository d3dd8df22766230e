"""Which transport is used: the only place that knows both kinds."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Literal

from config.limits import Limits
from ingest.s3.dial import Dialer, LookUp, Permit, anywhere, ask_system
from ingest.s3.fallback import AiohttpTransport
from ingest.s3.lean import LeanTransport
from ingest.s3.transport import Transport

Kind = Literal["lean", "aiohttp"]


@asynccontextmanager
async def open_http(
    limits: Limits,
    kind: Kind = "lean",
    *,
    permit: Permit = anywhere,
    look_up: LookUp = ask_system,
    trust: ssl.SSLContext | None = None,
) -> AsyncGenerator[Transport]:
    """What every S3 client of a process shares; all its sockets are closed at the end of the block.

    Both kinds dial by the same rules: `permit` is asked about every address, `look_up` names them, `trust` says whose
    certificates are good. Neither follows redirects, keeps cookies, reads proxies from the environment or decompresses.
    """
    dialer = Dialer(limits, permit=permit, look_up=look_up, trust=trust)
    http = LeanTransport(limits, dialer) if kind == "lean" else AiohttpTransport(limits, dialer)
    try:
        yield http
    finally:
        await http.aclose()
