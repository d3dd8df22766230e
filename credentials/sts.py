"""Hides AWS's Security Token Service: one role becomes one session, and its errors become ours."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from email.utils import parsedate_to_datetime
from typing import Any, Self

import aiohttp
from aiobotocore.config import AioConfig
from aiobotocore.credentials import AioCredentials
from aiobotocore.session import AioSession
from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from config.errors import CredentialError, IdentityError, RoleDeniedError, SessionRefusedError, StsUnavailableError
from config.limits import Limits
from credentials.assume import Assumed, AssumeRole, Identity, Sts
from credentials.session import Session
from credentials.staying import StayingSession

__all__ = ["AssumeRole", "Assumed", "AwsSts", "Identity", "Sts"]

_KINDS: dict[type[CredentialError], str] = {
    RoleDeniedError: "AccessDenied IDPRejectedClaim NoSuchEntity",
    SessionRefusedError: "MalformedPolicyDocument PackedPolicyTooLarge RegionDisabled ValidationError InvalidParameterValue "
    "MissingParameter",
    IdentityError: "AuthFailure ExpiredToken IncompleteSignature InvalidAccessKeyId InvalidClientTokenId "
    "InvalidIdentityToken MissingAuthenticationToken NotAuthorized OptInRequired SignatureDoesNotMatch UnrecognizedClient",
    StsUnavailableError: "InternalError InternalFailure RequestExpired RequestLimitExceeded RequestThrottled RequestTimeout "
    "ServiceUnavailable SlowDown Throttling TooManyRequests",
}
_CODES = {code: kind for kind, codes in _KINDS.items() for code in codes.split()}
"""By STS's code without the suffix "Exception". What is not here goes by its status: 429 and 5xx are transient."""

_CLASSES: tuple[tuple[tuple[type[BaseException], ...], type[CredentialError]], ...] = (
    ((boto.ParamValidationError, boto.ValidationError), SessionRefusedError),
    (
        (boto.HTTPClientError, boto.ConnectionError, aiohttp.ClientError, OSError, ResponseParserError),
        StsUnavailableError,
    ),
    ((boto.BotoCoreError,), IdentityError),
)
"""What goes wrong without an answer from STS, first match: the rest of botocore's errors are those of the credential chain."""

_WHY: dict[type[CredentialError], str] = {
    RoleDeniedError: "it does not exist, or its trust policy does not name us or asks for another external ID, or our own "
    "policy lacks sts:AssumeRole on it: compare the role's trust policy with the one in docs/connections.md (Trust policy)",
    SessionRefusedError: "correct the connection's role, external ID, buckets or region",
    IdentityError: "our own AWS credentials are expired or refused, or our clock is wrong: `longshore whoami` asks as whom we "
    "are known",
    StsUnavailableError: "STS is out of reach, failing or throttling: if it lasts, look at the network, AWS_REGION and "
    "AWS_ENDPOINT_URL_STS",
}

_SKEWED = re.compile(r"Signature (?:expired|not yet current)")
"""STS has no code of its own for clocks that differ, and S3's is transient."""
_NO_KEYS = (
    "no AWS credentials of our own were found: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run where an "
    "instance role, a container or a web identity provides them"
)


class AwsSts:
    """STS through its regional endpoints, signed by our own identity from AWS's default credential chain.

    One client per region is made at first use and kept until `aclose`, as far as `sts_clients` go. `endpoint` replaces all of them.
    """

    def __init__(self, *, region: str, endpoint: str | None = None, limits: Limits) -> None:
        self._region = region
        self._endpoint = endpoint
        self._limits = limits
        self._clients: dict[str, Any] = {}
        self._making = asyncio.Lock()
        self._open = AsyncExitStack()
        self._chain = _session()
        self._signing = _session()
        self._signing.register_component("credential_provider", _Ours(self._own_keys))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close every client; a later call makes new ones."""
        self._clients.clear()
        await self._open.aclose()

    async def assume(self, request: AssumeRole) -> Assumed:
        """Ask for one session; `sts_attempts` attempts inside. A role that allows no more than an hour is asked for an hour.

        Raises RoleDeniedError, SessionRefusedError, IdentityError or StsUnavailableError.
        """
        try:
            return await self._assume(request, request.duration_s)
        except SessionRefusedError as error:
            if request.duration_s <= 3600 or not re.search(r"MaxSessionDuration|role chaining", error.message):
                raise
        return await self._assume(request, 3600)

    async def identity(self) -> Identity:
        """Who we are. Raises IdentityError or StsUnavailableError."""
        async with self._asking("to tell who we are", hide=()), self._client(self._region) as client:
            return await _caller(client)

    async def identity_of(self, session: Session, *, region: str) -> Identity:
        """Whose somebody else's access key is. Raises IdentityError or StsUnavailableError."""
        keys = {"aws_access_key_id": session.access_key_id, "aws_secret_access_key": session.secret_access_key}
        async with (
            self._asking("whose an access key is", hide=()),
            _session().create_client(
                "sts", region_name=region, endpoint_url=self._endpoint, config=_config(self._limits), **keys
            ) as client,
        ):
            return await _caller(client)

    async def own_session(self, *, fresh: bool = False) -> Session:
        """Our own credentials, as AWS's default chain has them now. `fresh` looks through the chain anew.

        Raises IdentityError or StsUnavailableError.
        """
        if fresh:
            self._chain = _session()
        async with self._asking("for our own credentials", hide=()):
            frozen = await self._own_keys()
            # botocore tells the end of a session in no other way
            ends = getattr(await self._chain.get_credentials(), "_expiry_time", None)
        return Session(
            access_key_id=frozen.access_key,
            secret_access_key=frozen.secret_key,
            token=frozen.token,
            usable_until=ends.timestamp() if ends else None,
        )

    async def _own_keys(self) -> Any:
        credentials = await self._chain.get_credentials()
        if credentials is None:
            raise boto.NoCredentialsError
        return await credentials.get_frozen_credentials()

    async def _assume(self, request: AssumeRole, duration_s: int) -> Assumed:
        optional = {
            "ExternalId": request.external_id,
            "Policy": request.policy,
            "SourceIdentity": request.source_identity,
            "Tags": [{"Key": key, "Value": value} for key, value in request.tags] or None,
        }
        async with self._asking(f"for a session of {request.role_arn}", hide=(request.external_id,)):
            async with self._client(request.region) as client:
                answer = await client.assume_role(
                    RoleArn=request.role_arn,
                    RoleSessionName=request.session_name,
                    DurationSeconds=duration_s,
                    **{name: value for name, value in optional.items() if value is not None},
                )
            return _read(answer)

    @asynccontextmanager
    async def _client(self, region: str) -> AsyncIterator[Any]:
        """One that is kept; for more regions than `sts_clients`, one that is closed after the call."""
        async with self._making:
            room = len(self._clients) < self._limits.sts_clients or region == self._region
            if region not in self._clients and room:
                self._clients[region] = await self._open.enter_async_context(self._made(region))
        if region in self._clients:
            yield self._clients[region]
            return
        async with self._made(region) as client:
            yield client

    def _made(self, region: str) -> Any:
        return self._signing.create_client(
            "sts", region_name=region, endpoint_url=self._endpoint, config=_config(self._limits)
        )

    @asynccontextmanager
    async def _asking(self, what: str, *, hide: tuple[str | None, ...]) -> AsyncIterator[None]:
        """Bound the time of one call, and turn whatever goes wrong into one of our errors."""
        limits = self._limits
        most = limits.sts_attempts * (limits.sts_connect_s + limits.sts_read_s) + limits.backoff_most_s
        try:
            async with asyncio.timeout(most):
                yield
        except (boto.ClientError, boto.BotoCoreError, aiohttp.ClientError, OSError, ResponseParserError) as error:
            ours = _translated(error, what, hide)
            if isinstance(ours, IdentityError):
                # Keys may have been rotated where botocore looks only once: in a file, or a variable.
                self._chain = _session()
            raise ours from None
        except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
            # botocore's parsers raise these on answers that no STS gives, and reading such an answer does, too.
            raise StsUnavailableError(
                f"STS was asked {what}, and its answer is none: a part of it is missing or malformed",
                code="MalformedAnswer",
            ) from error


class _Ours(AioCredentials):  # type: ignore[misc]  # aiobotocore ships no types
    """Our own credentials as they are when a request is signed, so that a client outlives them."""

    def __init__(self, keys: Callable[[], Awaitable[Any]]) -> None:
        super().__init__("", "")
        self._keys = keys

    async def load_credentials(self) -> Self:
        return self

    async def get_frozen_credentials(self) -> Any:
        return await self._keys()


def _session() -> AioSession:
    session = AioSession()
    session.set_config_variable("sts_regional_endpoints", "regional")
    return session


def _config(limits: Limits) -> AioConfig:
    return AioConfig(
        connect_timeout=limits.sts_connect_s,
        read_timeout=limits.sts_read_s,
        retries={"mode": "standard", "total_max_attempts": limits.sts_attempts},
        user_agent_extra="longshore",
        http_session_cls=StayingSession,
    )


async def _caller(client: Any) -> Identity:
    answer = await client.get_caller_identity()
    return Identity(account=answer["Account"], arn=answer["Arn"], user_id=answer["UserId"])


def _read(answer: dict[str, Any]) -> Assumed:
    """STS's answer. Raises whatever comes of a missing or malformed part: a session without an end is none."""
    given = answer["Credentials"]
    assumed = Assumed(
        access_key_id=given["AccessKeyId"],
        secret_access_key=given["SecretAccessKey"],
        token=given["SessionToken"],
        expires_at=given["Expiration"].timestamp(),
        server_time=_date(answer),
    )
    if not (assumed.access_key_id and assumed.secret_access_key and assumed.token):
        raise ValueError("a part of the session is empty")
    return assumed


def _date(answer: dict[str, Any]) -> float | None:
    header = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    try:
        return parsedate_to_datetime(header).timestamp() if header else None
    except ValueError:
        return None


def _translated(error: BaseException, what: str, hide: tuple[str | None, ...]) -> CredentialError:
    """One of our errors for one of botocore's. Only a refusal of the request repeats STS's words: those about signatures
    may hold our own session token.
    """
    if isinstance(error, boto.NoCredentialsError | boto.ProfileNotFound | boto.PartialCredentialsError):
        return IdentityError(_without_keys(error), code=type(error).__name__)
    said = ""
    if isinstance(error, boto.ClientError):
        code = str(error.response.get("Error", {}).get("Code") or "Unknown")
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0)
        kind = _CODES.get(code.removesuffix("Exception")) or (
            StsUnavailableError if status >= 500 or status in {0, 429} else SessionRefusedError
        )
        if kind is IdentityError and _SKEWED.search(str(error.response.get("Error", {}).get("Message") or "")):
            return StsUnavailableError(
                f"STS was asked {what} and answered {code}: this machine's clock and STS's differ by more than it takes; set ours by NTP",
                code="RequestTimeTooSkewed",
            )
        if kind is SessionRefusedError:
            said = str(error.response.get("Error", {}).get("Message") or "")[:300]
    else:
        code = type(error).__name__
        kind = next(ours for theirs, ours in _CLASSES if isinstance(error, theirs))
        if kind is SessionRefusedError:
            said = str(error)[:300]
    for secret in filter(None, hide):
        said = said.replace(secret, "***")
    answer = f"{code}: {said}" if said else code
    return kind(f"STS was asked {what} and answered {answer}; {_WHY[kind]}", code=code)


def _without_keys(error: boto.BotoCoreError) -> str:
    """STS was not even asked: the chain has nothing to sign with."""
    if isinstance(error, boto.ProfileNotFound):
        profile = error.kwargs["profile"]
        return f"AWS_PROFILE names the profile {profile!r}, which is in neither AWS's config file nor its credentials file: correct it"
    if isinstance(error, boto.PartialCredentialsError):
        return f"our own AWS credentials are not whole: {error.kwargs['cred_var']} is missing beside the rest; set both"
    return _NO_KEYS
