"""Our reading of IAM: variables, principals, and how documents of several kinds decide together."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.iam import Ask, Principal, UnknownElementError, allows, check, decide, refusal
from tests.fakes.iam_documents import allow, deny, policy, trust

SESSION = Principal(
    arn="arn:aws:sts::111122223333:assumed-role/reader/run-1",
    role_arn="arn:aws:iam::111122223333:role/path/reader",
    tags={"team": "blue", "star": "*"},
)
OTHER = Principal(arn="arn:aws:iam::444455556666:user/u")
GET = Ask(action="s3:GetObject", resource="arn:aws:s3:::b/k", principal=SESSION)
YES, NO = policy(allow("*", "*")), policy(allow("s3:Nothing", "*"))


def test_lines_of_a_condition_must_all_hold() -> None:
    both = {"StringEquals": {"a:x": "1", "a:y": "2"}}
    document = policy(allow("*", "*", when=both))
    assert allows(document, Ask(action="a:b", resource="r", context={"a:X": "1", "A:y": "2"}))
    assert not allows(document, Ask(action="a:b", resource="r", context={"a:x": "1"}))


@pytest.mark.parametrize(
    ("resource", "key", "expected"),
    [
        ("b/${aws:PrincipalTag/team}/*", "b/blue/x", True),
        ("b/${aws:principaltag/TEAM}/*", "b/blue/x", True),
        ("b/${aws:PrincipalTag/team}/*", "b/red/x", False),
        ("b/${aws:PrincipalTag/none}*", "b/x", False),
        ("b/${aws:PrincipalTag/none, 'all'}/*", "b/all/x", True),
        ("b/${aws:PrincipalTag/star}", "b/x", False),
        ("b/${aws:PrincipalTag/star}", "b/*", True),
        ("b/${$}{x}", "b/${x}", True),
        ("b/${?}", "b/?", True),
    ],
)
def test_variables_stand_for_what_the_principal_carries(resource: str, key: str, expected: bool) -> None:
    document = policy(allow("s3:GetObject", f"arn:aws:s3:::{resource}"))
    ask = Ask(action="s3:GetObject", resource=f"arn:aws:s3:::{key}", principal=SESSION)
    assert allows(document, ask) is expected


def test_a_condition_may_compare_with_a_variable() -> None:
    document = policy(allow("*", "*", when={"StringEquals": {"s3:prefix": "${aws:PrincipalTag/team}/"}}))
    for prefix, expected in (("blue/", True), ("red/", False)):
        ask = Ask(action="s3:ListBucket", resource="r", context={"s3:prefix": prefix}, principal=SESSION)
        assert allows(document, ask) is expected


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ({"NotAction": "s3:Put*", "Resource": "*"}, True),
        ({"NotAction": "s3:GET*", "Resource": "*"}, False),
        ({"Action": "s3:getobject", "Resource": "*"}, True),
        ({"Action": "*", "NotResource": "arn:aws:s3:::b/*"}, False),
        ({"Action": "*", "NotResource": "arn:aws:s3:::c/*"}, True),
        ({"Action": "*", "Resource": ["arn:aws:s3:::c", "arn:aws:s3:::b/?"]}, True),
        ({"Action": "*", "Resource": "arn:*:b/k"}, False),
    ],
)
def test_actions_and_resources_may_be_named_or_excepted(statement: dict[str, Any], expected: bool) -> None:
    assert allows(policy({"Effect": "Allow", **statement}), GET) is expected


@pytest.mark.parametrize(
    ("principal", "expected"),
    [
        ("*", True),
        ("111122223333", True),
        ("arn:aws:iam::111122223333:root", True),
        (SESSION.arn, True),
        (SESSION.role_arn, True),
        ("arn:aws:iam::111122223333:role/other", False),
        ("444455556666", False),
        (["444455556666", "111122223333"], True),
    ],
)
def test_a_principal_is_named_by_its_arn_its_role_or_its_account(principal: str | list[str], expected: bool) -> None:
    assert allows(policy(allow("s3:GetObject", "*", principal=principal)), GET) is expected
    nobody = Ask(action="s3:GetObject", resource="r")
    assert allows(policy(allow("s3:GetObject", "*", principal=principal)), nobody) is (principal == "*")


def test_services_and_federations_are_nobody_who_asks_here() -> None:
    names = {"Service": "ec2.amazonaws.com", "Federated": "x", "CanonicalUser": "y"}
    assert not allows(policy({**allow("*", "*"), "Principal": names}), GET)


@pytest.mark.parametrize(
    "document",
    [
        {"Statements": []},
        {"Version": "2008-10-17", "Statement": []},
        policy({"Effect": "allow", "Action": "*"}),
        policy({"Effect": "Allow", "Actions": "*"}),
        policy({"Effect": "Allow"}),
        policy({"Effect": "Allow", "Action": "*", "NotAction": "*"}),
        policy({"Effect": "Allow", "Action": "*", "Resource": "*", "NotResource": "*"}),
        policy({"Effect": "Deny", "Action": "*", "NotPrincipal": "*"}),
        policy(allow("*", when={"StringEqual": {"a": "b"}})),
        policy(allow("*", when={"ForSomeValues:StringEquals": {"a": "b"}})),
        policy(allow("*", when={"NullIfExists": {"a": "b"}})),
        policy(allow("*", principal="arn:aws:iam::111122223333:role/*")),
        policy({**allow("*"), "Principal": "111122223333"}),
        policy({**allow("*"), "Principal": {"Aws": "*"}}),
        policy({**allow("*"), "Sid": "Twice"}, {**allow("s3:Get*"), "Sid": "Twice"}),
        policy({**allow("*"), "Sid": "with-hyphen"}),
        {"Statement": "x"},
    ],
)
def test_what_is_not_understood_is_raised_wherever_it_stands(document: dict[str, Any]) -> None:
    with pytest.raises(UnknownElementError):
        allows(document, GET)
    with pytest.raises(UnknownElementError):
        check(document)


DECISIONS = [  # identity, resource, session, same account -> allowed
    (YES, None, None, True, True),
    (NO, None, None, True, False),
    (YES, None, None, False, False),
    (YES, policy(allow("*", "*", principal="111122223333")), None, False, True),
    (NO, policy(allow("*", "*", principal="111122223333")), None, False, False),
    (NO, policy(allow("*", "*", principal=SESSION.role_arn)), None, True, True),
    (NO, policy(allow("*", "*", principal="111122223333")), None, True, False),
    (NO, policy(allow("*", "*", principal=SESSION.role_arn)), NO, True, False),
    (YES, None, NO, True, False),
    (YES, None, YES, True, True),
    (None, None, YES, True, True),
    (YES, policy(deny("s3:Get*", "*", principal="*")), None, True, False),
    (policy(allow("*", "*"), deny("*", "*")), policy(allow("*", "*", principal="*")), YES, True, False),
    (YES, policy(allow("*", "*", principal="*")), policy(allow("*", "*"), deny("*", "*")), True, False),
]


@pytest.mark.parametrize(("identity", "resource", "session", "same", "expected"), DECISIONS)
def test_documents_decide_together(identity: Any, resource: Any, session: Any, same: bool, expected: bool) -> None:
    assert decide(GET, identity=[identity], resource=resource, session=session, same_account=same) is expected


def test_without_any_document_nothing_is_allowed() -> None:
    assert not decide(GET)
    assert "no identity-based policy allows the s3:GetObject action" in refusal(GET)


@pytest.mark.parametrize(
    ("identity", "principal", "expected"),
    [
        (YES, "111122223333", True),
        (NO, "111122223333", False),
        (NO, SESSION.role_arn, True),
        (YES, "444455556666", False),
    ],
)
def test_a_key_or_a_role_decides_in_its_own_account_too(identity: Any, principal: str, expected: bool) -> None:
    document = policy(allow("*", "*", principal=principal))
    assert decide(GET, identity=[identity], resource=document, resource_must=True) is expected
    assert not decide(GET, identity=[YES], resource=None, resource_must=True)


def test_a_trust_policy_asks_for_its_external_id() -> None:
    document = trust("444455556666", "right")
    for context, expected in (({"sts:ExternalId": "right"}, True), ({"sts:ExternalId": "wrong"}, False), ({}, False)):
        ask = Ask(action="sts:AssumeRole", resource="arn:aws:iam::1:role/r", context=context, principal=OTHER)
        assert decide(ask, identity=[None], resource=document, same_account=False) is expected


def _documents(principals: list[str | None]) -> st.SearchStrategy[dict[str, Any]]:
    statements = st.builds(
        lambda effect, action, resource, principal: effect(action, resource, principal=principal),
        st.sampled_from([allow, deny]),
        st.sampled_from(["*", "s3:Get*", "s3:PutObject"]),
        st.sampled_from(["*", "arn:aws:s3:::b/*", "arn:aws:s3:::c/*"]),
        st.sampled_from(principals),
    )
    return st.lists(statements, max_size=3).map(lambda some: policy(*some))


@given(_documents([None]), _documents(["*", "111122223333", "444455556666"]), _documents([None]), st.booleans())
def test_a_denial_anywhere_wins(identity: Any, resource: Any, session: Any, same: bool) -> None:
    before = decide(GET, identity=[identity], resource=resource, session=session, same_account=same)
    if before:
        assert allows(session, GET)
        assert allows(identity, GET) or (same and allows(resource, GET))
        assert same or allows(resource, GET)
    no = deny("s3:GetObject", "*")
    for changed in (
        {"identity": [policy(*identity["Statement"], no)]},
        {"session": policy(*session["Statement"], no)},
        {"resource": policy(*resource["Statement"], {**no, "Principal": "*"})},
    ):
        documents = {"identity": [identity], "resource": resource, "session": session, **changed}
        assert not decide(GET, **documents, same_account=same)


def test_a_resource_policy_names_principals_and_the_others_do_not() -> None:
    named, unnamed = policy(allow("*", "*", principal="*")), policy(allow("*", "*"))
    for documents in ({"identity": [named]}, {"session": named}, {"resource": unnamed}):
        with pytest.raises(UnknownElementError):
            decide(GET, **documents)


def test_every_order_of_statements_says_the_same() -> None:
    one, other = allow("*", "*"), deny("s3:Put*", "*")
    for statements, action in product(([one, other], [other, one]), ("s3:GetObject", "s3:PutObject")):
        ask = Ask(action=action, resource="r")
        assert allows(policy(*statements), ask) is (action == "s3:GetObject")
