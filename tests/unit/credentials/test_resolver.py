"""A place that somebody names without a connection is read through the most specific one that permits it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import AmbiguousConnectionError, OutOfScopeError
from config.origins import Origins
from credentials.connection import Connection
from credentials.grants import Grant
from credentials.kinds import DefaultSpec, parse_kept
from credentials.places import place_text
from credentials.registry import Registry
from credentials.resolver import choose, choose_for_all
from tests.unit.credentials.connections import A_KEY, A_ROLE, BY_ALICE, a_catalog, a_registry, settings_of

MAIN = {"workspace": "main"}
ROLE_OF = {"kind": "aws_role", "role_arn": A_ROLE["role_arn"]}


def a_connection(
    name: str, *places: str, owner: str = "main", anywhere: bool = False, spec: dict[str, Any] | None = None
) -> Connection:
    fields = ROLE_OF | {"allow": list(places)} if spec is None else spec
    if name == "default":
        fields = {"kind": "default", "allow": list(places)}
    return Connection(
        id=name,
        workspace="main",
        owner=owner,
        kept_id=name,
        spec=parse_kept(fields | {"name": name, "audience": "workspace" if owner == "main" else "organisation"}),
        version=1,
        created_at=1,
        updated_at=1,
        anywhere=anywhere,
    )


ANYWHERE = a_connection("default", anywhere=True)


def chosen(connections: list[Connection], bucket: str, prefix: bytes = b"") -> str:
    return choose(connections, bucket, prefix, workspace="main").name


@pytest.mark.acceptance("KO-04", "KO-05", "KO-06")
def test_the_longest_prefix_wins_then_the_bucket_then_the_built_in_connection() -> None:
    deep, shallow = a_connection("deep", "s3://acme/a/b/"), a_connection("shallow", "s3://acme/a/")
    whole, other = a_connection("whole", "s3://acme"), a_connection("other", "s3://other")
    everyone = [ANYWHERE, whole, deep, other, shallow]
    assert chosen(everyone, "acme", b"a/b/c.jpg") == "deep"
    assert chosen(everyone, "acme", b"a/b") == "shallow"
    assert chosen(everyone, "acme", b"ab") == "whole"
    assert chosen(everyone, "acme") == "whole"
    assert chosen(everyone, "nobodys", b"x") == "default"


@pytest.mark.acceptance("KO-04", "KO-05", "KO-06")
def test_one_connection_serves_every_bucket_that_it_permits_or_one_only() -> None:
    several = a_connection("several", "s3://one", "s3://two/x/")
    only = a_connection("only", "s3://three")
    assert chosen([several, only], "one", b"any") == "several"
    assert chosen([several, only], "two", b"x/y") == "several"
    assert chosen([several, only], "three") == "only"
    for bucket, prefix in (("two", b"y"), ("two", b""), ("four", b"")):
        with pytest.raises(OutOfScopeError) as caught:
            chosen([several, only], bucket, prefix)
        assert f"s3://{bucket}/{prefix.decode()} (there are: several, only)" in caught.value.message
        assert "add a connection for it" in caught.value.message


def test_where_the_built_in_connection_is_alone_another_one_is_the_remedy() -> None:
    with pytest.raises(OutOfScopeError) as caught:
        chosen([a_connection("default", "s3://listed")], "acme")
    assert caught.value.message.endswith("permits s3://acme/ (there is: default): add a connection for it")


def test_a_tie_is_an_error_that_names_both() -> None:
    two = [a_connection("b", "s3://acme/a/"), a_connection("a", "s3://acme/a/", "s3://acme")]
    with pytest.raises(AmbiguousConnectionError) as caught:
        chosen(two, "acme", b"a/1")
    assert caught.value.message == (
        "s3://acme/a/1 is permitted by a and b alike: name one of them (--connection, or `connection` in the job)"
    )
    assert chosen(two, "acme", b"b") == "a"


def test_own_comes_before_the_organisations_but_after_what_is_more_specific() -> None:
    own, shared = a_connection("own", "s3://acme"), a_connection("shared", "s3://acme", owner="blue")
    deep = a_connection("deep", "s3://acme/a/", owner="blue")
    assert chosen([shared, own], "acme", b"a/1") == "own"
    assert chosen([shared, own, deep], "acme", b"a/1") == "deep"
    assert chosen([ANYWHERE, shared], "acme") == "shared"


def test_a_place_that_the_operator_lists_gives_way_to_a_connection_made_for_it() -> None:
    listed = a_connection("default", "s3://acme")
    for owner in ("main", "blue"):
        assert chosen([listed, a_connection("made", "s3://acme", owner=owner)], "acme") == "made"
    assert chosen([listed, a_connection("made", "s3://acme/a/")], "acme", b"b") == "default"


def test_what_reads_no_buckets_is_never_chosen() -> None:
    bedrock = a_connection("bedrock", spec=ROLE_OF | {"scope": "bedrock"})
    files = a_connection("files", spec={"kind": "https_bearer", "allow": ["https://files.acme.example/"]})
    assert chosen([ANYWHERE, bedrock, files], "acme") == "default"
    with pytest.raises(OutOfScopeError):
        chosen([bedrock, files], "acme")


GRANTS = st.builds(
    Grant, bucket=st.sampled_from(["one", "two"]), prefix=st.sampled_from(["", "a/", "a/b/", "a/b/c/", "b/", "é/"])
)


@st.composite
def _connections(draw: st.DrawFn) -> list[Connection]:
    made = [
        a_connection(f"c{number}", *map(place_text, grants), owner=owner)
        for number, (grants, owner) in enumerate(
            draw(
                st.lists(
                    st.tuples(st.lists(GRANTS, min_size=1, max_size=3), st.sampled_from(["main", "blue"])), max_size=5
                )
            )
        )
    ]
    built_in = draw(st.sampled_from([None, ANYWHERE, a_connection("default", "s3://one"), a_connection("default")]))
    return draw(st.permutations(made if built_in is None else [*made, built_in]))


def _model(connections: list[Connection], bucket: str, prefix: str) -> set[str]:
    """Who might be meant: a place at a time, from the narrowest that there can be to none."""
    asked = f"s3://{bucket}/{prefix}"
    ends = [cut for cut in range(len(asked), len(f"s3://{bucket}/") - 1, -1) if asked[cut - 1] == "/"]
    tiers = [{asked[:cut]} for cut in ends]
    for tier in tiers:
        here = [one for one in connections if tier & {f"s3://{g.bucket}/{g.prefix}" for g in one.grants}]
        for wanted in (
            [one for one in here if one.kind != "default" and one.own],
            [one for one in here if one.kind != "default"],
            here,
        ):
            if wanted:
                return {one.name for one in wanted}
    return {one.name for one in connections if one.anywhere}


@pytest.mark.acceptance("KO-04", "KO-05", "KO-06")
@given(
    _connections(),
    st.sampled_from(["one", "two"]),
    st.sampled_from(["", "a", "a/", "a/b", "a/b/c/d", "b/", "é/x", "z"]),
)
def test_the_choice_is_that_of_a_simple_model(connections: list[Connection], bucket: str, prefix: str) -> None:
    meant = _model(connections, bucket, prefix)
    try:
        found = {choose(connections, bucket, prefix.encode(), workspace="main").name}
    except OutOfScopeError:
        found = set()
    except AmbiguousConnectionError as error:
        found = set(error.message.split(" permitted by ")[1].split(" alike")[0].split(" and "))
    assert found == meant


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncGenerator[Registry]:
    async with a_catalog(tmp_path) as database:
        yield a_registry(database, settings_of())


async def test_it_chooses_among_what_a_workspace_sees(registry: Registry) -> None:
    await registry.create(A_ROLE, **BY_ALICE)
    await registry.create(A_KEY | {"allow": ["s3://acme/raw/"]}, **BY_ALICE)
    seen = await registry.list(**MAIN)
    assert choose(seen, "acme", b"raw/1", **MAIN).name == "keys"
    assert choose(seen, "acme", b"1", **MAIN).name == "acme"
    assert isinstance(choose(seen, "other", b"1", **MAIN).spec, DefaultSpec)
    with pytest.raises(OutOfScopeError, match="no connection of workspace 'blue' permits"):
        choose(await registry.list(workspace="blue"), "acme", b"raw/1", workspace="blue")


# -- HTTPS servers, and objects that are named one by one

FILES = "https://files.example.com"


def a_login(name: str, *places: str, owner: str = "main") -> Connection:
    return a_connection(name, owner=owner, spec={"kind": "https_bearer", "allow": list(places)})


def public(*origins: str) -> Connection:
    return replace(a_connection("default"), public=Origins.parse(origins))


@pytest.mark.acceptance("CO-04")
def test_an_address_is_read_through_the_narrowest_place_of_its_server() -> None:
    deep, wide = a_login("deep", f"{FILES}/a/b/"), a_login("wide", f"{FILES}/")
    role, everyone = a_connection("role", "s3://acme"), public("any")
    seen = [everyone, wide, deep, role]
    assert chosen(seen, FILES, b"/a/b/c.jpg?x=/") == "deep"
    assert chosen(seen, FILES, b"/a/b") == "wide"
    assert chosen(seen, FILES, b"/x?y=/a/b/") == "wide"
    assert chosen(seen, "https://other.example.com", b"/a") == "default"
    assert chosen([public(FILES), role], FILES, b"/a") == "default"


@pytest.mark.parametrize(
    ("origin", "path"),
    [
        (f"{FILES}:8443", b"/a/b/c"),
        ("https://files.example.com.evil.example", b"/a/b/c"),
        ("https://evil.example", b"/https://files.example.com/a/b/"),
        (FILES, b"/a/bc"),
        (FILES, b"/a/"),
        (FILES, b"/?/a/b/"),
    ],
)
def test_an_address_that_no_connection_permits_is_refused_with_what_to_do(origin: str, path: bytes) -> None:
    login, unlisted = a_login("login", f"{FILES}/a/b/"), public()
    with pytest.raises(OutOfScopeError, match="LONGSHORE_PUBLIC_HTTPS"):
        chosen([unlisted, login], origin, path)
    for connection in (login, unlisted):
        with pytest.raises(OutOfScopeError, match="does not permit"):
            connection.permits(origin, path)


@pytest.mark.parametrize("listed", [FILES, "https://*.example.com", f"{FILES}:9443", "any"])
def test_a_server_that_is_listed_with_another_port_is_told_of(listed: str) -> None:
    connection, origin = public(listed), f"{FILES}:8443"
    for refused in (lambda: chosen([connection], origin, b"/a"), lambda: connection.permits(origin, b"/a")):
        with pytest.raises(
            OutOfScopeError, match=r"its host is listed there with another port: https://files\.example\.com:8443 "
        ):
            refused()
    with pytest.raises(OutOfScopeError, match=r"LONGSHORE_PUBLIC_HTTPS$"):
        chosen([public("https://others.example")], origin, b"/a")


def test_what_reads_buckets_reads_no_servers_and_its_query_is_not_told() -> None:
    role, login = a_connection("role", "s3://acme"), a_login("login", f"{FILES}/a/")
    with pytest.raises(OutOfScopeError, match="is for buckets, and reads no HTTPS servers"):
        role.permits(FILES, b"/a/x")
    with pytest.raises(OutOfScopeError, match="is for HTTPS servers, and reads no buckets"):
        login.permits("acme", b"x")
    with pytest.raises(OutOfScopeError) as caught:
        login.permits(FILES, b"/b?sig=hunter2")
    assert "hunter2" not in caught.value.message


@pytest.mark.acceptance("CG-01", "CG-02")
def test_objects_are_read_through_the_narrowest_connection_that_permits_all_of_them() -> None:
    deep, whole = a_connection("deep", "s3://acme/a/"), a_connection("whole", "s3://acme")
    both = a_connection("both", "s3://acme/a/", "s3://other/x/")
    seen = [ANYWHERE, whole, deep]

    def all_through(connections: list[Connection], **keys: tuple[bytes, ...]) -> str | None:
        found = choose_for_all(connections, list(keys.items()), workspace="main")
        return None if found is None else found.name

    assert all_through(seen, acme=(b"a/1", b"a/2")) == "deep"
    assert all_through(seen, acme=(b"a/1", b"b/1")) == "whole"
    assert all_through(seen, acme=(b"a/1",), nobodys=(b"x",)) == "default"
    assert all_through([whole, both], acme=(b"a/1",), other=(b"x/1",)) == "both"
    assert all_through([whole, deep], acme=(b"a/1",), other=(b"x/1",)) is None
    with pytest.raises(AmbiguousConnectionError, match="both and deep alike"):
        all_through([deep, both], acme=(b"a/1",))


KEYS = st.binary(max_size=3).map(lambda key: key.hex().encode())


@given(st.lists(KEYS, max_size=5), st.sets(st.sampled_from(["0/", "1/", "01/", "ab/", ""]), min_size=1), st.booleans())
def test_many_keys_are_permitted_exactly_if_each_is(keys: list[bytes], prefixes: set[str], anywhere: bool) -> None:
    connection = a_connection("role", *(f"s3://acme/{prefix}" for prefix in prefixes), anywhere=anywhere)
    each = [connection.reach("acme", key) is not None for key in keys]
    try:
        connection.permits_all("acme", keys)
    except OutOfScopeError:
        assert not all(each)
    else:
        assert all(each)
