"""A synthetic S3 server in one process: hides sockets, order of answers, and how a fault looks on the wire.

    python -m benchmarks.server --shape hash --keys 1000000 --latency-ms 50

prints {"url", "bucket", ...} as its first line, and serves until its standard input ends or it is told to stop. `GET /_stats` tells
what was asked, `POST /_reset` begins anew.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import signal
import stat
import threading
from collections.abc import Callable
from random import Random
from typing import cast

import uvloop

from benchmarks.bucket import VirtualBucket
from benchmarks.conduct import Conduct, Stats, TokenBucket
from benchmarks.spaces import NAMES, objects_of, space_of
from benchmarks.wire import BadRequestError, Pieces, Request, answer, read_request, refusal

_MOST_HEAD = 64 * 1024


class Connection(asyncio.Protocol):
    """One client. Requests are answered in turn; the next one is looked at when the last answer has been handed over."""

    __slots__ = ("_bucket", "_buffer", "_conduct", "_full", "_loop", "_timer", "_transport")

    def __init__(self, bucket: VirtualBucket, conduct: Conduct, loop: asyncio.AbstractEventLoop) -> None:
        self._bucket, self._conduct, self._loop = bucket, conduct, loop
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._buffer = b""
        self._full = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are no subclass of it
        self._conduct.stats.connections += 1

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self._work()

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        self._work()

    def _work(self) -> None:
        while self._buffer and self._transport is not None and self._timer is None and not self._full:
            end = self._buffer.find(b"\r\n\r\n") + 4
            if end < 4:
                if len(self._buffer) > _MOST_HEAD:
                    self._transport.abort()
                return
            head = self._buffer[:end]
            self._buffer = self._buffer[end:]
            try:
                request = read_request(head, self._bucket.name)
            except BadRequestError:
                self._send(refusal(400, "BadRequest", "This is no request, or one with a body"), close=True)
                return
            self._answer(request)

    def _answer(self, request: Request) -> None:
        conduct = self._conduct
        if request.bucket.startswith(b"_"):
            self._send(self._told(request), close=request.close)
            return
        kind, status, pieces = self._bucket.reply(request)
        fault = conduct.fault(kind)
        if conduct.refuses(kind):
            status, fault = 503, None
            pieces = refusal(503, "SlowDown", "Please reduce your request rate.", method=request.method)
        elif fault == "error":
            status, fault = 500, None
            pieces = refusal(500, "InternalError", "We encountered an internal error.", method=request.method)
        elif fault is not None:
            status = 0
        conduct.stats.count(kind, status, sum(map(len, pieces)))
        delay = conduct.delay_s()
        if delay:
            self._timer = self._loop.call_later(delay, self._late, pieces, request.close, fault)
        else:
            self._finish(pieces, fault, close=request.close)

    def _late(self, pieces: Pieces, close: bool, fault: str | None) -> None:  # noqa: FBT001  called by a timer
        self._timer = None
        self._finish(pieces, fault, close=close)
        self._work()

    def _finish(self, pieces: Pieces, fault: str | None, *, close: bool) -> None:
        if fault is not None and self._transport is not None:
            if fault == "cut":
                whole = b"".join(pieces)
                self._transport.write(whole[: len(whole) // 2])
                self._transport.close()
            else:
                self._transport.abort()
            return
        self._send(pieces, close=close)

    def _send(self, pieces: Pieces, *, close: bool) -> None:
        if self._transport is None:
            return
        if len(pieces) == 1:
            self._transport.write(pieces[0])
        else:
            self._transport.writelines(pieces)
        if close:
            self._transport.close()

    def _told(self, request: Request) -> Pieces:
        if request.bucket == b"_reset":
            self._conduct.stats = Stats()
        elif request.bucket != b"_stats":
            return refusal(404, "NoSuchPage", "There are /_stats and /_reset")
        return answer(200, [json.dumps(self._conduct.stats.told()).encode()], kind="application/json")


async def serve(bucket: VirtualBucket, conduct: Conduct, *, port: int) -> asyncio.Server:
    """Listen on 127.0.0.1; port 0 takes any free one."""
    loop = asyncio.get_running_loop()
    return await loop.create_server(lambda: Connection(bucket, conduct, loop), "127.0.0.1", port, backlog=1024)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.server", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--port", type=int, default=0, help="0 takes any free port")
    parser.add_argument("--bucket", default="bench")
    parser.add_argument("--region", default="us-east-1")
    parser.add_argument("--shape", choices=NAMES, default="flat")
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--latency-ms", type=float, default=0.0, help="median time before an answer")
    parser.add_argument("--jitter", type=float, default=0.0, help="sigma of the lognormal around it, 0.3 say")
    parser.add_argument("--limit", type=float, default=0.0, help="requests per second; above it, 503 SlowDown")
    parser.add_argument("--fault-rate", type=float, default=0.0, help="share of requests that fail: 500, reset or cut")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache-mb", type=int, default=600, help="how much of the rendered listing is kept")
    return parser.parse_args()


async def _main(asked: argparse.Namespace) -> None:
    bucket = VirtualBucket(
        name=asked.bucket,
        region=asked.region,
        space=space_of(asked.shape, asked.keys),
        cache_bytes=asked.cache_mb << 20,
        objects=objects_of(asked.shape),
    )
    conduct = Conduct(
        latency_s=asked.latency_ms / 1000,
        jitter=asked.jitter,
        limit=TokenBucket(asked.limit),
        fault_rate=asked.fault_rate,
        random=Random(asked.seed),
    )
    server = await serve(bucket, conduct, port=asked.port)
    port = server.sockets[0].getsockname()[1]
    said = {"url": f"http://127.0.0.1:{port}", "bucket": asked.bucket, "shape": asked.shape, "keys": bucket.space.count}
    print(json.dumps(said), flush=True)
    gc.freeze()
    gc.disable()  # nothing here makes cycles, and a collection would be a pause that some peer pays for
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    _stop_with_parent(lambda: loop.call_soon_threadsafe(stop.set))
    await stop.wait()
    server.close()


def _stop_with_parent(stop: Callable[[], object]) -> None:
    """A harness that dies takes its server along: the pipe that is our standard input ends then."""
    if not stat.S_ISFIFO(os.fstat(0).st_mode):
        return

    def watch() -> None:
        while os.read(0, 4096):
            pass
        stop()

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    uvloop.run(_main(_arguments()))
