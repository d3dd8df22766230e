"""Jobs that name their objects, as users send them: keys of buckets, and addresses of HTTPS servers, with each kind of login and without."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.acceptance.shell import Customer, Shell
from tests.fakes.web_files import Files, serving

PNG: Final = bytes.fromhex("89504e470d0a1a0a0000000d494844520000000300000002080200000012164d3f")
PASSWORD: Final = "canary/hunter2"
BASIC: Final = "Basic " + base64.b64encode(f"longshore:{PASSWORD}".encode()).decode()
BEARER: Final = f"Bearer {PASSWORD.replace('/', '-')}"


@pytest.fixture(name="files")
def _files(shell: Shell, tmp_path: Path) -> Iterator[Files]:
    with serving(tmp_path) as files:
        files.files = {
            "/media/a.png": PNG,
            "/media/b.txt": b"text",
            "/media/c?v=1": b"one",
            "/media/c?v=2": b"two",
            "/media/empty": b"",
            "/other/x": b"x",
        }
        shell.environment |= {
            "SSL_CERT_FILE": str(files.certificate),
            "LONGSHORE_NETWORKS": "127.0.0.1/32",
            "LONGSHORE_ENDPOINTS": files.origin,
            "LONGSHORE_SECRET_KEYS": f"k1:{base64.b64encode(os.urandom(32)).decode()}",
        }
        yield files


def _ingest(shell: Shell, *arguments: str) -> dict[str, Any]:
    done = shell.longshore("ingest", *arguments, "--json")
    assert done.code in (0, 3), done
    found: dict[str, Any] = done.json
    assert found["certificate"]["holds"]
    return found


def _to_s3(customer: Customer) -> list[dict[str, Any]]:
    return [one for one in customer.seen() if one["op"] != "sts"]


def _rows(shell: Shell) -> dict[str, dict[str, Any]]:
    return {row["uri"]: row for row in shell.ok("assets", "--json").lines}


def _login(shell: Shell, kind: str, files: Files, *, secret: str | None = None) -> None:
    login = ("--username", "longshore") if kind == "basic" else ("--bearer",)
    right = PASSWORD if kind == "basic" else BEARER.removeprefix("Bearer ")
    place = ("--allow", f"{files.origin}/media/", "--secret-stdin")
    shell.ok("connections", "add", "web", *login, *place, stdin=f"{secret or right}\n")


@pytest.mark.acceptance("CG-01", "CG-02")
def test_named_keys_are_asked_and_no_other_and_nothing_is_listed(customer: Customer, shell: Shell) -> None:
    customer.bucket("acme", {f"{number}.txt": "x" * number for number in range(9)})
    customer.role("ext-1")
    shell.add_role()
    uris = ("s3://acme/1.txt", "s3://acme/5.txt", "s3://acme/gone.txt", "s3://acme/5.txt")
    run = _ingest(shell, "--exact", *uris)
    assert (run["state"], run["listed"], run["added"], run["failed"]) == ("partial", 3, 2, 1)
    assert run["connection"] == "acme"
    assert run["requests"]["list"] == 0
    assert sorted((one["op"], one["key"]) for one in _to_s3(customer)) == [
        ("head", "1.txt"),
        ("head", "5.txt"),
        ("head", "gone.txt"),
    ]
    rows = _rows(shell)
    assert {uri: row["error_code"] or row["state"] for uri, row in rows.items()} == {
        "s3://acme/1.txt": "present",
        "s3://acme/5.txt": "present",
        "s3://acme/gone.txt": "NoSuchKey",
    }
    customer.tell("forget")
    again = _ingest(shell, "--exact", *uris[:2])
    assert (again["state"], again["unchanged"], again["requests"]["head"]) == ("complete", 2, 2)
    assert [one["status"] for one in _to_s3(customer)] == [200, 200]
    whole = _ingest(shell, "s3://acme")
    # this cloud lists milliseconds, which no header tells: where listings have whole seconds, as S3's, both are unchanged
    assert (whole["added"], whole["unchanged"] + whole["changed"], whole["removed"]) == (7, 2, 1)


@pytest.mark.acceptance("CG-01", "CG-02")
def test_named_keys_need_no_right_to_list_and_each_must_be_permitted(customer: Customer, shell: Shell) -> None:
    customer.bucket("acme", {"in/a.txt": "a", "in/b.txt": "b", "out/c.txt": "c"})
    customer.role("ext-1", buckets=("acme",))
    policy = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::acme/in/*"}],
    }
    customer.tell("change_role", arn="arn:aws:iam::444455556666:role/longshore-reader", policy=policy)
    role = ("--role-arn", "arn:aws:iam::444455556666:role/longshore-reader", "--external-id", "ext-1")
    shell.ok("connections", "add", "acme", *role, "--allow", "s3://acme/in/")
    run = _ingest(shell, "--exact", "s3://acme/in/a.txt", "s3://acme/in/b.txt", "--connection", "acme")
    assert (run["state"], run["added"]) == ("complete", 2)
    customer.tell("forget")
    done = shell.longshore("ingest", "--exact", "s3://acme/in/a.txt", "s3://acme/out/c.txt", "--connection", "acme")
    assert (done.code, "does not permit s3://acme/out/c.txt" in done.err) == (1, True)
    assert not customer.seen()


@pytest.mark.acceptance("CO-04")
@pytest.mark.parametrize("kind", ["basic", "bearer"])
def test_objects_behind_a_login_are_read_and_not_sent_again_while_they_stay_the_same(
    customer: Customer, shell: Shell, files: Files, kind: str
) -> None:
    files.logins = {BASIC if kind == "basic" else BEARER}
    _login(shell, kind, files)
    names = ("a.png", "b.txt", "c?v=1", "c?v=2", "empty")
    uris = [f"{files.origin}/media/{name}" for name in names]
    run = _ingest(shell, *uris, "--depth", "media")
    assert (run["state"], run["connection"], run["added"], run["failed"]) == ("complete", "web", 5, 0)
    rows = _rows(shell)
    assert set(rows) == set(uris)
    assert (rows[uris[0]]["size"], rows[uris[0]]["content_type"]) == (len(PNG), "application/octet-stream")
    assert rows[uris[0]]["bucket"] == files.origin
    assert (rows[uris[0]]["media_type"], rows[uris[0]]["width"]) == ("image/png", 3)
    assert rows[uris[4]]["size"] == 0
    files.asked.clear()
    files.files["/media/c?v=1"] = b"another"
    del files.files["/media/b.txt"]
    run = _ingest(shell, *uris, "--depth", "media")
    assert (run["unchanged"], run["changed"], run["failed"]) == (3, 1, 1)
    assert sorted(status for _, _, status in files.asked) == [206, 304, 304, 304, 404]
    assert _rows(shell)[uris[1]]["error_code"] == "NoSuchKey"
    files.files["/media/b.txt"] = b"back"
    files.asked.clear()
    again = shell.ok("runs", "retry", run["run"], "--json").json
    assert (again["state"], again["listed"], len(files.asked)) == ("complete", 1, 1)
    shown = shell.ok("runs", "show").out + shell.ok("runs").out + shell.ok("assets", "--prefix", uris[0][:-5]).out
    assert files.origin in shown
    assert "canary" not in shown
    assert b"canary" not in shell.catalog.read_bytes()
    assert not customer.seen()


@pytest.mark.acceptance("CO-04")
def test_whole_objects_of_a_server_are_hashed_and_read_once(shell: Shell, files: Files) -> None:
    _login(shell, "basic", files)
    files.logins = {BASIC}
    uris = [f"{files.origin}/media/{name}" for name in ("a.png", "b.txt", "empty")]
    run = _ingest(shell, *uris, "--depth", "content")
    assert (run["state"], run["added"]) == ("complete", 3)
    read = [("GET", f"/media/{name}", 200) for name in ("a.png", "b.txt", "empty")]
    assert sorted(files.asked) == [*read, *(("HEAD", path, 200) for _, path, _ in read)]
    rows = _rows(shell)
    for uri, body in zip(uris, (PNG, b"text", b""), strict=True):
        assert (rows[uri]["size"], rows[uri]["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())
    assert (rows[uris[0]]["media_type"], rows[uris[0]]["width"], rows[uris[0]]["height"]) == ("image/png", 3, 2)
    files.asked.clear()
    assert _ingest(shell, *uris, "--depth", "content")["unchanged"] == 3
    assert {status for _, _, status in files.asked} == {304}
    files.packed = True
    files.files["/media/b.txt"] = b"other"
    run = _ingest(shell, uris[1], "--depth", "content")
    assert (run["failed"], _rows(shell)[uris[1]]["error_code"]) == (1, "ContentEncoded")


@pytest.mark.acceptance("CO-04")
def test_a_wrong_login_is_told_and_changes_nothing_of_what_is_known(shell: Shell, files: Files) -> None:
    files.logins = {BEARER}
    _login(shell, "bearer", files, secret="wrong-token")
    uri = f"{files.origin}/media/a.png"
    run = _ingest(shell, uri)
    assert (run["state"], run["failed"], _rows(shell)[uri]["error_code"]) == ("partial", 1, "Unauthorized")
    shell.ok("connections", "update", "web", "--new-secret", "--secret-stdin", stdin=f"{BEARER.split()[1]}\n")
    again = shell.ok("runs", "retry", run["run"], "--json").json
    assert (again["state"], again["changed"]) == ("complete", 1)


@pytest.mark.acceptance("CO-04")
def test_where_nobody_is_listed_a_server_is_read_through_its_connection_only(shell: Shell, files: Files) -> None:
    uri = f"{files.origin}/media/a.png"
    done = shell.longshore("ingest", uri)
    assert (done.code, "LONGSHORE_PUBLIC_HTTPS" in done.err) == (1, True)
    _login(shell, "basic", files)
    done = shell.longshore("ingest", f"{files.origin}/other/x", "--connection", "web")
    assert (done.code, f"does not permit {files.origin}/other/x" in done.err) == (1, True)
    done = shell.longshore("ingest", f"{files.origin}/media/..%2fother/x", "--connection", "web")
    assert (done.code, "as a part" in done.err) == (2, True)
    assert not files.asked


@pytest.mark.acceptance("CO-04")
def test_servers_that_the_operator_lists_are_read_without_credentials(shell: Shell, files: Files) -> None:
    shell.environment["LONGSHORE_PUBLIC_HTTPS"] = files.origin
    uri = f"{files.origin}/media/a.png"
    run = _ingest(shell, uri)
    assert (run["state"], run["connection"], run["added"]) == ("complete", "default", 1)
    assert files.asked == [("HEAD", "/media/a.png", 200)]
    _login(shell, "basic", files)  # a connection made for it comes first
    assert _ingest(shell, uri)["connection"] == "web"
    assert _ingest(shell, f"{files.origin}/other/x")["connection"] == "default"


@pytest.mark.acceptance("CO-04")
def test_a_server_sends_nobody_to_where_the_connection_may_not_read(shell: Shell, files: Files, tmp_path: Path) -> None:
    folder = tmp_path / "inside"
    folder.mkdir()
    with serving(folder) as inside:
        shell.environment["LONGSHORE_ENDPOINTS"] += f",{inside.origin}"
        shell.environment["LONGSHORE_PUBLIC_HTTPS"] = files.origin
        inside.files["/meta"] = b"internal"
        uri = f"{files.origin}/media/go"
        files.redirects["/media/go"] = f"{inside.origin}/meta"
        assert (_ingest(shell, uri)["connection"], _rows(shell)[uri]["error_code"]) == ("default", "RedirectRefused")
        files.redirects["/media/go"] = "/media/a.png"
        assert _ingest(shell, uri)["added"] + _ingest(shell, uri)["unchanged"] == 1
        files.logins = {BASIC}
        _login(shell, "basic", files)
        files.redirects["/media/go"] = "/other/x"
        assert (_ingest(shell, uri)["connection"], _rows(shell)[uri]["error_code"]) == ("web", "RedirectRefused")
        assert "/other/x" not in {path for _, path, _ in files.asked}
        assert not inside.asked
