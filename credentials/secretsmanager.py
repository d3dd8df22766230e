"""Hides AWS Secrets Manager: a secret's name becomes its text, asked for by our own identity, and its errors become ours."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import aiohttp
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from config.errors import IdentityError, LongshoreError, SecretReferenceError, SecretUnavailableError
from config.limits import Limits
from credentials.session import Access, Session
from credentials.staying import StayingSession

_DENIED: Final = (
    "our own identity may not read it: it needs secretsmanager:GetSecretValue there, and kms:Decrypt on the key"
)
_WHY: Final = {
    "AccessDenied": _DENIED,
    "DecryptionFailure": _DENIED,
    "InvalidParameter": "that is no name of a secret",
    "InvalidRequest": "the secret is being deleted, or has no value yet",
    "ResourceNotFound": "there is no such secret, or it has no current value: look at its name, its account and its region",
    "Validation": "that is no name of a secret",
}
"""By the code without the suffix "Exception": what whoever made the connection, or the operator, has to mend."""
_IDENTITY: Final = frozenset(
    [
        "ExpiredToken",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidSignature",
        "MissingAuthenticationToken",
        "NotAuthorized",
        "OptInRequired",
        "SignatureDoesNotMatch",
        "UnrecognizedClient",
    ]
)
_AWAY: Final = frozenset(
    [
        "InternalFailure",
        "InternalService",
        "InternalServiceError",
        "RequestExpired",
        "RequestLimitExceeded",
        "ServiceUnavailable",
        "Throttling",
        "ThrottlingException",
        "TooManyRequests",
    ]
)
_NETWORK: Final = (
    boto.HTTPClientError,
    boto.ConnectionError,
    aiohttp.ClientError,
    OSError,
    ResponseParserError,
    LookupError,
    TypeError,
    AttributeError,
    ValueError,
)
"""Beside a network that fails: what botocore's parsers raise on answers that no AWS gives."""


class SecretsManager:
    """Asked seldom, since References keeps what it answers: each call opens a client and closes it."""

    def __init__(self, *, own: Access, region: str, endpoint: str | None, limits: Limits) -> None:
        """`region` is asked where a reference names none; `endpoint` replaces every region's."""
        self._own, self._region, self._endpoint, self._limits = own, region, endpoint, limits
        self._botocore = AioSession()

    async def read(self, name: str, *, region: str | None) -> str:
        """The current text of a secret, by name or ARN.

        Raises SecretReferenceError, SecretUnavailableError, or CredentialError if our own identity is missing or refused.
        """
        limits = self._limits
        session = await self._own.session()
        try:
            async with asyncio.timeout(limits.sts_attempts * (limits.sts_connect_s + limits.sts_read_s)):
                answer = await self._ask(session, name, region or self._region)
            text = answer.get("SecretString")
        except boto.ClientError as error:
            ours = _translated(error, name)
            if isinstance(ours, IdentityError):
                await self._own.reject(session.access_key_id)
            raise ours from None
        except (
            boto.NoRegionError,
            boto.InvalidRegionError,
            boto.ParamValidationError,
            boto.UnknownEndpointError,
        ) as error:
            raise _refusal(name, "its region, or its name, is none", code=type(error).__name__) from None
        except (*_NETWORK, boto.BotoCoreError) as error:
            raise SecretUnavailableError(
                f"Secrets Manager was asked for {name} and could not be reached, or gave an answer that is none; if it lasts, look at "
                "the network, the region and AWS_ENDPOINT_URL_SECRETS_MANAGER",
                code=type(error).__name__,
            ) from None
        if not isinstance(text, str):
            raise _refusal(name, "it holds bytes and no text; store it as text", code="Binary")
        if len(text) > limits.secret_bytes:
            raise _refusal(name, f"it is larger than {limits.secret_bytes:,} bytes", code="TooLarge")
        return text

    async def _ask(self, session: Session, name: str, region: str) -> Any:
        limits = self._limits
        async with self._botocore.create_client(
            "secretsmanager",
            region_name=region,
            endpoint_url=self._endpoint,
            aws_access_key_id=session.access_key_id,
            aws_secret_access_key=session.secret_access_key,
            aws_session_token=session.token,
            config=AioConfig(
                connect_timeout=limits.sts_connect_s,
                read_timeout=limits.sts_read_s,
                retries={"mode": "standard", "total_max_attempts": limits.sts_attempts},
                user_agent_extra="longshore",
                http_session_cls=StayingSession,
            ),
        ) as client:
            return await client.get_secret_value(SecretId=name)


def _translated(error: boto.ClientError, name: str) -> LongshoreError:
    """By its code alone: the words of a refusal may repeat what was signed."""
    code = str(error.response.get("Error", {}).get("Code") or "Unknown")
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0)
    known = code.removesuffix("Exception")
    if known in _IDENTITY:
        return IdentityError(
            f"Secrets Manager was asked for {name} and answered {code}; our own AWS credentials are expired or refused, or our clock is "
            "wrong: `longshore whoami` asks as whom we are known",
            code=code,
        )
    if known in _WHY:
        return _refusal(name, _WHY[known], code=code)
    if known in _AWAY or status >= 500 or status in {0, 429}:
        return SecretUnavailableError(
            f"Secrets Manager was asked for {name} and answered {code}; it is failing or throttling, so this is tried again",
            code=code,
        )
    return _refusal(name, f"Secrets Manager answered {code}", code=code)


def _refusal(name: str, why: str, *, code: str) -> SecretReferenceError:
    return SecretReferenceError(f"the secret awssm://{name} can't be read: {why}", code=code)
