"""What may be wrong with buckets, objects, keys, and with ourselves: the other half of the table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.acceptance.customers_cloud import CUSTOMER, KEY, OURS, READER, ROLE, USERS_KEY, USERS_SECRET, Scene
from tests.acceptance.wrong_setups import ELSEWHERE, GETS, LISTS, Wrong, both, bucket_is, of_account, role_may
from tests.fakes.iam_documents import allow, deny, only_through, policy, reads, trust
from tests.fakes.sts import OPERATOR_KEY

DECRYPTS = allow("kms:Decrypt", KEY)


def encrypted(**fields: Any) -> Callable[[Scene], None]:
    """The objects are, under a key of the customer's."""

    def spoil(scene: Scene) -> None:
        scene.s3.put("acme", b"raw/a.txt", b"alpha", kms_key=KEY)
        scene.s3.put("acme", b"raw/b.txt", b"beta", kms_key=KEY)
        scene.s3.keys.add(KEY, **fields)

    return spoil


def emptied(scene: Scene) -> None:
    scene.s3.delete("acme", b"raw/a.txt")
    scene.s3.delete("acme", b"raw/b.txt")


def clocks_apart(seconds: float) -> Callable[[Scene], None]:
    """AWS's clock is so far ahead of ours."""

    def spoil(scene: Scene) -> None:
        scene.s3.advance(seconds)
        scene.s3.max_skew_s = 900

    return spoil


def the_user_may(*statements: dict[str, Any]) -> Callable[[Scene], None]:
    return lambda scene: setattr(scene.s3.sts.grants[USERS_KEY], "policy", policy(*statements))


def we_may(*statements: dict[str, Any]) -> Callable[[Scene], None]:
    return lambda scene: setattr(scene.s3.sts.operator, "policy", policy(*statements))


BUCKETS = (
    Wrong(
        name="another account's bucket, whose policy does not name the role",
        spoil=of_account(ELSEWHERE),
        step="list",
        says=(
            "the role is not allowed",
            "s3:prefix lacks 'raw/'",
            "its policy does not allow the role",
            "Deny",
            "boundary",
        ),
        cause="bucket",
    ),
    Wrong(
        name="a bucket that only a VPC reaches, of the role's account",
        spoil=lambda scene: setattr(scene.bucket, "policy", policy(only_through("vpce-1", "acme"))),
        step="list",
        says=("the policy of bucket acme denies it expressly", "aws:SourceVpce"),
        mend=lambda scene: setattr(scene.bucket, "policy", None),
    ),
    Wrong(
        name="a bucket that only a VPC reaches, of another account",
        spoil=both(
            of_account(ELSEWHERE),
            lambda scene: setattr(
                scene.bucket, "policy", policy(*reads("acme", principal=ROLE), only_through("vpce-1", "acme"))
            ),
        ),
        step="list",
        says=("the role is not allowed", "aws:SourceVpce"),
        mend=lambda scene: setattr(scene.bucket, "policy", policy(*reads("acme", principal=ROLE))),
    ),
    Wrong(
        name="the bucket's policy denies the read",
        spoil=lambda scene: setattr(
            scene.bucket, "policy", policy(deny("s3:GetObject", "arn:aws:s3:::acme/*", principal="*"))
        ),
        step="get",
        says=("the policy of bucket acme denies it expressly",),
        mend=lambda scene: setattr(scene.bucket, "policy", None),
    ),
    Wrong(
        name="the bucket is gone",
        spoil=both(lambda scene: scene.s3.buckets.pop("acme"), lambda scene: scene.role.change(policy=None)),
        step="list",
        says=("there is no bucket of this name",),
        untried=("head", "get"),
    ),
    Wrong(
        name="the bucket has another owner than is expected",
        spoil=lambda _: None,
        fields={"expected_owner": ELSEWHERE},
        step="list",
        says=(f"does not belong to account {ELSEWHERE}.*seems to belong to {CUSTOMER}",),
    ),
    Wrong(
        name="its readers pay",
        spoil=both(
            of_account(ELSEWHERE),
            bucket_is(requester_pays=True),
            lambda scene: setattr(scene.bucket, "policy", policy(*reads("acme", principal=ROLE))),
        ),
        step="list",
        says=("Requester Pays",),
        mend=bucket_is(requester_pays=False),
    ),
    Wrong(
        name="the connection names another region",
        spoil=lambda _: None,
        fields={"region": "eu-west-1"},
        step="region",
        says=("the connection says eu-west-1",),
        seen="the bucket is in us-east-1, which is found by itself",
        outcome="warning",
    ),
    Wrong(
        name="an object belongs to who wrote it",
        spoil=both(
            bucket_is(ownership="ObjectWriter"),
            lambda scene: scene.s3.put("acme", b"raw/a.txt", b"alpha", owner=ELSEWHERE),
        ),
        step="get",
        says=("Object Ownership", "condition on the object itself"),
        seen="s3://acme/raw/b.txt may be read",
        mend=bucket_is(ownership="BucketOwnerEnforced"),
    ),
)

OBJECTS = (
    Wrong(
        name="the role may not decrypt",
        spoil=encrypted(),
        step="decrypt",
        says=("not allowed kms:Decrypt",),
        cause="role",
        seen=KEY,
    ),
    Wrong(
        name="the key's policy does not name the role",
        spoil=both(encrypted(allowed=[f"arn:aws:iam::{CUSTOMER}:role/somebody"]), role_may(LISTS, GETS, DECRYPTS)),
        step="decrypt",
        says=("key's own policy",),
        cause="key",
    ),
    Wrong(
        name="the key is disabled",
        spoil=both(encrypted(disabled=True), role_may(LISTS, GETS, DECRYPTS)),
        step="decrypt",
        says=("is disabled: enable it",),
        mend=lambda scene: setattr(scene.s3.keys.known[KEY], "disabled", False),
    ),
    Wrong(
        name="the key is gone",
        spoil=both(encrypted(), lambda scene: scene.s3.keys.known.pop(KEY), role_may(LISTS, GETS, DECRYPTS)),
        step="decrypt",
        says=("the KMS key is gone",),
        mend=lambda scene: scene.s3.keys.add(KEY),
    ),
    Wrong(
        name="the key is not among the connection's",
        spoil=both(encrypted(), role_may(LISTS, GETS, DECRYPTS)),
        fields={"kms_keys": [KEY[:-1] + "1"]},
        step="decrypt",
        says=(f"add {KEY}",),
        outcome="warning",
    ),
    Wrong(
        name="the place is empty",
        spoil=emptied,
        step="head",
        says=(),
        seen="there is no object yet",
        outcome="not tried",
        mend=lambda scene: scene.s3.put("acme", b"raw/new.txt", b"new"),
    ),
    Wrong(
        name="there are only folder markers",
        spoil=both(emptied, lambda scene: scene.s3.put("acme", b"raw/", b"")),
        step="head",
        says=(),
        seen="only folder markers",
        outcome="not tried",
        mend=lambda scene: scene.s3.put("acme", b"raw/new.txt", b"new"),
    ),
    Wrong(
        name="everything is archived",
        spoil=lambda scene: [
            scene.s3.put("acme", key, b"cold", storage_class="GLACIER") for key in (b"raw/a.txt", b"raw/b.txt")
        ],
        step="head",
        says=(),
        seen="archived",
        outcome="not tried",
        mend=lambda scene: scene.s3.put("acme", b"raw/new.txt", b"new"),
    ),
    Wrong(
        name="the test location is archived",
        spoil=lambda scene: scene.s3.put("acme", b"raw/a.txt", b"cold", storage_class="GLACIER"),
        fields={"test_location": "s3://acme/raw/a.txt"},
        step="get",
        says=("must be restored",),
        outcome="warning",
    ),
    Wrong(
        name="the test location is mistyped",
        spoil=lambda _: None,
        fields={"test_location": "s3://acme/raw/A.TXT"},
        step="get",
        says=("no such object",),
        mend=lambda scene: scene.s3.put("acme", b"raw/A.TXT", b"there"),
    ),
)

OURSELVES = (
    Wrong(
        name="our clock is an hour behind",
        spoil=clocks_apart(3600),
        step="clock",
        says=("our own clock is wrong",),
        seen="3,600 s behind",
        mend=lambda scene: scene.s3.advance(-3600),
        untried=("assume the role", "list"),
    ),
    Wrong(
        name="our clock is an hour ahead",
        spoil=clocks_apart(-3600),
        step="clock",
        says=("set this machine's clock",),
        seen="ahead",
        mend=lambda scene: scene.s3.advance(3600),
    ),
    Wrong(
        name="our clock is two minutes off",
        spoil=clocks_apart(120),
        step="clock",
        says=("set this machine's clock",),
        outcome="warning",
        mend=lambda scene: scene.s3.advance(-120),
    ),
    Wrong(
        name="our own key was deleted",
        spoil=lambda scene: scene.s3.sts.grants.pop(OPERATOR_KEY),
        step="our identity",
        says=("our own access key was deleted",),
        untried=("assume the role", "without external ID", "with a wrong external ID", "list", "get"),
    ),
)

A_KEY = {"kind": "aws_keys"}

KEYS = (
    Wrong(
        name="the user of a key may not list",
        spoil=the_user_may(GETS),
        fields=A_KEY,
        step="list",
        says=("the user of the access key is not allowed s3:ListBucket",),
        cause="user",
    ),
    Wrong(
        name="the user of a key may do nothing",
        spoil=the_user_may(allow("s3:ListAllMyBuckets", "*")),
        fields=A_KEY,
        step="list",
        says=("the user of the access key is not allowed s3:ListBucket",),
        cause="user",
    ),
    Wrong(
        name="the key was deleted, deactivated or has ended",
        spoil=lambda scene: scene.s3.sts.grants.pop(USERS_KEY),
        fields=A_KEY,
        step="access key",
        says=("was deleted, deactivated",),
        seen="InvalidClientTokenId",
        mend=lambda scene: scene.add_key(),
    ),
    Wrong(
        name="the secret is another key's",
        spoil=lambda scene: setattr(scene.s3.sts.grants[USERS_KEY], "secret", USERS_SECRET[::-1]),
        fields=A_KEY,
        step="list",
        says=("not the one that belongs to the key's ID",),
        seen="SignatureDoesNotMatch",
        mend=lambda scene: setattr(scene.s3.sts.grants[USERS_KEY], "secret", USERS_SECRET),
    ),
    Wrong(
        name="another account's bucket, whose policy does not name the key's user",
        spoil=of_account(ELSEWHERE),
        fields=A_KEY,
        step="list",
        says=("the user of the access key is not allowed", "its policy does not allow the key's user"),
        cause="bucket",
    ),
    Wrong(
        name="another storage does not know the key",
        spoil=lambda scene: scene.s3.sts.grants.pop(USERS_KEY),
        fields=A_KEY,
        environment={"AWS_ENDPOINT_URL_STS": "http://127.0.0.1:9"},
        step="list",
        says=("was deleted, deactivated",),
        seen="InvalidAccessKeyId",
    ),
    Wrong(
        name="nothing answers at the endpoint",
        spoil=lambda _: None,
        fields=A_KEY | {"endpoint": "http://127.0.0.1:9"},
        environment={"LONGSHORE_ENDPOINTS": "http://*:9", "LONGSHORE_NETWORKS": "127.0.0.0/8"},
        step="endpoint",
        says=("nothing answers at the endpoint",),
        untried=("region", "list", "head", "get"),
    ),
    Wrong(
        name="the endpoint is inside",
        spoil=lambda _: None,
        fields=A_KEY | {"endpoint": "http://inside.example.com:9"},
        environment={"LONGSHORE_ENDPOINTS": "http://*:9"},
        step="endpoint",
        says=("inside a network that this service may not connect to",),
        untried=("list",),
    ),
)

BUILT_IN = (
    Wrong(
        name="the bucket's policy does not let our own identity in",
        spoil=we_may(*reads("acme", "raw/")),
        fields={"kind": "default"},
        uri="s3://acme/raw/",
        step="list",
        says=("its policy does not allow us s3:ListBucket", "our own identity is not allowed", "Deny"),
        cause="bucket",
    ),
    Wrong(
        name="our own identity may not read what the bucket's policy allows",
        spoil=both(
            we_may(*reads("acme", "other/")),
            lambda scene: setattr(scene.bucket, "policy", policy(*reads("acme", "raw/", principal=OURS))),
        ),
        fields={"kind": "default"},
        uri="s3://acme/raw/",
        step="list",
        says=("its policy does not allow us", "our own identity is not allowed s3:ListBucket"),
        cause="own",
    ),
    Wrong(
        name="no bucket is named",
        spoil=lambda _: None,
        fields={"kind": "default"},
        step="list",
        says=(),
        seen="give one with --uri",
        outcome="not tried",
    ),
    Wrong(
        name="the reader role does not trust us with tags",
        spoil=lambda scene: scene.s3.sts.add_role(READER, trust=trust(OURS), policy=policy(*reads("acme"))),
        fields={"kind": "default"},
        environment={"LONGSHORE_READER_ROLE": READER},
        uri="s3://acme/raw/",
        step="assume the role",
        says=("lacks its second statement",),
        seen="assumed without them",
    ),
    Wrong(
        name="the bucket's policy lets the reader role in for another workspace",
        spoil=lambda scene: scene.furnish_reader(tag="another-workspaces"),
        fields={"kind": "default"},
        environment={"LONGSHORE_READER_ROLE": READER},
        uri="s3://acme/raw/",
        step="list",
        says=("its policy does not allow us s3:ListBucket", "our own identity"),
        cause="bucket",
    ),
)
