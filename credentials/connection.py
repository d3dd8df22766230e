"""Named, scoped access to somebody's storage: its kinds, what each needs, and what it permits. No secret is ever part of one."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    SecretStr,
    TypeAdapter,
    ValidationError,
)

from config.errors import ConnectionSetupError, OutOfScopeError
from credentials.arns import checked_role_arn, partition_of
from credentials.grants import Grant
from credentials.places import parse_place, place_text

TTL_LEAST_S: Final = 60
TTL_MOST_S: Final = 3600
"""What every role allows (MaxSessionDuration is at least this), and the most that role chaining allows."""
_SHOWN_PLACES: Final = 5


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


def _at_least_one(grants: tuple[Grant, ...]) -> tuple[Grant, ...]:
    if not grants:
        raise ValueError("name at least one place that the connection permits: s3://bucket or s3://bucket/prefix/")
    return grants


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


def _secret(value: SecretStr) -> SecretStr:
    secret = value.get_secret_value().strip()
    if re.fullmatch(r"[!-~]{8,512}", secret) is None:
        raise ValueError("a secret access key has 8 to 512 printable characters and no space in it")
    return SecretStr(secret)


Name = Annotated[
    str,
    _matching(
        r"[a-z0-9][a-z0-9_-]{0,62}",
        "a connection's name has 1 to 63 lower-case letters, digits, - and _, and begins with a letter or a digit",
    ),
]
Place = Annotated[Grant, PlainValidator(_grant), PlainSerializer(place_text, return_type=str)]
Places = Annotated[tuple[Place, ...], BeforeValidator(_several), AfterValidator(_at_least_one)]
RoleArn = Annotated[str, BeforeValidator(_stripped), AfterValidator(checked_role_arn)]
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


class _Spec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: Name
    region: Region | None = None
    """Where STS is asked and buckets are looked for first; None: the operator's."""
    requester_pays: bool = False
    expected_owner: Account | None = None
    """Every bucket must belong to this account."""


class RoleSpec(_Spec):
    """A customer's IAM role, which we assume."""

    kind: Literal["aws_role"] = "aws_role"
    role_arn: RoleArn
    external_id: ExternalId | None = None
    session_ttl_s: Annotated[int, AfterValidator(_ttl)] = TTL_MOST_S
    allow: Places

    @property
    def partition(self) -> str:
        return partition_of(self.role_arn)


class KeysSpec(_Spec):
    """A user's long-lived access key. Its secret is sealed elsewhere."""

    kind: Literal["aws_keys"] = "aws_keys"
    access_key_id: Annotated[KeyId, Field(repr=False)]
    allow: Places


class NewKeysSpec(KeysSpec):
    """As it comes in, with its secret."""

    secret_access_key: Annotated[SecretStr, AfterValidator(_secret)]


class DefaultSpec(_Spec):
    """Built in: our own identity, through a bucket policy of the customer's."""

    kind: Literal["default"] = "default"
    allow: tuple[Place, ...] = ()


Spec = Annotated[DefaultSpec | RoleSpec | KeysSpec, Field(discriminator="kind")]
"""A connection as it is kept."""
NewSpec = Annotated[DefaultSpec | RoleSpec | NewKeysSpec, Field(discriminator="kind")]
"""A connection as somebody asks for it."""
_KEPT: Final[TypeAdapter[DefaultSpec | RoleSpec | KeysSpec]] = TypeAdapter(Spec)
_NEW: Final[TypeAdapter[DefaultSpec | RoleSpec | NewKeysSpec]] = TypeAdapter(NewSpec)


def parse_spec(fields: Mapping[str, Any]) -> DefaultSpec | RoleSpec | NewKeysSpec:
    """A new connection from plain fields: `kind`, `name`, `allow` and what its kind needs.

    Raises ConnectionSetupError that says what is wrong with each field, and never what a field holds.
    """
    try:
        return _NEW.validate_python(dict(fields))
    except ValidationError as error:
        raise refusal(_problems(error)) from None


def parse_kept(fields: Mapping[str, Any]) -> DefaultSpec | RoleSpec | KeysSpec:
    """A connection from what the registry keeps of it. Raises ConnectionSetupError like `parse_spec`."""
    try:
        return _KEPT.validate_python(dict(fields))
    except ValidationError as error:
        raise refusal(_problems(error)) from None


def refusal(problems: Sequence[tuple[str, str]]) -> ConnectionSetupError:
    """An error that says all of these at once: fields, and what is wrong with each. It carries them as `problems`."""
    told = "; ".join(f"{name}: {what}" for name, what in problems)
    return ConnectionSetupError(f"the connection can't be used: {told}", problems=tuple(problems))


def _problems(error: ValidationError) -> list[tuple[str, str]]:
    found = []
    for item in error.errors(include_input=False, include_url=False, include_context=False):
        message = item["msg"].removeprefix("Value error, ")
        where = [str(part) for part in item["loc"] if part not in ("default", "aws_role", "aws_keys")]
        if item["type"] == "extra_forbidden":
            message = "this kind of connection has no such field"
        elif item["type"] in ("union_tag_invalid", "union_tag_not_found"):
            where, message = ["kind"], "is aws_role or aws_keys"
        elif item["type"] == "missing":
            message = "is needed"
        found.append((".".join(where), message))
    return found


def connection_id(*, workspace: str, name: str, kind: str) -> str:
    """32 hex digits, the same for the same three at any time: assets find their connection again after a removal."""
    return hashlib.sha256(json.dumps([workspace, name, kind]).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    """An opened access key. Its repr shows no secret."""

    access_key_id: str
    secret_access_key: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A connection as the registry gives it. It holds no secret."""

    id: str
    workspace: str
    spec: DefaultSpec | RoleSpec | KeysSpec
    version: int
    """Rises with every change; sessions of an older version are not used for a newer one."""
    created_at: int
    """Unix time in milliseconds, like `updated_at`; 0 for the built-in connection."""
    updated_at: int
    anywhere: bool = False
    """Permits any bucket: only the built-in connection, where the operator says so."""
    notices: tuple[str, ...] = ()
    """What whoever created it should know once."""

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def kind(self) -> Literal["default", "aws_role", "aws_keys"]:
        return self.spec.kind

    @property
    def grants(self) -> tuple[Grant, ...]:
        return self.spec.allow

    def permits(self, bucket: str, prefix: bytes) -> None:
        """Pass if everything below `prefix` (or the key `prefix`) of `bucket` lies in one of the places; else raise OutOfScopeError."""
        if self.anywhere or any(
            grant.bucket == bucket and prefix.startswith(grant.prefix.encode()) for grant in self.grants
        ):
            return
        asked = f"s3://{bucket}/{prefix.decode(errors='backslashreplace')}"
        raise OutOfScopeError(f"connection {self.name!r} does not permit {asked}: {self._what_it_permits()}")

    def _what_it_permits(self) -> str:
        if not self.grants:
            return (
                f"the built-in connection serves the workspace 'main' only, unless the operator lists buckets in "
                f"LONGSHORE_DEFAULT_BUCKETS; create a connection for this bucket in workspace {self.workspace!r}"
            )
        shown = ", ".join(place_text(grant) for grant in self.grants[:_SHOWN_PLACES])
        more = f" and {len(self.grants) - _SHOWN_PLACES} more" if len(self.grants) > _SHOWN_PLACES else ""
        remedy = (
            "ask the operator to add the bucket to LONGSHORE_DEFAULT_BUCKETS, or create a connection for it"
            if self.kind == "default"
            else f"add the place to {self.name!r} if the customer permits it, or use another connection"
        )
        return f"it permits {shown}{more}; {remedy}"

    def warnings(self) -> list[str]:
        """What is allowed but not wise, a sentence each."""
        found = list(self.notices)
        if isinstance(self.spec, RoleSpec) and self.spec.external_id is None:
            found.append(
                f"connection {self.name!r} has no external ID: whoever else may use this service and knows the role's ARN could "
                "reach its buckets through us; set one, and require it in the role's trust policy"
            )
        if isinstance(self.spec, KeysSpec):
            found.append(
                f"connection {self.name!r} uses a long-lived access key, which can't be narrowed to its places and does not end "
                "by itself; prefer a role"
            )
        return found

    def describe(self) -> dict[str, Any]:
        """Plain data for people and programs; an access key ID shows its last four characters."""
        described = {"id": self.id, "workspace": self.workspace} | self.spec.model_dump(mode="json")
        if "access_key_id" in described:
            described["access_key_id"] = f"…{described['access_key_id'][-4:]}"
        return described | {"version": self.version, "created_at": self.created_at, "updated_at": self.updated_at}
