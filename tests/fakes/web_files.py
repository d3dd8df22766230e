"""An HTTPS server of files in a thread of its own, as a company has one: it knows ranges, ETags and logins; hides sockets and TLS."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.fakes.certificates import self_signed

DATE = "Mon, 01 Jan 2024 00:00:00 GMT"


@dataclass(slots=True)
class Files:
    """What it serves, to whom, and what it was asked."""

    port: int
    certificate: Path
    """What clients trust."""
    files: dict[str, bytes] = field(default_factory=dict)
    """By path and query."""
    logins: set[str] = field(default_factory=set)
    """Values of Authorization that are let in; none: everybody is."""
    redirects: dict[str, str] = field(default_factory=dict)
    packed: bool = False
    """It says that everything is gzip, whoever asks."""
    asked: list[tuple[str, str, int]] = field(default_factory=list)
    """Method, target and status of each request."""

    @property
    def origin(self) -> str:
        return f"https://localhost:{self.port}"

    def answer(self, method: str, target: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        if self.logins and headers.get("authorization", "") not in self.logins:
            return 401, {"WWW-Authenticate": 'Basic realm="files"'}, b""
        if target in self.redirects:
            return 302, {"Location": self.redirects[target]}, b""
        body = self.files.get(target)
        if body is None:
            return 404, {}, b""
        etag = f'"{md5(body, usedforsecurity=False).hexdigest()}"'
        said = {"ETag": etag, "Last-Modified": DATE, "Content-Type": "application/octet-stream"}
        if self.packed:
            said["Content-Encoding"] = "gzip"
        if headers.get("if-none-match") == etag:
            return 304, said, b""
        if (found := re.fullmatch(r"bytes=(\d+)-(\d+)", headers.get("range", ""))) is None:
            return 200, said, body
        first, last = int(found[1]), min(int(found[2]), len(body) - 1)
        if first >= len(body):
            return 416, {"Content-Range": f"bytes */{len(body)}"}, b""
        return 206, said | {"Content-Range": f"bytes {first}-{last}/{len(body)}"}, body[first : last + 1]


@contextmanager
def serving(folder: Path) -> Iterator[Files]:
    """One on this machine, by the name of localhost."""
    context, _ = self_signed(folder, "localhost")
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    files = Files(server.server_port, folder / "localhost.pem")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            said = {name.lower(): value for name, value in self.headers.items()}
            status, headers, body = files.answer(self.command, self.path, said)
            files.asked.append((self.command, self.path, status))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815 - so it is called by the library

        def log_message(self, *_: object) -> None:
            """It is no news."""

    server.RequestHandlerClass = Handler
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield files
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
