"""What is typed for a connection: every field has its option, every option its field, and the kind follows from what was typed."""

from __future__ import annotations

from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.commands.connection_options import OF_A_CHANGE, OF_A_NEW_ONE, fields_of, kind_of, option_of, options
from credentials.kinds import KINDS, NewBasicSpec, NewBearerSpec, NewKeysSpec, RoleSpec

SPECS = (RoleSpec, NewKeysSpec, NewBasicSpec, NewBearerSpec)
FIELDS = {name for spec in SPECS for name in spec.model_fields}
SECRETS = {"secret_access_key", "password", "token"}
NO_FIELDS = {"bearer", "no_external_id", "secret_stdin", "new_secret"}
"""What says something else."""
FIXED = {"role_arn", "role", "username", "kind", "scope", "new_name"}


def _parameters(given_options: Any) -> dict[str, click.Option]:
    @options(given_options)
    def command() -> None: ...

    return {one.name: one for one in command.__click_params__}  # type: ignore[attr-defined]  # click's own way


NEW, CHANGE = _parameters(OF_A_NEW_ONE), _parameters(OF_A_CHANGE)


@pytest.mark.parametrize("field", sorted(FIELDS - SECRETS - {"name"}))
def test_every_field_has_an_option_by_the_name_that_errors_use(field: str) -> None:
    assert option_of(field) in NEW[field].opts
    assert option_of(f"{field}.0") == option_of(field)
    assert option_of(field) in CHANGE[field].opts


def test_every_option_has_its_field() -> None:
    assert NEW.keys() - NO_FIELDS <= FIELDS
    assert CHANGE.keys() - NO_FIELDS - {"new_name"} <= FIELDS


def test_what_can_not_change_is_not_offered_but_taken_so_that_it_is_refused_by_its_name() -> None:
    assert {name for name, one in CHANGE.items() if one.hidden} == FIXED
    assert not any(one.hidden for one in NEW.values())


def test_a_secret_is_no_option() -> None:
    assert not SECRETS & (NEW.keys() | CHANGE.keys())
    assert {option_of(name) for name in SECRETS} == {"the secret access key", "the password", "the token"}


@pytest.mark.parametrize("option", [*NEW.values(), *CHANGE.values()], ids=lambda option: str(option.name))
def test_every_option_that_is_offered_says_what_it_is(option: click.Option) -> None:
    assert option.hidden or option.help


@pytest.mark.parametrize(
    ("typed", "kind"),
    [
        ({"role_arn": "arn"}, "aws_role"),
        ({"role": "reader"}, "aws_role"),
        ({"role_arn": "arn", "role": "reader"}, "aws_role"),
        ({"access_key_id": "AKIA", "bearer": False}, "aws_keys"),
        ({"username": "u"}, "https_basic"),
        ({"bearer": True}, "https_bearer"),
        ({"kind": "aws_role"}, "aws_role"),
        ({"kind": "https_basic", "username": "u"}, "https_basic"),
    ],
)
def test_the_kind_follows_from_what_was_typed(typed: dict[str, Any], kind: str) -> None:
    assert kind_of(typed) == kind
    assert kind in KINDS


@given(st.dictionaries(st.sampled_from(["role_arn", "role", "access_key_id", "username"]), st.text(min_size=1)))
def test_two_kinds_at_once_are_refused(typed: dict[str, str]) -> None:
    kinds = {{"role_arn": "role", "access_key_id": "keys"}.get(name, name) for name in typed}
    if len(kinds) == 1:
        kind_of(typed)
        return
    with pytest.raises(click.UsageError, match="two kinds of connection" if kinds else "say how it reads"):
        kind_of(typed)


def test_what_was_not_typed_is_no_field() -> None:
    assert fields_of({"region": None, "allow": (), "kms_keys": (), "bearer": False, "no_external_id": False}) == {}
    assert fields_of({"tags": False, "session_ttl_s": 0}) == {"tags": False, "session_ttl_s": 0}


def test_what_is_empty_is_set_no_more_where_that_can_be() -> None:
    empty = {"region": "", "external_id": "", "output": "", "kms_keys": ("",), "test_location": "", "kms_key_arn": ""}
    assert fields_of(empty) == dict.fromkeys(empty) | {"kms_keys": []}
    assert fields_of({"allow": ("",), "access_key_id": ""}) == {"allow": [""], "access_key_id": ""}
    assert fields_of({"endpoint": ""}) == {"endpoint": None, "path_style": None}
    assert fields_of({"endpoint": "", "path_style": True}) == {"endpoint": None, "path_style": True}
    assert fields_of({"external_id": None, "no_external_id": True}) == {"external_id": None}
    with pytest.raises(click.UsageError, match="either --external-id or --no-external-id"):
        fields_of({"external_id": "x", "no_external_id": True})
