"""Reads our templates as CloudFormation, Terraform and a shell do: parameters filled in, documents as plain data."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hcl2
import yaml  # type: ignore[import-untyped]  # it ships no types, and its stubs are one package more


@dataclass(frozen=True, slots=True)
class Read:
    """What a template makes."""

    trust: Any
    access: Any
    role_name: Any


def cloudformation(text: str, **given: str) -> Read:
    """`given`: parameters that are not left as they are."""
    template = json.loads(text) if text.startswith("{") else yaml.safe_load(text)
    values = {name: one["Default"] for name, one in template["Parameters"].items()} | given
    role = _resolved(template["Resources"]["Role"]["Properties"], values)
    [policy] = role["Policies"]
    return Read(role["AssumeRolePolicyDocument"], policy["PolicyDocument"], role["RoleName"])


def _resolved(value: Any, values: dict[str, str]) -> Any:
    if isinstance(value, list):
        return [_resolved(one, values) for one in value]
    if not isinstance(value, dict):
        return value
    match next(iter(value.items()), None):
        case ("Ref", "AWS::NoValue"):
            return None
        case ("Ref", name):
            return values[name]
        case ("Fn::Sub", text):
            return re.sub(r"\$\{(.*?)\}", lambda found: values[found[1]], text)
        case ("Fn::Join", ["", parts]):
            return "".join(_resolved(parts, values))
        case ("Fn::If", ["HasRoleName", then, otherwise]):
            return _resolved(then if values["RoleName"] else otherwise, values)
    return {name: _resolved(one, values) for name, one in value.items()}


def terraform(text: str, **given: str) -> Read:
    """`given`: variables that are not left as they are."""
    read = hcl2.loads(text)
    named = {json.loads(name): one for block in read["variable"] for name, one in block.items()}
    values = {name: json.loads(one["default"]) for name, one in named.items()} | given
    blocks = {json.loads(kind): one['"longshore"'] for block in read["resource"] for kind, one in block.items()}
    role, policy = blocks["aws_iam_role"], blocks["aws_iam_role_policy"]
    assert policy["role"] == "${aws_iam_role.longshore.id}"
    assert role["name"] == "${var.role_name}"
    return Read(_json(role["assume_role_policy"], values), _json(policy["policy"], values), values["role_name"])


_TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|var\.\w+|\w+|[{}\[\],=])', re.DOTALL)


def _json(expression: str, values: dict[str, str]) -> Any:
    """The value of `${jsonencode(...)}`."""
    inner = expression.removeprefix("${jsonencode(").removesuffix(")}")
    tokens, end = [], 0
    while end < len(inner):
        found = _TOKEN.match(inner, end)
        assert found is not None, inner[end:]
        tokens.append(found[1])
        end = found.end()
    value, rest = _value(tokens, values)
    assert rest == []
    return value


def _value(tokens: list[str], values: dict[str, str]) -> tuple[Any, list[str]]:
    first, *rest = tokens
    if first == "{":
        found: dict[str, Any] = {}
        while rest[0] != "}":
            key, equals, *rest = rest
            assert equals == "="
            found[json.loads(key) if key.startswith('"') else key], rest = _value(rest, values)
            rest = rest[1:] if rest[0] == "," else rest
        return found, rest[1:]
    if first == "[":
        items = []
        while rest[0] != "]":
            item, rest = _value(rest, values)
            items.append(item)
            rest = rest[1:] if rest[0] == "," else rest
        return items, rest[1:]
    return (values[first.removeprefix("var.")] if first.startswith("var.") else _string(first, values)), rest


def _string(token: str, values: dict[str, str]) -> str:
    """A template first, its escapes afterwards, as Terraform has it."""
    parts = re.split(r"(\$\$\{|%%\{|\$\{var\.\w+\}|%\{|\$\{)", token[1:-1])
    return "".join(_part(part, values) for part in parts)


def _part(text: str, values: dict[str, str]) -> str:
    assert text not in ("${", "%{"), "an expression of Terraform's own begins"
    if text in ("$${", "%%{"):
        return text[1:]
    if text.startswith("${var."):
        return values[text[6:-1]]
    wide = re.sub(r"\\U([0-9a-f]{8})", lambda found: chr(int(found[1], 16)), text)
    read: str = json.loads(f'"{wide}"', strict=False)
    return read


def shell(
    script: str, *, answers: dict[str, str], directory: Path, found: dict[str, str] | None = None
) -> list[tuple[list[str], Any]]:
    """Runs a script whose `aws` only writes down its arguments and the document it was given.

    `answers`: what `aws` says to a verb that it refuses; `found`: what it shows for one.
    """
    stub = directory / "aws"
    cases = "\n".join(f"{verb}) printf '%s\\n' {answer!r} >&2; exit 254;;" for verb, answer in answers.items())
    cases += "".join(
        f"\n{verb}) printf '%s\\n' {shlex.quote(shown)}; exit 0;;" for verb, shown in (found or {}).items()
    )
    stub.write_text(
        "#!/bin/sh\n"
        f'case "$2" in\n{cases}\nesac\n'
        'for one in "$@"; do printf "%s\\0" "$one"; done >> "$LOG"; printf "\\1" >> "$LOG"\n'
        'case "$*" in *file:///dev/stdin*) cat >> "$LOG";; esac; printf "\\2" >> "$LOG"\n'
    )
    stub.chmod(0o755)
    log = directory / "log"
    log.write_text("")
    path = f"{directory}:/usr/bin:/bin"
    subprocess.run(
        ["/bin/sh", "-eu", "-c", script], env={"PATH": path, "LOG": str(log)}, check=True, capture_output=True
    )
    calls = [call.partition("\1") for call in log.read_text().split("\2")[:-1]]
    return [(said.split("\0")[:-1], json.loads(document) if document else None) for said, _, document in calls]
