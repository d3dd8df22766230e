"""No secret comes through, whatever it is embedded in; ordinary text does, unchanged."""

from __future__ import annotations

import base64
import json
import string
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from config.redaction import HIDDEN, redact, redact_value

KEY_ID = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
TOKEN = "IQoJb3JpZ2luX2VjEJr//////////wEaCXVzLWVhc3QtMSJHMEUCIQ=="

secrets = st.text(alphabet=string.ascii_letters + string.digits + "/+", min_size=40, max_size=40)
passwords = st.text(
    alphabet=string.ascii_letters + string.digits + "!#$%()*+,-./:;=?@[]^_{|}~", min_size=12, max_size=30
)
any_text = st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=12, max_size=30)
names = st.sampled_from(
    [
        "secret_access_key",
        "SecretAccessKey",
        "aws_secret_access_key",
        "SessionToken",
        "session_token",
        "password",
        "PASSWORD",
        "db-password",
        "token",
        "api_key",
        "client_secret",
        "X-Amz-Security-Token",
        "credential",
        "LONGSHORE_SECRET_KEYS",
    ]
)

Shape = Callable[[str, str], str]
UNQUOTED: dict[str, Shape] = {
    "assignment": lambda name, secret: f"{name}={secret}",
    "colon": lambda name, secret: f"got {name}: {secret} and went on",
    "arrow": lambda name, secret: f"{name} => {secret}",
    "list": lambda name, secret: f"{name}=['{secret}', '{secret}']",
    "header": lambda name, secret: f"GET / HTTP/1.1\r\n{name}: {secret}\r\nhost: x",
    "authorization": lambda name, secret: f"Authorization: Bearer {secret}",
    "signed": lambda _, secret: (
        f"authorization: AWS4-HMAC-SHA256 Credential=x/y, SignedHeaders=host, Signature={secret}"
    ),
}
QUOTED: dict[str, Shape] = {
    "repr of a dict": lambda name, secret: repr({"a": 1, name: secret, "b": 2}),
    "repr of a call": lambda name, secret: f"Keys({name.replace('-', '_')}={secret!r}, region='x')",
    "bytes": lambda name, secret: repr({name: secret.encode()}),
    "json": lambda name, secret: json.dumps({"a": {name: secret}, "b": 2}),
    "json in json": lambda name, secret: json.dumps({"body": json.dumps({name: secret, "b": 2}), "c": 3}),
    "json in repr": lambda name, secret: repr({"body": json.dumps({name: secret, "b": 2})}),
    "cut short": lambda name, secret: repr({name: secret})[:-2],
}


@pytest.mark.parametrize("shape", UNQUOTED.values(), ids=UNQUOTED.keys())
@given(name=names, secret=passwords.filter(lambda text: text[0] not in "[({"))
@example(name="password", secret="correct-horse=battery&staple")
def test_a_secret_beside_its_name_is_hidden(shape: Shape, name: str, secret: str) -> None:
    assume(secret not in shape(name, ""))  # hypothesis also tries words that it finds in our own files
    assert secret not in redact(shape(name, secret))


@pytest.mark.parametrize("shape", QUOTED.values(), ids=QUOTED.keys())
@given(name=names, secret=any_text)
@example(name="password", secret="""it's "quoted" \\ twice""")
@example(name="password", secret="ends with one \\")
def test_a_quoted_secret_is_hidden_whole(shape: Shape, name: str, secret: str) -> None:
    """Whatever quotes and backslashes it holds: none of its pieces is left."""
    assume(secret not in shape(name, ""))
    text = redact(shape(name, secret))
    plain = redact(shape(name, "x" * 12))
    assert secret not in text
    assert text == plain or HIDDEN in text
    assert len(text) <= len(plain) + len(HIDDEN)


@given(
    password=any_text, user=st.sampled_from(["", "longshore"]), scheme=st.sampled_from(["redis", "postgresql", "https"])
)
def test_a_password_in_a_url_is_hidden(password: str, user: str, scheme: str) -> None:
    quoted = quote(password, safe="")
    text = redact(f"can't reach {scheme}://{user}:{quoted}@db.example:5432/0?x=1 now")
    assert quoted not in text
    assert text.endswith("@db.example:5432/0?x=1 now")


@given(secret=secrets, token=secrets)
def test_an_answer_of_sts_is_hidden(secret: str, token: str) -> None:
    xml = f"<Credentials><AccessKeyId>{KEY_ID}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey><SessionToken>{token}</SessionToken></Credentials>"
    text = redact(xml)
    assert secret not in text
    assert token not in text
    assert "<AccessKeyId>AKIA…MPLE</AccessKeyId>" in text


@given(secret=secrets, between=st.sampled_from([" ", ":", "\n", " / ", '","', "'), ('"]))
def test_forty_characters_near_a_key_id_are_hidden(secret: str, between: str) -> None:
    assert secret not in redact(f"keys {KEY_ID}{between}{secret} were refused")


@pytest.mark.parametrize("secret", [SECRET, "h7/Gq0Zr+T5vYb2NcXw8KdLmP3sJfA6eRiUoQt1W"])
def test_a_secret_that_stands_alone_is_known_by_its_randomness(secret: str) -> None:
    assert redact(f"the secret {secret} is refused") == f"the secret {HIDDEN} is refused"


def test_a_key_id_keeps_its_last_four_characters() -> None:
    assert redact(f"key {KEY_ID} is refused") == "key AKIA…MPLE is refused"
    assert redact("ASIAQWERTYUIOPASDFGH") == "ASIA…DFGH"


def test_a_signed_url_loses_signature_token_and_credential() -> None:
    url = f"https://b.s3.amazonaws.com/k?X-Amz-Credential={KEY_ID}%2F20260101&X-Amz-Security-Token={quote(TOKEN, safe='')}&X-Amz-Signature=0123456789abcdef"
    text = redact(url)
    assert text.startswith("https://b.s3.amazonaws.com/k?X-Amz-Credential=")
    assert not any(secret in text for secret in (KEY_ID, quote(TOKEN, safe=""), "0123456789abcdef"))


@pytest.mark.parametrize(
    "text",
    [
        f"session {TOKEN} ended",
        "stored sealed:1:k1:c2VhbGVkIGJ5dGVzIGFuZCBtb3Jl here",
        f"k1:{base64.b64encode(bytes(range(32))).decode()}",
        "Basic dXNlcjpwYXNzd29yZA==",
        "bearer abcdef0123456789",
        'Policy={"Version":"2012-10-17","Statement":[]}',
        "&Policy=%7B%22Version%22%3A%222012-10-17%22%7D&x=1",
        "aws4_request signature%3D0123456789abcdef",
    ],
)
def test_what_has_a_shape_needs_no_name(text: str) -> None:
    assert HIDDEN in redact(text)
    for word in ("c2Vhb", "AAECAw", "dXNlc", "0123456789", "2012-10-17", TOKEN):
        assert word not in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "run 01JD0 of connection acme: 1,000 entries, 3 changed",
        "ExpiredToken: The provided token has expired.",
        "InvalidClientTokenId: The security token included in the request is invalid",
        "SignatureDoesNotMatch: the request signature we calculated does not match",
        "a secret can't be sealed or opened with the keys in LONGSHORE_SECRET_KEYS",
        "SecretKeyError: no secret can be stored without a key",
        "basic authentication is not used",
        "http://127.0.0.1:5000/bucket/a@2x.png answered 404",
        "s3://bucket/photos/2024/summer/holidays/album/one.jpg",
        "etag d41d8cd98f00b204e9800998ecf8427e, sha1 da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "arn:aws:iam::123456789012:role/Reader",
        "name the place in the role's policy",
        "",
    ],
)
def test_ordinary_text_comes_through_unchanged(text: str) -> None:
    assert redact(text) == text


@given(st.text(max_size=300))
def test_any_text_can_be_redacted_twice(text: str) -> None:
    once = redact(text)
    assert redact(once) == once


@pytest.mark.parametrize("shape", [*UNQUOTED.values(), *QUOTED.values()], ids=[*UNQUOTED, *QUOTED])
@given(name=names, secret=secrets)
def test_what_was_redacted_once_loses_nothing_more(shape: Shape, name: str, secret: str) -> None:
    """A line of a library goes through redaction when it is made, and again when it is printed."""
    once = redact(f"{shape(name, secret)} of run 5 failed")
    assert redact(once) == once
    assert redact(f"{name}={HIDDEN} of run 5 failed") == f"{name}={HIDDEN} of run 5 failed"


@given(name=names, secret=passwords.filter(lambda text: text[0] not in " ,;&\"'<>(){}]\\"))
def test_nothing_hides_behind_what_was_redacted(name: str, secret: str) -> None:
    assume(secret not in f"{name}={HIDDEN}")
    assert secret not in redact(f"{name}={HIDDEN}{secret}")


@pytest.mark.parametrize(
    "hostile", ["://a:", "token=", "password='\\", "<secret", "A" * 3 + "KIA", 'secret"', "policy ", "\\'"]
)
def test_hostile_text_is_no_trap_for_the_patterns(hostile: str) -> None:
    """64 KiB made to be backtracked over; the suite's time-out is the proof."""
    assert redact(hostile * (65_536 // len(hostile))) is not None


@given(name=names, secret=any_text, number=st.integers(min_value=10**6))
def test_a_value_under_a_sensitive_name_is_hidden_at_any_depth(name: str, secret: str, number: int) -> None:
    event = {"a": [{"b": ({name: secret},)}], name: number, "n": number, "set": {secret: {name.upper(): {"x": secret}}}}
    assume(secret.upper() not in name.upper())
    clean = redact_value({"a": event["a"], name: number, "n": 5, "c": {name.upper(): {"x": secret}}})
    assert secret not in repr(clean)
    assert str(number) not in repr(clean)
    assert clean["n"] == 5


def test_values_keep_their_kind_where_nothing_is_hidden() -> None:
    event = {"keys": 3, "share": 0.5, "ok": True, "none": None, "names": ("a", "b"), "external_id": "x1"}
    assert redact_value(event) == event | {"names": ["a", "b"]}


def test_a_key_id_under_its_name_shows_its_end_and_a_short_one_nothing() -> None:
    assert redact_value({"access_key_id": KEY_ID, "AccessKeyId": "short"}) == {
        "access_key_id": "…MPLE",
        "AccessKeyId": HIDDEN,
    }


def test_an_object_is_shown_by_its_redacted_repr() -> None:
    class Leaky:
        def __repr__(self) -> str:
            return f"Leaky(secret_key='{SECRET}', region='eu-west-1')"

    assert redact_value({"it": Leaky()}) == {"it": f"Leaky(secret_key={HIDDEN}, region='eu-west-1')"}


def test_a_value_that_contains_itself_ends() -> None:
    loop: dict[str, object] = {"token": SECRET}
    loop["again"] = loop
    assert SECRET not in repr(redact_value(loop))
