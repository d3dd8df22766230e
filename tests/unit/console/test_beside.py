"""Sidecars for programs: what is JSON as JSON, what should be and is not with a note."""

from __future__ import annotations

import json
from typing import Any

import pytest

from console.beside import sidecar_records
from console.show import as_json
from ingest.catalog.sidecars import Sidecar


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": [1, null]}', {"json": {"a": [1, None]}}),
        ('"just a word"', {"json": "just a word"}),
        ('{"a": ', {"text": '{"a": ', "note": "no valid JSON: Expecting value at line 1, column 7"}),
        ("[NaN]", {"text": "[NaN]", "note": "no valid JSON: NaN is no JSON number"}),
        ("[1e999]", {"text": "[1e999]", "note": "no valid JSON: 1e999 is larger than any number"}),
        ("[-1E999]", {"text": "[-1E999]", "note": "no valid JSON: -1E999 is larger than any number"}),
        ('{"\\ud83d\\ude00": 1e3}', {"json": {"\U0001f600": 1000.0}}),
        (
            '{"a": ["\\ud800"]}',
            {"text": '{"a": ["\\ud800"]}', "note": "no valid JSON: half a character, \\ud800, is in it"},
        ),
        (
            '{"\\udc00": 1}',
            {"text": '{"\\udc00": 1}', "note": "no valid JSON: half a character, \\udc00, is in it"},
        ),
        ("[" * 90_000, {"text": "[" * 90_000, "note": "no valid JSON: it is nested too deeply"}),
    ],
)
def test_json_is_shown_as_what_it_says(text: str, expected: dict[str, Any]) -> None:
    (record,) = sidecar_records([Sidecar(b"a.json", text)])
    assert record == {"key": "a.json", "key_hex": None, **expected}
    json.dumps(record, allow_nan=False)


def test_a_number_of_any_length_breaks_nothing() -> None:
    (record,) = sidecar_records([Sidecar(b"a.json", "9" * 9_999)])
    assert record["note"].startswith("no valid JSON: Exceeds the limit")


def test_text_is_text_whatever_it_looks_like() -> None:
    assert sidecar_records([Sidecar(b"\xff.txt", "{}")]) == [
        {"key": "\\xff.txt", "key_hex": "ff2e747874", "text": "{}"}
    ]


@pytest.mark.parametrize("depth", [100, 250, 900, 950, 980])
def test_what_is_read_can_be_written(depth: int) -> None:
    (record,) = sidecar_records([Sidecar(b"a.json", "[" * depth + "]" * depth)])
    assert ("json" in record) is (depth == 100)
    as_json({"sidecars": [record]})
    as_json({"sidecars": [record]}, indent=2)
