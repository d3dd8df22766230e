"""The CORS rules of a bucket: which web pages may show its objects in a browser."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import urlsplit

from config.errors import ConnectionSetupError
from credentials.policies.setup import Setup

_PORTS: Final = {"http": 80, "https": 443}
_HOST: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\]", re.ASCII)
_MAX_AGE_S: Final = 3000


def cors_rules(setup: Setup) -> list[dict[str, Any]]:
    """What the console's CORS editor takes; `aws s3api put-bucket-cors` wants it as {"CORSRules": ...}.

    A player asks for ranges and reads where they lie, so those headers pass both ways. Raises ConnectionSetupError for what is not
    the origin of one page.
    """
    if not setup.origins:
        raise ConnectionSetupError("name the page that shows the objects with --origin https://app.example.com")
    return [
        {
            "AllowedOrigins": [checked_origin(origin) for origin in dict.fromkeys(setup.origins)],
            "AllowedMethods": ["GET", "HEAD"],
            "AllowedHeaders": ["Range", "If-Range", "If-Match", "If-None-Match"],
            "ExposeHeaders": ["ETag", "Content-Length", "Content-Range", "Accept-Ranges", "x-amz-request-id"],
            "MaxAgeSeconds": _MAX_AGE_S,
        }
    ]


def checked_origin(text: str) -> str:
    """`text` if a browser would send exactly that as the Origin of a page. Raises ConnectionSetupError that says what to type."""
    problem = _problem(text)
    if problem:
        raise ConnectionSetupError(f"{text!r} is no origin: {problem}")
    return text


def _problem(text: str) -> str | None:
    if "*" in text:
        return "any page at all could show the objects; name each page's own, such as https://app.example.com"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return "its host or port can't be read; type it like https://app.example.com"
    own = f"{parts.scheme}://{parts.netloc.lower()}"
    checks = (
        (parts.scheme not in _PORTS or not parts.netloc, "type it like https://app.example.com"),
        ("@" in parts.netloc, "it names a user; type it like https://app.example.com"),
        (
            parts.hostname is not None and not parts.netloc.isascii(),
            "a browser writes such a host in ASCII (xn--...); type that",
        ),
        (
            port is not None and port == _PORTS.get(parts.scheme),
            f"a browser leaves the usual port out; type {own.rpartition(':')[0]}",
        ),
        (text != own, f"an origin is scheme, host and port, in lower case and without a path; type {own}"),
        (
            _HOST.fullmatch(own.partition("://")[2].removesuffix(f":{port}")) is None,
            "its host can't be read; type it like https://app.example.com",
        ),
    )
    return next((problem for wrong, problem in checks if wrong), None)
