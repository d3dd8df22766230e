"""Named, scoped access to somebody's storage, as the registry gives it: what it permits, and what is to be said of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from config.errors import OutOfScopeError
from config.origins import Origins, WebAddress, well_formed
from credentials.grants import Grant
from credentials.kinds import BasicSpec, BearerSpec, BucketSpec, KeptSpec, KeysSpec, Kind, RoleSpec
from credentials.places import place_text

_SHOWN_PLACES: Final = 5
OWNERS_ONLY: Final = (
    "role_arn",
    "external_id",
    "access_key_id",
    "username",
    "secret_from",
    "expected_owner",
    "kms_keys",
    "kms_key_arn",
)
"""What a workspace does not see of another's connection, though it may use it."""


def connection_id(*, workspace: str, name: str, kind: str) -> str:
    """32 hex digits, the same for the same three at any time: assets find their connection again after a removal."""
    return _digest(workspace, name, kind)


def shared_id(*, workspace: str, kept_id: str) -> str:
    """The ID under which a workspace uses another's connection: each has its own records."""
    return _digest(workspace, "shared", kept_id)


def _digest(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    """An opened access key. Its repr shows no secret."""

    access_key_id: str
    secret_access_key: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A connection as one workspace uses it. It holds no secret."""

    id: str
    """By which the workspace's runs and assets know it."""
    workspace: str
    """Who uses it."""
    owner: str
    """The workspace whose it is; another one's only where its audience is the organisation."""
    kept_id: str
    """Its row's ID, to which its secret is bound."""
    spec: KeptSpec
    version: int
    """Rises with every change; sessions of an older version are not used for a newer one."""
    created_at: int
    """Unix time in milliseconds, like those below; 0 for the built-in connection."""
    updated_at: int
    trust: str | None = None
    """What was seen of its role: `safe`, `open` to whoever knows its ARN, or None: nobody has looked yet."""
    trust_at: int | None = None
    """When that was seen."""
    role_owner: str | None = None
    """The workspace whose kept role it uses, if it uses one."""
    tested: dict[str, Any] | None = None
    """The last connection test's result, in short."""
    anywhere: bool = False
    """Permits any bucket: only the built-in connection, where the operator says so or a bucket's own policy decides."""
    public: Origins = field(default_factory=Origins)
    """HTTPS servers that it permits, without credentials: only the built-in connection, where the operator lists them."""
    notices: tuple[str, ...] = ()
    """What whoever created it should know once."""

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def kind(self) -> Kind:
        return self.spec.kind

    @property
    def own(self) -> bool:
        return self.owner == self.workspace

    @property
    def open_to_view(self) -> bool:
        """Whether the workspace may see all of it: neither the connection nor its role is another one's."""
        return self.own and self.role_owner in (None, self.workspace)

    @property
    def grants(self) -> tuple[Grant, ...]:
        """The places in buckets that it permits; none for what is no storage of buckets."""
        return self.spec.allow if isinstance(self.spec, BucketSpec) else ()

    @property
    def bucket_spec(self) -> BucketSpec:
        """What it says of buckets. Raises OutOfScopeError if it reads none."""
        if not isinstance(self.spec, BucketSpec) or (isinstance(self.spec, RoleSpec) and self.spec.scope != "s3"):
            what = "HTTPS servers" if not isinstance(self.spec, BucketSpec) else "Bedrock"
            raise OutOfScopeError(
                f"connection {self.name!r} is for {what}, and reads no buckets; name a connection of kind aws_role with the scope "
                "s3, or of kind aws_keys"
            )
        return self.spec

    def permits(self, bucket: str, prefix: bytes) -> None:
        """Pass if everything below `prefix` (or the key `prefix`) of `bucket` lies in one of the places; else raise OutOfScopeError.

        `bucket` may be the origin of an HTTPS server; `prefix` is a path then, with its query.
        """
        if self.reach(bucket, prefix) is not None:
            return
        if is_web(bucket):
            raise OutOfScopeError(
                f"connection {self.name!r} does not permit {asked_for(bucket, prefix)}: {self._what_of_the_web()}{self.other_port(bucket)}"
            )
        asked = asked_for(bucket, prefix)
        raise OutOfScopeError(f"connection {self.name!r} does not permit {asked}: {self._what_it_permits()}")

    def permits_all(self, bucket: str, keys: Sequence[bytes]) -> None:
        """As `permits`, for many keys, of which each is permitted or not."""
        if isinstance(self.spec, BasicSpec | BearerSpec) or is_web(bucket) or self.anywhere:
            places: tuple[bytes, ...] = ()
        else:
            places = tuple(grant.prefix.encode() for grant in self.grants if grant.bucket == bucket)
        for key in keys:
            if not key.startswith(places):
                self.permits(bucket, key)

    def reach(self, bucket: str, prefix: bytes) -> int | None:
        """How narrowly that is permitted: the bytes of the place's own prefix, -1 if it permits anything, None if it does not.

        Raises OutOfScopeError if it reads no buckets, or no HTTPS servers, at all.
        """
        if is_web(bucket):
            return self._reach_of_web(bucket, prefix)
        fitting = [
            len(grant.prefix.encode())
            for grant in self.bucket_spec.allow
            if grant.bucket == bucket and prefix.startswith(grant.prefix.encode())
        ]
        return max(fitting, default=-1 if self.anywhere else None)

    def _reach_of_web(self, origin: str, target: bytes) -> int | None:
        if isinstance(self.spec, BasicSpec | BearerSpec):
            url = (origin.encode() + target).partition(b"?")[0]
            fitting = [len(place) - len(origin) for place in self.spec.allow if url.startswith(place.encode())]
            return max(fitting, default=None)
        if self.kind != "default":
            raise OutOfScopeError(
                f"connection {self.name!r} is for buckets, and reads no HTTPS servers; name a connection of kind https_basic or "
                "https_bearer"
            )
        return -1 if self.public.permits(well_formed(origin)) else None

    def other_port(self, origin: str) -> str:
        """What to add where the operator lists a server's host, and not its port; empty if that is not why."""
        asked = well_formed(origin)
        at_any_port = Origins(tuple((scheme, host, asked.port) for scheme, host, _ in self.public.listed))
        if self.public.permits(asked) or not at_any_port.permits(asked):
            return ""
        return f" (its host is listed there with another port: {asked.origin} has to be listed with its own)"

    def follows(self, address: WebAddress) -> bool:
        """Whether what is read from an HTTPS server may be redirected there."""
        return (
            self.spec.follows(address)
            if isinstance(self.spec, BasicSpec | BearerSpec)
            else self.public.permits(address)
        )

    def _what_of_the_web(self) -> str:
        if isinstance(self.spec, BasicSpec | BearerSpec):
            shown = ", ".join(self.spec.allow[:_SHOWN_PLACES])
            return f"it permits {shown}; add the place to {self.name!r}, or use another connection"
        return (
            "the built-in connection reads the HTTPS servers that the operator lists in LONGSHORE_PUBLIC_HTTPS, without credentials; "
            "ask for it to be listed, or create a connection of kind https_basic or https_bearer for it"
        )

    def _what_it_permits(self) -> str:
        if not self.grants:
            return (
                f"the built-in connection serves the workspace 'main' only, unless the operator lists buckets in "
                f"LONGSHORE_DEFAULT_BUCKETS or sets LONGSHORE_READER_ROLE; create a connection for this bucket in workspace "
                f"{self.workspace!r}"
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
                f"reach its buckets through us; `longshore policy trust {self.name}` issues one and shows the trust policy that "
                "asks for it"
            )
        if self.trust == "open" and isinstance(self.spec, RoleSpec) and self.spec.external_id is not None:
            found.append(
                f"the role of connection {self.name!r} can be assumed without the right external ID; `longshore connections test "
                f"{self.name}` shows the trust policy that it should have"
            )
        if isinstance(self.spec, KeysSpec):
            found.append(
                f"connection {self.name!r} uses a long-lived access key, which can't be narrowed to its places and does not end "
                "by itself; prefer a role"
            )
        return found

    def describe(self) -> dict[str, Any]:
        """Plain data for people and programs; an access key ID shows its last four characters."""
        spec = self.spec.model_dump(mode="json")
        if not self.open_to_view:
            spec.pop("external_id", None)
        if not self.own:
            spec = {name: value for name, value in spec.items() if name not in OWNERS_ONLY}
        described = {"id": self.id, "workspace": self.workspace, "owner": self.owner} | spec
        if "access_key_id" in described:
            described["access_key_id"] = f"…{described['access_key_id'][-4:]}"
        if isinstance(self.spec, RoleSpec) and self.own:
            described |= {"trust": self.trust, "trust_at": self.trust_at}
        if self.tested is not None and self.own:
            described["tested"] = self.tested
        return described | {"version": self.version, "created_at": self.created_at, "updated_at": self.updated_at}


def is_web(bucket: str) -> bool:
    """Whether what stands in the place of a bucket is the origin of an HTTPS server."""
    return bucket.startswith("https://")


def asked_for(bucket: str, prefix: bytes) -> str:
    """A place, for people: without the query of an address, which may hold a signature."""
    if is_web(bucket):
        return f"{bucket}{prefix.partition(b'?')[0].decode(errors='backslashreplace')}"
    return f"s3://{bucket}/{prefix.decode(errors='backslashreplace')}"
