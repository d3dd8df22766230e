"""The session policy: always within STS's bounds, always enough for the connection, never a write, and tight where it fits."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.errors import SessionRefusedError
from credentials.grants import Grant
from credentials.policies.session import SessionPolicy, render_time_limit
from tests.fakes.iam import Ask, allows

LIST = ["s3:ListBucket", "s3:ListBucketVersions"]
READ = ["s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectAttributes", "s3:GetObjectVersionAttributes"]
READ_TAGS = ["s3:GetObjectTagging", "s3:GetObjectVersionTagging"]
WRITE = [
    "s3:PutObject",
    "s3:DeleteObject",
    "s3:PutObjectAcl",
    "s3:PutObjectTagging",
    "s3:RestoreObject",
    "s3:AbortMultipartUpload",
    "s3:DeleteBucket",
    "s3:PutBucketPolicy",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "iam:PassRole",
    "sts:AssumeRole",
]
NOON = datetime(2026, 6, 1, 12, 0, 0, tzinfo=UTC).timestamp()


def may(document: str, action: str, resource: str, **context: str) -> bool:
    return allows(json.loads(document), Ask(action=action, resource=resource, context=context))


def may_list(document: str, bucket: str, prefix: str, *, now: str = "2026-06-01T11:59:59Z") -> bool:
    asks = [
        Ask(
            action=action,
            resource=f"arn:aws:s3:::{bucket}",
            context={"s3:prefix": prefix, "aws:CurrentTime": now},
        )
        for action in LIST
    ]
    return all(allows(json.loads(document), ask) for ask in asks)


def may_read(document: str, bucket: str, key: str, *, now: str = "2026-06-01T11:59:59Z") -> bool:
    resource = f"arn:aws:s3:::{bucket}/{key}"
    return all(may(document, action, resource, **{"aws:CurrentTime": now}) for action in READ)


def render(*grants: Grant, not_after: float | None = None) -> str:
    return SessionPolicy(grants=grants).render(not_after=not_after)


buckets = st.from_regex(re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII), fullmatch=True)
segments = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('*?$"\\{}/ é日'), max_size=60)
prefixes = st.one_of(st.just(""), st.lists(segments, min_size=1, max_size=12).map(lambda parts: "/".join(parts) + "/"))
grants = st.lists(st.builds(Grant, bucket=buckets, prefix=prefixes), min_size=1, max_size=60)


@given(grants=grants, not_after=st.none() | st.just(NOON), tails=st.lists(segments, min_size=1, max_size=3))
@settings(deadline=None, max_examples=100)
def test_whatever_is_granted_is_permitted_within_the_bounds_and_no_write_is(
    grants: list[Grant], not_after: float | None, tails: list[str]
) -> None:
    """However the policy had to be shortened: it fits, STS takes its characters, and it is a superset without a write."""
    document = render(*grants, not_after=not_after)
    assert len(document) <= 2048
    assert re.fullmatch(r"[\t\n\r\u0020-\u00ff]+", document)
    assert json.loads(document)["Version"] == "2012-10-17"
    assert not any(word in document for word in ("Put", "Delete", "NotAction", '"*:', '"s3:*"'))
    for grant in grants:
        assert may_list(document, grant.bucket, grant.prefix)
        for tail in tails:
            assert may_read(document, grant.bucket, grant.prefix + tail)
            assert may_list(document, grant.bucket, grant.prefix + tail)
        for action in WRITE:
            for resource in (f"arn:aws:s3:::{grant.bucket}", f"arn:aws:s3:::{grant.bucket}/{grant.prefix}x"):
                assert not may(
                    document, action, resource, **{"s3:prefix": grant.prefix, "aws:CurrentTime": "2026-01-01T00:00:00Z"}
                )
        if not_after is not None:
            assert not may_read(document, grant.bucket, grant.prefix + "x", now="2026-06-01T12:00:00Z")
            assert not may_list(document, grant.bucket, grant.prefix, now="2026-06-01T12:00:00Z")


latin = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF), min_size=1, max_size=20)
few = st.lists(
    st.builds(Grant, bucket=buckets, prefix=st.just("") | latin.map(lambda text: text + "/")), min_size=1, max_size=2
)


@pytest.mark.acceptance("LS-10")
@given(grants=few, bucket=buckets, key=latin, not_after=st.none() | st.just(NOON))
@settings(deadline=None, max_examples=150)
def test_where_nothing_was_cut_nothing_else_is_permitted(
    grants: list[Grant], bucket: str, key: str, not_after: float | None
) -> None:
    """A policy of one or two grants fits whole: siblings, parents and other buckets are denied."""
    document = render(*grants, not_after=not_after)
    places = [(bucket, key), *((grant.bucket, key) for grant in grants)]
    places += [(grant.bucket, grant.prefix[:-1] + "-secret/" + key) for grant in grants if grant.prefix]
    places += [(grant.bucket, grant.prefix[:-1]) for grant in grants if grant.prefix]
    places += [(grant.bucket + "2", grant.prefix + key) for grant in grants]
    for name, path in places:
        granted = any(grant.bucket == name and path.startswith(grant.prefix) for grant in grants)
        assert may_read(document, name, path) == granted
        assert may_list(document, name, path) == granted
    assert not may(document, "s3:ListAllMyBuckets", "*")


@pytest.mark.acceptance("LS-10")
def test_a_small_policy_names_each_action_in_stable_words() -> None:
    """What the customer's CloudTrail shows of it is this document."""
    assert json.loads(render(Grant(bucket="media", prefix="in/"))) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": LIST,
                "Resource": "arn:aws:s3:::media",
                "Condition": {"StringLike": {"s3:prefix": ["in/", "in/*"]}},
            },
            {"Effect": "Allow", "Action": READ, "Resource": "arn:aws:s3:::media/in/*"},
            {"Effect": "Allow", "Action": "s3:GetBucketLocation", "Resource": "arn:aws:s3:::media"},
            {
                "Effect": "Allow",
                "Action": "kms:Decrypt",
                "Resource": "*",
                "Condition": {"StringLike": {"kms:ViaService": "s3.*.amazonaws.com"}},
            },
        ],
    }


@pytest.mark.parametrize("via", ["s3.eu-central-1.amazonaws.com", "s3.us-east-1.amazonaws.com"])
def test_objects_under_a_kms_key_are_decrypted_through_s3_only(via: str) -> None:
    """`kms:Decrypt` works through S3 in any region, and through no other service."""
    for document in (render(Grant(bucket="media")), render(*(Grant(bucket=f"media-{n:050}") for n in range(200)))):
        key = "arn:aws:kms:eu-central-1:111122223333:key/k"
        assert may(document, "kms:Decrypt", key, **{"kms:ViaService": via})
        assert not may(document, "kms:Decrypt", key, **{"kms:ViaService": "secretsmanager.us-east-1.amazonaws.com"})
        assert not may(document, "kms:Decrypt", key)


@pytest.mark.parametrize(
    ("partition", "service"),
    [
        ("aws-cn", "s3.cn-north-1.amazonaws.com.cn"),
        ("aws-us-gov", "s3.us-gov-west-1.amazonaws.com"),
        ("aws-iso", "s3.us-iso-east-1.c2s.ic.gov"),
    ],
)
def test_other_partitions_have_their_own_arns_and_domains(partition: str, service: str) -> None:
    """A role in China or GovCloud gets a policy for its own partition."""
    document = SessionPolicy(grants=(Grant(bucket="media"),), partition=partition).render()
    assert may(document, "s3:GetObject", f"arn:{partition}:s3:::media/k")
    assert not may(document, "s3:GetObject", "arn:aws:s3:::media/k")
    assert may(document, "kms:Decrypt", "*", **{"kms:ViaService": service})


def test_characters_with_a_meaning_stand_for_themselves() -> None:
    """`*`, `?` and `$` in a prefix are written so that AWS takes them literally."""
    document = render(Grant(bucket="media", prefix="a*b?c$d/"))
    assert "a${*}b${?}c${$}d/" in document
    assert may_read(document, "media", "a*b?c$d/x")
    assert not may_read(document, "media", "aXXbYc$d/x")


def test_a_prefix_is_cut_before_what_sts_does_not_take() -> None:
    """Policies hold Latin-1 only: the head of the prefix is permitted, and no more than that."""
    document = render(Grant(bucket="media", prefix="photos/日本/tokyo/"))
    assert may_read(document, "media", "photos/日本/tokyo/1.jpg")
    assert not may_read(document, "media", "videos/1.mp4")


def test_a_long_prefix_keeps_the_longest_head_that_fits() -> None:
    """One character more would not have fitted."""
    prefix = "/".join(str(n) for n in range(280)) + "/"
    document = render(Grant(bucket="b" * 63, prefix=prefix), not_after=NOON)
    assert min(n for n in range(len(prefix)) if may_read(document, "b" * 63, prefix[:n])) > 500
    assert 2048 - len(document) < 4


def test_listings_are_shared_before_a_prefix_is_cut() -> None:
    """Where each bucket's own listing statement does not fit, names of keys may be seen across; bodies may not."""
    many = [Grant(bucket=f"bucket-{n:02}", prefix=f"team-{n:02}/") for n in range(12)]
    document = render(*many)
    assert may_read(document, "bucket-03", "team-03/x")
    assert not may_read(document, "bucket-03", "team-04/x")
    assert not may_list(document, "bucket-03", "other/")
    assert may_list(document, "bucket-03", "team-04/")


def test_many_buckets_share_the_heads_of_their_names() -> None:
    """Buckets that no longer fit by name are permitted by as much of it as fits; others stay denied."""
    many = [Grant(bucket=f"customer-media-{n:04}-eu-central-1", prefix="in/") for n in range(400)]
    document = render(*many, not_after=NOON)
    assert may_read(document, "customer-media-0399-eu-central-1", "in/x")
    assert not may_read(document, "payroll", "in/x")
    assert not may_read(document, "customer-mail", "in/x")


def test_any_bucket_may_be_granted_and_is_still_read_only() -> None:
    """`*` narrows to read actions alone."""
    document = render(Grant(bucket="*"), Grant(bucket="media", prefix="in/"))
    assert may_read(document, "whatever", "k")
    assert may_list(document, "whatever", "")
    assert not any(may(document, action, "arn:aws:s3:::whatever/k") for action in WRITE)


def test_a_grant_that_covers_another_makes_it_vanish() -> None:
    """The policy does not depend on the order of the grants, nor on doubles."""
    wide, narrow = Grant(bucket="media", prefix="a/"), Grant(bucket="media", prefix="a/b/")
    assert render(wide, narrow) == render(narrow, wide, wide) == render(wide)


def test_what_can_not_be_written_is_refused_with_the_repair() -> None:
    """No policy at all is never the way out."""
    with pytest.raises(SessionRefusedError, match="name at least one bucket"):
        SessionPolicy(grants=()).render()
    odd = [Grant(bucket=chr(first) + "x" * 62) for first in range(0x100, 0x180)]
    with pytest.raises(SessionRefusedError, match="split the connection"):
        render(*odd)


def test_a_time_limit_alone_permits_whatever_the_role_does() -> None:
    """Written to the second, rounded up."""
    document = json.loads(render_time_limit(NOON - 0.5))
    condition: dict[str, Any] = document["Statement"][0]["Condition"]
    assert condition == {"DateLessThan": {"aws:CurrentTime": "2026-06-01T12:00:00Z"}}


@given(grants=grants, not_after=st.none() | st.just(NOON), tail=segments)
@settings(deadline=None, max_examples=50)
def test_tags_are_read_where_they_are_wanted_however_short_the_policy_is(
    grants: list[Grant], not_after: float | None, tail: str
) -> None:
    document = SessionPolicy(grants=tuple(grants), tags=True).render(not_after=not_after)
    for grant in grants:
        where = f"arn:aws:s3:::{grant.bucket}/{grant.prefix}{tail}"
        for action in READ_TAGS:
            assert may(document, action, where, **{"aws:CurrentTime": "2026-06-01T11:59:59Z"})
    plain = SessionPolicy(grants=(Grant(bucket="media"),)).render()
    assert not any(may(plain, action, "arn:aws:s3:::media/a") for action in READ_TAGS)


_TARGET = st.from_regex(re.compile(r"(?:[A-Za-z0-9!_.'()=+@:-]{1,20}/){0,3}", re.ASCII), fullmatch=True)


@pytest.mark.acceptance("CG-10")
@given(grants=grants, bucket=buckets, prefix=_TARGET, tags=st.booleans(), tail=segments, late=st.booleans())
@settings(deadline=None, max_examples=100)
def test_a_run_that_copies_may_write_to_its_place_alone_however_short_the_policy_is(
    grants: list[Grant], bucket: str, prefix: str, tags: bool, tail: str, late: bool
) -> None:
    """Exactly what a copy sends is permitted, whole or in parts; and of other places, deletions and permissions nothing."""
    place = Grant(bucket=bucket, prefix=f"{prefix}main/acme/")
    policy = SessionPolicy(grants=tuple(grants), tags=tags, copy_to=place)
    document = policy.render(not_after=NOON if late else None)
    assert len(document) <= 2048
    when = {"aws:CurrentTime": "2026-06-01T11:59:59Z"}
    inside = f"arn:aws:s3:::{bucket}/{place.prefix}{tail}"
    for action in ("s3:PutObject", "s3:AbortMultipartUpload"):
        assert may(document, action, inside, **when)
        for other in (
            f"{bucket}/{prefix}main/acme",
            f"{bucket}/{prefix}main/acme-2/{tail}",
            f"{bucket}x/{place.prefix}",
        ):
            assert not may(document, action, f"arn:aws:s3:::{other}", **when)
        for grant in grants:
            where = f"{grant.prefix}{tail}"
            if (grant.bucket, where[: len(place.prefix)]) != (bucket, place.prefix):
                assert not may(document, action, f"arn:aws:s3:::{grant.bucket}/{where}", **when)
    assert may(document, "s3:PutObjectTagging", inside, **when) is tags
    assert may(document, "s3:GetObject", inside, **when)
    for action in set(WRITE) - {
        "s3:PutObject",
        "s3:AbortMultipartUpload",
        "s3:PutObjectTagging",
        "kms:GenerateDataKey",
    }:
        assert not may(document, action, inside, **when)
    for action in ("kms:GenerateDataKey", "kms:Decrypt"):
        key = "arn:aws:kms:eu-central-1:111122223333:key/k"
        assert may(document, action, key, **when, **{"kms:ViaService": "s3.eu-central-1.amazonaws.com"})
        assert not may(document, action, key, **when)
    if late:
        assert not may(document, "s3:PutObject", inside, **{"aws:CurrentTime": "2026-06-01T12:00:00Z"})
    for grant in grants:
        assert may_read(document, grant.bucket, grant.prefix + tail)
