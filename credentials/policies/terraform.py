"""The Terraform file: the customer's role with its trust and its permissions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from credentials.policies.access import access_policy
from credentials.policies.names import description, policy_name, role_name
from credentials.policies.parameters import Filled, parameterised, quoted
from credentials.policies.setup import Setup
from credentials.policies.trust import trust_policy

_VARIABLES: Final = {"BucketName": "bucket_name", "ExternalId": "external_id"}
_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def render(setup: Setup) -> str:
    """One file that works as it is: its variables have what is asked for as defaults.

    `bucket_name` is the bucket that was named first; further buckets stand in it as they are.
    """
    trust = parameterised(trust_policy(setup), setup, lambda filled: filled)
    access = parameterised(access_policy(setup), setup, lambda filled: filled)
    blocks = (
        _block("terraform", _block("required_providers", ["aws = {", *_indented(_PROVIDER), "}"])),
        *_variables(setup),
        _block(
            'resource "aws_iam_role" "longshore"',
            [
                "name               = var.role_name",
                f"description        = {_text(description(setup))}",
                *_joined("assume_role_policy = jsonencode(", trust),
            ],
        ),
        _block(
            'resource "aws_iam_role_policy" "longshore"',
            [
                f"name = {_text(policy_name(setup))}",
                "role = aws_iam_role.longshore.id",
                *_joined("policy = jsonencode(", access),
            ],
        ),
        _block(
            'output "role_arn"', ['description = "Give it to longshore"', "value       = aws_iam_role.longshore.arn"]
        ),
        _block('output "role_name"', ["value = aws_iam_role.longshore.name"]),
    )
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


_PROVIDER: Final = ['source  = "hashicorp/aws"', 'version = ">= 4.0"']


def _variables(setup: Setup) -> Iterator[list[str]]:
    if setup.scope == "s3":
        yield _variable("bucket_name", "The bucket to read", setup.first_bucket)
    if setup.external_id is not None:
        yield _variable(
            "external_id", "What longshore says when it assumes the role; issued for this connection", setup.external_id
        )
    yield _variable("role_name", "What to call the role", role_name(setup))


def _variable(name: str, said: str, default: str) -> list[str]:
    lines = ["type        = string", f"description = {_text(said)}", f"default     = {_text(default)}"]
    return _block(f'variable "{name}"', lines)


def _block(head: str, lines: list[str]) -> list[str]:
    return [f"{head} {{", *_indented(lines), "}"]


def _indented(lines: list[str]) -> list[str]:
    return [f"  {line}" for line in lines]


def _joined(head: str, value: Any) -> list[str]:
    """`head` before the value's first line, and the parenthesis that it opened behind the last."""
    lines = _lines(value)
    return [f"{head}{lines[0]}", *lines[1:-1], f"{lines[-1]})"]


def _lines(value: Any) -> list[str]:
    if isinstance(value, dict):
        inner = [line for key, one in value.items() for line in _entry(key, one)]
        return ["{", *_indented(inner), "}"]
    if isinstance(value, list):
        inner = [f"{line}{',' if last else ''}" for one in value for last, line in _marked(_lines(one))]
        return ["[", *_indented(inner), "]"]
    return [_text(value)]


def _marked(lines: list[str]) -> Iterator[tuple[bool, str]]:
    return ((position == len(lines) - 1, line) for position, line in enumerate(lines))


def _entry(key: str, value: Any) -> list[str]:
    first, *rest = _lines(value)
    return [f"{key if _IDENTIFIER.fullmatch(key) else _text(key)} = {first}", *rest]


def _text(value: str | Filled) -> str:
    if isinstance(value, Filled):
        variable = f"var.{_VARIABLES[value.parameter]}"
        if not value.before and not value.after:
            return variable
        return f'"{_literally(value.before)}${{{variable}}}{_literally(value.after)}"'
    return f'"{_literally(value)}"'


def _literally(text: str) -> str:
    """Terraform reads ${ and %{ as the beginnings of its own expressions; a brace written by its number begins none."""
    return quoted(text)[1:-1].replace("${", "$${").replace("%{", "%\\u007b")
