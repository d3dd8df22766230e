"""Secrets at rest: sealed to their row, opened by any key that is set, refused without one."""

from __future__ import annotations

import base64
import itertools
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import SecretKeyError
from config.settings import Settings
from credentials.vault import Vault

CANARY = "CANARY+the/secret/that/nobody/may/see/01"
ROW = ("main", "c0ffee", "secret_access_key")
KEY_1, KEY_2 = (base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2))


def vault(keys: str | None) -> Vault:
    return Vault.from_settings(Settings.model_validate({"secret_keys": keys}))


@given(plaintext=st.text(st.characters(codec="utf-8")), bound_to=st.lists(st.text(), max_size=4))
def test_what_is_sealed_opens_for_the_same_row(plaintext: str, bound_to: list[str]) -> None:
    one = Vault([("k1", bytes(32))])
    assert one.open(one.seal(plaintext, bound_to=bound_to), bound_to=bound_to) == plaintext


@given(
    rows=st.lists(
        st.lists(st.text(alphabet='ab",[]\\|\x00', max_size=3), max_size=4), min_size=2, max_size=2, unique_by=tuple
    )
)
def test_what_is_sealed_for_one_row_never_opens_for_another(rows: list[list[str]]) -> None:
    """Neither do rows whose parts only join to the same text: ("a", "bc") and ("ab", "c")."""
    one = Vault([("k1", bytes(32))])
    with pytest.raises(SecretKeyError, match="another row"):
        one.open(one.seal(CANARY, bound_to=rows[0]), bound_to=rows[1])


def test_a_record_swapped_between_rows_does_not_open() -> None:
    one = vault(f"k1:{KEY_1}")
    sealed = one.seal(CANARY, bound_to=ROW)
    for part in range(3):
        other = [*ROW]
        other[part] += "x"
        with pytest.raises(SecretKeyError):
            one.open(sealed, bound_to=other)


def test_any_changed_character_is_noticed() -> None:
    one = vault(f"k1:{KEY_1}")
    sealed = one.seal("secret", bound_to=ROW)
    for place in range(len(sealed)):
        changed = sealed[:place] + ("A" if sealed[place] != "A" else "B") + sealed[place + 1 :]
        with pytest.raises(SecretKeyError):
            one.open(changed, bound_to=ROW)
        with pytest.raises(SecretKeyError):
            one.open(sealed[:place], bound_to=ROW)


def test_the_same_secret_is_never_sealed_alike() -> None:
    one = vault(f"k1:{KEY_1}")
    assert len({one.seal(CANARY, bound_to=ROW) for _ in range(100)}) == 100


def test_the_first_key_seals_and_all_open() -> None:
    old, new = vault(f"k1:{KEY_1}"), vault(f" k2:{KEY_2}, k1:{KEY_1} ")
    sealed = old.seal(CANARY, bound_to=ROW)
    assert new.open(sealed, bound_to=ROW) == CANARY
    assert new.seal(CANARY, bound_to=ROW).startswith("sealed:1:k2:")
    with pytest.raises(SecretKeyError, match=r"sealed with key 'k2', and the keys set are: k1"):
        old.open(new.seal(CANARY, bound_to=ROW), bound_to=ROW)


def test_another_key_under_the_same_id_is_told_so() -> None:
    sealed = vault(f"k1:{KEY_1}").seal(CANARY, bound_to=ROW)
    with pytest.raises(SecretKeyError, match="another key under that ID"):
        vault(f"k1:{KEY_2}").open(sealed, bound_to=ROW)


@pytest.mark.parametrize("keys", [None, "", "  "])
@pytest.mark.acceptance("CR-10", "CR-11")
def test_without_a_key_nothing_is_sealed_and_the_error_says_how_to_make_one(keys: str | None) -> None:
    with pytest.raises(SecretKeyError, match="LONGSHORE_SECRET_KEYS") as caught:
        vault(keys).seal(CANARY, bound_to=ROW)
    assert "`longshore secrets key`" in str(caught.value)
    assert CANARY not in str(caught.value)


def test_a_secret_sealed_earlier_says_which_key_is_missing() -> None:
    sealed = vault(f"k1:{KEY_1}").seal(CANARY, bound_to=ROW)
    with pytest.raises(SecretKeyError, match=r"'k1', and the keys set are: none"):
        vault(None).open(sealed, bound_to=ROW)


BAD_KEYS = {
    "no ID": (KEY_1, "key 1 of 1 does not begin with an ID"),
    "empty ID": (f":{KEY_1}", "does not begin with an ID"),
    "key for an ID": (f"{KEY_1}:k1", "does not begin with an ID"),
    "odd ID": (f"k 1:{KEY_1}", "does not begin with an ID"),
    "no base64": (f"k1:!{KEY_1}", "is not base64"),
    "cut": (f"k1:{KEY_1[:-1]}", "is not base64"),
    "short": (f"k1:{base64.b64encode(bytes(16)).decode()}", "holds 16 bytes, and 32 are needed"),
    "empty": ("k1:", "holds 0 bytes"),
    "second": (f"k1:{KEY_1},k2", "key 2 of 2"),
    "trailing comma": (f"k1:{KEY_1},", "key 2 of 2"),
    "twice": (
        f"k1:{KEY_1},k1:{KEY_2}",
        "has the ID 'k1', which stands there twice; give each key an ID of its own: `longshore secrets key --id NAME`",
    ),
}


@pytest.mark.parametrize(("keys", "reason"), BAD_KEYS.values(), ids=BAD_KEYS.keys())
def test_a_malformed_key_is_refused_by_its_place_and_never_shown(keys: str, reason: str) -> None:
    with pytest.raises(SecretKeyError, match=reason) as caught:
        vault(keys)
    said = f"{caught.value} {caught.value.__cause__!r} {caught.value.fields}"
    assert not any(key[:8] in said for key in (KEY_1, KEY_2))


def test_both_alphabets_of_base64_are_read() -> None:
    key = bytes([0xFB, 0xFF] * 16)
    plain, urlsafe = (encode(key).decode() for encode in (base64.b64encode, base64.urlsafe_b64encode))
    assert plain != urlsafe
    sealed = vault(f"k:{plain}").seal("x", bound_to=ROW)
    assert vault(f"k:{urlsafe}").open(sealed, bound_to=ROW) == "x"


@pytest.mark.parametrize(
    "sealed",
    ["", "plain text", "sealed:1:k1:", "sealed:2:k1:AAAA", "sealed:1:k1:AAAA", "sealed:1:k1:A", "sealed:1:k1:AA\n"],
)
def test_what_is_no_record_is_refused(sealed: str) -> None:
    with pytest.raises(SecretKeyError):
        vault(f"k1:{KEY_1}").open(sealed, bound_to=ROW)


def test_a_vault_shows_the_ids_of_its_keys_and_nothing_else() -> None:
    shown = repr(vault(f"k1:{KEY_1},k2:{KEY_2}"))
    assert shown == "Vault(key_ids=['k1', 'k2'])"


def test_two_processes_with_the_same_keys_read_each_other() -> None:
    keys = f"k1:{base64.b64encode(os.urandom(32)).decode()}"
    for one, other in itertools.permutations((vault(keys), vault(keys))):
        assert other.open(one.seal(CANARY, bound_to=ROW), bound_to=ROW) == CANARY
