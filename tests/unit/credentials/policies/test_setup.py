"""What a set-up refuses, what things are called, how large documents may get, and which pages CORS lets in."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import ConnectionSetupError
from credentials.grants import Grant
from credentials.policies import cloudformation
from credentials.policies.access import access_policy
from credentials.policies.bucket import bucket_policies, bucket_policy
from credentials.policies.cors import checked_origin, cors_rules
from credentials.policies.document import compact
from credentials.policies.kms import key_statement
from credentials.policies.names import description, policy_name, role_name, stack_name
from credentials.policies.setup import Setup
from credentials.policies.trust import trust_policy
from tests.unit.credentials.policies.setups import KEY, OTHER_KEY, US, setup, setups


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"principal_arn": "arn:aws:sts::111122223333:assumed-role/us/run"}, "longshore whoami"),
        ({"principal_arn": "arn:aws:iam::111122223333:root"}, "role or a user"),
        ({"principal_arn": US.replace("aws", "aws-cn", 1)}, "use an identity of that partition"),
        ({"kms_keys": ("arn:aws:kms:eu-west-1:444455556666:alias/mine",)}, "that is an alias"),
        ({"kms_keys": (KEY.replace("aws", "aws-cn", 1),)}, "aws-cn"),
        ({"output_kms_key": "mine"}, "not the ARN of a KMS key"),
        ({"external_id": "x"}, "2 to 1224"),
        ({"external_id": "it's"}, "2 to 1224"),
        ({"role_name": "a role"}, "1 to 64 letters"),
        ({"role_name": "r" * 65}, "1 to 64 letters"),
        ({"workspace_tag": "a*"}, "1 to 256 letters"),
        ({"scope": "bedrock"}, "reads no bucket"),
    ],
)
def test_what_aws_would_refuse_is_refused_here(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ConnectionSetupError, match=said):
        setup(**fields)


def test_without_a_place_there_is_a_trust_policy_and_nothing_else() -> None:
    assert trust_policy(setup(grants=()))
    for make in (access_policy, bucket_policies, cloudformation.template):
        with pytest.raises(ConnectionSetupError, match=r"--allow s3://bucket"):
            make(setup(grants=()))
    with pytest.raises(ConnectionSetupError, match="names its buckets"):
        access_policy(setup(grants=(Grant(bucket="*"),)))


def test_what_belongs_to_one_is_asked_for_one_at_a_time() -> None:
    with pytest.raises(ConnectionSetupError, match="--allow s3://acme or --allow s3://other"):
        bucket_policy(setup(grants=(Grant(bucket="acme"), Grant(bucket="other"))))
    with pytest.raises(ConnectionSetupError, match=f"--kms-key {KEY}"):
        key_statement(setup(kms_keys=(KEY, OTHER_KEY)))
    with pytest.raises(ConnectionSetupError, match="name the key with --kms-key"):
        key_statement(setup())


def many(count: int) -> tuple[Grant, ...]:
    return tuple(Grant(bucket="acme-photos", prefix=f"{number:06}/{'x' * 40}/") for number in range(count))


def test_what_is_too_large_for_aws_says_what_to_do() -> None:
    fits = next(count for count in range(100, 1, -1) if _fits(access_policy, many(count)))
    assert 9_900 < len(compact(access_policy(setup(grants=many(fits))))) <= 10_240
    with pytest.raises(ConnectionSetupError, match=r"AWS takes 10,240: permit whole buckets.*split the connection"):
        access_policy(setup(grants=many(fits + 1)))
    with pytest.raises(ConnectionSetupError, match=r"policy of bucket acme-photos has .* AWS takes 20,480"):
        bucket_policies(setup(grants=many(200)))
    with pytest.raises(ConnectionSetupError, match=r"AWS takes 2,048: use a shorter external ID"):
        trust_policy(
            setup(external_id="e" * 1224, principal_arn=US + "/" + "p" * 500, trust="account", session_tags=True)
        )
    wide = tuple(Grant(bucket="acme-photos", prefix=f"{number}*/") for number in range(150))
    assert _fits(access_policy, wide)
    with pytest.raises(ConnectionSetupError, match=r"CloudFormation takes 51,200: .*--format yaml"):
        cloudformation.render(setup(grants=wide), form="json")
    assert cloudformation.render(setup(grants=wide), form="yaml")


def _fits(make: Any, grants: tuple[Grant, ...]) -> bool:
    try:
        make(setup(grants=grants))
    except ConnectionSetupError:
        return False
    return True


@given(asked=setups())
@pytest.mark.acceptance("CO-12", "CO-16")
def test_suggested_names_are_names_that_aws_takes(asked: Setup) -> None:
    assert re.fullmatch(r"[\w+=,.@-]{1,64}", role_name(asked), re.ASCII)
    assert re.fullmatch(r"[\w+=,.@-]{1,128}", policy_name(asked), re.ASCII)
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{0,127}", stack_name(asked), re.ASCII)
    assert re.fullmatch(r"[\t\n\r\u0020-\u007e\u00a1-\u00ff]{1,1000}", description(asked))
    assert not set("$%'\"\\`") & set(description(asked))


@pytest.mark.acceptance("CO-12", "CO-16")
def test_suggested_names_say_what_for() -> None:
    assert (role_name(setup()), policy_name(setup())) == ("longshore-acme", "longshore-acme-read")
    assert description(setup()) == "Lets longshore (acme) list and read, never change, s3://acme-photos/2026/"
    assert role_name(setup(role_name="Theirs")) == "Theirs"
    assert policy_name(setup(output=Grant(bucket="out"))) == "longshore-acme-read-write"
    long = [role_name(setup(connection="c" * 62 + end)) for end in "ab"]
    assert len(set(long)) == 2, "names that were cut stay apart"


@pytest.mark.acceptance("KO-12")
def test_cors_lets_the_named_pages_in_and_shows_them_what_a_player_needs() -> None:
    [rule] = cors_rules(setup(origins=("https://app.example.com", "http://localhost:8080", "https://app.example.com")))
    assert rule["AllowedOrigins"] == ["https://app.example.com", "http://localhost:8080"]
    assert rule["AllowedMethods"] == ["GET", "HEAD"]
    assert "Range" in rule["AllowedHeaders"]
    assert {"ETag", "Content-Length", "Content-Range", "Accept-Ranges"} <= set(rule["ExposeHeaders"])


@pytest.mark.parametrize(
    ("origin", "said"),
    [
        ("*", "any page at all"),
        ("https://*.example.com", "any page at all"),
        ("https://app.example.com/", "type https://app.example.com$"),
        ("https://app.example.com/page?x#y", "type https://app.example.com$"),
        ("https://App.Example.com", "type https://app.example.com$"),
        ("https://app.example.com:443", "type https://app.example.com$"),
        ("http://[::1]:80", r"type http://\[::1\]$"),
        ("https://me@app.example.com", "names a user"),
        ("https://äpp.example.com", "xn--"),
        ("app.example.com", "type it like https"),
        ("ftp://app.example.com", "type it like https"),
        ("null", "type it like https"),
        ("", "type it like https"),
        ("https://", "type it like https"),
        ("https://a b", "can't be read"),
        ("https://app.example.com:port", "can't be read"),
        ("https://app.example.com:99999", "can't be read"),
        ("https://-x", "can't be read"),
        ("https://[::1", "can't be read"),
        ("https://a.example.com,https://b.example.com", "type|read"),
        ("https://a.example.com\n", "type|read"),
        ("https://a.example.com:", "type"),
    ],
)
@pytest.mark.acceptance("KO-12")
def test_what_is_not_the_origin_of_one_page_is_refused(origin: str, said: str) -> None:
    with pytest.raises(ConnectionSetupError, match=said):
        checked_origin(origin)


@given(text=st.text() | st.from_regex(r"https?://[a-z*.:/@\[\]0-9 -]*"))
def test_whatever_is_taken_for_an_origin_is_one(text: str) -> None:
    try:
        checked_origin(text)
    except ConnectionSetupError:
        return
    assert re.fullmatch(r"https?://(?:[a-z0-9.-]+|\[[0-9a-f:]+\])(?::[0-9]{1,5})?", text)


def test_cors_without_a_page_says_what_to_type() -> None:
    with pytest.raises(ConnectionSetupError, match="--origin https://"):
        cors_rules(setup())
