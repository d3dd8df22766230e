"""Secrets at rest: AES-256-GCM, each bound to the row and field it belongs to. Hides the keys and the format of a record."""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
from collections.abc import Sequence
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from config.errors import SecretKeyError
from config.settings import Settings

_VARIABLE: Final = "LONGSHORE_SECRET_KEYS"
_NONCE_BYTES: Final = 12  # 96 bits: what NIST SP 800-38D recommends; random ones serve 2**32 secrets under one key
_KEY_BYTES: Final = 32
_KEY_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")
_RECORD: Final = re.compile(r"sealed:(?P<format>\d+):(?P<key_id>[A-Za-z0-9_-]{1,32}):(?P<body>[A-Za-z0-9_-]+=*)")
_FORMAT: Final = "1"
_HOW_TO: Final = f"set {_VARIABLE} to id:base64 of 32 random bytes; `longshore secrets key` makes one"


class Vault:
    """Seals with the first key and opens with any. Without keys it refuses both."""

    def __init__(self, keys: Sequence[tuple[str, bytes]] = ()) -> None:
        """`keys` are pairs of a key ID and 32 bytes."""
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys}
        self._first = keys[0][0] if keys else None

    def __repr__(self) -> str:
        return f"Vault(key_ids={list(self._ciphers)})"

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Read `settings.secret_keys`. Raises SecretKeyError that says which entry is malformed, never what it holds."""
        if settings.secret_keys is None or not settings.secret_keys.get_secret_value().strip():
            return cls()
        keys: dict[str, bytes] = {}
        entries = settings.secret_keys.get_secret_value().split(",")
        for number, entry in enumerate(entries, start=1):
            where = f"{_VARIABLE}: key {number} of {len(entries)}"
            key_id, key = _parsed(entry.strip(), where)
            if key_id in keys:
                raise SecretKeyError(
                    f"{where} has the ID {key_id!r}, which stands there twice; give each key an ID of its own: "
                    "`longshore secrets key --id NAME` makes one"
                )
            keys[key_id] = key
        return cls(list(keys.items()))

    @property
    def key_ids(self) -> tuple[str, ...]:
        """Of all keys; the first one seals."""
        return tuple(self._ciphers)

    def check(self) -> None:
        """Raises SecretKeyError if nothing can be sealed."""
        if self._first is None:
            raise SecretKeyError(f"no secret can be stored without a key; {_HOW_TO}")

    def seal(self, plaintext: str, *, bound_to: Sequence[str]) -> str:
        """A record that opens only with the same `bound_to`, in the same order. Raises SecretKeyError if no key is set."""
        self.check()
        assert self._first is not None
        nonce = os.urandom(_NONCE_BYTES)
        associated = _associated(self._first, bound_to)
        body = nonce + self._ciphers[self._first].encrypt(nonce, plaintext.encode(), associated)
        return sealed_prefix(self._first) + base64.urlsafe_b64encode(body).decode()

    def open(self, sealed: str, *, bound_to: Sequence[str]) -> str:
        """The plaintext. Raises SecretKeyError if the key is not set, or the record is damaged or of another row."""
        record = _RECORD.fullmatch(sealed)
        if record is None or record["format"] != _FORMAT:
            raise SecretKeyError("a stored secret has a form that this version can't read; store the secret again")
        key_id = record["key_id"]
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            known = ", ".join(self._ciphers) or "none"
            raise SecretKeyError(
                f"a stored secret was sealed with key {key_id!r}, and the keys set are: {known}; "
                f"put that key back into {_VARIABLE} (after the first), or store the secret again"
            )
        try:
            body = _decoded(record["body"])
            nonce, ciphertext = body[:_NONCE_BYTES], body[_NONCE_BYTES:]
            return cipher.decrypt(nonce, ciphertext, _associated(key_id, bound_to)).decode()
        except (InvalidTag, ValueError):  # ValueError: cut short, or no base64
            raise SecretKeyError(
                f"a stored secret does not open with key {key_id!r}: the record was changed, was moved from another row, "
                f"or {_VARIABLE} holds another key under that ID; store the secret again"
            ) from None


def key_id_of(sealed: str) -> str | None:
    """The ID of the key that a record was sealed with; None for what is no record of this version's."""
    record = _RECORD.fullmatch(sealed)
    return record["key_id"] if record is not None and record["format"] == _FORMAT else None


def sealed_prefix(key_id: str) -> str:
    """How each record begins that is sealed with this key."""
    return f"sealed:{_FORMAT}:{key_id}:"


def new_key(key_id: str) -> str:
    """A fresh entry for LONGSHORE_SECRET_KEYS: id:base64 of 32 random bytes. Raises SecretKeyError for an ID that none can have."""
    if _KEY_ID.fullmatch(key_id) is None:
        raise SecretKeyError("a key's ID has 1 to 32 letters, digits, - or _; leave it out for one that is made here")
    return f"{key_id}:{base64.b64encode(os.urandom(_KEY_BYTES)).decode()}"


def _parsed(entry: str, where: str) -> tuple[str, bytes]:
    key_id, colon, text = entry.partition(":")
    if not colon or _KEY_ID.fullmatch(key_id) is None:
        raise SecretKeyError(
            f"{where} does not begin with an ID of 1 to 32 letters, digits, - or _ and a colon; {_HOW_TO}"
        )
    try:
        key = base64.b64decode(text.strip().translate(str.maketrans("-_", "+/")), validate=True)
    except (binascii.Error, ValueError):
        raise SecretKeyError(f"{where} is not base64; {_HOW_TO}") from None
    if len(key) != _KEY_BYTES:
        raise SecretKeyError(f"{where} holds {len(key)} bytes, and {_KEY_BYTES} are needed; {_HOW_TO}")
    return key_id, key


def _decoded(text: str) -> bytes:
    """Raises ValueError for anything but the one way to write these bytes: base64 lets the last bits differ."""
    body = base64.b64decode(text, altchars=b"-_", validate=True)
    if base64.urlsafe_b64encode(body).decode() != text:
        raise ValueError("not canonical")
    return body


def _associated(key_id: str, bound_to: Sequence[str]) -> bytes:
    """Unambiguous: as a JSON list, ("a", "bc") and ("ab", "c") differ."""
    return json.dumps(["longshore", _FORMAT, key_id, *bound_to]).encode()
