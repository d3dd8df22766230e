"""The connection test's parts by themselves: what AWS's words mean, how long is waited, when a clock is wrong, what a verdict is."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from config.errors import (
    AccessDeniedError,
    ClockSkewError,
    IdentityError,
    RegionError,
    RequestRefusedError,
    RoleDeniedError,
)
from credentials.connection import Connection
from credentials.grants import Grant
from credentials.kinds import parse_kept
from credentials.policies.setup import Setup
from ingest.check.asking import Skews
from ingest.check.causes import denied, denied_by_key, is_kms, plainly, told
from ingest.check.clock import clock_step
from ingest.check.others import for_others
from ingest.check.repairs import Repairs
from ingest.check.report import Outcome, Reason, Report, Step, failed, passed, untried
from ingest.check.roles import of_key
from ingest.check.waiting import Spreading
from ingest.s3.errors import Refusal, Subject, explained, refused, uri
from tests.fakes.clock import ManualClock

OURS = "arn:aws:iam::999988887777:role/longshore"
ROLE = "arn:aws:iam::444455556666:role/reader"
PLACE = Grant(bucket="acme", prefix="raw/")
SETUP = Setup(connection="acme", workspace="main", principal_arn=OURS, external_id="ext-1", grants=(PLACE,))
REPAIRS = Repairs(setup=SETUP, reader=ROLE)
ASKED = 'User: arn:aws:sts::444455556666:assumed-role/reader/x is not authorized to perform: s3:GetObject on resource: "arn"'


def refusal(why: str, code: str = "AccessDenied", *, key: bytes = b"raw/a") -> AccessDeniedError:
    """As the client words it, with its advice for runs behind."""
    subject = Subject(request="get", bucket="acme", key=key)
    found = explained(AccessDeniedError, subject, f"{code} (403): {why}", code=code, status=403)
    assert isinstance(found, AccessDeniedError)
    return found


@pytest.mark.parametrize(
    ("words", "targets", "why"),
    [
        ("because no identity-based policy allows the s3:GetObject action", ["role"], "not allowed s3:GetObject"),
        ("because no resource-based policy allows the s3:GetObject action", ["bucket"], "another account"),
        ("because no session policy allows the s3:GetObject action", ["connection"], "the session that we asked for"),
        ("because no permissions boundary allows the s3:GetObject action", ["elsewhere", "role"], "boundary"),
        ("because no service control policy allows the s3:GetObject action", ["elsewhere", "role"], "control policy"),
        ("with an explicit deny in a resource-based policy", ["bucket"], "the policy of bucket acme denies"),
        ("with an explicit deny in an identity-based policy", ["elsewhere"], f"the permissions of {ROLE} denies"),
        ("with an explicit deny in a service control policy", ["elsewhere"], "the service control policy denies"),
        ("with an explicit deny in a VPC endpoint policy", ["elsewhere"], "denies it expressly"),
        ("with an explicit deny in a permissions boundary", ["elsewhere"], "the permissions boundary denies"),
    ],
)
def test_what_aws_words_is_the_one_reason(words: str, targets: list[str], why: str) -> None:
    reasons = denied(refusal(f"{ASKED} {words}"), "get", PLACE, REPAIRS)
    assert [one.target for one in reasons] == targets
    assert why in reasons[0].why


def test_what_aws_does_not_word_has_every_reason_and_the_advice_to_runs_is_none_of_them() -> None:
    error = refusal("Access Denied")
    assert told(error) == "GET s3://acme/raw/a: AccessDenied (403): Access Denied"
    targets = [one.target for one in denied(error, "get", PLACE, REPAIRS)]
    assert targets == ["role", "bucket", "elsewhere", "bucket", "elsewhere"]
    ours = Repairs(setup=SETUP, reader=OURS, kind="own")
    assert [one.target for one in denied(error, "get", PLACE, ours)][:2] == ["bucket", "own"]
    keys = Repairs(setup=SETUP, reader=None, kind="user")
    found = denied(error, "list", PLACE, keys)
    assert [one.target for one in found][:2] == ["user", "bucket"]
    assert [one.repair is None for one in found][:2] == [False, True]


@given(key=st.text(max_size=60).map(str.encode))
@example(key=b"raw/St. Louis/a.jpg")
@example(key=b"raw/kms:Decrypt/a.jpg")
@example(key=b"raw/explicit deny in a service control policy")
@example(key=b"raw/AccessDenied (403): Access Denied. Grant it")
def test_no_diagnosis_looks_at_what_a_key_is_called(key: bytes) -> None:
    error = refusal(f"{ASKED} with an explicit deny in a resource-based policy", key=key)
    assert [one.target for one in denied(error, "get", PLACE, REPAIRS)] == ["bucket"]
    assert told(error).endswith("with an explicit deny in a resource-based policy")
    assert not is_kms(error)
    plain = refusal("Access Denied", key=key)
    assert len(denied(plain, "get", PLACE, REPAIRS)) == 5
    assert told(plain) == f"GET {uri('acme', key)}: AccessDenied (403): Access Denied"
    assert is_kms(refusal("User: x is not authorized to perform: kms:Decrypt on the resource", key=key))


@pytest.mark.parametrize("length", [1, 90, 200, 900])
def test_a_long_key_does_not_hide_what_refuses(length: int) -> None:
    named = ASKED.replace('"arn"', f'"arn:aws:s3:::acme/{"no session policy allows it/" * 40}'[:length] + '"')
    document = f"<Error><Code>AccessDenied</Code><Message>{named} with an explicit deny in a resource-based policy</Message></Error>"
    refusal = Refusal(status=403, headers={}, body=document.encode(), region="us-east-1")
    error = refused(Subject(request="get", bucket="acme", key=b"raw/a"), refusal, now=0.0)
    assert [one.why.split(" denies")[0] for one in denied(error, "get", PLACE, REPAIRS)] == [
        "the policy of bucket acme"
    ]
    assert len(error.message) < 1_000


def test_an_objects_name_in_awss_own_words_is_no_diagnosis_either() -> None:
    named = ASKED.replace('"arn"', '"arn:aws:s3:::acme/raw/kms:Decrypt, no session policy allows it"')
    error = refusal(f"{named} because no identity-based policy allows the s3:GetObject action")
    assert [one.target for one in denied(error, "get", PLACE, REPAIRS)] == ["role"]
    assert not is_kms(error)


@pytest.mark.parametrize(
    ("words", "targets"),
    [
        ("because no identity-based policy allows the kms:Decrypt action", ["role"]),
        (
            "because the resource does not exist in this Region, no resource-based policies allow access",
            ["key", "role"],
        ),
        ("", ["role", "key"]),
    ],
)
def test_a_key_that_refuses_is_told_from_an_object_that_does(words: str, targets: list[str]) -> None:
    asked = f"User: x is not authorized to perform: kms:Decrypt on the resource associated with this ciphertext {words}"
    key = "arn:aws:kms:us-east-1:444455556666:key/1234"
    assert [one.target for one in denied_by_key(refusal(asked), PLACE, key, REPAIRS)] == targets
    unknown = denied_by_key(refusal(asked), PLACE, None, REPAIRS)
    assert [one.target for one in unknown] == targets


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (ClockSkewError("x", code="RequestTimeTooSkewed"), "NTP"),
        (RegionError("x"), "region or endpoint"),
        (AccessDeniedError("x", code="InvalidAccessKeyId"), "deleted, deactivated"),
        (RequestRefusedError("x", code="CertificateInvalid"), "certificate"),
        (RequestRefusedError("an odd thing", code="Odd"), "an odd thing"),
    ],
)
def test_what_no_policy_causes_has_its_own_reason(error: AccessDeniedError, why: str) -> None:
    assert why in plainly(error)[0].why


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("InvalidClientTokenId", ["deleted, deactivated"]),
        ("SignatureDoesNotMatch", ["not the one that belongs", "our own clock"]),
        ("OptInRequired", ["STS refuses the key (OptInRequired)"]),
    ],
)
def test_a_users_key_that_sts_refuses_is_the_users_to_mend(code: str, why: list[str]) -> None:
    reasons = of_key(IdentityError("our own credentials ...", code=code))
    assert [part in one.why for part, one in zip(why, reasons, strict=True)] == [True] * len(why)


# -- waiting


@given(wait_s=st.integers(0, 300), passes_at_s=st.integers(0, 400))
def test_waiting_ends_when_it_passes_or_when_the_time_is_over(wait_s: int, passes_at_s: int) -> None:
    clock, said = _Hurried(), list[str]()
    spreading = Spreading(clock, wait_s=wait_s, say=said.append)
    began = clock.monotonic()

    async def attempt() -> str:
        if clock.monotonic() - began < passes_at_s:
            raise RoleDeniedError
        return "in"

    async def run() -> str:
        try:
            return await spreading.through(attempt)
        except RoleDeniedError:
            return "out"

    outcome = asyncio.run(run())
    assert spreading.waited_s <= wait_s + 1e-6
    assert outcome == ("in" if passes_at_s <= spreading.waited_s + 1e-9 else "out")
    if outcome == "out":
        assert spreading.waited_s == pytest.approx(wait_s)
    else:
        assert spreading.waited_s <= passes_at_s + 10
    assert len(said) <= 1


class _Hurried(ManualClock):
    async def sleep(self, seconds: float) -> None:
        self.advance(seconds)


# -- clocks and verdicts


@pytest.mark.parametrize(
    ("ahead_s", "outcome"),
    [
        (0, "passed"),
        (60, "passed"),
        (61, "warning"),
        (-61, "warning"),
        (300, "warning"),
        (301, "failed"),
        (-3600, "failed"),
    ],
)
def test_a_clock_is_judged_by_how_far_it_is_off(ahead_s: float, outcome: str) -> None:
    skews = Skews(lambda: 1_000_000.0)
    skews.note_time("S3", 1_000_000.0 - ahead_s)
    assert clock_step(skews).outcome == outcome


@pytest.mark.parametrize(
    ("others", "outcome", "target"),
    [({"STS": 1.0}, "warning", "elsewhere"), ({"STS": 61.0}, "failed", "own"), ({}, "failed", "own")],
)
def test_a_clock_that_another_agrees_with_is_not_the_wrong_one(
    others: dict[str, float], outcome: str, target: str
) -> None:
    skews = Skews(lambda: 1_000_000.0)
    for whose, ahead_s in {"https://odd.example.com": 4_000.0, **others}.items():
        skews.note_time(whose, 1_000_000.0 - ahead_s)
    shown = clock_step(skews)
    assert (shown.outcome, shown.reasons[0].target) == (outcome, target)
    assert ("https://odd.example.com" in shown.reasons[0].why) == (outcome == "warning")


def test_dates_that_are_none_tell_nothing() -> None:
    skews = Skews(lambda: 1_000_000.0)
    for date in ("", "yesterday", "Thu, 99 Nov 2026 00:00:00 GMT"):
        skews.note("S3", date)
    assert clock_step(skews).outcome == "not tried"


OUTCOMES: tuple[Outcome, ...] = ("passed", "failed", "not tried", "warning")


@given(
    st.lists(
        st.builds(Step, name=st.just("x"), outcome=st.sampled_from(OUTCOMES), seen=st.just(""), vital=st.booleans())
    )
)
def test_a_verdict_is_as_bad_as_its_worst_step_and_nothing_seen_is_no_pass(steps: list[Step]) -> None:
    verdict = Report(connection="acme", kind="aws_role", steps=tuple(steps)).verdict
    outcomes = {one.outcome for one in steps}
    if "failed" in outcomes or not steps:
        assert verdict == "failed"
    elif verdict == "passed":
        assert "passed" in outcomes
        assert "warning" not in outcomes
        assert not any(one.outcome == "not tried" and one.vital for one in steps)
    else:
        assert verdict == "warning"


def test_what_should_have_been_tried_is_kept_and_what_need_not_be_is_not() -> None:
    steps = (
        passed("get", "yes"),
        untried("list", "too many", about="s3://b/", vital=True),
        untried("decrypt", "no key"),
    )
    report = Report(connection="acme", kind="aws_role", steps=steps)
    assert report.summary() == {"verdict": "warning", "steps": 3, "not_passed": ["list s3://b/"]}


NAMES = st.text("abcXYZ0189+=,.@_-/", min_size=1, max_size=40)


@given(
    service=st.sampled_from(["iam", "sts", "kms", "secretsmanager", "organizations"]),
    kind=st.sampled_from(["user", "role", "assumed-role", "key", "root"]),
    name=NAMES,
    cut=st.integers(0, 20),
)
def test_no_identity_is_left_in_what_others_see(service: str, kind: str, name: str, cut: int) -> None:
    spec = parse_kept(
        {"kind": "aws_keys", "name": "k", "access_key_id": "AKIAIOSFODNN7EXAMPLE", "allow": ["s3://acme"]}
    )
    foreign = Connection(
        id="x", workspace="b", owner="a", kept_id="y", spec=spec, version=1, created_at=1, updated_at=1
    )
    arn = f"arn:aws-us-gov:{service}::444455556666:{kind}/{name}"
    text = f"User: {arn} of 444455556666 with AKIAIOSFODNN7EXAMPLE or AKIA…MPLE, or {arn[: len(arn) - cut]}"
    reason = Reason(why=text, where=text, repair={"Principal": arn})
    report = Report(connection="k", kind="aws_keys", steps=(failed("get", text, reason, replace(reason, repair=None)),))
    shown = repr(for_others(report, foreign).plain())
    for secret in ("arn:", "444455556666", "MPLE", f"{kind}/{name}"):
        assert secret not in shown
    assert "User: ***" in shown


def test_what_is_kept_of_a_report_is_short() -> None:
    many = tuple(failed(f"step {number}", "no") for number in range(100))
    report = Report(connection="acme", kind="aws_role", steps=(passed("first", "yes"), *many))
    assert len(report.summary()["not_passed"]) == 20
