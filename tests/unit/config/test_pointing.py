"""What of a PostgreSQL URL may be shown: never what may be a part of a password."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.pointing import place, tls_mode


@pytest.mark.parametrize(
    ("rest", "shown"),
    [
        ("u:hunter2@db.example:5433/name", "db.example:5433"),
        ("db.example/name", "db.example"),
        ("u@[::1]:5432/name", "[::1]:5432"),
        ("u:x@a:1,b:2/name", "a:1,b:2"),
        ("/name?host=/var/run/postgresql", None),
        ("u:x@/name", None),
        ("u:x@[::1/name", None),
    ],
)
def test_host_and_port_are_shown_as_they_are_written(rest: str, shown: str | None) -> None:
    assert place(f"postgresql://{rest}") == shown


@given(st.text("ab1@/#?:[]%", min_size=1, max_size=8))
def test_no_part_of_a_password_is_shown_whatever_was_left_unescaped(password: str) -> None:
    assert place(f"postgresql://u:{password}@host:5432/name") in (None, "host:5432")


def test_the_mode_of_tls_is_one_of_those_without_which_there_is_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGSSLMODE", raising=False)
    assert tls_mode("postgresql://h/n?sslmode=verify-full") == "verify-full"
    assert tls_mode("postgresql://h/n?sslmode=prefer") is None
    monkeypatch.setenv("PGSSLMODE", "require")
    assert tls_mode("postgresql://h/n") == "require"
