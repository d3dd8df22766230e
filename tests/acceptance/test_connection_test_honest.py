"""What the connection test must not say: a pass that no run would have, a cause that is none, a name that is not the reader's to see."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from console.commands.connection_test import lines
from ingest.check.checker import ConnectionTest
from tests.acceptance.customers_cloud import (
    CUSTOMER,
    KEY,
    ROLE,
    USERS_KEY,
    Scene,
    a_scene,
    outcomes,
    step,
)
from tests.acceptance.wrong_setups import GETS, LISTS
from tests.acceptance.wrong_storage import DECRYPTS
from tests.fakes.iam_documents import allow, policy
from tests.fakes.s3_faults import Fault, Op

ONE_FOLDER = LISTS | {"Condition": {"StringEquals": {"s3:prefix": ["raw/"], "s3:delimiter": "/"}}}
ALL_FOLDERS = LISTS | {"Condition": {"StringLike": {"s3:prefix": ["raw/*"]}, "StringEquals": {"s3:delimiter": "/"}}}


def _denied_to(
    op: Op, *, times: int = 0, status: int = 403, code: str = "AccessDenied", message: str = "Access Denied"
) -> Fault:
    return Fault(kind="error", op=op, times=times, status=status, code=code, message=message)


async def _kept(scene: Scene) -> dict[str, Any] | None:
    return (await scene.service.registry.get("acme", workspace="main")).tested


@pytest.mark.acceptance("CO-04")
async def test_another_workspace_sees_nothing_of_whose_key_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_scene(tmp_path, monkeypatch) as scene:
        await scene.connect(kind="aws_keys", audience="organisation", expected_owner="777766665555")
        foreign = await scene.service.registry.get("acme", workspace="other")
        words = f"User: arn:aws:iam::{CUSTOMER}:user/finance/old of {CUSTOMER}, key {USERS_KEY}, may not"
        ops: tuple[Op | None, ...] = (None, "list", "get", "get_caller_identity")
        for op in ops:
            scene.s3.faults.clear()
            if op is not None:
                scene.s3.faults.add(_denied_to(op, message=words))
            report = await ConnectionTest(tools=scene.tools, connection=foreign).run()
            shown = repr(report.plain())
            for secret in (CUSTOMER, "777766665555", "user/old", "finance", "arn:aws:iam", USERS_KEY, USERS_KEY[-4:]):
                assert secret not in shown, (op, secret, shown)


async def test_a_root_users_key_is_warned_of_and_named_in_no_policy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_scene(tmp_path, monkeypatch) as scene:
        await scene.connect(kind="aws_keys")
        scene.s3.sts.grants[USERS_KEY].arn = f"arn:aws:iam::{CUSTOMER}:root"
        scene.s3.faults.add(_denied_to("list"))
        report = await scene.test()
        assert step(report, "access key").outcome == "warning"
        repairs = [reason.repair for one in report.steps for reason in one.reasons]
        assert ":root" not in repr(repairs)


async def test_no_terminal_obeys_what_a_place_or_a_server_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_scene(tmp_path, monkeypatch) as scene:
        await scene.connect(allow=["s3://acme/raw/\x1b]0;pwned\x07\u202e/"])
        scene.s3.faults.add(_denied_to("list", message="\x1b[2J no \u202e\x9b31m"))
        report = await scene.test()
        assert "\x1b" in repr(report).encode().decode("unicode_escape")
        printed = list(lines(report))
        assert all(line.isprintable() for line in printed)
        assert "s3://acme/raw/\\x1b]0;pwned\\x07\\u202e/" in "".join(printed)


@pytest.mark.acceptance("LS-08")
async def test_a_walk_is_tried_one_folder_deeper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_scene(tmp_path, monkeypatch) as scene:
        await scene.connect()
        scene.role.change(policy=policy(ONE_FOLDER, GETS))
        alone = step(await scene.test(), "list")
        assert (alone.outcome, "no folder is in it" in alone.seen) == ("passed", True)
        scene.s3.put("acme", b"raw/deep/d.txt", b"delta")
        report = await scene.test()
        refused = step(report, "list")
        assert refused.outcome == "failed"
        assert "not this folder" in refused.seen
        assert "allows one folder and not those in it" in refused.reasons[0].why
        assert outcomes(report)["get"] == "passed"
        assert "find an object" not in outcomes(report)
        scene.role.change(policy=policy(ALL_FOLDERS, GETS))
        report = await scene.test()
        assert report.verdict == "passed"
        assert "s3://acme/raw/deep/, too" in step(report, "list").seen
        scene.role.change(policy=policy(ONE_FOLDER, GETS))
        scene.paste(next(reason for reason in refused.reasons if reason.repair is not None))
        assert (await scene.test()).verdict == "passed"


async def test_a_walk_that_fails_still_deeper_has_reasons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_scene(tmp_path, monkeypatch) as scene:
        await scene.connect()
        for key in (b"raw/a.txt", b"raw/b.txt"):
            scene.s3.delete("acme", key)
        scene.s3.put("acme", b"raw/one/two/d.txt", b"delta")
        folders = {"StringEquals": {"s3:prefix": ["raw/", "raw/one/"], "s3:delimiter": "/"}}
        scene.role.change(policy=policy(LISTS | {"Condition": folders}, GETS))
        report = await scene.test()
        assert step(report, "list").outcome == "passed"
        found = step(report, "find an object")
        assert found.outcome == "failed"
        assert found.reasons
        assert found.repair is not None


@pytest.mark.parametrize("op", ["list", "get"])
async def test_one_place_alone_is_no_test_of_the_connection(
    op: Op, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_scene(tmp_path, monkeypatch) as scene:
        await scene.connect(allow=["s3://acme/raw/", "s3://acme/other/"])
        scene.s3.faults.add(_denied_to(op))
        assert (await scene.test()).verdict == "failed"
        before = await _kept(scene)
        scene.s3.faults.clear()
        scene.role.change(policy=policy(LISTS, GETS))
        assert (await scene.test(uri="s3://acme/raw/")).verdict == "passed"
        assert await _kept(scene) == before
        assert before is not None
        assert before["verdict"] == "failed"


async def test_what_should_have_been_tried_is_kept_as_not_passed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_scene(tmp_path, monkeypatch, {"LONGSHORE_LIMITS__CHECK_PLACES": "1"}) as scene:
        await scene.connect(allow=["s3://acme/raw/", "s3://acme/third/"])
        await scene.test()
        kept = await _kept(scene)
        assert kept is not None
        assert (kept["verdict"], kept["not_passed"]) == ("warning", ["list s3://acme/third/"])


@pytest.mark.acceptance("LS-09")
@pytest.mark.parametrize(
    ("code", "outcome"), [("KMS.InvalidKeyUsageException", "failed"), ("InvalidObjectState", "not tried")]
)
async def test_what_was_not_read_was_not_decrypted(
    code: str, outcome: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_scene(tmp_path, monkeypatch) as scene:
        await scene.connect(kms_keys=[KEY])
        scene.s3.put("acme", b"raw/a.txt", b"alpha", kms_key=KEY)
        scene.role.change(policy=policy(LISTS, GETS, DECRYPTS))
        assert step(await scene.test(), "decrypt").outcome == "passed"
        scene.s3.faults.add(_denied_to("get", status=400, code=code))
        report = await scene.test()
        assert step(report, "get").outcome in ("failed", "warning")
        assert step(report, "decrypt").outcome == outcome


@pytest.mark.acceptance("LS-09")
@pytest.mark.parametrize("fields", [{}, {"requester_pays": True}])
@pytest.mark.parametrize("times", [2, 3])
async def test_what_passes_when_it_is_asked_again_is_blamed_on_nobody(
    fields: dict[str, Any], times: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_scene(tmp_path, monkeypatch) as scene:
        await scene.connect(expected_owner=CUSTOMER, **fields)
        scene.s3.faults.add(_denied_to("list", times=times))
        report = await scene.test()
        if times == 2:
            assert report.verdict == "passed"
        else:
            reasons = [reason.why for reason in step(report, "list").reasons]
            assert not any("Requester Pays" in why or "does not belong to" in why for why in reasons)


async def test_who_pays_is_asked_only_where_a_policy_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_scene(tmp_path, monkeypatch) as scene:
        await scene.connect()
        scene.s3.faults.add(_denied_to("list", code="AccountProblem"))
        report = await scene.test()
        assert "bills" in step(report, "list").reasons[0].why
        assert sum(one.op == "list" for one in scene.s3.log) == 1


async def test_one_servers_wrong_clock_is_not_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_scene(tmp_path, monkeypatch) as scene:
        await scene.connect()
        ops: tuple[Op, ...] = ("head_bucket", "list", "head", "get")
        for op in ops:
            wrong = {"Date": "Thu, 26 Nov 2020 01:00:00 GMT"}
            scene.s3.faults.add(Fault(kind="headers", op=op, times=0, headers=wrong))
        report = await scene.test()
        shown = step(report, "clock")
        assert shown.outcome == "warning"
        assert scene.s3.url in shown.reasons[0].why
        assert shown.reasons[0].target == "elsewhere"


@pytest.mark.parametrize(
    ("op", "under_way"),
    [
        ("assume_role", "assume the role"),
        ("list", "list s3://acme/raw/"),
        ("get", "head and get s3://acme/raw/a.txt"),
    ],
)
async def test_what_was_under_way_when_time_was_over_is_told(
    op: Op, under_way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_scene(tmp_path, monkeypatch) as scene:
        await scene.connect()
        await scene.short_of_time()
        scene.s3.faults.add(Fault(kind="hang", op=op, times=0))
        shown = step(await scene.test(), "time")
        assert f"`{under_way}`" in shown.seen
        assert shown.reasons


async def test_a_key_that_looks_like_words_of_awss_changes_no_diagnosis(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_scene(tmp_path, monkeypatch) as scene:
        await scene.connect(test_location="s3://acme/raw/St. Louis. kms:Decrypt.txt")
        scene.s3.put("acme", b"raw/St. Louis. kms:Decrypt.txt", b"x")
        scene.role.change(policy=policy(LISTS, allow("s3:ListAllMyBuckets", "*")))
        report = await scene.test()
        shown = step(report, "get")
        assert shown.about in shown.seen
        assert "not allowed s3:GetObject" in shown.reasons[0].why
        assert f"the permissions of {ROLE}" == shown.reasons[0].where
        assert step(report, "decrypt").outcome == "not tried"
