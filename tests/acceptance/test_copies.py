"""Copies into the operator's own bucket, on the storage's side, by what the printed policies allow and not by more."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from config.errors import JobError, LongshoreError, OutOfScopeError
from credentials.grants import Grant
from credentials.kinds import BucketSpec
from credentials.policies.access import access_policy
from credentials.policies.setup import Setup
from ingest.catalog.runs import Run, Totals
from ingest.job import IngestJob
from tests.acceptance.customers_cloud import KEY, ROLE, Scene, a_scene
from tests.fakes.iam_documents import allow, policy
from tests.fakes.s3_faults import Fault
from tests.fakes.sts_roles import ACCOUNT

COPIES = "s3://ours/copies/"
PLACE = Grant(bucket="ours", prefix="copies/")
TARGET = b"copies/main/acme/acme/raw/"


@asynccontextmanager
async def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **environment: str) -> AsyncGenerator[Scene]:
    """A customer's role in another account, a bucket of ours whose policy lets it write, and nothing else."""
    ours = {"LONGSHORE_COPY_TARGETS": "s3://other/x/,s3://ours/copies/", "LONGSHORE_LIMITS__ATTEMPTS": "2"}
    async with a_scene(tmp_path, monkeypatch, ours | environment) as made:
        made.s3.create_bucket("ours", account=ACCOUNT)
        writes = ["s3:PutObject", "s3:PutObjectTagging", "s3:AbortMultipartUpload", "s3:GetObject"]
        made.s3.buckets["ours"].policy = policy(allow(writes, "arn:aws:s3:::ours/copies/*", principal=ROLE))
        yield made


async def connected(scene: Scene, *, copy_to: Grant | None = PLACE, **fields: Any) -> None:
    """The connection, and for its role exactly the access policy that is printed for it."""
    await scene.connect(**fields)
    spec = (await scene.service.registry.get("acme", workspace="main")).spec
    assert isinstance(spec, BucketSpec)
    scene.role.change(
        policy=access_policy(
            Setup(
                connection="acme",
                workspace="main",
                grants=spec.allow,
                tags=spec.tags,
                versions=spec.versions,
                kms_keys=spec.kms_keys,
                output=spec.output,
                output_kms_key=spec.kms_key_arn,
                copy_to=copy_to,
            )
        )
    )


async def run(scene: Scene, **job: Any) -> tuple[Run, Totals]:
    body = {"connection": "acme", "uris": ["s3://acme/raw/"], "copy_to": COPIES, **job}
    started, _ = await scene.service.submit(IngestJob.read(body), origin="test")
    while await scene.service.worker.work_next(stop=lambda: False, run_id=started.id) is not None:
        pass
    return await scene.service.catalog.run(started.id)


async def rows(scene: Scene, *columns: str) -> dict[str, tuple[Any, ...]]:
    connection = await scene.service.registry.get("acme", workspace="main")
    found = await scene.service.catalog.find_assets([connection.id])
    return {row["key"].decode(): tuple(row[name] for name in columns) for row in found}


def copies(scene: Scene) -> dict[bytes, bytes]:
    return {key: stored.body for key, stored in scene.s3.buckets["ours"].objects.items()}


@pytest.mark.acceptance("CG-10")
async def test_each_object_is_copied_once_and_its_record_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scene(tmp_path, monkeypatch) as made:
        await connected(made)
        ended, totals = await run(made)
        assert (ended.state, totals.outcomes["added"]) == ("complete", 2)
        assert copies(made) == {TARGET + b"a.txt": b"alpha", TARGET + b"b.txt": b"beta"}
        assert totals.requests == {"list": 1, "head": 2, "get": 0, "tags": 0, "copy": 2, "sts": 1}
        assert await rows(made, "state", "copied_to") == {
            f"raw/{name}.txt": ("present", f"s3://ours/copies/main/acme/acme/raw/{name}.txt") for name in "ab"
        }
        _, again = await run(made)
        assert again.requests | {"sts": 0} == {"list": 1, "head": 0, "get": 0, "tags": 0, "copy": 0, "sts": 0}
        made.s3.put("acme", b"raw/a.txt", b"another")
        _, changed = await run(made)
        assert (changed.requests["copy"], copies(made)[TARGET + b"a.txt"]) == (1, b"another")


@pytest.mark.acceptance("CG-10")
async def test_a_session_may_write_only_in_a_run_that_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with scene(tmp_path, monkeypatch) as made:
        await connected(made)
        await run(made, copy_to=None)
        await run(made)
        asked = [call for call in made.s3.sts.calls if call.action == "AssumeRole" and not call.is_probe]
        plain, writing = (json.loads(call.parameters["Policy"]) for call in asked)
        assert "PutObject" not in json.dumps(plain)
        [put] = [one for one in writing["Statement"] if "s3:PutObject" in one["Action"]]
        assert put["Resource"] == "arn:aws:s3:::ours/copies/main/acme/*"


@pytest.mark.acceptance("CG-10")
@pytest.mark.parametrize(
    ("job", "reason"),
    [
        ({"copy_to": "s3://ours/"}, "LONGSHORE_COPY_TARGETS lists"),
        ({"copy_to": "s3://ours/copies-2/"}, "LONGSHORE_COPY_TARGETS lists"),
        ({"copy_to": "s3://acme/raw/"}, "LONGSHORE_COPY_TARGETS lists"),
        ({"copy_to": "s3://ours/copies/über/"}, "can't be used"),
        ({"copy_to": "s3://ours/copies/*/"}, "can't be used"),
    ],
)
async def test_copies_go_only_where_the_operator_allows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, job: dict[str, str], reason: str
) -> None:
    """When a job comes, and again when a worker takes it up: before anything is asked for."""
    async with scene(tmp_path, monkeypatch) as made:
        await connected(made)
        with pytest.raises(JobError, match=reason) as caught:
            await run(made, **job)
        assert caught.value.code == "CopyTargetRefused"
        connection = await made.service.registry.get("acme", workspace="main")
        body = IngestJob.read({"connection": "acme", "uris": ["s3://acme/raw/"], **job})
        started, _ = await made.service.catalog.create_run(body, connection_id=connection.id, origin="test")
        while await made.service.worker.work_next(stop=lambda: False, run_id=started.id) is not None:
            pass
        ended, _ = await made.service.catalog.run(started.id)
        assert (ended.state, ended.error_code) == ("failed", "CopyTargetRefused")
        assert not made.s3.log


@pytest.mark.acceptance("CG-10")
async def test_a_folder_that_a_job_adds_lies_in_its_tenants_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it is called: here as another tenant's place."""
    async with scene(tmp_path, monkeypatch) as made:
        await connected(made)
        ended, totals = await run(made, copy_to=COPIES + "victim/photos/")
        assert (ended.state, totals.requests["copy"]) == ("complete", 2)
        named = "copies/main/acme/@victim/@photos/acme/raw/"
        assert sorted(copies(made)) == [f"{named}{name}.txt".encode() for name in "ab"]
        assert (await rows(made, "copied_to"))["raw/a.txt"] == (f"s3://ours/{named}a.txt",)
        _, again = await run(made, copy_to=COPIES + "victim/photos/")
        assert again.requests["copy"] == 0
        asked = [call for call in made.s3.sts.calls if call.action == "AssumeRole" and not call.is_probe]
        assert "arn:aws:s3:::ours/copies/main/acme/@victim/@photos/*" in asked[-1].parameters["Policy"]


async def test_what_is_copied_is_never_listed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with scene(tmp_path, monkeypatch, LONGSHORE_COPY_TARGETS="s3://acme/raw/copies/,s3://acme/") as made:
        await connected(made)
        for target in ("s3://acme/raw/copies/", "s3://acme/", "s3://acme/raw/"):
            with pytest.raises(JobError, match="overlap"):
                await run(made, copy_to=target)


async def test_a_storage_of_the_tenants_own_copies_nothing_into_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scene(tmp_path, monkeypatch) as made:
        endpoint = made.s3.url.replace("127.0.0.1", "minio.example.com")
        await made.connect(kind="aws_keys", endpoint=endpoint)
        with pytest.raises(OutOfScopeError, match="a storage of its own"):
            await run(made)


async def failures(made: Scene, **job: Any) -> tuple[Run, dict[str, tuple[Any, ...]], list[str]]:
    with capture_logs() as logs:
        ended, _ = await run(made, **job)
    told = [str(one["reason"]) for one in logs if str(one["event"]).startswith("an object failed")]
    return ended, await rows(made, "state", "error_code", "copied_to"), told


@pytest.mark.acceptance("CG-10")
async def test_a_target_that_denies_is_told_apart_from_an_original_that_is_denied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the next run tries again."""
    async with scene(tmp_path, monkeypatch) as made:
        await connected(made)
        before, made.s3.buckets["ours"].policy = made.s3.buckets["ours"].policy, None
        ended, found, told = await failures(made)
        assert ended.state == "partial"
        assert found == {f"raw/{name}.txt": ("failed", "CopyDenied", None) for name in "ab"}
        assert len(told) == 1, "one warning for each code, and not for each object"
        made.s3.delete("acme", b"raw/b.txt")
        _, _, told = await failures(made)
        assert "COPY s3://acme/raw/a.txt to s3://ours/copies/main/acme/acme/raw/a.txt: the target is denied" in told[0]
        assert "longshore policy access acme --copy-to s3://ours/copies/`" in told[0]
        made.s3.buckets["ours"].policy = before
        made.s3.put("acme", b"raw/b.txt", b"beta")
        why = f"User: {ROLE} is not authorized to perform: kms:Decrypt on the resource associated with this ciphertext"
        key = "copies/main/acme/acme/raw/b.txt"
        made.s3.faults.add(Fault(kind="error", op="copy", key=key, status=403, code="AccessDenied", message=why))
        ended, found, told = await failures(made)
        assert found["raw/a.txt"] == ("present", None, "s3://ours/copies/main/acme/acme/raw/a.txt")
        assert found["raw/b.txt"] == ("failed", "KmsDenied", None)
        assert "the original is denied" in told[0]
        assert "kms:Decrypt" in told[0]


async def test_a_target_that_denies_everything_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = {"LONGSHORE_LIMITS__DENIED_WINDOW": "10", "LONGSHORE_LIMITS__PROBES_AT_ONCE": "2"}
    async with scene(tmp_path, monkeypatch, **limits) as made:
        await connected(made)
        made.s3.buckets["ours"].policy = None
        for number in range(40):
            made.s3.put("acme", f"raw/{number:02}".encode(), b"body")
        ended, totals = await run(made)
        assert (ended.state, ended.error_code) == ("failed", "CopyDenied")
        assert "s3://ours/copies/main/acme/" in (ended.error or "")
        assert totals.requests["copy"] <= 12


@pytest.mark.parametrize("gone", ["bucket", "copy"])
async def test_what_is_wrong_with_the_target_or_the_copy_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gone: str
) -> None:
    """A bucket that is not there ends the run; a copy that is not its original is that object's failure."""
    async with scene(tmp_path, monkeypatch) as made:
        await connected(made)
        if gone == "bucket":
            del made.s3.buckets["ours"]
            ended, _ = await run(made)
            assert (ended.state, ended.error_code) == ("failed", "NoSuchBucket")
            assert "Make the bucket ours" in (ended.error or "")
            return
        other = f"<CopyObjectResult><ETag>{'0' * 32}</ETag></CopyObjectResult>"
        made.s3.faults.add(
            Fault(kind="answer", op="copy", key="copies/main/acme/acme/raw/a.txt", status=200, body=other)
        )
        _, found, told = await failures(made)
        assert found["raw/a.txt"] == ("failed", "CopyDiffers", None)
        assert found["raw/b.txt"][0] == "present"
        assert "the copy's MD5 is 0000" in told[0]


async def test_a_key_that_becomes_too_long_is_that_objects_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scene(tmp_path, monkeypatch) as made:
        await connected(made)
        long = "raw/" + "k" * 1000
        made.s3.put("acme", long.encode(), b"body")
        _, found, _ = await failures(made)
        assert found[long] == ("failed", "KeyTooLongError", None)
        assert found["raw/a.txt"][0] == "present"


@asynccontextmanager
async def put_after_its_head(made: Scene, body: bytes, **fields: Any) -> AsyncGenerator[None]:
    """raw/a.txt is written again when its first HEAD has been answered."""
    fault = made.s3.faults.add(Fault(kind="headers", op="head", key="raw/a.txt", headers={"x": "y"}))
    handle, done = made.s3.handle, False

    async def changing(request: Any) -> Any:
        nonlocal done
        answer = await handle(request)
        if fault.seen == 1 and not done:
            done = True
            made.s3.put("acme", b"raw/a.txt", body, **fields)
        return answer

    assert made.s3._server is not None
    made.s3._server._handler = changing
    yield
    assert done


async def test_an_object_that_changes_before_it_is_copied_is_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Record and copy are of one version."""
    async with scene(tmp_path, monkeypatch) as made:
        await connected(made)
        async with put_after_its_head(made, b"another"):
            await run(made)
        stored = made.s3.buckets["acme"].objects[b"raw/a.txt"]
        assert copies(made)[TARGET + b"a.txt"] == b"another"
        assert (await rows(made, "etag"))["raw/a.txt"] == (stored.etag,)


@pytest.mark.parametrize("parts", [False, True])
async def test_a_version_with_the_same_bytes_and_other_metadata_is_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parts: bool
) -> None:
    limits = {"LONGSHORE_LIMITS__COPY_WHOLE_BYTES": "2"} if parts else {}
    async with scene(tmp_path, monkeypatch, **limits) as made:
        await connected(made, versions=True)
        made.bucket.versioned = True
        made.s3.put("acme", b"raw/a.txt", b"alpha", metadata={"v": "1"})
        async with put_after_its_head(made, b"alpha", metadata={"v": "2"}):
            ended, totals = await run(made)
        assert (ended.state, totals.outcomes["failed"]) == ("complete", 0)
        stored = made.s3.buckets["acme"].objects[b"raw/a.txt"]
        assert made.s3.buckets["ours"].objects[TARGET + b"a.txt"].metadata == {"v": "2"}
        found = await rows(made, "metadata", "probed_version_id")
        assert found["raw/a.txt"] == ('{"v": "2"}', stored.version_id)


@pytest.mark.parametrize("tags", [False, True])
async def test_a_large_object_is_copied_in_parts_with_all_that_is_said_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tags: bool
) -> None:
    size, part = 1024**3 + 1, 256 * 1024**2
    async with scene(tmp_path, monkeypatch, LONGSHORE_LIMITS__COPY_WHOLE_BYTES=str(part)) as made:
        await connected(made, tags=tags)
        made.s3.put(
            "acme",
            b"raw/large",
            b"begin",
            size=size,
            content_type="video/mp4",
            metadata={"camera": "A7", "place": "Zürich"},
            headers={"Cache-Control": "no-store"},
            tags={"a b": "1/2", "c": ""},
            checksum_algorithm="CRC32",
        )
        _, totals = await run(made)
        stored = made.s3.buckets["ours"].objects[TARGET + b"large"]
        assert (stored.size, stored.content_type, stored.metadata) == (
            size,
            "video/mp4",
            {"camera": "A7", "place": "Zürich"},
        )
        assert stored.tags == ({"a b": "1/2", "c": ""} if tags else {})
        assert (stored.checksum_algorithm, stored.checksum_type) == ("CRC32", "FULL_OBJECT")
        assert totals.requests["copy"] == 2 + 1 + 5 + 1
        assert totals.requests["head"] == 3 + 1 + 1, (
            "its metadata is read for the upload, and what came of that is looked at"
        )
        assert not made.s3.uploads


async def test_tags_are_copied_where_the_connection_wants_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for tags in (False, True):
        (tmp_path / str(tags)).mkdir()
        async with scene(tmp_path / str(tags), monkeypatch) as made:
            await connected(made, tags=tags)
            made.s3.put("acme", b"raw/a.txt", b"alpha", tags={"a": "1"})
            await run(made)
            assert made.s3.buckets["ours"].objects[TARGET + b"a.txt"].tags == ({"a": "1"} if tags else {})


def without(document: dict[str, Any] | None, *actions: str) -> dict[str, Any]:
    """The policy without these."""
    kept: dict[str, Any] = json.loads(json.dumps(document))
    for statement in kept["Statement"]:
        every = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        statement["Action"] = [one for one in every if one not in actions] or ["s3:ListBucket"]
    return kept


@pytest.mark.acceptance("CG-10")
@pytest.mark.parametrize("parts", [False, True])
@pytest.mark.parametrize("action", ["s3:GetObjectTagging", "s3:PutObjectTagging"])
async def test_tags_that_are_denied_stay_behind_and_are_nobodys_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, action: str, parts: bool
) -> None:
    """However many objects have some: what is denied is told once, by its name, and costs one request more."""
    limits = {"LONGSHORE_LIMITS__DENIED_WINDOW": "10", "LONGSHORE_LIMITS__PROBES_AT_ONCE": "1"}
    limits |= {"LONGSHORE_LIMITS__COPY_WHOLE_BYTES": "2"} if parts else {}
    async with scene(tmp_path, monkeypatch, **limits) as made:
        await connected(made, tags=True)
        made.role.change(policy=without(made.role.policy, action))
        for number in range(12):
            made.s3.put("acme", f"raw/{number:02}".encode(), b"alpha", tags={"a": "1"})
        with capture_logs() as logs:
            ended, totals = await run(made)
        assert (ended.state, totals.outcomes["failed"]) == ("complete", 0)
        assert len(copies(made)) == 14
        assert not any(stored.tags for stored in made.s3.buckets["ours"].objects.values())
        told = [one for one in logs if one["event"] == "objects are copied without their tags, which are denied"]
        assert len(told) == 1
        assert "s3:GetObjectTagging" in told[0]["mend"]
        assert "s3:PutObjectTagging on s3://ours/copies/main/acme/" in told[0]["mend"]
        if not parts:
            assert totals.requests["copy"] == 15


@pytest.mark.acceptance("CG-10")
@pytest.mark.parametrize("versions", ["current", "all"])
async def test_what_is_looked_at_again_for_its_tags_is_not_copied_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, versions: str
) -> None:
    """Denied tags leave a record unsettled, so each run looks; the copy is there all the same, until the object is another one."""
    async with scene(tmp_path, monkeypatch) as made:
        await connected(made, tags=True, versions=True)
        made.bucket.versioned = versions == "all"
        made.s3.faults.add(Fault(kind="error", op="get_tags", status=403, code="AccessDenied", message="no", times=0))
        ended, first = await run(made, tags=True, versions=versions)
        assert (ended.state, first.requests["copy"]) == ("complete", 2)
        before = await rows(made, "copied_to")
        for _ in range(2):
            ended, again = await run(made, tags=True, versions=versions)
            assert (ended.state, again.requests["head"], again.requests["copy"]) == ("complete", 2, 0)
            assert await rows(made, "copied_to") == before
        _, elsewhere = await run(made, tags=True, versions=versions, copy_to=COPIES + "x/")
        assert elsewhere.requests["copy"] == 2
        made.s3.put("acme", b"raw/a.txt", b"alpha", modified=datetime(2030, 1, 1, tzinfo=UTC))
        _, changed = await run(made, tags=True, versions=versions, copy_to=COPIES + "x/")
        assert changed.requests["copy"] == 1


async def test_a_target_that_denies_is_no_matter_of_tags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with scene(tmp_path, monkeypatch) as made:
        await connected(made, tags=True)
        made.s3.put("acme", b"raw/a.txt", b"alpha", tags={"a": "1"})
        made.s3.buckets["ours"].policy = None
        ended, found, told = await failures(made)
        assert ended.state == "partial"
        assert found["raw/a.txt"] == ("failed", "CopyDenied", None)
        assert "the target is denied" in told[0]


@pytest.mark.parametrize("parts", [False, True])
async def test_copies_are_encrypted_as_the_connection_says_of_its_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parts: bool
) -> None:
    limits = {"LONGSHORE_LIMITS__COPY_WHOLE_BYTES": "4"} if parts else {}
    async with scene(tmp_path, monkeypatch, **limits) as made:
        await connected(made, output=COPIES, sse="sse-kms", kms_key_arn=KEY)
        made.s3.keys.add(KEY)
        ended, totals = await run(made)
        assert (ended.state, totals.outcomes["failed"]) == ("complete", 0)
        stored = made.s3.buckets["ours"].objects[TARGET + b"a.txt"]
        assert (stored.kms_key, stored.body) == (KEY, b"alpha")


async def test_an_archived_object_is_not_copied_and_is_nobodys_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scene(tmp_path, monkeypatch) as made:
        await connected(made)
        made.s3.put("acme", b"raw/a.txt", b"alpha", storage_class="GLACIER")
        ended, _ = await run(made)
        assert ended.state == "complete"
        assert (await rows(made, "state", "copied_to"))["raw/a.txt"] == ("archived", None)
        assert TARGET + b"a.txt" not in copies(made)
        _, again = await run(made)
        assert again.requests["head"] == 0


async def test_a_job_without_copies_is_told_no_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with scene(tmp_path, monkeypatch, LONGSHORE_COPY_TARGETS="") as made:
        await connected(made, copy_to=None)
        ended, _ = await run(made, copy_to=None)
        assert ended.state == "complete"
        with pytest.raises(LongshoreError, match="does not allow copies"):
            await run(made)


async def test_a_storage_that_says_it_is_done_and_wrote_nothing_made_no_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scene(tmp_path, monkeypatch, LONGSHORE_LIMITS__COPY_WHOLE_BYTES="2") as made:
        await connected(made)
        body = '<CompleteMultipartUploadResult><ETag>"zzz-1"</ETag></CompleteMultipartUploadResult>'
        made.s3.faults.add(Fault(kind="answer", op="complete_upload", status=200, times=0, body=body))
        _, found, told = await failures(made)
        assert found["raw/a.txt"] == ("failed", "CopyDenied", None), "the role may not list, so it is told no more"
        assert "the storage says that it is done, and then denies a look at it" in told[0]
        assert not copies(made)
        assert not made.s3.uploads, "what is not there is given up"


async def test_a_copy_whose_last_answer_was_lost_is_taken_for_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scene(tmp_path, monkeypatch, LONGSHORE_LIMITS__COPY_WHOLE_BYTES="4") as made:
        await connected(made)
        made.s3.faults.add(Fault(kind="reset_body", op="complete_upload"))
        ended, totals = await run(made)
        assert (ended.state, totals.outcomes["failed"]) == ("complete", 0)
        assert copies(made)[TARGET + b"a.txt"] == b"alpha"
        assert (await rows(made, "copied_to"))["raw/a.txt"] == ("s3://ours/copies/main/acme/acme/raw/a.txt",)


@pytest.mark.acceptance("CG-10")
async def test_a_worker_that_ends_between_copy_and_commit_repeats_the_copy_to_the_same_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scene(tmp_path, monkeypatch) as made:
        await connected(made)
        last = TARGET.decode() + "b.txt"
        made.s3.faults.add(Fault(kind="delay", op="copy", key=last))
        under_way = asyncio.create_task(run(made))
        await made.s3.faults.reached("delay")
        under_way.cancel()
        with pytest.raises(asyncio.CancelledError):
            await under_way
        made.s3.faults.clear()
        [(unfinished, _)] = await made.service.catalog.newest_runs(10)
        while await made.service.worker.work_next(stop=lambda: False, run_id=unfinished.id) is not None:
            pass
        ended, totals = await made.service.catalog.run(unfinished.id)
        assert (ended.state, totals.outcomes["added"]) == ("complete", 2)
        assert copies(made) == {TARGET + b"a.txt": b"alpha", TARGET + b"b.txt": b"beta"}
        sent = totals.requests["copy"]
        assert sent in {3, 4}, "what was under way was sent twice, and each attempt is metered"


@pytest.mark.acceptance("CG-10", "KO-09")
@pytest.mark.parametrize("parts", [False, True])
async def test_each_version_has_a_copy_and_tags_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parts: bool
) -> None:
    """Beside that of the object, and none for a delete marker."""
    limits = {"LONGSHORE_LIMITS__COPY_WHOLE_BYTES": "2"} if parts else {}
    async with scene(tmp_path, monkeypatch, **limits) as made:
        await connected(made, versions=True, tags=True)
        made.bucket.versioned = True
        made.s3.put("acme", b"raw/a.txt", b"one", tags={"n": "1"})
        two = made.s3.put("acme", b"raw/a.txt", b"two", tags={"n": "2"})
        made.s3.delete("acme", b"raw/b.txt")
        ended, totals = await run(made, versions="all", tags=True)
        assert (ended.state, totals.outcomes["failed"]) == ("complete", 0)
        named = "copies/main/acme/acme@"
        assert {key: body for key, body in copies(made).items() if b"a.txt" in key} == {
            f"{named}null/raw/a.txt".encode(): b"alpha",
            f"{named}fake.version.000001/raw/a.txt".encode(): b"one",
            f"{named}{two.version_id}/raw/a.txt".encode(): b"two",
        }
        assert made.s3.buckets["ours"].objects[f"{named}{two.version_id}/raw/a.txt".encode()].tags == {"n": "2"}
        assert f"{named}null/raw/b.txt".encode() in copies(made)
        assert len(copies(made)) == 4
        connection = await made.service.registry.get("acme", workspace="main")
        found = await made.service.catalog.find_assets([connection.id], versions=True)
        tags = {(row["key"], row["version_id"]): row["tags"] for row in found if row["key"] == b"raw/a.txt"}
        assert tags == {
            (b"raw/a.txt", "null"): "{}",
            (b"raw/a.txt", "fake.version.000001"): '{"n": "1"}',
            (b"raw/a.txt", two.version_id): '{"n": "2"}',
        }
        _, again = await run(made, versions="all", tags=True)
        assert (again.requests["head"], again.requests["tags"], again.requests["copy"]) == (0, 0, 0)
