"""References to secrets: what may be read, how it is read, and for how long it is kept."""

from __future__ import annotations

import asyncio
import os
import posixpath
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from config.errors import SecretReferenceError, SecretUnavailableError, SettingsError
from config.limits import Limits
from credentials.references import Reference, References
from tests.fakes.clock import ManualClock
from tests.unit.credentials.connections import CANARY, settings_of

ALLOWED = (
    "env://ACME_",
    "file:///run/secrets/acme",
    "awssm://longshore/",
    "awssm://arn:aws:secretsmanager:eu-west-1:111122223333:",
)
ARN = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:acme/key-AbCdEf"


class FakeManager:
    """Secrets by name; `trouble` is raised instead."""

    def __init__(self) -> None:
        self.secrets = {"longshore/acme": CANARY}
        self.asked: list[tuple[str, str | None]] = []
        self.trouble: Exception | None = None
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def read(self, name: str, *, region: str | None) -> str:
        self.asked.append((name, region))
        if self.trouble is not None:
            raise self.trouble
        found = self.secrets[name]
        await self.go_on.wait()
        return found


def _references(
    *allowed: str, manager: FakeManager | None = None, clock: ManualClock | None = None, **environment: str
) -> References:
    return References(
        settings=settings_of(
            secret_references=allowed or ALLOWED, limits=Limits(secrets_elsewhere=2, secret_bytes=1000)
        ),
        manager=manager or FakeManager(),
        clock=clock or ManualClock(),
        environment=environment,
    )


# -- what may be named


@pytest.mark.parametrize(
    ("text", "name", "region", "json_key"),
    [
        ("env://ACME_SECRET", "ACME_SECRET", None, None),
        ("file:///run/secrets/acme", "/run/secrets/acme", None, None),
        ("file:///run/secrets/acme/..data/key", "/run/secrets/acme/..data/key", None, None),
        ("awssm://longshore/acme", "longshore/acme", None, None),
        ("awssm://longshore/acme?region=eu-west-1", "longshore/acme", "eu-west-1", None),
        ("awssm://longshore/acme#secret", "longshore/acme", None, "secret"),
        ("awssm://longshore/acme?region=eu-west-1#a.b/c", "longshore/acme", "eu-west-1", "a.b/c"),
        (f"awssm://{ARN}", ARN, "eu-west-1", None),
        (f"awssm://{ARN}?region=eu-west-1#k", ARN, "eu-west-1", "k"),
    ],
)
def test_what_may_be_named(text: str, name: str, region: str | None, json_key: str | None) -> None:
    found = _references().parse(text)
    assert (found.text, found.name, found.region, found.json_key) == (text, name, region, json_key)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "env://NAME_OF_A_VARIABLE, or file:///absolute/path, or awssm://name-or-ARN"),
        ("ACME_SECRET", "a reference to a secret is env://"),
        ("ENV://ACME_SECRET", "a reference to a secret is env://"),
        (" env://ACME_SECRET", "a reference to a secret is env://"),
        ("vault://acme", "a reference to a secret is env://"),
        ("env://", "env://NAME_OF_A_VARIABLE"),
        ("env://ACME_SECRET\n", "env://NAME_OF_A_VARIABLE"),
        ("env://ACME-SECRET", "env://NAME_OF_A_VARIABLE"),
        ("env://HOME", "must begin with env://ACME_, file:///run/secrets/acme, awssm://longshore/"),
        ("env://acme_secret", "must begin with"),
        ("file://run/secrets/acme", "file:///absolute/path"),
        ("file:///run/secrets/acme/%2e%2e/x", "percent signs"),
        ("file:///run/secrets/acme/../x", r"without \. or \.\."),
        ("file:///run/secrets/acme/./x", r"without \. or \.\."),
        ("file:///run/secrets/acme//x", "single slashes"),
        ("file:////run/secrets/acme", "single slashes|must begin"),
        ("file:///run/secrets/acme/", "whole path"),
        ("file:///run/secrets/acme\0", "file:///absolute/path"),
        ("file:///run/secrets/acme-of-another", "must begin with"),
        ("file:///run/secrets", "must begin with"),
        ("file:///etc/passwd", "must begin with"),
        ("awssm://other/acme", "must begin with"),
        ("awssm://", "awssm://name-or-ARN"),
        ("awssm://longshore/acme?region=", "awssm://name-or-ARN"),
        ("awssm://longshore/acme?region=evil.example/", "awssm://name-or-ARN"),
        ("awssm://longshore/acme?version=1", "awssm://name-or-ARN"),
        ("awssm://longshore/acme#", "awssm://name-or-ARN"),
        ("awssm://arn:aws:secretsmanager:eu-west-1:999922223333:secret:acme", "must begin with"),
        ("awssm://arn:aws:s3:eu-west-1:111122223333:secret:acme", "awssm://name-or-ARN"),
        (f"awssm://{ARN}?region=us-east-1", "says region eu-west-1"),
    ],
)
def test_what_may_not_be_named_and_what_to_type_instead(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        _references().parse(text)


@pytest.mark.parametrize("name", ["LONGSHORE_SECRET_KEYS", "AWS_SECRET_ACCESS_KEY", "aws_secret", "Longshore_x"])
def test_our_own_variables_are_never_read_whatever_the_list_says(name: str) -> None:
    references = _references("env://", f"env://{name}")
    with pytest.raises(ValueError, match="our own"):
        references.parse(f"env://{name}")


def test_without_a_list_nothing_is_read() -> None:
    references = References(settings=settings_of(), manager=FakeManager(), clock=ManualClock())
    for text in ("env://ACME_SECRET", "file:///run/secrets/acme", "awssm://longshore/acme"):
        with pytest.raises(
            ValueError, match="the operator may list what they begin with in LONGSHORE_SECRET_REFERENCES"
        ):
            references.parse(text)


def test_a_short_beginning_of_a_name_does_not_stand_for_every_arn() -> None:
    with pytest.raises(ValueError, match="must begin with"):
        _references("awssm://a").parse(f"awssm://{ARN}")
    assert _references("awssm://").parse(f"awssm://{ARN}").name == ARN


@pytest.mark.parametrize(
    "entry", ["ACME_", "file://run", "https://vault", "awssm://x#key", "awssm://x?region=y", "*", "env://A*"]
)
def test_an_entry_that_is_no_beginning_is_refused_at_the_start(entry: str) -> None:
    with pytest.raises(SettingsError, match=r"LONGSHORE_SECRET_REFERENCES: .* is not the beginning of a reference"):
        _references("env://ACME_", entry)


_PARTS = st.sampled_from(
    ["/", "//", "..", ".", "run", "secrets", "acme", "/run/secrets/acme", "etc", "passwd", "%2e", "\\", "\0", "\n", " ", "~", "é", "_",
     "ACME_", "AWS_", "LONGSHORE_", "KEY", "longshore/", ARN, ":", "?region=", "eu-west-1", "#", "k", "@", "env://", "file://", "awssm://"]
)  # fmt: skip
_TEXTS = st.one_of(
    st.text(max_size=40),
    st.builds(
        lambda scheme, parts: scheme + "".join(parts),
        st.sampled_from(
            ["env://", "file://", "file:///run/secrets/acme", "awssm://", "env://ACME_", "awssm://longshore/"]
        ),
        st.lists(_PARTS, max_size=8),
    ),
)
_ENTRIES = st.lists(
    st.sampled_from(
        [*ALLOWED, "env://", "file:///run/secrets/", "file:///run", "awssm://l", "env://A", "file:///run/secrets/acme/"]
    ),
    max_size=3,
)


@given(_TEXTS, _ENTRIES)
def test_nothing_outside_the_list_ever_passes(text: str, entries: list[str]) -> None:
    references = References(
        settings=settings_of(secret_references=tuple(entries)), manager=FakeManager(), clock=ManualClock()
    )
    try:
        found = references.parse(text)
    except ValueError:
        return
    assert text.isprintable()
    assert any(text.startswith(entry.rstrip("/")) for entry in entries)
    if found.scheme == "env":
        assert not found.name.startswith(("AWS_", "LONGSHORE_"))
    if found.scheme == "file":
        assert posixpath.isabs(found.name)
        folders = [entry.removeprefix("file://").rstrip("/") for entry in entries if entry.startswith("file://")]
        assert any(posixpath.commonpath([posixpath.normpath(found.name), folder]) == folder for folder in folders)


# -- what is read


async def test_a_variable_is_read_when_it_is_asked_for() -> None:
    references = _references(ACME_SECRET=CANARY, ACME_EMPTY="", ACME_LINES=f"{CANARY}\nHost: evil")
    assert await references.secret("env://ACME_SECRET") == CANARY
    for name, why in (
        ("ACME_NONE", "set that variable"),
        ("ACME_EMPTY", "set that variable"),
        ("ACME_LINES", "line breaks"),
    ):
        with pytest.raises(SecretReferenceError, match=why) as caught:
            await references.secret(f"env://{name}")
        assert CANARY not in str(caught.value)
    with pytest.raises(SecretReferenceError, match=r"the secret env://HOME can't be read: .* must begin with"):
        await references.secret("env://HOME")


def _files(folder: Path) -> Path:
    """allowed/ with files and links, and beside it what nobody may read."""
    allowed, beside = folder / "allowed", folder / "allowed-not"
    for one in (allowed / "..2026", beside):
        one.mkdir(parents=True)
    (beside / "secret").write_text("beside")
    (allowed / "plain").write_text(f"{CANARY}\n")
    (allowed / "windows").write_bytes(f"{CANARY}\r\n".encode())
    (allowed / "two").write_text(f"{CANARY}\n\n")
    (allowed / "empty").write_text("")
    (allowed / "bytes").write_bytes(b"\xff\xfe" + CANARY.encode())
    (allowed / "large").write_text(CANARY * 100)
    (allowed / "exact").write_text("x" * 999 + "\n")
    (allowed / "..2026" / "key").write_text(CANARY)
    (allowed / "..data").symlink_to("..2026")
    (allowed / "key").symlink_to("..data/key")
    (allowed / "out").symlink_to("../allowed-not/secret")
    (allowed / "folder-out").symlink_to("../allowed-not")
    (allowed / "proc").symlink_to("/proc/self/environ")
    (allowed / "gone").symlink_to("nowhere")
    (allowed / "loop").symlink_to("loop")
    os.mkfifo(allowed / "pipe")
    return allowed


@pytest.mark.parametrize("name", ["plain", "windows", "key", "..data/key", "..2026/key"])
async def test_a_file_is_read_without_its_last_line_break_through_links_that_stay_inside(
    tmp_path: Path, name: str
) -> None:
    references = _references(f"file://{_files(tmp_path)}/")
    assert await references.secret(f"file://{tmp_path}/allowed/{name}") == CANARY


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("out", "a link leads out"),
        ("folder-out/secret", "a link leads out"),
        ("proc", "a link leads out"),
        ("gone", "No such file"),
        ("loop", "Too many levels|is it there"),
        ("none", "No such file"),
        ("pipe", "no regular file"),
        ("..2026", "no regular file"),
        ("plain/x", "Not a directory"),
        ("bytes", "not UTF-8"),
        ("large", "larger than 1,000 bytes"),
        ("two", "line breaks"),
        ("empty", "is empty"),
    ],
)
async def test_a_file_that_is_none_of_ours_to_read_is_refused(tmp_path: Path, name: str, why: str) -> None:
    references = _references(f"file://{_files(tmp_path)}")
    with pytest.raises(SecretReferenceError, match=why) as caught:
        await references.secret(f"file://{tmp_path}/allowed/{name}")
    assert CANARY not in str(caught.value)
    assert "beside" not in str(caught.value)


async def test_a_link_that_vanishes_while_it_is_followed_is_told_as_any_other_file_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a secret's volume is swapped for a newer one."""
    folder = _files(tmp_path)
    (folder / "now").symlink_to("..data")
    follow = os.readlink

    def too_late(path: str) -> str:
        if str(path).endswith("/now"):
            Path(path).unlink()
        return follow(path)

    monkeypatch.setattr(os, "readlink", too_late)
    references = _references(f"file://{folder}")
    with pytest.raises(SecretReferenceError, match="No such file or directory; is it there, and ours to read"):
        await references.secret(f"file://{folder}/now/key")


async def test_a_file_as_large_as_may_be_is_read(tmp_path: Path) -> None:
    references = _references(f"file://{_files(tmp_path)}/exact")
    assert len(await references.secret(f"file://{tmp_path}/allowed/exact")) == 999


@pytest.mark.parametrize("path", ["/proc/self/environ", "/proc/self/cmdline", "/dev/null", "/sys/kernel/notes"])
async def test_the_systems_own_files_are_never_read_whatever_the_list_says(path: str) -> None:
    with pytest.raises(SecretReferenceError, match="leads out"):
        await _references("file:///", "file:///proc/", f"file://{path}").secret(f"file://{path}")


async def test_a_key_of_a_json_secret_is_read() -> None:
    manager = FakeManager()
    references = _references(manager=manager)
    for value, json_key in ((f'{{"key": "{CANARY}", "n": 1}}', "key"), (f'{{"a.b#c": "{CANARY}"}}', "a.b#c")):
        manager.secrets["longshore/json"] = value
        assert await references.secret(f"awssm://longshore/json#{json_key}") == CANARY
    for value in (CANARY, "[1]", f'{{"other": "{CANARY}"}}', '{"key": 1}', "[" * 900, '{"key": ""}'):
        manager.secrets["longshore/bad"] = value
        with pytest.raises(SecretReferenceError, match=r"under that key|is empty") as caught:
            await references.secret("awssm://longshore/bad#key")
        assert CANARY not in str(caught.value)


# -- what is kept


async def test_a_secret_is_kept_for_a_while_and_read_anew_once_it_was_refused() -> None:
    manager, clock = FakeManager(), ManualClock()
    references = _references(manager=manager, clock=clock)
    text = "awssm://longshore/acme?region=eu-west-1"
    for _ in range(3):
        assert await references.secret(text) == CANARY
    assert manager.asked == [("longshore/acme", "eu-west-1")]
    manager.secrets["longshore/acme"] = "the next one"
    clock.advance(299)
    assert await references.secret(text) == CANARY
    references.forget(text)
    assert await references.secret(text) == "the next one"
    clock.advance(301)
    manager.secrets["longshore/acme"] = "the third"
    assert await references.secret(text) == "the third"
    assert len(manager.asked) == 3


async def test_many_who_ask_at_once_are_one_request() -> None:
    manager = FakeManager()
    references = _references(manager=manager)
    manager.go_on.clear()
    async with asyncio.TaskGroup() as tasks:
        asking = [tasks.create_task(references.secret("awssm://longshore/acme")) for _ in range(50)]
        while not manager.asked:  # noqa: ASYNC110 - the fake has been asked
            await asyncio.sleep(0)
        manager.go_on.set()
    assert {task.result() for task in asking} == {CANARY}
    assert len(manager.asked) == 1


async def test_what_was_on_its_way_when_it_was_refused_is_not_kept() -> None:
    manager = FakeManager()
    references = _references(manager=manager)
    manager.go_on.clear()
    async with asyncio.TaskGroup() as tasks:
        early = tasks.create_task(references.secret("awssm://longshore/acme"))
        while not manager.asked:  # noqa: ASYNC110 - the fake has been asked
            await asyncio.sleep(0)
        manager.secrets["longshore/acme"] = "the next one"
        references.forget("awssm://longshore/acme")
        manager.go_on.set()
    assert early.result() == CANARY
    assert await references.secret("awssm://longshore/acme") == "the next one"


async def test_while_its_keeper_is_away_the_secret_known_last_serves_unless_it_was_refused() -> None:
    manager, clock = FakeManager(), ManualClock()
    references = _references(manager=manager, clock=clock)
    assert await references.secret("awssm://longshore/acme") == CANARY
    manager.trouble = SecretUnavailableError("throttled")
    clock.advance(1000)
    with capture_logs() as logs:
        assert await references.secret("awssm://longshore/acme") == CANARY
    assert [(line["event"], line["reference"]) for line in logs] == [
        ("the secret known last serves", "awssm://longshore/acme")
    ]
    assert CANARY not in repr(logs)
    references.forget("awssm://longshore/acme")
    with pytest.raises(SecretUnavailableError):
        await references.secret("awssm://longshore/acme")


async def test_what_hangs_is_given_up() -> None:
    manager = FakeManager()
    manager.go_on.clear()
    limits = Limits(secret_read_s=0.01)
    references = References(
        settings=settings_of(secret_references=ALLOWED, limits=limits), manager=manager, clock=ManualClock()
    )
    with pytest.raises(SecretUnavailableError, match=r"could not be read within 0\.01 s"):
        await references.secret("awssm://longshore/acme")


async def test_no_more_secrets_are_kept_than_the_limit_says() -> None:
    manager = FakeManager()
    references = _references(manager=manager)
    manager.secrets |= {f"longshore/{number}": CANARY for number in range(5)}
    for number in (0, 1, 2, 2, 1, 0):
        await references.secret(f"awssm://longshore/{number}")
    assert Counter(name for name, _ in manager.asked) == {"longshore/0": 2, "longshore/1": 1, "longshore/2": 1}
    assert CANARY not in repr(vars(references))


def test_a_reference_names_no_secret() -> None:
    assert isinstance(found := _references().parse("env://ACME_SECRET"), Reference)
    assert found == _references(ACME_SECRET=CANARY).parse("env://ACME_SECRET")
