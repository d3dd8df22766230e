"""Settings, read once from the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableError

from config.advice import copy_target, endpoint, matching, no_such, one_of, strays
from config.errors import SettingsError
from config.limits import Limits
from config.networks import Networks
from config.origins import Origins

_NAME: Final = AfterValidator(
    matching(
        r"[a-z0-9][a-z0-9_-]{0,62}",
        "must have 1 to 63 lower-case letters, digits, - and _, and begin with a letter or a digit",
    )
)
_ROLE_ARN: Final = matching(
    r"arn:aws[a-z-]*:(?:iam::\d{12}:(?:role|user)/[\x21-\x7e]{1,512}|sts::\d{12}:federated-user/[\w+=,.@-]+)",
    "must be the ARN of a role, as arn:aws:iam::123456789012:role/Name",
)
_QUEUE_NAME: Final = AfterValidator(matching(r"[\w:.-]{1,100}", "must have 1 to 100 letters, digits, _, :, . and -"))
_OTHERS: Final = ("LONGSHORE_SECRET_ACCESS_KEY", "LONGSHORE_PASSWORD", "LONGSHORE_TOKEN", "LONGSHORE_LIMITS")
"""Variables of ours that are no settings: `longshore connections` reads a secret from the first three."""


class Settings(BaseSettings):
    """What the operator sets, by environment variable. AWS's own names are honoured; ours begin with LONGSHORE_."""

    model_config = SettingsConfigDict(
        env_prefix="LONGSHORE_",
        env_nested_delimiter="__",
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",
        populate_by_name=True,
        hide_input_in_errors=True,
    )

    redis_url: str = Field("redis://127.0.0.1:6379/0", repr=False, description="the bell: where rings are queued")
    catalog_url: str = Field(
        "sqlite:///longshore.db", repr=False, description="the truth: where runs and assets are kept"
    )
    secret_keys: SecretStr | None = Field(
        None,
        description="keys that seal stored secrets: id:base64 of 32 bytes, comma-separated; the first one seals, all open",
    )
    workspace: Annotated[str, _NAME] = Field("main", description="whose connections, runs and assets these are")
    queue: Annotated[str, _QUEUE_NAME] = Field(
        "longshore",
        description="the arq queue, which belongs to the workspace; the default is longshore:WORKSPACE for any but main",
    )
    default_connection: Annotated[str, _NAME] = Field(
        "default", description="the reserved name of the built-in connection"
    )
    default_buckets: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="buckets that the built-in connection may read from any workspace; empty: any bucket, workspace main only",
    )
    reader_role: Annotated[str, AfterValidator(_ROLE_ARN)] | None = Field(
        None,
        description="ARN of a role of ours that the built-in connection assumes, with the workspace in a session tag that bucket "
        "policies ask for: it then serves every workspace",
    )
    principal_arn: Annotated[str, AfterValidator(_ROLE_ARN)] | None = Field(
        None,
        description="the role that customers' policies name; found by asking STS, which does not tell a role's path",
    )
    external_ids: Annotated[Literal["issued", "any"], BeforeValidator(one_of("issued", "any"))] = Field(
        "issued", description="issued: external IDs are ours; any: a customer's own is possible, too"
    )
    open_roles: Annotated[
        Literal["refuse", "declared", "allow"], BeforeValidator(one_of("refuse", "declared", "allow"))
    ] = Field(
        "declared",
        description="roles that can be assumed without the right external ID: refuse all; use those declared to have none, in "
        "workspace main only; allow all, unchecked",
    )
    organisation_workspaces: Annotated[tuple[str, ...], NoDecode] = Field(
        ("main",), description="workspaces that may give connections and roles to the organisation, comma-separated"
    )
    endpoints: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="S3-compatible endpoints that connections may name, comma-separated: https://host, https://*.host, any; "
        "other ports than 443 are named, as in https://host:9000",
    )
    public_https: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="HTTPS servers that jobs may read without a connection, and without credentials, comma-separated: https://host, "
        "https://*.host, any; other ports than 443 are named, as in https://host:8443; empty: none",
    )
    networks: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="networks (CIDR) that tenants' addresses may lie in, besides public ones; comma-separated"
    )
    copy_targets: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="places of yours that jobs may copy objects into, comma-separated: s3://bucket/prefix/; empty: none",
    )
    secret_references: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="what references to secrets may begin with: env://ACME_, file:///run/secrets/, awssm://longshore/; empty: none",
    )
    metrics_host: str = Field("127.0.0.1", description="where metrics and health are served")
    metrics_port: int = Field(9090, ge=0, le=65535, description="0 takes any free port")
    log_level: Annotated[str, AfterValidator(one_of("DEBUG", "INFO", "WARNING", "ERROR"))] = Field(
        "INFO", description="how much is logged: DEBUG, INFO, WARNING or ERROR"
    )
    log_format: Annotated[str, AfterValidator(one_of("auto", "json", "console"))] = Field(
        "auto", description="auto: console on a terminal, else JSON"
    )
    transport: Annotated[Literal["lean", "aiohttp"], BeforeValidator(one_of("lean", "aiohttp"))] = Field(
        "lean",
        description="what speaks HTTP to the storage: lean makes more than twice the requests, aiohttp is the fallback",
    )
    limits: Limits = Field(default_factory=Limits, description="LONGSHORE_LIMITS__NAME sets one")

    aws_region: str | None = Field(
        None,
        validation_alias=AliasChoices("AWS_REGION", "AWS_DEFAULT_REGION"),
        description="where STS is asked, and where a bucket is looked for first",
    )
    s3_endpoint: Annotated[str | None, AfterValidator(endpoint)] = Field(
        None,
        validation_alias=AliasChoices("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
        description="S3 elsewhere than AWS",
    )
    sts_endpoint: Annotated[str | None, AfterValidator(endpoint)] = Field(
        None,
        validation_alias=AliasChoices("AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"),
        description="STS elsewhere than AWS",
    )
    secretsmanager_endpoint: Annotated[str | None, AfterValidator(endpoint)] = Field(
        None,
        validation_alias=AliasChoices("AWS_ENDPOINT_URL_SECRETS_MANAGER", "AWS_ENDPOINT_URL"),
        description="Secrets Manager elsewhere than AWS",
    )

    @model_validator(mode="before")
    @classmethod
    def _queue_of_its_own(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Workspaces may share a Redis, and must not take each other's jobs."""
        workspace = values.get("workspace", "main")
        return values if workspace == "main" else {"queue": f"longshore:{workspace}", **values}

    @field_validator(
        *("default_buckets", "organisation_workspaces", "endpoints", "public_https", "networks", "copy_targets"),
        "secret_references",
        mode="before",
    )
    @classmethod
    def _comma_separated(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("endpoints", "public_https")
    @classmethod
    def _are_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        Origins.parse(value)
        return value

    @field_validator("public_https")
    @classmethod
    def _are_encrypted(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for number, one in enumerate(value, 1):
            if one.lower().startswith("http://"):
                raise ValueError(
                    f"entry {number} is no HTTPS server: what plain http brings can be changed on its way; write https://host"
                )
        return value

    @field_validator("copy_targets")
    @classmethod
    def _are_folders(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(copy_target(one) for one in value)

    @field_validator("networks")
    @classmethod
    def _are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        Networks.parse(value)
        return value

    @property
    def origins(self) -> Origins:
        """Those of `endpoints`."""
        return Origins.parse(self.endpoints)

    @property
    def public_origins(self) -> Origins:
        """Those of `public_https`."""
        return Origins.parse(self.public_https)

    @property
    def opened(self) -> Networks:
        """Public addresses and those of `networks`."""
        return Networks.parse(self.networks)

    @property
    def region(self) -> str:
        return self.aws_region or "us-east-1"

    @classmethod
    def load(cls) -> Self:
        """Read the environment. Raises SettingsError that names each variable and what is wrong with it, never its value."""
        try:
            return cls()
        except UnreadableError:  # it tells neither more than that, nor which variable by its name
            raise SettingsError(
                "settings can't be used: LONGSHORE_LIMITS is no JSON; set one limit at a time, as LONGSHORE_LIMITS__NAME"
            ) from None
        except ValidationError as error:
            problems = dict.fromkeys(
                cls._problem(item["loc"], item["type"], item["msg"])
                for item in error.errors(include_input=False, include_url=False)
            )
            raise SettingsError(f"settings can't be used: {'; '.join(problems)}") from None

    @classmethod
    def strays(cls, environment: Mapping[str, str] = os.environ) -> list[str]:
        """A sentence for each variable that looks like one of ours and that nothing reads, for whoever misspelt it."""
        read = {f"LONGSHORE_{name}".upper() for name in cls.model_fields} | set(_OTHERS)
        unread = {name: value for name, value in environment.items() if name.upper() not in read}
        return strays(unread, known=cls._variables())

    @classmethod
    def _problem(cls, loc: tuple[int | str, ...], kind: str, said: str) -> str:
        variable = cls._variable(loc)
        if kind == "extra_forbidden":
            return f"{variable}: {no_such(variable, known=cls._variables())}"
        return f"{variable}: {said.removeprefix('Value error, ')}"

    @classmethod
    def _variables(cls) -> set[str]:
        """Those that the documents name."""
        ours = {f"LONGSHORE_{name}".upper() for name, info in cls.model_fields.items() if info.validation_alias is None}
        return ours | {f"LONGSHORE_LIMITS__{name}".upper() for name in Limits.model_fields}

    @classmethod
    def _variable(cls, loc: tuple[int | str, ...]) -> str:
        """The variable behind pydantic's location, which names the first alias whichever was set."""
        first, *rest = (str(part) for part in loc)
        for info in cls.model_fields.values():
            if isinstance(info.validation_alias, AliasChoices) and info.validation_alias.choices[0] == first:
                return next((str(one) for one in info.validation_alias.choices if os.environ.get(str(one))), first)
        return "__".join([f"LONGSHORE_{first}", *rest]).upper()
