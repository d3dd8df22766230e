"""The connection test: what it says to set-ups that are right, how it waits, what it shows to whom, and what it never does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from config.errors import OutOfScopeError, RoleOpenError
from ingest.check.checker import ConnectionTest
from tests.acceptance.customers_cloud import (
    CUSTOMER,
    KEY,
    MINIO,
    OURS,
    READER,
    ROLE,
    USERS_SECRET,
    a_scene,
    outcomes,
    step,
)
from tests.acceptance.wrong_setups import GETS, LISTS
from tests.acceptance.wrong_storage import DECRYPTS
from tests.fakes.iam_documents import policy, reads, trust
from tests.fakes.s3_faults import Fault
from tests.fakes.sts_roles import ACCOUNT

RIGHT = {
    "our identity": "passed",
    "assume the role": "passed",
    "without external ID": "passed",
    "with a wrong external ID": "passed",
    "endpoint": "passed",
    "region": "passed",
    "list": "passed",
    "head": "passed",
    "get": "passed",
    "decrypt": "not tried",
    "clock": "passed",
}
OF_BUCKETS = {name: RIGHT[name] for name in ("endpoint", "region", "list", "head", "get", "decrypt", "clock")}


@pytest.mark.acceptance("LS-08", "LS-09")
async def test_a_right_set_up_passes_in_every_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_scene(tmp_path, monkeypatch) as scene:
        await scene.connect()
        report = await scene.test()
        assert outcomes(report) == RIGHT
        assert report.verdict == "passed"
        assert not scene.said
        kept = await scene.service.registry.get("acme", workspace="main")
        assert kept.trust == "safe"
        assert kept.tested is not None
        assert kept.tested.pop("at")
        assert kept.tested == {"verdict": "passed", "steps": len(RIGHT), "not_passed": []}
        line = (await scene.service.audit.lines(limit=1))[0]
        assert (line.action, line.object, line.detail) == ("tested", "connection:acme", {"verdict": "passed"})


@pytest.mark.acceptance("LS-09")
async def test_probes_may_do_nothing_and_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_scene(tmp_path, monkeypatch) as scene:
        await scene.connect()
        scene.role.change(trust=trust(OURS))  # open: probes get their sessions
        await scene.test()
        assert {one.op for one in scene.s3.log} <= {"sts", "head_bucket", "list", "head", "get"}
        probes = {call.parameters["RoleSessionName"]: call.parameters for call in scene.s3.sts.probes()}
        assert set(probes) == {"longshore-probe-no-external-id", "longshore-probe-wrong-external-id"}
        assert all('"Effect":"Deny","Action":"*"' in asked["Policy"] for asked in probes.values())
        real = next(call for call in scene.s3.sts.calls if call.parameters.get("RoleSessionName") == "longshore-test")
        assert "arn:aws:s3:::acme/raw/*" in real.parameters["Policy"]


@pytest.mark.acceptance("CG-15")
async def test_an_open_role_is_remembered_and_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_scene(tmp_path, monkeypatch) as scene:
        await scene.connect()
        scene.role.change(trust=trust(OURS))
        assert (await scene.test()).verdict == "failed"
        kept = await scene.service.registry.get("acme", workspace="main")
        assert kept.trust == "open"
        with pytest.raises(RoleOpenError):
            await scene.service.trust.assure(kept)


@pytest.mark.acceptance("CG-15")
@pytest.mark.parametrize(("rule", "outcome"), [("declared", "warning"), ("allow", "warning"), ("refuse", "failed")])
async def test_a_role_that_is_said_to_ask_for_no_external_id(
    rule: str, outcome: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_scene(tmp_path, monkeypatch) as scene:
        await scene.connect(external_id=None)
        scene.role.change(trust=trust(OURS))
        connection = await scene.service.registry.get("acme", workspace="main")
        settings = scene.tools.settings.model_copy(update={"open_roles": rule})
        report = await ConnectionTest(tools=replace(scene.tools, settings=settings), connection=connection).run()
        shown = step(report, "without external ID")
        assert (shown.outcome, report.verdict) == (outcome, outcome)
        issued = await scene.service.external_ids.issue("acme", actor="alice")
        assert shown.repair is not None
        assert shown.repair["Statement"][0]["Condition"] == {"StringEquals": {"sts:ExternalId": issued}}


async def test_it_waits_for_policies_to_spread_and_no_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_scene(tmp_path, monkeypatch) as scene:
        await scene.connect()
        right = scene.role.trust
        scene.role.change(trust=trust(OURS, "ext-2"), policy=policy(LISTS))
        scene.role.change(trust=right, in_s=12)
        scene.role.change(policy=policy(LISTS, GETS), in_s=20)
        report = await scene.test(wait_s=60.0)
        assert report.verdict == "passed"
        assert 20 <= report.waited_s < 35
        assert len(scene.said) == 1
        assert "up to a minute" in scene.said[0]


async def test_it_waits_for_a_role_to_close(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_scene(tmp_path, monkeypatch) as scene:
        await scene.connect()
        right = scene.role.trust
        scene.role.change(trust=trust(OURS))
        scene.role.change(trust=right, in_s=9)
        assert (await scene.test(wait_s=60.0)).verdict == "passed"


@pytest.mark.parametrize(("age_s", "waited_s"), [(0, 60), (3600, 0)])
async def test_a_connection_that_is_new_is_waited_for(
    age_s: float, waited_s: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_scene(tmp_path, monkeypatch) as scene:
        await scene.connect()
        scene.role.change(policy=policy(LISTS))
        scene.clock.advance(age_s)
        report = await scene.test(wait_s=None)
        assert report.verdict == "failed"
        assert report.waited_s == pytest.approx(waited_s)


async def test_what_no_waiting_mends_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_scene(tmp_path, monkeypatch) as scene:
        await scene.connect(kind="aws_keys")
        scene.s3.sts.grants.clear()
        assert (await scene.test(wait_s=60.0)).verdict == "failed"
        assert not scene.clock.slept


async def test_a_listing_that_is_allowed_with_the_delimiter_only_is_walked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_scene(tmp_path, monkeypatch) as scene:
        await scene.connect()
        scene.s3.put("acme", b"raw/deep/d.txt", b"delta")
        folders = {"StringEquals": {"s3:prefix": ["raw/", "raw/deep/"], "s3:delimiter": "/"}}
        scene.role.change(policy=policy(LISTS | {"Condition": folders}, GETS))
        report = await scene.test()
        assert outcomes(report) == RIGHT
        assert "folder by folder" in step(report, "list").seen


@pytest.mark.acceptance("CO-22")
async def test_the_test_location_is_what_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_scene(tmp_path, monkeypatch) as scene:
        await scene.connect(test_location="s3://acme/raw/b.txt")
        report = await scene.test()
        assert outcomes(report) == RIGHT
        assert {one.key for one in scene.s3.log if one.op in ("head", "get")} == {b"raw/b.txt"}
        scene.s3.put("acme", b"raw/deep/z.txt", b"zeta")
        await scene.service.registry.update(
            "acme", {"test_location": "s3://acme/raw/deep/"}, workspace="main", actor="alice"
        )
        assert step(await scene.test(), "get").about == "s3://acme/raw/deep/z.txt"


@pytest.mark.acceptance("CO-22")
async def test_a_test_location_is_read_even_if_nothing_may_be_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_scene(tmp_path, monkeypatch) as scene:
        await scene.connect(test_location="s3://acme/raw/b.txt")
        scene.role.change(policy=policy(GETS))
        report = await scene.test()
        assert outcomes(report) == RIGHT | {"list": "failed"}


@pytest.mark.acceptance("KO-11")
async def test_a_region_is_found_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_scene(tmp_path, monkeypatch) as scene:
        await scene.connect()
        scene.s3.buckets["acme"] = replace(scene.bucket, region="eu-central-1")
        report = await scene.test()
        assert outcomes(report) == RIGHT
        assert step(report, "region").seen == "the bucket is in eu-central-1"


async def test_versions_tags_and_keys_are_tried_where_they_are_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_scene(tmp_path, monkeypatch) as scene:
        await scene.connect(versions=True, tags=True, kms_keys=[KEY])
        scene.s3.buckets["acme"] = replace(scene.bucket, versioned=True)
        scene.s3.put("acme", b"raw/a.txt", b"alpha", kms_key=KEY)
        more = [{**GETS, "Action": ["s3:GetObject*"]}, {**LISTS, "Action": "s3:ListBucketVersions"}]
        scene.role.change(policy=policy(LISTS, *more, DECRYPTS))
        report = await scene.test()
        more_steps = dict.fromkeys(("list versions", "version", "tags", "tags of a version", "decrypt"), "passed")
        assert outcomes(report) == RIGHT | more_steps


async def test_every_place_is_tried_up_to_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_scene(tmp_path, monkeypatch, {"LONGSHORE_LIMITS__CHECK_PLACES": "2"}) as scene:
        await scene.connect(allow=["s3://acme/raw/", "s3://acme/other/", "s3://acme/third/"])
        scene.role.change(policy=policy(LISTS, GETS, {**GETS, "Resource": "arn:aws:s3:::acme/other/*"}))
        report = await scene.test()
        listed = {one.about: one.outcome for one in report.steps if one.name == "list"}
        assert listed == {"s3://acme/raw/": "passed", "s3://acme/other/": "passed", "s3://acme/third/": "not tried"}
        assert report.verdict == "warning"
        one = await scene.test(uri="s3://acme/raw/")
        assert {step.about for step in one.steps if step.name == "list"} == {"s3://acme/raw/"}
        with pytest.raises(OutOfScopeError):
            await scene.test(uri="s3://acme/secret/")


async def test_it_takes_no_longer_than_its_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_scene(tmp_path, monkeypatch) as scene:
        await scene.connect()
        await scene.short_of_time()
        scene.s3.faults.add(Fault(kind="hang", op="list"))
        report = await scene.test()
        assert step(report, "time").outcome == "failed"
        assert step(report, "endpoint").outcome == "passed"
        assert report.verdict == "failed"


@pytest.mark.acceptance("CO-04")
async def test_the_scope_bedrock_has_an_identity_and_no_buckets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_scene(tmp_path, monkeypatch) as scene:
        await scene.connect(scope="bedrock", allow=[])
        report = await scene.test()
        roles = dict.fromkeys(list(RIGHT)[:4], "passed")
        assert outcomes(report) == roles | {"list": "not tried", "clock": "passed"}
        assert "bedrock" in step(report, "list").seen
        assert report.verdict == "passed"


@pytest.mark.acceptance("CO-04")
async def test_an_access_key_is_tested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_scene(tmp_path, monkeypatch) as scene:
        await scene.connect(kind="aws_keys")
        report = await scene.test()
        assert outcomes(report) == {"access key": "passed"} | OF_BUCKETS
        assert f"arn:aws:iam::{CUSTOMER}:user/old" in step(report, "access key").seen
        assert report.verdict == "passed"
        assert USERS_SECRET not in repr(report)


async def test_the_root_user_is_warned_of_and_named_in_no_policy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_scene(tmp_path, monkeypatch) as scene:
        await scene.connect()
        scene.s3.sts.operator.arn = f"arn:aws:iam::{ACCOUNT}:root"
        report = await scene.test()
        assert step(report, "our identity").outcome == "warning"
        assert step(report, "assume the role").reasons[0].repair is None


async def test_what_a_server_says_is_written_into_no_policy_unless_it_is_a_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_scene(tmp_path, monkeypatch) as scene:
        await scene.connect()
        evil = 'arn:aws:kms:us-east-1:444455556666:key/*"},{"Effect":"Allow'
        scene.s3.put("acme", b"raw/a.txt", b"alpha", kms_key=evil)
        report = await scene.test()
        shown = step(report, "decrypt")
        assert shown.repair is not None
        assert shown.repair["Resource"] == "arn:aws:kms:REGION:ACCOUNT:key/KEY-ID"


async def test_an_endpoint_of_a_tenants_is_asked_and_its_lack_of_tls_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_scene(tmp_path, monkeypatch, {"LONGSHORE_NETWORKS": "127.0.0.0/8"}) as scene:
        await scene.connect(kind="aws_keys", endpoint=scene.s3.url.replace("127.0.0.1", MINIO))
        report = await scene.test()
        assert outcomes(report) == {"access key": "not tried"} | OF_BUCKETS | {"endpoint": "warning"}


@pytest.mark.acceptance("CO-04")
async def test_the_built_in_connection_is_tested_with_our_own_identity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_scene(tmp_path, monkeypatch) as scene:
        await scene.connect(kind="default")
        scene.s3.sts.operator.policy = policy(*reads("acme"))
        scene.bucket.policy = policy(*reads("acme", principal=OURS))
        report = await scene.test(uri="s3://acme/raw/")
        assert outcomes(report) == {"our identity": "passed"} | OF_BUCKETS


async def test_the_reader_role_reads_as_its_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_scene(tmp_path, monkeypatch, {"LONGSHORE_READER_ROLE": READER}) as scene:
        await scene.connect(kind="default")
        scene.furnish_reader(tag=await scene.service.external_ids.issue("default", actor="alice"))
        report = await scene.test(uri="s3://acme/raw/")
        assert outcomes(report) == {"our identity": "passed", "assume the role": "passed"} | OF_BUCKETS


async def test_another_workspace_sees_neither_role_nor_external_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_scene(tmp_path, monkeypatch) as scene:
        await scene.connect(audience="organisation", test_location="s3://acme/raw/a.txt")
        right, may = trust(OURS, "ext-1"), policy(*reads("acme", "raw/"))
        for trusts, permits in ((trust(OURS, "ext-2"), may), (trust(OURS), may), (right, policy(LISTS))):
            scene.role.change(trust=trusts, policy=permits)
            foreign = await scene.service.registry.get("acme", workspace="other")
            report = await ConnectionTest(tools=scene.tools, connection=foreign).run()
            assert report.verdict == "failed"
            shown = repr(report.plain())
            assert ROLE not in shown
            assert "ext-1" not in shown
            assert CUSTOMER not in shown
            assert "longshore-reader" not in shown
            assert all(reason.repair is None for one in report.steps for reason in one.reasons)
            assert "workspace 'main'" in shown
