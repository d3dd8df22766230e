"""Tags of objects: asked for where there are some, unknown where they are denied, and never the reason for a failure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from config.errors import OutOfScopeError
from tests.acceptance.customers_cloud import a_scene
from tests.acceptance.test_copies import connected, rows, run
from tests.fakes.s3_faults import Fault


def _tag(tags: dict[str, str]) -> str:
    inside = "".join(f"<Tag><Key>{name}</Key><Value>{value}</Value></Tag>" for name, value in tags.items())
    return f"<Tagging><TagSet>{inside}</TagSet></Tagging>"


async def test_tags_are_asked_for_only_where_there_are_some(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing count means none, once an object without one has shown that they may be read."""
    async with a_scene(tmp_path, monkeypatch) as made:
        await connected(made, tags=True, copy_to=None)
        made.s3.put("acme", b"raw/b.txt", b"beta", tags={"b": "\u00fc", "a": ""})
        for number in range(5):
            made.s3.put("acme", f"raw/{number}".encode(), b"body")
        ended, totals = await run(made, tags=True, copy_to=None)
        assert (ended.state, totals.requests["tags"]) == ("complete", 2)
        found = await rows(made, "tags")
        assert found.pop("raw/b.txt") == ('{"a": "", "b": "\\u00fc"}',)
        assert set(found.values()) == {("{}",)}
        _, again = await run(made, tags=True, copy_to=None)
        assert (again.requests["head"], again.requests["tags"]) == (0, 0)


async def test_what_was_never_asked_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_scene(tmp_path, monkeypatch) as made:
        await connected(made, tags=True, copy_to=None)
        await run(made, copy_to=None)
        assert await rows(made, "tags") == {"raw/a.txt": (None,), "raw/b.txt": (None,)}
        _, totals = await run(made, tags=True, copy_to=None)
        assert totals.requests["head"] == 2
        assert await rows(made, "tags") == {"raw/a.txt": ("{}",), "raw/b.txt": ("{}",)}


async def test_denied_tags_stay_unknown_and_the_objects_are_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One request finds out, one warning names the statement, and the next run asks again."""
    async with a_scene(tmp_path, monkeypatch) as made:
        await connected(made, tags=True, copy_to=None)
        allowed, reading = made.role.policy, made.role.policy
        assert reading is not None
        without: dict[str, Any] = {**reading, "Statement": []}
        for statement in reading["Statement"]:
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            kept = [action for action in actions if action != "s3:GetObjectTagging"]
            without["Statement"].append({**statement, "Action": kept})
        made.role.change(policy=without)
        made.s3.put("acme", b"raw/a.txt", b"alpha", tags={"a": "1"})
        with capture_logs() as logs:
            ended, totals = await run(made, tags=True, copy_to=None)
        assert (ended.state, totals.outcomes["failed"], totals.requests["tags"]) == ("complete", 0, 1)
        assert await rows(made, "state", "tags") == {"raw/a.txt": ("present", None), "raw/b.txt": ("present", None)}
        [warning] = [one for one in logs if one["event"].startswith("tags are denied")]
        assert '"Action": "s3:GetObjectTagging", "Resource": "arn:aws:s3:::acme/*"' in warning["add"]
        for depth, read in (("content", 2), ("content", 0), ("media", 0)):
            ended, totals = await run(made, tags=True, copy_to=None, depth=depth)
            asked = totals.requests
            assert (ended.state, asked["get"], asked["head"]) == ("complete", read, 2 - read), "bodies are read once"
        assert all(len(digest) == 64 for (digest,) in (await rows(made, "sha256")).values())
        made.role.change(policy=allowed)
        await run(made, tags=True, copy_to=None)
        assert await rows(made, "tags") == {"raw/a.txt": ('{"a": "1"}',), "raw/b.txt": ("{}",)}


async def test_a_role_whose_connection_wants_no_tags_is_not_asked_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_scene(tmp_path, monkeypatch) as made:
        await connected(made, copy_to=None)
        with pytest.raises(OutOfScopeError, match="longshore connections update acme --tags"):
            await run(made, tags=True, copy_to=None)
        assert not made.s3.log


async def test_a_storage_that_tells_no_count_is_asked_about_each_object(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_scene(tmp_path, monkeypatch) as made:
        await connected(made, tags=True, copy_to=None)
        for name in ("a", "b"):
            made.s3.put("acme", f"raw/{name}.txt".encode(), b"body", tags={"name": name})
        made.s3.faults.add(Fault(kind="headers", op="head", headers={"x-amz-tagging-count": ""}, times=0))
        _, totals = await run(made, tags=True, copy_to=None)
        assert totals.requests["tags"] == 2
        assert await rows(made, "tags") == {f"raw/{name}.txt": (f'{{"name": "{name}"}}',) for name in "ab"}


async def test_tags_are_those_of_the_version_that_was_probed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_scene(tmp_path, monkeypatch) as made:
        await connected(made, tags=True, copy_to=None)
        made.bucket.versioned = True
        put = made.s3.put("acme", b"raw/a.txt", b"alpha", tags={"a": "1"})
        later = Fault(
            kind="answer", op="get_tags", status=200, headers={"x-amz-version-id": "later"}, body=_tag({"a": "2"})
        )
        made.s3.faults.add(later)
        _, totals = await run(made, tags=True, copy_to=None)
        assert (await rows(made, "tags", "probed_version_id"))["raw/a.txt"] == ('{"a": "1"}', put.version_id)
        assert totals.requests["tags"] >= 2
