"""What a connection may be, what it permits, and what is said of one that may not be."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from config.errors import ConnectionSetupError, OutOfScopeError
from credentials.connection import Connection, connection_id
from credentials.grants import Grant
from credentials.kinds import (
    DefaultSpec,
    KeysSpec,
    NewKeysSpec,
    RoleSpec,
    parse_kept,
    parse_spec,
)
from credentials.places import bucket_problem, parse_place, place_text

ROLE = "arn:aws:iam::444455556666:role/longshore-reader"
CANARY = "CANARY+the/secret/that/nobody/may/see/01"
A_ROLE = {"kind": "aws_role", "name": "acme", "role_arn": ROLE, "allow": ["s3://acme"]}
A_KEY = {
    "kind": "aws_keys",
    "name": "acme",
    "access_key_id": "AKIAIOSFODNN7EXAMPLE",
    "secret_access_key": CANARY,
    "allow": ["s3://acme"],
}


def connection(
    spec: DefaultSpec | RoleSpec | KeysSpec,
    *,
    workspace: str = "main",
    anywhere: bool = False,
    notices: tuple[str, ...] = (),
) -> Connection:
    return Connection(
        id="c0ffee",
        workspace=workspace,
        owner=workspace,
        kept_id="c0ffee",
        spec=spec,
        version=1,
        created_at=1,
        updated_at=2,
        anywhere=anywhere,
        notices=notices,
    )


def role(**fields: object) -> RoleSpec:
    spec = parse_spec(A_ROLE | fields)
    assert isinstance(spec, RoleSpec)
    return spec


def refusal(fields: Mapping[str, object]) -> str:
    with pytest.raises(ConnectionSetupError) as caught:
        parse_spec(fields)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    return str(caught.value)


def test_a_role_needs_a_name_an_arn_and_a_place() -> None:
    spec = role()
    assert (spec.session_ttl_s, spec.external_id, spec.region, spec.requester_pays, spec.expected_owner) == (
        3600,
        None,
        None,
        False,
        None,
    )
    assert spec.allow == (Grant(bucket="acme"),)
    for field in ("name", "role_arn"):
        assert refusal({name: value for name, value in A_ROLE.items() if name != field}).endswith(f"{field}: is needed")
    assert "allow: name at least one place" in refusal(A_ROLE | {"allow": []})
    nothing = refusal({"kind": "aws_role"})
    assert all(f"{field}: " in nothing for field in ("name", "role_arn", "allow"))


def test_a_kind_is_one_of_those_there_are() -> None:
    assert "kind: a kind is aws_role, aws_keys, https_basic or https_bearer" in refusal({"name": "acme"})
    assert "kind: a kind is aws_role, aws_keys, https_basic or https_bearer" in refusal(A_ROLE | {"kind": "ftp"})


def test_a_field_of_another_kind_is_refused() -> None:
    assert "secret_access_key: this kind of connection has no such field" in refusal(
        A_ROLE | {"secret_access_key": CANARY}
    )
    assert "role_arn: this kind of connection has no such field" in refusal(A_KEY | {"role_arn": ROLE})


@pytest.mark.parametrize("name", ["a", "acme", "9lives", "a-b_c", "a" * 63])
def test_good_names(name: str) -> None:
    assert role(name=name).name == name


@pytest.mark.parametrize("name", ["", "-a", "_a", "Acme", "a b", "a/b", "é", "a" * 64, "a\n", "٣"])
def test_bad_names(name: str) -> None:
    assert "name: a name has 1 to 63" in refusal(A_ROLE | {"name": name})


GOOD_ARNS = (
    ROLE,
    f" {ROLE}\n",
    "arn:aws-cn:iam::444455556666:role/a",
    "arn:aws-us-gov:iam::444455556666:role/a",
    "arn:aws-iso-b:iam::444455556666:role/a",
    "arn:aws:iam::444455556666:role/some/path/Na_me+=,.@-1",
    "arn:aws:iam::444455556666:role/" + "n" * 64,
)
BAD_ARNS = {
    "": "begins with arn:",
    "longshore-reader": "begins with arn:",
    "444455556666": "begins with arn:",
    "urn:aws:iam::444455556666:role/a": "begins with arn:",
    "arn:gcp:iam::444455556666:role/a": "partition",
    "arn:aws:s3:::acme": "third part is iam",
    "arn:aws:iam:us-east-1:444455556666:role/a": "fourth part is empty",
    "arn:aws:iam::44445555666:role/a": "account ID of 12 digits",
    "arn:aws:iam::٤٤٤٤55556666:role/a": "account ID of 12 digits",
    "arn:aws:iam::444455556666:user/bob": "of a user, not of a role",
    "arn:aws:iam::444455556666:root": "of an account, not of a role",
    "arn:aws:iam::444455556666:policy/p": "of a policy, not of a role",
    "arn:aws:iam::444455556666:instance-profile/p": "of an instance profile, not of a role",
    "arn:aws:sts::444455556666:assumed-role/a/session": "of a session of a role",
    "arn:aws:iam::444455556666:roles/a": "begins with role/",
    "arn:aws:iam::444455556666:role/": "1 to 64",
    "arn:aws:iam::444455556666:role/a b": "1 to 64",
    "arn:aws:iam::444455556666:role/pa th/a": "path no spaces",
    "arn:aws:iam::444455556666:role/" + "n" * 65: "1 to 64",
    "arn:aws:iam::444455556666:role/é": "1 to 64",
    "arn:aws:iam::444455556666:role/" + "p/" * 1010 + "a": "20 to 2048 characters",
}


@pytest.mark.parametrize("arn", GOOD_ARNS)
def test_good_role_arns(arn: str) -> None:
    spec = role(role_arn=arn)
    assert spec.role_arn == arn.strip()
    assert spec.partition == arn.split(":")[1]


@pytest.mark.acceptance("CO-18")
@pytest.mark.parametrize(("arn", "reason"), BAD_ARNS.items())
def test_a_bad_role_arn_is_refused_with_the_reason_and_an_example(arn: str, reason: str) -> None:
    said = refusal(A_ROLE | {"role_arn": arn})
    assert f"role_arn: {reason}" in said or reason in said
    assert "arn:aws:iam::123456789012:role/Name" in said


@pytest.mark.acceptance("CO-21")
@pytest.mark.parametrize("ttl", [59, 3601, 0, -1, 900.5, "soon"])
def test_a_session_ttl_outside_60_to_3600_is_refused(ttl: object) -> None:
    assert "session_ttl_s: " in refusal(A_ROLE | {"session_ttl_s": ttl})


@pytest.mark.acceptance("CO-21")
def test_the_bounds_of_a_session_ttl_belong_to_it() -> None:
    assert [role(session_ttl_s=ttl).session_ttl_s for ttl in (60, 3600)] == [60, 3600]
    assert "lives 60 to 3600 seconds, not 59" in refusal(A_ROLE | {"session_ttl_s": 59})


@pytest.mark.parametrize("external_id", ["ab", "a" * 1224, "Az09_+=,.@:/-"])
def test_good_external_ids(external_id: str) -> None:
    assert role(external_id=external_id).external_id == external_id


@pytest.mark.parametrize("external_id", ["", "a", "a" * 1225, "a b", "é2", "ab\n", "a;b"])
def test_bad_external_ids(external_id: str) -> None:
    assert "external_id: an external ID has 2 to 1224" in refusal(A_ROLE | {"external_id": external_id})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("region", "us east"),
        ("region", "evil.example/"),
        ("region", ""),
        ("expected_owner", "44445555666"),
        ("expected_owner", "٤٤٤٤55556666"),
    ],
)
def test_bad_regions_and_owners(field: str, value: str) -> None:
    assert f"{field}: " in refusal(A_ROLE | {field: value})


BAD_KEYS = {
    "ASIAIOSFODNN7EXAMPLE": "temporary",
    CANARY: "looks like the secret",
    "AK IA": "3 to 128",
    "": "3 to 128",
}


@pytest.mark.parametrize(("key_id", "reason"), BAD_KEYS.items())
def test_a_bad_access_key_id_is_refused_and_not_repeated(key_id: str, reason: str) -> None:
    said = refusal(A_KEY | {"access_key_id": key_id})
    assert reason in said
    assert not key_id or key_id not in said


@pytest.mark.acceptance("CR-11")
@pytest.mark.parametrize("secret", ["short", "with a space", f"{CANARY}\x00", CANARY * 20, 5, None, [CANARY]])
def test_a_bad_secret_is_refused_and_not_repeated(secret: object) -> None:
    said = refusal(A_KEY | {"secret_access_key": secret})
    assert "secret_access_key: " in said
    assert "CANARY" not in said


@pytest.mark.acceptance("CR-11")
def test_a_secret_is_not_shown_when_a_field_beside_it_is_missing_or_bad() -> None:
    for field in ("name", "access_key_id", "allow"):
        assert "CANARY" not in refusal({name: value for name, value in A_KEY.items() if name != field})
        assert "CANARY" not in refusal(A_KEY | {field: ["bad place"]})
    spec = parse_spec(A_KEY)
    assert isinstance(spec, NewKeysSpec)
    assert spec.secret_access_key.get_secret_value() == CANARY
    assert not any("CANARY" in text for text in (repr(spec), str(spec), spec.model_dump_json()))


def test_a_pasted_secret_loses_the_space_around_it() -> None:
    spec = parse_spec(A_KEY | {"secret_access_key": f" {CANARY}\n"})
    assert isinstance(spec, NewKeysSpec)
    assert spec.secret_access_key.get_secret_value() == CANARY


PLACES = {
    "s3://acme": Grant(bucket="acme"),
    "s3://acme/": Grant(bucket="acme"),
    " s3://acme/photos/ ": Grant(bucket="acme", prefix="photos/"),
    "s3://a.b-1/x//y/": Grant(bucket="a.b-1", prefix="x//y/"),
    "s3://acme//": Grant(bucket="acme", prefix="/"),
    "s3://acme/100%25 é/": Grant(bucket="acme", prefix="100%25 é/"),
    f"s3://acme/{'p' * 1023}/": Grant(bucket="acme", prefix="p" * 1023 + "/"),
}
BAD_PLACES = {
    "acme": "type the place as s3://acme or s3://acme/prefix/",
    "arn:aws:s3:::acme": "that is an ARN; type the place as s3://acme",
    "arn:aws-cn:s3:::acme/*": "that is an ARN; type the place as s3://acme",
    "arn:aws:s3:::acme/photos/*": "type the place as s3://acme/photos/",
    "arn:aws:iam::444455556666:role/a": "that is an ARN, and not a bucket's",
    "https://acme.s3.amazonaws.com/photos/1.jpg": "that is a URL; type the place as s3://acme/photos/",
    "https://s3.eu-west-1.amazonaws.com/acme/": "that is a URL; type the place as s3://acme",
    "https://acme.s3.eu-west-1.amazonaws.com": "that is a URL; type the place as s3://acme",
    "https://s3.console.aws.amazon.com/s3/buckets/acme?region=eu-west-1": "that is a URL; type the place as s3://acme",
    "https://eu-west-1.console.aws.amazon.com/s3/buckets/acme/x?tab=1": "that is a URL; type the place as s3://acme",
    "https://acme.example/": "that is a URL; type the place as s3://bucket",
    "gs://acme": "that is a URL; type the place as s3://bucket",
    "s3://acme/photos": "type s3://acme/photos/",
    "s3://acme/photos/*": "type s3://acme/photos/",
    "s3://acme/*": "type s3://acme/",
    "s3://": "3 to 63 characters",
    "s3:///photos/": "3 to 63 characters",
    "s3://ab": "3 to 63 characters",
    f"s3://{'a' * 64}": "3 to 63 characters",
    "s3://Acme": "only lower-case letters",
    "s3://my_bucket": "only lower-case letters",
    "s3://acmé": "only lower-case letters",
    "s3://-acme": "begins and ends",
    "s3://acme-": "begins and ends",
    "s3://ac..me": "no two dots",
    "s3://192.168.5.4": "IP address",
    "s3://acme-s3alias": "access point",
    "s3://acme--use1-az4--x-s3": "directory bucket",
    f"s3://acme/{'é' * 512}/": "1025 bytes",
    "s3://acme/\ud800/": "UTF-8",
    "": "typed as s3://bucket",
}


@pytest.mark.parametrize(("text", "grant"), PLACES.items())
def test_good_places(text: str, grant: Grant) -> None:
    assert parse_place(text) == grant
    assert parse_place(place_text(grant)) == grant


@pytest.mark.parametrize(("text", "reason"), BAD_PLACES.items(), ids=ascii)
def test_a_bad_place_is_refused_with_what_to_type(text: str, reason: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_place(text)
    assert reason in str(caught.value)
    assert reason in refusal(A_ROLE | {"allow": ["s3://acme", text]})


@given(st.text(max_size=80))
def test_any_text_is_refused_or_a_place_that_reads_back_the_same(text: str) -> None:
    try:
        grant = parse_place(text)
    except ValueError:
        return
    assert bucket_problem(grant.bucket) is None
    assert parse_place(place_text(grant)) == grant


def test_places_may_be_one_text_and_are_kept_once() -> None:
    assert role(allow="s3://acme").allow == (Grant(bucket="acme"),)
    assert role(allow=["s3://acme", "s3://b-2/x/", "s3://acme"]).allow == (
        Grant(bucket="acme"),
        Grant(bucket="b-2", prefix="x/"),
    )
    assert "allow" in refusal(A_ROLE | {"allow": [5]})


@given(prefix=st.binary(max_size=20), grant=st.sampled_from(["", "photos/", "é/", "/"]))
def test_a_prefix_is_permitted_if_it_begins_with_a_place(prefix: bytes, grant: str) -> None:
    spec = role(allow=[f"s3://acme/{grant}"])
    if prefix.startswith(grant.encode()):
        connection(spec).permits("acme", prefix)
    else:
        with pytest.raises(OutOfScopeError):
            connection(spec).permits("acme", prefix)
    connection(spec).permits("acme", grant.encode() + prefix)
    with pytest.raises(OutOfScopeError):
        connection(spec).permits("acme2", grant.encode() + prefix)


def test_a_prefix_without_its_slash_is_not_inside_the_place_that_has_one() -> None:
    one = connection(role(allow=["s3://b-1/pre/", "s3://b-2"]))
    one.permits("b-1", b"pre/")
    one.permits("b-2", b"")
    for prefix in (b"", b"p", b"pre", b"prefix/"):
        with pytest.raises(OutOfScopeError, match=r"permits s3://b-1/pre/, s3://b-2; add the place to 'acme'"):
            one.permits("b-1", prefix)


def test_a_refusal_names_what_was_asked_even_when_it_is_no_text() -> None:
    with pytest.raises(OutOfScopeError, match=r"'acme' does not permit s3://other/\\xff"):
        connection(role()).permits("other", b"\xff")
    with pytest.raises(OutOfScopeError, match=r"and 3 more"):
        connection(role(allow=[f"s3://bucket-{n}" for n in range(8)])).permits("other", b"")


def test_the_built_in_connection_permits_what_the_operator_says() -> None:
    anywhere = connection(DefaultSpec(name="default"), anywhere=True)
    anywhere.permits("any-bucket", b"any/prefix")
    with pytest.raises(
        OutOfScopeError, match="LONGSHORE_READER_ROLE; create a connection for this bucket in workspace 'blue'"
    ):
        connection(DefaultSpec(name="default"), workspace="blue").permits("any-bucket", b"")
    listed = connection(DefaultSpec(name="default", allow=(Grant(bucket="shared"),)), workspace="blue")
    listed.permits("shared", b"x")
    with pytest.raises(OutOfScopeError, match="ask the operator"):
        listed.permits("other", b"x")


def test_a_connection_id_depends_on_workspace_name_and_kind_alone() -> None:
    one = connection_id(workspace="main", name="acme", kind="aws_role")
    assert one == connection_id(workspace="main", name="acme", kind="aws_role")
    assert (len(one), int(one, 16) > 0) == (32, True)
    assert (
        len(
            {
                one,
                *(
                    connection_id(workspace=w, name=n, kind=k)
                    for w, n, k in (("m", "ainacme", "aws_role"), ("main", "acme", "aws_keys"))
                ),
            }
        )
        == 3
    )


texts = st.text(max_size=5)


@given(st.tuples(texts, texts, texts), st.tuples(texts, texts, texts))
def test_no_two_connections_share_an_id(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    assume(one != other)
    ids = [connection_id(workspace=w, name=n, kind=k) for w, n, k in (one, other)]
    assert ids[0] != ids[1]


@pytest.mark.acceptance("CO-14")
def test_a_role_without_an_external_id_is_warned_of() -> None:
    assert connection(role(external_id="ext-1")).warnings() == []
    (warning,) = connection(role()).warnings()
    assert "no external ID" in warning
    assert connection(role(external_id="ext-1"), notices=("look",)).warnings() == ["look"]


def test_a_long_lived_key_is_warned_of() -> None:
    (warning,) = connection(a_key()).warnings()
    assert "can't be narrowed" in warning


def a_key() -> KeysSpec:
    spec = parse_kept({name: value for name, value in A_KEY.items() if name != "secret_access_key"})
    assert isinstance(spec, KeysSpec)
    return spec


def test_a_description_shows_the_end_of_a_key_id_only() -> None:
    shown = connection(a_key()).describe()
    assert (shown["access_key_id"], shown["allow"], shown["kind"]) == ("…MPLE", ["s3://acme"], "aws_keys")
    assert "AKIAIOSFODNN7EXAMPLE" not in repr(connection(a_key()))


@pytest.mark.parametrize(
    "spec",
    [
        role(external_id="ext-1", region="eu-west-1", allow=["s3://a-1/é/", "s3://b-2"]),
        a_key(),
        DefaultSpec(name="default"),
    ],
)
def test_what_is_kept_is_read_back_the_same(spec: DefaultSpec | RoleSpec | KeysSpec) -> None:
    assert parse_kept(spec.model_dump(mode="json")) == spec
