"""What a workspace may read about another one's connection: hides who its owner is to the storage, and whom the owner trusts."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from config.errors import LongshoreError
from credentials.connection import OWNERS_ONLY, Connection
from credentials.kinds import KeysSpec, RoleSpec

_IDENTITIES: Final = re.compile(
    r"arn:aws[a-z-]*:(?:(?:iam|sts|kms|organizations|secretsmanager|ssm)\b|[a-z0-9-]*:[a-z0-9-]*:\d{12}\b)[^\s\"'<>]*"
)
"""Of whatever belongs to an account, cut short or not; a bucket's ARN names none."""
_ACCOUNTS: Final = re.compile(r"(?<!\d)\d{12}(?!\d)")
_KMS: Final = re.compile(r"\bkey/[0-9a-f]{8}-[0-9a-f-]{27}\b")
_KEYS: Final = re.compile(r"\b(?:AKIA|ASIA|AROA|AIDA)…?[A-Z0-9]{4,}\b")  # redacted or whole
_GONE: Final = "***"


def veil(connection: Connection) -> Callable[[str], str]:
    """What takes out of a text all that only its owner may see."""
    words = _words(connection)

    def clean(text: str) -> str:
        text = words.sub(_GONE, text)
        for pattern in (_IDENTITIES, _KMS, _KEYS, _ACCOUNTS):
            text = pattern.sub(_GONE, text)
        return text

    return clean


def whose(connection: Connection) -> str:
    """The workspace that sees all of it."""
    return connection.owner if connection.role_owner is None else connection.role_owner


def veiled(error: LongshoreError, connection: Connection) -> LongshoreError:
    """The same error, or one of its kind that a workspace may read which does not own the connection."""
    if connection.open_to_view:
        return error
    clean = veil(connection)
    fields = {name: clean(value) if isinstance(value, str) else value for name, value in error.fields.items()}
    return type(error)(f"{clean(error.message)} (workspace {whose(connection)!r}, whose it is, sees more)", **fields)


def _words(connection: Connection) -> re.Pattern[str]:
    """Values of the connection that may not be shown, the longest first; each as a word of its own."""
    spec = connection.spec
    hidden = [getattr(spec, name, None) for name in OWNERS_ONLY]
    words = [word for word in hidden if isinstance(word, str) and word]
    words += [key for key in getattr(spec, "kms_keys", ()) if key]
    if isinstance(spec, RoleSpec):
        words += [spec.role_arn.split(":")[4], spec.role_arn.rpartition("/")[2]]
    if isinstance(spec, KeysSpec):
        words.append(f"…{spec.access_key_id[-4:]}")
    either = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    return re.compile(rf"(?<![\w.-])(?:{either})(?![\w-]|\.\w)") if words else re.compile(r"(?!)")
