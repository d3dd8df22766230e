"""The tables of the pages in docs/, made from the code; `python -m tests.docs_tables` writes them there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import click
from pydantic import AliasChoices, BaseModel
from pydantic.fields import FieldInfo

from config.limits import Limits
from config.settings import Settings
from console.cli import longshore
from ingest.job import IngestJob
from ingest.media.properties import PROPERTIES
from worker.telemetry import Telemetry

DOCS: Final = Path(__file__).resolve().parents[1] / "docs"
SCHEMA: Final = DOCS / "job.schema.json"


def settings_table() -> list[str]:
    rows = [_row(_variable(name, info), _default(info), info.description) for name, info in _fields(Settings)]
    return ["| variable | default | what it does |", "|---|---|---|", *rows]


def limits_table() -> list[str]:
    rows = [
        _row(f"LONGSHORE_LIMITS__{name.upper()}", _default(info), info.description) for name, info in _fields(Limits)
    ]
    return ["| variable | default | what it bounds |", "|---|---|---|", *rows]


def metrics_table() -> list[str]:
    """By what a scrape says of itself, without Python's own process metrics."""
    text = Telemetry(version="0").render().decode()
    helps = re.findall(r"^# HELP (longshore_\S+) (.*)$", text, re.MULTILINE)
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    return [
        "| metric | type | what it counts |",
        "|---|---|---|",
        *(_row(name, kinds[name], said) for name, said in helps),
    ]


def commands_table() -> list[str]:
    rows = [_row(name, None, command.get_short_help_str(200)) for name, command in _commands(longshore, "longshore")]
    return ["| command | what it does |", "|---|---|", *rows]


def properties_table() -> list[str]:
    rows = [_row(name, said) for name, said in PROPERTIES.items()]
    return ["| property | what it is |", "|---|---|", *rows]


TABLES: Final = {
    "settings": (DOCS / "operating.md", settings_table),
    "limits": (DOCS / "operating.md", limits_table),
    "metrics": (DOCS / "operating.md", metrics_table),
    "commands": (DOCS / "operating.md", commands_table),
    "properties": (DOCS / "assets.md", properties_table),
}
"""By name: the page, and what makes it."""


def with_tables(path: Path) -> str:
    """The page with every table between its marks as the code has it now."""
    page = path.read_text()
    for name, table in ((name, table) for name, (where, table) in TABLES.items() if where == path):
        mark = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
        assert mark.search(page), f"{path.name} has no place for {name}"
        lines = "\n".join(table())
        page = mark.sub(lambda found, lines=lines: f"{found[1]}{lines}\n{found[2]}", page)  # type: ignore[misc]  # a default argument
    return page


def _fields(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    yield from model.model_fields.items()


def _variable(name: str, info: FieldInfo) -> str:
    alias = info.validation_alias
    if isinstance(alias, AliasChoices):
        return "`, `".join(str(choice) for choice in alias.choices)
    return "LONGSHORE_LIMITS__..." if name == "limits" else f"LONGSHORE_{name.upper()}"


def _default(info: FieldInfo) -> str:
    value: Any = info.default
    if info.default_factory is not None or value in (None, ()):
        return "-"
    return f"`{value}`"


def _commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    commands: Mapping[str, click.Command] = group.commands
    for name, command in commands.items():
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from _commands(command, f"{path} {name}")


def _row(name: str, *cells: str | None) -> str:
    return " | ".join([f"| `{name}`", *((cell or "").replace("|", "\\|") for cell in cells if cell is not None)]) + " |"


def job_schema() -> str:
    """What producers may put on the queue, as JSON Schema."""
    return json.dumps(IngestJob.model_json_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for path in {path for path, _ in TABLES.values()}:
        path.write_text(with_tables(path))
    SCHEMA.write_text(job_schema())
