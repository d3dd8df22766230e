"""Hides where a template's parameters stand in a policy document, and how a text is quoted in a template."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from credentials.policies.document import bucket_arn
from credentials.policies.setup import Setup

Parameter = Literal["BucketName", "ExternalId"]
_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


@dataclass(frozen=True, slots=True)
class Filled:
    """A text that has the value of a parameter in it."""

    before: str
    parameter: Parameter
    after: str


def parameterised(value: Any, setup: Setup, write: Callable[[Filled], Any]) -> Any:
    """The document with `write(...)` wherever the bucket that was named first, or the external ID, stands."""
    bucket = bucket_arn(setup.partition, setup.first_bucket) if setup.scope == "s3" else None
    return _walk(value, "", bucket, write)


def _walk(value: Any, key: str, bucket: str | None, write: Callable[[Filled], Any]) -> Any:
    if isinstance(value, dict):
        return {name: _walk(inner, name, bucket, write) for name, inner in value.items()}
    if isinstance(value, list):
        return [_walk(inner, key, bucket, write) for inner in value]
    if key == "sts:ExternalId":
        return write(Filled("", "ExternalId", ""))
    if key == "Resource" and bucket is not None and (value == bucket or value.startswith(f"{bucket}/")):
        before = bucket.rpartition(":")[0] + ":"
        return write(Filled(before, "BucketName", value.removeprefix(bucket)))
    return value


def quoted(text: str) -> str:
    """In double quotes, in ASCII: YAML and Terraform read the same escapes."""
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(letter: str) -> str:
    if letter in _ESCAPES:
        return _ESCAPES[letter]
    if " " <= letter <= "~":
        return letter
    return f"\\u{ord(letter):04x}" if ord(letter) < 0x10000 else f"\\U{ord(letter):08x}"
