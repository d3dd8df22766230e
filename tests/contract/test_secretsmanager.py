"""Secrets Manager on moto, and on a server that answers whatever it likes: what is read, and what becomes of each error."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import structlog
from aiobotocore.session import AioSession
from aiohttp import web

from config.errors import IdentityError, LongshoreError, SecretReferenceError, SecretUnavailableError
from config.limits import Limits
from credentials.clock import SystemClock
from credentials.identity import OwnIdentity
from credentials.references import References
from credentials.secretsmanager import SecretsManager
from credentials.sts import AwsSts
from tests.servers import moto_server
from tests.unit.credentials.connections import CANARY, settings_of

LIMITS = Limits(sts_attempts=1, sts_read_s=30)
PATIENT = Limits(sts_attempts=2, sts_read_s=30)
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAOURSOURSOURSOURS", "AWS_SECRET_ACCESS_KEY": "ours"}


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with moto_server() as url:
        yield url


@pytest.fixture(autouse=True)
def our_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SECRETS_MANAGER"):
        monkeypatch.delenv(name, raising=False)
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)


@asynccontextmanager
async def _manager(url: str, limits: Limits = LIMITS) -> AsyncGenerator[SecretsManager]:
    async with AwsSts(region="us-east-1", endpoint=url, limits=limits) as sts:
        own = OwnIdentity(keys=sts, limits=limits, clock=SystemClock())
        yield SecretsManager(own=own, region="us-east-1", endpoint=url, limits=limits)


@asynccontextmanager
async def _client(url: str, region: str = "us-east-1") -> AsyncIterator[Any]:
    async with AioSession().create_client("secretsmanager", region_name=region, endpoint_url=url) as client:
        yield client


async def test_a_secret_is_read_by_name_by_arn_and_in_its_region(moto: str) -> None:
    async with _client(moto) as here, _client(moto, "eu-west-1") as there:
        await here.create_secret(Name="longshore/acme", SecretString=CANARY)
        made = await there.create_secret(Name="longshore/there", SecretString=json.dumps({"key": f"{CANARY}-there"}))
        await here.create_secret(Name="longshore/bytes", SecretBinary=b"bytes")
        await here.create_secret(Name="other/secret", SecretString="not for us")
    async with _manager(moto, PATIENT) as manager:
        assert await manager.read("longshore/acme", region=None) == CANARY
        assert await manager.read("longshore/acme", region="us-east-1") == CANARY
        for name in ("longshore/there", "longshore/acme-not"):
            with pytest.raises(SecretReferenceError, match="there is no such secret"):
                await manager.read(name, region=None)
        with pytest.raises(SecretReferenceError, match="holds bytes and no text"):
            await manager.read("longshore/bytes", region=None)
        settings = settings_of(secret_references=("awssm://longshore/", f"awssm://{made['ARN']}"))
        references = References(settings=settings, manager=manager, clock=SystemClock())
        assert await references.secret("awssm://longshore/acme") == CANARY
        assert await references.secret("awssm://longshore/there?region=eu-west-1#key") == f"{CANARY}-there"
        assert await references.secret(f"awssm://{made['ARN']}#key") == f"{CANARY}-there"
        with pytest.raises(SecretReferenceError, match="must begin with"):
            await references.secret("awssm://other/secret")
        async with _client(moto) as here:
            await here.put_secret_value(SecretId="longshore/acme", SecretString=f"{CANARY}-next")
        assert await references.secret("awssm://longshore/acme") == CANARY
        references.forget("awssm://longshore/acme")
        assert await references.secret("awssm://longshore/acme") == f"{CANARY}-next"


Answer = Callable[[web.Request], web.StreamResponse]


@asynccontextmanager
async def _serving(answer: Answer) -> AsyncIterator[tuple[str, list[web.Request]]]:
    asked: list[web.Request] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        asked.append(request)
        return answer(request)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}", asked
    finally:
        await runner.cleanup()


def _refused(status: int, code: str) -> Answer:
    body = {"__type": code, "message": f"{CANARY} in the words"}
    return lambda _request: web.json_response(body, status=status, content_type="application/x-amz-json-1.1")


async def _error(answer: Answer) -> LongshoreError:
    async with _serving(answer) as (url, asked), _manager(url) as manager:
        with pytest.raises(LongshoreError) as caught:
            await manager.read("longshore/acme", region=None)
        assert len(asked) == 1
    assert CANARY not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("status", "code", "kind", "said"),
    [
        (400, "ResourceNotFoundException", SecretReferenceError, "no such secret"),
        (400, "AccessDeniedException", SecretReferenceError, "secretsmanager:GetSecretValue"),
        (400, "DecryptionFailure", SecretReferenceError, "kms:Decrypt"),
        (400, "InvalidRequestException", SecretReferenceError, "being deleted"),
        (400, "SomethingNew", SecretReferenceError, "answered SomethingNew"),
        (400, "ExpiredTokenException", IdentityError, "longshore whoami"),
        (400, "UnrecognizedClientException", IdentityError, "longshore whoami"),
        (400, "InvalidSignatureException", IdentityError, "our clock"),
        (400, "ThrottlingException", SecretUnavailableError, "throttling"),
        (500, "InternalServiceError", SecretUnavailableError, "failing"),
        (503, "Whatever", SecretUnavailableError, "failing"),
    ],
)
async def test_each_refusal_is_one_of_our_errors(status: int, code: str, kind: type[LongshoreError], said: str) -> None:
    error = await _error(_refused(status, code))
    assert type(error) is kind
    assert said in str(error)
    assert error.code == code
    assert error.transient == (kind is SecretUnavailableError)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b'{"SecretString": 1}', b'{"Other": "x"}', b"\xff"])
async def test_an_answer_that_is_none_is_no_secret(body: bytes) -> None:
    error = await _error(lambda _request: web.Response(body=body, content_type="application/x-amz-json-1.1"))
    assert isinstance(error, SecretReferenceError | SecretUnavailableError)


async def test_a_redirect_is_not_followed_with_our_signature_on_board() -> None:
    def to_itself(request: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": f"http://localhost:{request.url.port}/elsewhere"})

    async with _serving(to_itself) as (url, asked), _manager(url) as manager:
        with pytest.raises(LongshoreError):
            await manager.read("longshore/acme", region=None)
        assert len(asked) == 1


async def test_a_server_that_is_away_is_told_so() -> None:
    async with _manager("http://127.0.0.1:1") as manager:
        with pytest.raises(SecretUnavailableError, match="AWS_ENDPOINT_URL_SECRETS_MANAGER"):
            await manager.read("longshore/acme", region=None)


async def test_a_secret_that_is_too_large_is_refused() -> None:
    limits = LIMITS.model_copy(update={"secret_bytes": 10})

    def large(_request: web.Request) -> web.Response:
        return web.json_response({"SecretString": CANARY}, content_type="application/x-amz-json-1.1")

    async with _serving(large) as (url, _), _manager(url, limits) as manager:
        with pytest.raises(SecretReferenceError, match="larger than 10 bytes"):
            await manager.read("longshore/acme", region=None)


@pytest.mark.acceptance("CR-10", "CR-11")
async def test_no_log_line_holds_what_secrets_manager_answers(log: io.StringIO) -> None:
    """botocore's own lines do, if they are let through."""

    def told(_request: web.Request) -> web.Response:
        return web.json_response({"SecretString": CANARY}, content_type="application/x-amz-json-1.1")

    async with _serving(told) as (url, _), _manager(url) as manager:
        assert await manager.read("longshore/acme", region=None) == CANARY
    structlog.get_logger("test").debug("read")
    assert "read" in log.getvalue()
    assert CANARY not in log.getvalue()
