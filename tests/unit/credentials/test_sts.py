"""STS's client against a scripted server: what is sent, what is made of each answer, and what an error says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from config.errors import CredentialError, IdentityError, RoleDeniedError, SessionRefusedError, StsUnavailableError
from credentials.sts import Assumed, AwsSts
from tests.unit.credentials.sts_server import CANARY, FAST, ROLE, Handler, granted, refused, request, serving


@pytest.fixture(autouse=True)
def our_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our own identity comes from the environment, and from nowhere else."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOPERATOR")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "operator-canary")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


async def assume(handler: Handler, **changes: Any) -> tuple[Assumed | CredentialError, list[dict[str, str]]]:
    async with serving(handler) as (url, asked), AwsSts(region="us-east-1", endpoint=url, limits=FAST) as sts:
        try:
            return await sts.assume(request(**changes)), asked
        except CredentialError as error:
            return error, asked


@pytest.mark.acceptance("LS-15")
async def test_everything_that_shapes_a_session_is_sent() -> None:
    """Also the session name and the source identity, for the customer's CloudTrail; signed for the connection's region."""
    given, (sent,) = await assume(lambda _: granted())
    assert sent | {"authorization": ""} == {
        "Action": "AssumeRole",
        "Version": "2011-06-15",
        "RoleArn": ROLE,
        "RoleSessionName": "longshore-run-1",
        "DurationSeconds": "900",
        "ExternalId": "ext-4711",
        "Policy": '{"Version":"2012-10-17","Statement":[]}',
        "SourceIdentity": "main",
        "authorization": "",
    }
    assert "/eu-central-1/sts/aws4_request" in sent["authorization"]
    assert isinstance(given, Assumed)
    assert given.expires_at == datetime(2026, 6, 1, 12, 15, tzinfo=UTC).timestamp()
    assert given.server_time == datetime(2026, 6, 1, 12, 0, tzinfo=UTC).timestamp()
    assert given.token == CANARY
    assert "canary" not in repr(given).lower().replace("asiacanary", "")


@pytest.mark.acceptance("CO-14")
async def test_what_is_not_set_is_not_sent() -> None:
    """A role without an external ID is assumed without one."""
    _, (sent,) = await assume(lambda _: granted(), external_id=None, policy=None, source_identity=None)
    assert not {"ExternalId", "Policy", "SourceIdentity"} & sent.keys()


CODES: list[tuple[int, str, type[CredentialError]]] = [
    (403, "AccessDenied", RoleDeniedError),
    (403, "AccessDeniedException", RoleDeniedError),
    (400, "MalformedPolicyDocument", SessionRefusedError),
    (400, "PackedPolicyTooLarge", SessionRefusedError),
    (400, "PackedPolicyTooLargeException", SessionRefusedError),
    (403, "RegionDisabledException", SessionRefusedError),
    (400, "ValidationError", SessionRefusedError),
    (400, "SomethingNew", SessionRefusedError),
    (403, "InvalidClientTokenId", IdentityError),
    (403, "SignatureDoesNotMatch", IdentityError),
    (403, "ExpiredToken", IdentityError),
    (403, "ExpiredTokenException", IdentityError),
    (400, "Throttling", StsUnavailableError),
    (400, "ThrottlingException", StsUnavailableError),
    (400, "RequestExpired", StsUnavailableError),
    (429, "Whatever", StsUnavailableError),
    (500, "InternalFailure", StsUnavailableError),
    (503, "SomethingNew", StsUnavailableError),
]


@pytest.mark.acceptance("CG-17")
async def test_each_error_of_sts_becomes_one_of_ours() -> None:
    """With STS's own code for records and metrics, the role in the message, and what to do next."""
    answers = iter(CODES)
    async with serving(lambda _: refused(*next(answers)[:2])) as (url, asked):
        async with AwsSts(region="us-east-1", endpoint=url, limits=FAST) as sts:
            for _, code, kind in CODES:
                with pytest.raises(kind) as caught:
                    await sts.assume(request())
                error = caught.value
                assert (error.code, error.transient) == (code, kind is StsUnavailableError)
                assert ROLE in error.message
                assert "; " in error.message
        assert len(asked) == len(CODES)


SKEWED = [
    "Signature expired: 20260601T115500Z is now earlier than 20260601T120000Z (20260601T121500Z - 15 min.)",
    "Signature not yet current: 20260601T123000Z is still later than 20260601T121500Z (20260601T120000Z + 15 min.)",
]
OTHER_SIGNATURES = [
    "The request signature we calculated does not match the signature you provided.",
    "Credential should be scoped to a valid region.",
    "no",
]


@pytest.mark.parametrize("code", ["SignatureDoesNotMatch", "SignatureDoesNotMatchException"])
@pytest.mark.parametrize("words", SKEWED)
async def test_a_clock_that_differs_is_no_refusal_of_our_keys(code: str, words: str) -> None:
    """It is waited for, as S3's is: a run does not end by it."""
    error, _ = await assume(lambda _: refused(403, code, words))
    assert isinstance(error, StsUnavailableError)
    assert (error.code, error.transient) == ("RequestTimeTooSkewed", True)
    assert "this machine's clock and STS's differ" in error.message
    assert words not in error.message


@pytest.mark.parametrize("words", OTHER_SIGNATURES)
async def test_any_other_signature_that_is_refused_is_our_identitys(words: str) -> None:
    error, _ = await assume(lambda _: refused(403, "SignatureDoesNotMatch", words))
    assert isinstance(error, IdentityError)
    assert (error.code, error.transient) == ("SignatureDoesNotMatch", False)


async def test_words_about_a_signature_change_nothing_of_another_refusal() -> None:
    error, _ = await assume(lambda _: refused(403, "AccessDenied", SKEWED[0]))
    assert isinstance(error, RoleDeniedError)


async def test_transient_errors_are_tried_again_within_one_question() -> None:
    """As often as the limit says."""
    answers = iter([refused(503, "ServiceUnavailable"), granted()])
    limits = FAST.model_copy(update={"sts_attempts": 2, "backoff_most_s": 10})
    async with serving(lambda _: next(answers)) as (url, asked):
        async with AwsSts(region="us-east-1", endpoint=url, limits=limits) as sts:
            await sts.assume(request())
        assert len(asked) == 2


@pytest.mark.parametrize(
    "answer",
    [
        lambda: web.Response(text="<html>Welcome to our network</html>", content_type="text/html"),
        lambda: web.Response(text=""),
        lambda: web.Response(text="<AssumeRoleResponse><AssumeRoleResult>"),
        lambda: granted(leave_out="Expiration"),
        lambda: granted(leave_out="SessionToken"),
        lambda: granted(leave_out="AccessKeyId"),
        lambda: granted("tomorrow"),
        lambda: granted(""),
        lambda: web.Response(status=302, headers={"Location": "http://127.0.0.1:1/elsewhere"}),
        lambda: web.Response(status=200, text="x", headers={"Content-Encoding": "gzip"}),
    ],
    ids=["html", "empty", "cut short", "no end", "no token", "no key", "bad end", "empty end", "redirect", "not gzip"],
)
async def test_nonsense_is_never_a_session(answer: Callable[[], web.Response]) -> None:
    """A captive portal, a cut body, a session without an end, a redirect: an error each time, and only one host is asked."""
    error, asked = await assume(lambda _: answer())
    assert isinstance(error, StsUnavailableError | SessionRefusedError)
    assert len(asked) == 1


async def test_no_redirect_is_followed() -> None:
    """aiobotocore would follow to any host, signature and session token on board."""
    async with serving(lambda _: granted()) as (elsewhere, asked_there):
        error, _ = await assume(lambda _: web.Response(status=307, headers={"Location": elsewhere}))
        assert isinstance(error, CredentialError)
        assert asked_there == []


async def test_a_server_that_hangs_is_given_up() -> None:
    """After the read time-out."""

    async def hang(_fields: dict[str, str]) -> web.StreamResponse:
        await asyncio.sleep(5)
        return granted()

    error, _ = await assume(hang)
    assert isinstance(error, StsUnavailableError)


async def test_nobody_at_the_endpoint() -> None:
    """A refused connection is STS out of reach."""
    async with AwsSts(region="us-east-1", endpoint="http://127.0.0.1:1", limits=FAST) as sts:
        with pytest.raises(StsUnavailableError, match="out of reach"):
            await sts.assume(request())


async def test_no_error_repeats_a_secret() -> None:
    """STS's words about signatures may hold our own session token, those about parameters the external ID."""
    error, _ = await assume(lambda _: refused(403, "SignatureDoesNotMatch", f"x-amz-security-token:{CANARY} should be"))
    assert CANARY not in str(error)
    error, _ = await assume(lambda _: refused(400, "ValidationError", "Value 'ext-4711' at 'externalId' failed"))
    assert "ext-4711" not in str(error)
    assert "Value '***' at 'externalId' failed" in str(error)


@pytest.mark.parametrize(
    ("words", "asked_for"),
    [
        ("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.", ["43200", "3600"]),
        (
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining",
            ["43200", "3600"],
        ),
        ("Something else", ["43200"]),
    ],
)
async def test_a_session_longer_than_the_role_allows_falls_back_to_an_hour_once(
    words: str, asked_for: list[str]
) -> None:
    """Every role allows an hour."""
    given, asked = await assume(
        lambda fields: granted() if fields["DurationSeconds"] == "3600" else refused(400, "ValidationError", words),
        duration_s=43_200,
    )
    assert [fields["DurationSeconds"] for fields in asked] == asked_for
    assert isinstance(given, Assumed) == (len(asked_for) == 2)


@pytest.mark.parametrize(
    "changes", [{"region": "evil.example/#"}, {"duration_s": 60}, {"session_name": "x"}, {"external_id": "y"}]
)
async def test_what_botocore_refuses_is_refused_without_a_request(changes: dict[str, Any]) -> None:
    """A region that is no host label, and values outside STS's bounds."""
    error, asked = await assume(lambda _: granted(), **changes)
    assert isinstance(error, SessionRefusedError)
    assert asked == []


async def test_without_an_identity_of_our_own_the_error_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """No keys anywhere in the chain."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    error, asked = await assume(lambda _: granted())
    assert isinstance(error, IdentityError)
    assert error.code == "NoCredentialsError"
    assert error.message.startswith("no AWS credentials of our own were found: set AWS_PROFILE, or AWS_ACCESS_KEY_ID")
    assert asked == []
    async with AwsSts(region="us-east-1", limits=FAST) as sts:
        with pytest.raises(IdentityError):
            await sts.own_session()


@pytest.mark.parametrize("ask", ["whoami", "session", "role"])
async def test_a_profile_that_does_not_exist_is_named(monkeypatch: pytest.MonkeyPatch, ask: str) -> None:
    """STS was never asked, and the error does not say so."""
    monkeypatch.setenv("AWS_PROFILE", "acme-prod")
    async with AwsSts(region="us-east-1", endpoint="http://127.0.0.1:1", limits=FAST) as sts:
        questions: dict[str, Callable[[], Coroutine[Any, Any, object]]] = {
            "whoami": sts.identity,
            "session": sts.own_session,
            "role": lambda: sts.assume(request()),
        }
        with pytest.raises(IdentityError, match="AWS_PROFILE names the profile 'acme-prod'") as caught:
            await questions[ask]()
    assert "STS was asked" not in caught.value.message


async def test_half_a_key_pair_says_which_half_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    error, asked = await assume(lambda _: granted())
    assert isinstance(error, IdentityError)
    assert "AWS_SECRET_ACCESS_KEY is missing" in error.message
    assert asked == []


async def test_an_error_of_a_service_that_is_down_promises_nothing() -> None:
    """It is also what a run ends with, once nothing asks again."""
    error, _ = await assume(lambda _: refused(503, "ServiceUnavailable"))
    assert isinstance(error, StsUnavailableError)
    assert "by itself" not in error.message
    assert "AWS_ENDPOINT_URL_STS" in error.message


async def test_our_own_keys_come_from_the_chain_anew_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rotated key is seen by a fresh look only."""
    async with AwsSts(region="us-east-1", limits=FAST) as sts:
        first = await sts.own_session()
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAROTATED")
        assert await sts.own_session() == first
        rotated = await sts.own_session(fresh=True)
    assert (first.access_key_id, rotated.access_key_id) == ("AKIAOPERATOR", "AKIAROTATED")
    assert rotated.secret_access_key == "operator-canary"
    assert (rotated.token, rotated.usable_until) == (None, None)


async def test_a_client_outlives_the_keys_it_was_made_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """STS refuses our keys; once others are in the environment, the next question is signed with those."""

    def only_new(fields: dict[str, str]) -> web.Response:
        return granted() if "AKIAROTATED" in asked[-1]["authorization"] else refused(403, "InvalidClientTokenId")

    async with serving(only_new) as (url, asked), AwsSts(region="us-east-1", endpoint=url, limits=FAST) as sts:
        with pytest.raises(IdentityError):
            await sts.assume(request())
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAROTATED")
        assert isinstance(await sts.assume(request()), Assumed)


async def test_clients_are_kept_for_so_many_regions_and_the_rest_get_one_for_each_call() -> None:
    few = FAST.model_copy(update={"sts_clients": 2})
    async with (
        serving(lambda _: granted()) as (url, asked),
        AwsSts(region="us-east-1", endpoint=url, limits=few) as sts,
    ):
        for _ in range(2):
            for number in range(1, 5):
                await sts.assume(request(region=f"eu-west-{number}"))
        assert list(sts._clients) == ["eu-west-1", "eu-west-2"]
    assert [sent["authorization"].split("/")[2] for sent in asked] == [
        f"eu-west-{number}" for number in range(1, 5)
    ] * 2


async def test_the_client_of_our_own_region_is_kept_whatever_regions_came_before() -> None:
    """Connections name the regions: else whoever has enough of them has each of our own questions make a client anew."""
    few = FAST.model_copy(update={"sts_clients": 2})
    async with (
        serving(lambda _: granted()) as (url, _),
        AwsSts(region="us-east-1", endpoint=url, limits=few) as sts,
    ):
        for number in range(1, 4):
            await sts.assume(request(region=f"eu-west-{number}"))
        kept = []
        for _ in range(2):
            await sts.assume(request(region="us-east-1"))
            kept.append(sts._clients["us-east-1"])
        assert kept[0] is kept[1]
        assert list(sts._clients) == ["eu-west-1", "eu-west-2", "us-east-1"]
