"""What may stand in one field of a connection or a role: hides the rules of each, and the words that name the repair."""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, PlainValidator, SecretStr

from config.origins import well_formed
from credentials.arns import checked_key_arn, checked_role_arn
from credentials.grants import Grant
from credentials.places import parse_locator, parse_place, place_text

TTL_LEAST_S: Final = 60
TTL_MOST_S: Final = 3600
"""What every role allows (MaxSessionDuration is at least this), and the most that role chaining allows."""
_MOST_NAMED: Final = 1_000
"""Places and keys of one connection."""


def _matching(pattern: str, what: str) -> AfterValidator:
    compiled = re.compile(pattern, re.ASCII)

    def check(value: str) -> str:
        if compiled.fullmatch(value) is None:
            raise ValueError(what)
        return value

    return AfterValidator(check)


def _stripped(value: object) -> object:
    return value.strip() if isinstance(value, str) else value


def _grant(value: object) -> Grant:
    if isinstance(value, Grant):
        return value
    if not isinstance(value, str):
        raise ValueError("a place is typed as s3://bucket or s3://bucket/prefix/")  # noqa: TRY004  pydantic wants ValueError
    return parse_place(value)


def _several(value: object) -> object:
    return tuple(dict.fromkeys(value)) if isinstance(value, list | tuple) else (value,)


def _not_too_many(values: tuple[object, ...]) -> tuple[object, ...]:
    if len(values) > _MOST_NAMED:
        raise ValueError(
            f"{len(values)} are too many: a connection has {_MOST_NAMED} at most; make several connections"
        )
    return values


def _ttl(value: int) -> int:
    if not TTL_LEAST_S <= value <= TTL_MOST_S:
        raise ValueError(f"a session lives {TTL_LEAST_S} to {TTL_MOST_S} seconds, not {value}")
    return value


def _key_id(value: str) -> str:
    if value.startswith("ASIA"):
        raise ValueError(
            "keys that begin with ASIA are temporary and end within hours; use a role, or a user's key (AKIA...)"
        )
    if len(value) == 40 and not value.isalnum():
        raise ValueError("that looks like the secret access key; its ID is the shorter one (AKIA...)")
    return value


def _https(value: str) -> str:
    """Only what every reader of addresses takes for the same server; the registry asks the operator's rules."""
    address = well_formed(value)
    if address.scheme != "https" or address.query:
        raise ValueError("an address is typed as https://host/path/, without a query")
    return str(address)


def _folder(value: str) -> str:
    if not value.endswith("/"):
        raise ValueError(f"an address that permits what is below it ends with a slash: type {value}/")
    return value


def _origin(value: str) -> str:
    address = well_formed(value)
    if address.query:
        raise ValueError("an endpoint is typed as https://host or https://host:port, without a query")
    return str(address).rstrip("/")


def _reference(value: str) -> str:
    if re.match(r"(?:env|file|awssm)://.", value) is None:
        raise ValueError("a secret that is kept elsewhere is named by env://NAME, file:///path or awssm://NAME")
    return value


def _access_key(value: SecretStr) -> SecretStr:
    secret = value.get_secret_value().strip()
    if re.fullmatch(r"[!-~]{8,512}", secret) is None:
        raise ValueError("a secret access key has 8 to 512 printable characters and no space in it")
    return SecretStr(secret)


def _password(value: SecretStr) -> SecretStr:
    if not value.get_secret_value() or re.search(r"[\x00-\x1f\x7f]", value.get_secret_value()):
        raise ValueError("a password has at least one character, and no line break or other control character in it")
    return value


def _token(value: SecretStr) -> SecretStr:
    token = value.get_secret_value().strip()
    if token.lower().startswith("bearer "):
        raise ValueError("give the token alone, without the word Bearer in front of it")
    if re.fullmatch(r"[A-Za-z0-9._~+/=-]{1,16384}", token) is None:
        raise ValueError("a bearer token has 1 to 16384 letters, digits and ._~+/=- (RFC 6750)")
    return SecretStr(token)


Name = Annotated[
    str,
    _matching(
        r"[a-z0-9][a-z0-9_-]{0,62}",
        "a name has 1 to 63 lower-case letters, digits, - and _, and begins with a letter or a digit",
    ),
]
Place = Annotated[Grant, PlainValidator(_grant), PlainSerializer(place_text, return_type=str)]
Places = Annotated[tuple[Place, ...], BeforeValidator(_several), AfterValidator(_not_too_many)]
RoleArn = Annotated[str, BeforeValidator(_stripped), AfterValidator(checked_role_arn)]
KeyArn = Annotated[str, BeforeValidator(_stripped), AfterValidator(checked_key_arn)]
KeyArns = Annotated[tuple[KeyArn, ...], BeforeValidator(_several), AfterValidator(_not_too_many)]
ExternalId = Annotated[
    str,
    _matching(r"[\w+=,.@:/-]{2,1224}", "an external ID has 2 to 1224 letters, digits and _+=,.@:/- (STS's own rule)"),
]
Region = Annotated[
    str, BeforeValidator(_stripped), _matching(r"[a-z0-9][a-z0-9-]{0,31}", "a region looks like us-east-1")
]
Account = Annotated[str, BeforeValidator(_stripped), _matching(r"\d{12}", "an account ID has 12 digits")]
KeyId = Annotated[
    str,
    BeforeValidator(_stripped),
    AfterValidator(_key_id),
    _matching(r"[\w.-]{3,128}", "an access key ID has 3 to 128 letters and digits (AWS's begin with AKIA)"),
]
SessionTtl = Annotated[int, AfterValidator(_ttl)]
Username = Annotated[
    str,
    _matching(r"[^\x00-\x1f\x7f:]{1,255}", "a user's name has 1 to 255 characters; no colon, no line break (RFC 7617)"),
    Field(repr=False),
]
TestObject = Annotated[str, BeforeValidator(_stripped), AfterValidator(parse_locator)]
"""`s3://bucket/key`, or `s3://bucket/prefix/`."""
AccessKey = Annotated[SecretStr, AfterValidator(_access_key)]
HttpsUrl = Annotated[str, BeforeValidator(_stripped), AfterValidator(_https)]
HttpsPlaces = Annotated[
    tuple[Annotated[HttpsUrl, AfterValidator(_folder)], ...],
    BeforeValidator(_several),
    AfterValidator(_not_too_many),
    Field(min_length=1),
]
Origin = Annotated[str, BeforeValidator(_stripped), AfterValidator(_origin)]
SecretFrom = Annotated[str, BeforeValidator(_stripped), AfterValidator(_reference)]
Password = Annotated[SecretStr, AfterValidator(_password)]
Token = Annotated[SecretStr, AfterValidator(_token)]
