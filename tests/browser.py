"""A real browser for tests: Chromium without a window, spoken to by its DevTools protocol. Hides where it is and how it ends."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp

NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS: Final = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--no-proxy-server"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic"),
    *("--disable-default-apps", "--disable-extensions", "--mute-audio", "--autoplay-policy=no-user-gesture-required"),
    *("--window-size=900,600", "--remote-debugging-port=0"),
)
"""No network but this machine's is looked for; the rest makes it start faster."""
_START_S: Final = 60.0


def browser() -> str | None:
    """Its path, if there is one on this machine."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class PageError(AssertionError):
    """A script in the page failed."""


@dataclass(slots=True)
class Page:
    """One tab."""

    _socket: aiohttp.ClientWebSocketResponse
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    async def tell(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol; events in between are passed over."""
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            message = await self._socket.receive_json()
            if message.get("id") == number:
                if "error" in message:
                    raise PageError(message["error"])
                result: dict[str, Any] = message["result"]
                return result

    async def evaluate(self, script: str) -> Any:
        """What an expression, or the promise it makes, comes to."""
        result = await self.tell("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in result:
            raise PageError(result["exceptionDetails"])
        return result["result"].get("value")

    async def screenshot(self) -> bytes:
        """The tab as a PNG."""
        return base64.b64decode((await self.tell("Page.captureScreenshot", format="png"))["data"])


@contextlib.asynccontextmanager
async def a_page(url: str, folder: Path) -> AsyncIterator[Page]:
    """A browser with a new profile in `folder`, and one tab that has loaded `url`; it ends with the block."""
    path = browser()
    assert path is not None
    profile = folder / "profile"
    with (folder / "browser.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            path, *_FLAGS, f"--user-data-dir={profile}", "about:blank", stdout=log, stderr=log
        )
    try:
        async with asyncio.timeout(_START_S):
            while (port := _port(profile)) is None:
                assert process.returncode is None, f"the browser ended with {process.returncode}"
                await asyncio.sleep(0.05)
        base = f"http://127.0.0.1:{port}"
        async with aiohttp.ClientSession() as http:
            async with http.put(f"{base}/json/new?about:blank") as answer:
                target = await answer.json()
            async with http.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                page = Page(socket)
                await page.tell("Page.navigate", url=url)
                while await page.evaluate(f"location.href == {url!r} && document.readyState") != "complete":  # noqa: ASYNC110 - another process
                    await asyncio.sleep(0.05)
                yield page
                await page.tell("Browser.close")
    finally:
        with contextlib.suppress(ProcessLookupError, TimeoutError):
            async with asyncio.timeout(10):
                await process.wait()
        if process.returncode is None:
            process.kill()
            await process.wait()


def _port(profile: Path) -> int | None:
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int((profile / "DevToolsActivePort").read_text().splitlines()[0])
    return None
