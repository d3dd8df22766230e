"""Depth content on the command line: hashes, what was verified, sidecars, duplicates, what changed, and what is damaged."""

from __future__ import annotations

import hashlib
import io
from base64 import b64encode
from typing import Any

import pytest
from PIL import Image

from tests.acceptance.shell import Customer, Shell


def _picture(size: tuple[int, int], kind: str, turned: int = 0) -> str:
    buffer = io.BytesIO()
    Image.linear_gradient("L").rotate(40 + turned).resize(size).save(buffer, kind)
    return buffer.getvalue().hex()


def _assets(shell: Shell, *arguments: str) -> dict[str, Any]:
    return {line["key"]: line for line in shell.ok("assets", "--json", *arguments).lines}


@pytest.mark.acceptance("CR-03", "LS-12")
def test_a_record_names_its_content_and_what_stands_beside_it(customer: Customer, shell: Shell) -> None:
    objects = {"a.jpg": "not really", "a.json": '{"cat": true}', "a.jpg.txt": "a cat", "copy of a": "not really"}
    customer.bucket("acme", objects)
    run = shell.ok("ingest", "s3://acme", "--depth", "content", "--json").json
    assert (run["added"], run["requests"]["get"], run["requests"]["head"]) == (4, 4, 0)
    found = _assets(shell)
    one = found["a.jpg"]
    assert (one["size"], one["sha256"]) == (10, hashlib.sha256(b"not really").hexdigest())
    assert (one["md5"], one["verified"], one["depth"]) == (hashlib.md5(b"not really").hexdigest(), "MD5", "content")
    assert one["sidecars"] == [
        {"key": "a.jpg.txt", "key_hex": None, "text": "a cat"},
        {"key": "a.json", "key_hex": None, "json": {"cat": True}},
    ]
    assert found["copy of a"]["sidecars"] == []
    assert "sidecars" not in _assets(shell, "--no-sidecars")["a.jpg"]
    (group,) = shell.ok("assets", "--duplicates", "--json").lines
    assert (group["by"], group["count"], group["wasted"]) == ("sha256", 2, 10)
    assert [member["key"] for member in group["assets"]] == ["a.jpg", "copy of a"]
    assert "10  2 objects of 10 bytes, by SHA-256\n" in shell.ok("assets", "--duplicates").out
    assert shell.longshore("assets", "--duplicates", "--state", "present").code == 2
    assert shell.ok("ingest", "s3://acme", "--depth", "content", "--json").json["unchanged"] == 4


@pytest.mark.acceptance("LS-12")
def test_damaged_content_fails_alone_and_is_read_again_once_it_is_right(customer: Customer, shell: Shell) -> None:
    wrong = {"x-amz-checksum-crc32c": b64encode(bytes(4)).decode(), "x-amz-checksum-type": "FULL_OBJECT"}
    customer.bucket("acme", {"good": "body"})
    customer.tell("put", bucket="acme", key="bad", body="body", headers=wrong)
    done = shell.longshore("ingest", "s3://acme", "--depth", "content", "--json")
    assert (done.code, done.json["state"], done.json["added"], done.json["failed"]) == (3, "partial", 1, 1)
    bad = _assets(shell)["bad"]
    assert (bad["state"], bad["error_code"], bad["sha256"]) == ("failed", "ChecksumMismatch", None)
    customer.tell("put", bucket="acme", key="bad", body="body")
    assert shell.ok("ingest", "s3://acme", "--depth", "content", "--json").json["changed"] == 1
    assert _assets(shell)["bad"]["verified"] == "MD5"


@pytest.mark.acceptance("LS-12")
def test_a_change_of_metadata_alone_is_told_apart(customer: Customer, shell: Shell) -> None:
    customer.bucket("acme", {"same": "body", "new": "body"})
    shell.ok("ingest", "s3://acme", "--depth", "content")
    before = _assets(shell)
    customer.tell("put", bucket="acme", key="same", body="body", metadata={"who": "me"})
    customer.tell("put", bucket="acme", key="new", body="BODY")
    assert shell.ok("ingest", "s3://acme", "--depth", "content", "--json").json["changed"] == 2
    after = _assets(shell)
    assert after["same"]["metadata"] == {"who": "me"}
    assert after["same"]["content_changed_at"] == before["same"]["content_changed_at"] < after["same"]["changed_at"]
    assert after["new"]["content_changed_at"] == after["new"]["changed_at"]


@pytest.mark.acceptance("LS-11", "LS-12")
def test_a_body_that_breaks_off_is_one_object_and_two_requests(customer: Customer, shell: Shell) -> None:
    body = "0123456789" * 100_000
    customer.bucket("acme", {"big": body})
    customer.tell("fault", kind="cut", op="get")
    run = shell.ok("ingest", "s3://acme", "--depth", "content", "--json").json
    assert (run["added"], run["failed"], run["requests"]["get"]) == (1, 0, 2)
    assert run["bytes"] == pytest.approx(len(body), rel=0.01)
    assert _assets(shell)["big"]["sha256"] == hashlib.sha256(body.encode()).hexdigest()


def test_pictures_that_look_alike_have_hashes_that_are_near(customer: Customer, shell: Shell) -> None:
    customer.bucket("acme", {"no-picture": "body"})
    for key, made in {
        "original.png": _picture((640, 480), "PNG"),
        "smaller.jpg": _picture((320, 240), "JPEG"),
        "another.png": _picture((640, 480), "PNG", turned=200),
    }.items():
        customer.tell("put", bucket="acme", key=key, body_hex=made)
    shell.ok("ingest", "s3://acme", "--depth", "content", "--perceptual-hash")
    hashes = {key: one["perceptual_hash"] for key, one in _assets(shell).items()}
    assert hashes.pop("no-picture") == ""
    bits = {key: int(value, 16) for key, value in hashes.items()}
    assert (bits["original.png"] ^ bits["smaller.jpg"]).bit_count() <= 4
    assert (bits["original.png"] ^ bits["another.png"]).bit_count() > 10
    refused = shell.longshore("ingest", "s3://acme", "--depth", "media", "--perceptual-hash")
    assert refused.code != 0
    assert "use depth content" in refused.err
