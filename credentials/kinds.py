"""The kinds of connection: what each holds, and what must stand together. No secret is ever part of one that is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from config.errors import ConnectionSetupError
from config.origins import WebAddress
from credentials.arns import partition_of
from credentials.fields import (
    TTL_MOST_S,
    AccessKey,
    Account,
    ExternalId,
    HttpsPlaces,
    HttpsUrl,
    KeyArn,
    KeyArns,
    KeyId,
    Name,
    Origin,
    Password,
    Place,
    Places,
    Region,
    RoleArn,
    SecretFrom,
    SessionTtl,
    TestObject,
    Token,
    Username,
)

S = TypeVar("S")
Audience = Literal["workspace", "organisation"]
"""Who may use it: the workspace that made it, or every workspace of the catalog."""
Scope = Literal["s3", "bedrock"]
Encryption = Literal["none", "sse-s3", "sse-kms"]
Kind = Literal["default", "aws_role", "aws_keys", "https_basic", "https_bearer"]
KINDS: Final[tuple[Kind, ...]] = ("default", "aws_role", "aws_keys", "https_basic", "https_bearer")


class _Spec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: Name
    audience: Audience = "workspace"


class _BucketSpec(_Spec):
    """What connections to buckets share."""

    region: Region | None = None
    """Where STS is asked and buckets are looked for first; None: the operator's."""
    requester_pays: bool = False
    expected_owner: Account | None = None
    """Every bucket must belong to this account."""
    allow: Places = ()
    versions: bool = False
    """Object versions are wanted: policies ask for them, and the test tries one."""
    tags: bool = False
    """Object tags are wanted."""
    kms_keys: KeyArns = ()
    """The keys that objects are encrypted under."""
    test_location: TestObject | None = None
    """What the test reads: `s3://bucket/key`, or the first object of `s3://bucket/prefix/`."""
    output: Place | None = None
    """Where results may be written; nowhere else, and nothing is read there unless a place says so."""
    sse: Encryption = "none"
    """How what is written is encrypted."""
    kms_key_arn: KeyArn | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.sse == "sse-kms" and self.kms_key_arn is None:
            raise ValueError("kms_key_arn: is needed with sse-kms: the ARN of the key that output is encrypted under")
        if self.sse != "sse-kms" and self.kms_key_arn is not None:
            raise ValueError(f"kms_key_arn: a key is for sse-kms only, and sse is {self.sse}")
        if self.sse != "none" and self.output is None:
            raise ValueError("sse: encryption is of output, and there is none: name its place by output")
        if self.test_location is not None and self.allow and not self._permits(self.test_location):
            raise ValueError("test_location: the test location lies outside of the places that are allowed")
        return self

    def _permits(self, locator: str) -> bool:
        return any(locator.startswith(f"s3://{place.bucket}/{place.prefix}") for place in self.allow)


class DefaultSpec(_BucketSpec):
    """Built in: our own identity, through a bucket policy of the customer's."""

    kind: Literal["default"] = "default"


class RoleSpec(_BucketSpec):
    """A customer's IAM role, which we assume."""

    kind: Literal["aws_role"] = "aws_role"
    scope: Scope = "s3"
    role: Name | None = None
    """The kept role that the two below are taken from."""
    role_arn: RoleArn
    external_id: ExternalId | None = None
    session_ttl_s: SessionTtl = TTL_MOST_S
    session_tags: bool = False
    """Sessions carry tags and a source identity; the trust policy then has a second statement."""

    @property
    def partition(self) -> str:
        return partition_of(self.role_arn)

    @model_validator(mode="after")
    def _places_are_for_buckets(self) -> Self:
        if self.scope == "bedrock" and (self.allow or self.test_location or self.output):
            raise ValueError("allow: places, test locations and output are for the scope s3; bedrock has no buckets")
        if self.scope == "s3" and not self.allow:
            raise ValueError(_NO_PLACE)
        return self


class KeysSpec(_BucketSpec):
    """A user's long-lived access key. Its secret is sealed, or lives elsewhere."""

    kind: Literal["aws_keys"] = "aws_keys"
    access_key_id: Annotated[KeyId, Field(repr=False)]
    secret_from: SecretFrom | None = None
    """A reference to the secret, if it is not kept here."""
    endpoint: Origin | None = None
    """S3 elsewhere than AWS, where the operator allows it."""
    path_style: bool | None = None
    """The bucket's name in the path and not in the host. None: as the endpoint needs it."""

    @model_validator(mode="after")
    def _permits_something(self) -> Self:
        if not self.allow:
            raise ValueError(_NO_PLACE)
        if self.path_style is not None and self.endpoint is None:
            raise ValueError(
                "path_style: where a bucket's name goes can be said for an endpoint of its own only, and none is given"
            )
        return self


class _HttpsSpec(_Spec):
    """What connections to HTTPS servers share. Their secret is sealed, or lives elsewhere."""

    allow: HttpsPlaces
    test_location: HttpsUrl | None = None
    secret_from: SecretFrom | None = None

    @model_validator(mode="after")
    def _one_server(self) -> Self:
        origins = {place.split("/", 3)[2] for place in self.allow}
        if len(origins) != 1:
            raise ValueError("allow: credentials belong to one server: make one connection for each")
        if self.test_location is not None and not self.test_location.startswith(self.allow):
            raise ValueError("test_location: the test location lies outside of the places that are allowed")
        return self

    def follows(self, address: WebAddress) -> bool:
        """Whether a redirect may lead there: on its own server to its places alone; no other one is shown its credentials."""
        own = self.allow[0].startswith(f"{address.origin}/")
        return not own or f"{address.origin}{address.path}".startswith(self.allow)


class BasicSpec(_HttpsSpec):
    """An HTTPS server that asks for a user and a password."""

    kind: Literal["https_basic"] = "https_basic"
    username: Username


class BearerSpec(_HttpsSpec):
    """An HTTPS server that asks for a token."""

    kind: Literal["https_bearer"] = "https_bearer"


class NewKeysSpec(KeysSpec):
    """As it comes in, with its secret."""

    secret_access_key: AccessKey


class NewBasicSpec(BasicSpec):
    """As it comes in, with its password."""

    password: Password


class NewBearerSpec(BearerSpec):
    """As it comes in, with its token."""

    token: Token


KeptSpec = DefaultSpec | RoleSpec | KeysSpec | BasicSpec | BearerSpec
BucketSpec = DefaultSpec | RoleSpec | KeysSpec
SecretSpec = KeysSpec | BasicSpec | BearerSpec
"""Those that have a secret."""
SealedSpec = NewKeysSpec | NewBasicSpec | NewBearerSpec
"""Those that bring one."""
SECRET_FIELDS: Final[Mapping[str, str]] = {
    "aws_keys": "secret_access_key",
    "https_basic": "password",
    "https_bearer": "token",
}
"""By kind, the field that brings its secret."""


def servers_of(spec: KeptSpec | SealedSpec) -> frozenset[str]:
    """Where its secret, or what that signs, may be sent: other servers are another access."""
    if isinstance(spec, BasicSpec | BearerSpec):
        return frozenset("/".join(place.split("/", 3)[:3]) for place in spec.allow)
    return frozenset(filter(None, [spec.endpoint])) if isinstance(spec, KeysSpec) else frozenset()


def bound_to(workspace: str, kept_id: str, kind: str) -> tuple[str, str, str]:
    """What a sealed secret belongs to: the workspace that owns its connection, its row, and the field that brought it."""
    return workspace, kept_id, SECRET_FIELDS[kind]


_KEPT: Final[TypeAdapter[KeptSpec]] = TypeAdapter(Annotated[KeptSpec, Field(discriminator="kind")])
_NEW: Final[TypeAdapter[DefaultSpec | RoleSpec | SealedSpec]] = TypeAdapter(
    Annotated[DefaultSpec | RoleSpec | SealedSpec, Field(discriminator="kind")]
)
_NO_PLACE: Final = "allow: name at least one place that the connection permits: s3://bucket or s3://bucket/prefix/"


def parse_spec(fields: Mapping[str, Any]) -> KeptSpec | SealedSpec:
    """A new connection from plain fields: `kind`, `name`, `allow` and what its kind needs; its secret, or `secret_from` in its place.

    Raises ConnectionSetupError that says what is wrong with each field, and never what a field holds.
    """
    if fields.get("secret_from") is None:
        return _parsed(_NEW.validate_python, fields)
    if SECRET_FIELDS.get(str(fields.get("kind"))) in fields:
        raise refusal([("secret_from", "a secret is kept here or elsewhere: give one of the two")])
    return _parsed(_KEPT.validate_python, fields)


def parse_kept(fields: Mapping[str, Any]) -> KeptSpec:
    """A connection from what the registry keeps of it. Raises ConnectionSetupError like `parse_spec`."""
    return _parsed(_KEPT.validate_python, fields)


def _parsed(validate: Callable[[object], S], fields: Mapping[str, Any]) -> S:
    try:
        return validate(dict(fields))
    except ValidationError as error:
        problems = problems_of(error)
        placeless = fields.get("kind") == "aws_role" and fields.get("scope", "s3") == "s3" and not fields.get("allow")
        if placeless and not any(name == "allow" for name, _ in problems):
            problems.append(("allow", _NO_PLACE.removeprefix("allow: ")))  # rules about several fields come last
        raise refusal(problems) from None


def refusal(problems: Sequence[tuple[str, str]], *, what: str = "connection") -> ConnectionSetupError:
    """An error that says all of these at once: fields, and what is wrong with each. It carries them as `problems`."""
    told = "; ".join(f"{name}: {what}" for name, what in problems)
    return ConnectionSetupError(f"the {what} can't be used: {told}", problems=tuple(problems))


def problems_of(error: ValidationError) -> list[tuple[str, str]]:
    """Each field and what is wrong with it, never what it holds."""
    found = []
    for item in error.errors(include_input=False, include_url=False, include_context=False):
        message = item["msg"].removeprefix("Value error, ")
        where = [str(part) for part in item["loc"] if part not in KINDS]
        if not where and ": " in message:  # a rule about several fields names the one to mend
            field, _, message = message.partition(": ")
            where = [field]
        if item["type"] == "extra_forbidden":
            message = "this kind of connection has no such field"
        elif item["type"] in ("union_tag_invalid", "union_tag_not_found"):
            where, message = ["kind"], f"a kind is {', '.join(KINDS[1:-1])} or {KINDS[-1]}"
        elif item["type"] == "missing":
            message = "is needed"
        elif item["type"] == "literal_error":
            message = f"is one of {item['msg'].removeprefix('Input should be ')}".replace("'", "")
        found.append((".".join(where), message))
    return found
