"""The documents say what the code says: tables, commands, fields, links."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from config import errors
from console.cli import longshore
from console.show import asset_record
from ingest.catalog.tables import assets
from tests.docs_tables import DOCS, SCHEMA, TABLES, job_schema, with_tables

ROOT = DOCS.parent
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("name", TABLES)
def test_the_tables_of_the_pages_are_those_of_the_code(name: str) -> None:
    """`python -m tests.docs_tables` mends it."""
    path, table = TABLES[name]
    assert "\n".join(table()) in path.read_text()
    assert with_tables(path) == path.read_text()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_in_a_document_exists(document: Path) -> None:
    said = re.findall(r"\blongshore ((?:[a-z]+ ?){1,2})", "\n".join(_code(document)))
    assert not [words for words in said if not _exists(*words.split())]


def test_every_command_in_a_message_exists() -> None:
    """Whoever reads an error types what it names."""
    packages = ("config", "credentials", "ingest", "worker", "console")
    sources = {path: path.read_text() for package in packages for path in (ROOT / package).rglob("*.py")}
    wrong = [
        f"{path.relative_to(ROOT)}: longshore {words}"
        for path, text in sources.items()
        for words in re.findall(r"`longshore ((?:[a-z]+ ?){1,2})", re.sub(r'"\n\s*f?"', "", text))
        if not _exists(*words.split())
    ]
    assert not wrong


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_option_in_a_document_exists(document: Path) -> None:
    known = {"--help", "--version"} | set(_options())
    for program in ("run", "server"):
        known |= set(re.findall(r'add_argument\(\s*"(--[a-z-]+)"', (ROOT / "benchmarks" / f"{program}.py").read_text()))
    said = set(
        re.findall(r"(?<![\w-])--[a-z][a-z-]+", "\n".join(line for line in _code(document) if "uv " not in line))
    )
    foreign = {"--check", "--burst", "--universal", "--extra", "--group", "--python-version", "--generate-hashes"}
    assert said - known - foreign - {"--no-emit-index-url", "--no-header"} == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_inside_the_repository_leads_somewhere(document: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", document.read_text())
    assert not [link for link in links if not (document.parent / link).exists()]


def test_the_readme_can_be_read_in_one_sitting() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def test_every_key_of_a_record_stands_in_its_table_and_no_other() -> None:
    row = dict.fromkeys(assets.c.keys()) | {"bucket": "acme", "key": b"k", "version_id": "", "sidecars": []}
    record = asset_record(row, workspace="main", connection="acme")
    told = [key for cell in _first_cells("record") for key in re.findall(r"`(\w+)`", cell)]
    assert sorted(told) == sorted(record)


@pytest.mark.parametrize("table", ["codes of objects", "codes of runs"])
def test_every_code_in_a_table_exists(table: str) -> None:
    sources = [path.read_text() for package in ("ingest", "credentials") for path in (ROOT / package).rglob("*.py")]
    named = {text for source in sources for text in re.findall(r'"([A-Za-z.]+)"', source)}
    told = [code for cell in _first_cells(table) for code in re.findall(r"`([\w.]+)`", cell)]
    assert told
    assert not [code for code in told if code not in named and not hasattr(errors, f"{code}Error")]


def _first_cells(table: str) -> list[str]:
    """Of the rows of a table in docs/assets.md."""
    page = (DOCS / "assets.md").read_text()
    (found,) = re.findall(rf"<!-- {table} -->\n.*?\n.*?\n(.*?)<!-- end of {table} -->", page, re.DOTALL)
    return [line.split(" | ")[0] for line in found.splitlines()]


def _code(document: Path) -> list[str]:
    """What is typed: fenced blocks and inline code, line by line, without comments."""
    text, fence = document.read_text(), re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
    fenced = [block for language, block in fence.findall(text) if not language]
    inline = re.findall(r"`([^`\n]+)`", fence.sub("", text))
    return [line.split(" #")[0] for block in [*fenced, *inline] for line in block.splitlines()]


def _exists(name: str, below: str = "") -> bool:
    command = longshore.commands.get(name)
    return command is not None and (not below or below in getattr(command, "commands", {below}))


def _options() -> list[str]:
    groups, found = [longshore], []
    while groups:
        for command in groups.pop().commands.values():
            found += [option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)]
            if hasattr(command, "commands"):
                groups.append(command)  # type: ignore[arg-type]  # only a group has commands
    return found


def test_the_published_schema_of_a_job_is_the_one_that_is_checked() -> None:
    """`python -m tests.docs_tables` mends it."""
    assert SCHEMA.read_text() == job_schema()
