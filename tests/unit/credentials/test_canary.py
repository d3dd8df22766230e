"""A marked secret is put into a connection, everything is provoked, and then it is searched for."""

from __future__ import annotations

import base64
import io
import json
import logging
import traceback
from collections.abc import Awaitable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import structlog

from config.errors import LongshoreError
from credentials.access import KeyAccess
from credentials.connection import Connection
from credentials.kinds import parse_spec
from credentials.registry import Registry
from tests.unit.credentials.connections import A_KEY, BY_ALICE, CANARY, KEYS, a_catalog, a_registry, settings_of

MARK = "CANARY"
FORMS = (MARK, base64.b64encode(CANARY.encode()).decode()[:20], CANARY.encode().hex()[:20], KEYS.split(":")[1][:12])


async def _error(said: list[str], call: Awaitable[object]) -> None:
    """Everything that can be shown of an error, its chain included; and logged."""
    with pytest.raises(LongshoreError) as caught:
        await call
    error = caught.value
    said += [
        str(error),
        repr(error),
        json.dumps(error.fields, default=repr),
        "".join(traceback.format_exception(error)),
    ]
    structlog.get_logger("test").error("refused", exc_info=error, fields=error.fields)
    logging.getLogger("foreign").error("refused: %s", error, exc_info=error)


async def _provoke(registry: Registry, said: list[str]) -> None:
    wrong: list[dict[str, Any]] = [
        {name: value for name, value in A_KEY.items() if name != missing}
        for missing in ("name", "kind", "allow", "access_key_id")
    ]
    wrong += [A_KEY | {name: CANARY} for name in ("name", "kind", "allow", "access_key_id", "region", "expected_owner")]
    wrong += [A_KEY, A_KEY | {"name": "default"}, A_KEY | {"secret_access_key": [CANARY]}, A_KEY | {"more": CANARY}]
    wrong += [A_KEY | {"kind": "aws_role"}, A_KEY | {"secret_access_key": f"{CANARY}\n{CANARY}"}]
    for fields in wrong:
        await _error(said, registry.create(fields, **BY_ALICE))
    for changes in (
        {"name": CANARY},
        {"secret_access_key": f"{CANARY} "[:5]},
        {"secret_access_key": CANARY, "allow": []},
        {"x": CANARY},
    ):
        await _error(said, registry.update("keys", changes, **BY_ALICE))
    await _error(said, registry.update("nope", {"secret_access_key": CANARY}, **BY_ALICE))


def _shown(*things: object) -> list[str]:
    return [text for thing in things for text in (repr(thing), str(thing), f"{thing}", json.dumps(thing, default=str))]


def _described(connection: Connection) -> list[str]:
    return [json.dumps(connection.describe()), connection.spec.model_dump_json(), *connection.warnings()]


def _files(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


@pytest.mark.acceptance("CR-10", "CR-11")
async def test_a_secret_is_found_nowhere(tmp_path: Path, log: io.StringIO) -> None:
    settings = settings_of()
    spec = parse_spec(A_KEY)
    said = [*_shown(settings, spec), spec.model_dump_json()]
    files: dict[str, bytes] = {}
    async with a_catalog(tmp_path) as database:
        registry = a_registry(database, settings)
        created = await registry.create(A_KEY, **BY_ALICE)
        pair = await registry.keys(created)
        assert pair.secret_access_key == CANARY
        access = KeyAccess(pair, connection="keys", again=partial(registry.keys, created, fresh=True))
        said += _shown(created, registry, database, pair, access, await access.session()) + _described(created)
        structlog.get_logger("test").info("opened", pair=pair, spec=spec, plain={"secret_access_key": CANARY})
        logging.getLogger("foreign").debug("opened %r with secret_access_key=%s", pair, CANARY)
        await _provoke(registry, said)
        await access.reject(pair.access_key_id)
        await _error(said, access.session())
        await _error(
            said, a_registry(database, settings_of(secret_keys=None)).create(A_KEY | {"name": "k"}, **BY_ALICE)
        )
        await _error(said, a_registry(database, settings_of(secret_keys=None)).secret(created))
        files |= _files(tmp_path)
        updated = await registry.update("keys", {"secret_access_key": f"{CANARY}2"}, **BY_ALICE)
        await registry.remove("keys", **BY_ALICE)
        said += _shown(updated) + _described(updated)
    files |= {f"closed {name}": content for name, content in _files(tmp_path).items()}
    assert "catalog.db-wal" in files
    assert len(log.getvalue().splitlines()) > 40
    for form in FORMS:
        assert not [text for text in said if form in text]
        assert form not in log.getvalue()
        assert not [name for name, content in files.items() if form.encode() in content]
