"""The connection that is always there: its name, what it permits to whom, and that no other may bear its name."""

from __future__ import annotations

from typing import Any

from config.errors import SettingsError
from config.settings import Settings
from credentials.connection import Connection, connection_id
from credentials.grants import Grant
from credentials.kinds import DefaultSpec
from credentials.ownership import HOME
from credentials.places import parse_place


class BuiltIn:
    """By the operator's settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.name = settings.default_connection

    def connection(self, workspace: str) -> Connection:
        """As a workspace sees it."""
        buckets = self._settings.default_buckets
        own_id = connection_id(workspace=workspace, name=self.name, kind="default")
        return Connection(
            id=own_id,
            workspace=workspace,
            owner=workspace,
            kept_id=own_id,
            spec=DefaultSpec(name=self.name, allow=_operators_places(buckets)),
            version=1,
            created_at=0,
            updated_at=0,
            public=self._settings.public_origins,
            anywhere=not buckets and (workspace == HOME or self._settings.reader_role is not None),
        )

    def check_alone(self, row: Any, *, workspace: str) -> None:
        """It must not stand before one of the workspace's own: jobs of that would read with our own identity instead.

        Raises SettingsError.
        """
        if row is not None and row.name == self.name and row.workspace == workspace:
            raise SettingsError(
                f"LONGSHORE_DEFAULT_CONNECTION names the built-in connection {row.name!r}, but workspace {row.workspace!r} has a "
                f"connection of that name (kind {row.kind}): choose another LONGSHORE_DEFAULT_CONNECTION"
            )


def _operators_places(buckets: tuple[str, ...]) -> tuple[Grant, ...]:
    try:
        return tuple(parse_place(bucket if bucket.startswith("s3://") else f"s3://{bucket}") for bucket in buckets)
    except ValueError as error:
        raise SettingsError(
            f"LONGSHORE_DEFAULT_BUCKETS: {error}; write bucket names with commas between them"
        ) from None
