"""What a workspace is told of trouble with another one's connection: hides whose role, user and account is behind it."""

from __future__ import annotations

import re
from typing import Final

from config.errors import LongshoreError
from credentials.connection import Connection

_ARN: Final = re.compile(r"arn:aws[a-z-]*:(?:iam|sts)::\d{12}:[^\s,;'\"()]+")
_HIDDEN: Final = "***"


def veiled(error: LongshoreError, connection: Connection) -> LongshoreError:
    """The same error, or one of its kind that names no role, user or external ID of another workspace."""
    if connection.open_to_view:
        return error
    text = _ARN.sub(_HIDDEN, error.message)
    for name in ("external_id", "access_key_id", "username"):
        secret = getattr(connection.spec, name, None)
        if secret:
            text = text.replace(secret, _HIDDEN)
    whose = connection.owner if connection.role_owner is None else connection.role_owner
    return type(error)(f"{text} (workspace {whose!r}, whose it is, sees more)", **error.fields)
