"""What PostgreSQL's errors mean to us, by one table of SQLSTATEs; hides how the driver tells them."""

from __future__ import annotations

import socket
import ssl
from typing import Final

import asyncpg
from sqlalchemy.exc import DBAPIError, DisconnectionError, PendingRollbackError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from config.errors import CatalogError, CatalogUnavailableError, SettingsError

_AGAIN: Final = ("40001", "40P01")
"""The database gave one of several transactions up so that others could go on, and asks for it again."""
_TRANSIENT: Final = ("08", "40", "53", "57", "58", "55P03", "25006", "25P03", "25P04", "XX000")
"""Beginnings: it is away, overloaded, full, restarting, or not the primary for now."""
_CUT_OFF: Final = ("08", "57P01", "57P02", "57P05", "25P03", "25P04")
"""Beginnings: this session is over."""
_SETTINGS: Final = {
    "28P01": "check user and password in LONGSHORE_CATALOG_URL",
    "28": "check LONGSHORE_CATALOG_URL, its sslmode, and whether the server's pg_hba.conf lets this machine in",
    "3D000": "make it with CREATE DATABASE, or name another one in LONGSHORE_CATALOG_URL",
    "3F": "let the user in LONGSHORE_CATALOG_URL have a schema to create tables in",
    "42501": "the user in LONGSHORE_CATALOG_URL needs CREATE on its schema, TEMPORARY on the database, and to own the catalog's tables",
    "26000": "a pooler seems to change connections between transactions: connect directly, or pool by session",
    "42P05": "a pooler seems to change connections between transactions: connect directly, or pool by session",
}
"""Beginnings, the longest that fits: what the operator can do."""


def asks_again(error: BaseException) -> bool:
    """Whether the database rolled a transaction back and expects it once more."""
    changed_meanwhile = isinstance(_original(error), asyncpg.InvalidCachedStatementError)  # another process migrated
    return _sqlstate(error) in _AGAIN or changed_meanwhile


def cut_off(error: BaseException) -> bool:
    """Whether a connection was lost that had been there."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    original = _original(error)
    return _sqlstate(error).startswith(_CUT_OFF) or _driver_is_lost(original) or isinstance(original, ConnectionError)


def translated(error: BaseException, *, place: str | None = None) -> CatalogError | SettingsError:
    """As an error of ours. A password is in none of them. `place`: host and port, if they can be shown."""
    original, state = _original(error), _sqlstate(error)
    reason = str(original).strip() or type(original).__name__
    advice = next((_SETTINGS[state[:size]] for size in (5, 2) if state[:size] in _SETTINGS), None)
    if isinstance(original, ssl.SSLCertVerificationError):
        advice = "name the authority's file as sslrootcert in LONGSHORE_CATALOG_URL"
    if advice is not None:
        return SettingsError(f"the catalog's database refuses us: {reason}; {advice}")
    if _lost(error, original) or state.startswith(_TRANSIENT):
        where = "" if place is None else f" at {place}"
        return CatalogUnavailableError(f"the catalog's database{where} is out of reach: {_why_away(original, reason)}")
    return CatalogError(f"the catalog refused a statement: {reason}")


def _why_away(original: BaseException, reason: str) -> str:
    """And what to look at, where no server has said a word."""
    if isinstance(original, socket.gaierror):
        return f"{reason}; is the host in LONGSHORE_CATALOG_URL right? An @ in a password is written %40"
    if isinstance(original, ConnectionRefusedError):
        reason = "connection refused"
    elif isinstance(original, TimeoutError):
        reason = str(original) or "no answer in time"
    elif not isinstance(original, OSError):
        return reason
    return f"{reason}; is it running, and is LONGSHORE_CATALOG_URL right?"


def _lost(error: BaseException, original: BaseException) -> bool:
    return cut_off(error) or isinstance(
        original, OSError | TimeoutError | PoolTimeoutError | DisconnectionError | PendingRollbackError
    )


def _driver_is_lost(original: BaseException) -> bool:
    """A value that can't be sent is another matter: it will not do the next time either."""
    lost = isinstance(original, asyncpg.InterfaceError | asyncpg.InternalClientError)
    return lost and not isinstance(original, ValueError)


def _original(error: BaseException) -> BaseException:
    """What the driver raised, without what SQLAlchemy wraps around it."""
    if not isinstance(error, DBAPIError) or error.orig is None:
        return error
    return error.orig.__cause__ or error.orig


def _sqlstate(error: BaseException) -> str:
    return str(getattr(_original(error), "sqlstate", None) or "")
