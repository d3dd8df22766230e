"""A customer's set-up that is right, in a fake cloud in this process: tests spoil it, test the connection, and paste what it prints."""

from __future__ import annotations

import os
import shutil
import ssl
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from botocore.loaders import JSONFileLoader

from config.settings import Settings
from ingest.check.report import Reason, Report, Step
from ingest.check.tools import Tools
from tests.fakes.clock import ManualClock
from tests.fakes.iam_documents import allow, policy, reads, trust
from tests.fakes.running import template
from tests.fakes.s3 import FakeS3
from tests.fakes.s3_access import loopback
from tests.fakes.s3_store import Bucket
from tests.fakes.sts import OPERATOR_KEY, OPERATOR_SECRET
from tests.fakes.sts_roles import ACCOUNT, Role
from tests.unit.credentials.connections import KEYS
from worker.checking import check_connection, open_tools
from worker.service import Service, open_service

OURS = f"arn:aws:iam::{ACCOUNT}:user/operator"
CUSTOMER = "444455556666"
ROLE = f"arn:aws:iam::{CUSTOMER}:role/longshore-reader"
READER = f"arn:aws:iam::{ACCOUNT}:role/longshore-reader"
KEY = f"arn:aws:kms:us-east-1:{CUSTOMER}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
MINIO = "minio.example.com"
"""By this name a tenant may point at the cloud."""
USERS_KEY, USERS_SECRET = "AKIAUSERSKEY00000001", "users/secret+of/the+fake/cloud000000001"


class HurriedClock(ManualClock):
    """Whoever sleeps finds that the time has passed."""

    def __init__(self) -> None:
        super().__init__(now=float(int(time.time())))  # servers tell the time in whole seconds
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds)


@dataclass(slots=True, kw_only=True)
class Scene:
    """The customer's cloud, our service, and one connection between them."""

    s3: FakeS3
    service: Service
    tools: Tools
    clock: HurriedClock
    name: str = "acme"
    said: list[str] = field(default_factory=list)

    @property
    def role(self) -> Role:
        return self.s3.sts.roles[ROLE]

    @property
    def bucket(self) -> Bucket:
        return self.s3.buckets["acme"]

    async def connect(self, **fields: Any) -> None:
        """Make the connection: to the customer's role, with a user's key, or none but the built-in one, as `kind` says."""
        kind = fields.setdefault("kind", "aws_role")
        if kind == "default":
            self.name = "default"
            return
        if kind == "aws_role":
            fields = {"role_arn": ROLE, "external_id": "ext-1"} | fields
        if kind == "aws_keys":
            self.add_key()
            fields = {"access_key_id": USERS_KEY, "secret_access_key": USERS_SECRET} | fields
        whole = {"name": self.name, "allow": ["s3://acme/raw/"]} | fields
        await self.service.registry.create(whole, workspace="main", actor="alice")

    def add_key(self) -> None:
        """That of a user of the customer's, who may read."""
        user = f"arn:aws:iam::{CUSTOMER}:user/old"
        self.s3.sts.add_keys(USERS_KEY, USERS_SECRET, arn=user, policy=policy(*reads("acme", "raw/")))

    def furnish_reader(self, *, tag: str) -> None:
        """Our own reader role, and a bucket policy that lets it in for whoever bears this tag."""
        self.s3.sts.add_role(READER, trust=trust(OURS, tags=True), policy=policy(*reads("acme")))
        when = {"StringEquals": {"aws:PrincipalTag/longshore-workspace": tag}}
        self.bucket.policy = policy(*(one | {"Condition": when} for one in reads("acme", principal=READER)))

    async def test(self, **options: Any) -> Report:
        whole: dict[str, Any] = {"wait_s": 0.0, "say": self.said.append} | options
        return await check_connection(self.service, self.tools, self.name, actor="alice", **whole)

    async def short_of_time(self) -> None:
        """From now on a test has a second. What takes long at first has been made by a test before."""
        await self.test()
        settings = self.tools.settings
        limits = settings.limits.model_copy(update={"check_s": 1.0})
        self.tools = replace(self.tools, settings=settings.model_copy(update={"limits": limits}))

    def paste(self, reason: Reason) -> None:
        """What the test printed, where it says."""
        document = reason.repair
        assert document is not None
        match reason.target:
            case "trust":
                assert reason.is_document
                assert ROLE in reason.where
                self.role.change(trust=document)
            case "role":
                assert ROLE in reason.where
                self.role.change(policy=_added(self.role.policy, document))
            case "bucket":
                assert "acme" in reason.where
                self.bucket.policy = _added(self.bucket.policy, document)
            case "key":
                key = self.s3.keys.known[KEY]
                key.policy = _added(key.document, document)
            case "own" if READER in reason.where:
                role = self.s3.sts.roles[READER]
                role.change(policy=_added(role.policy, document))
            case "own":
                self.s3.sts.operator.policy = _added(self.s3.sts.operator.policy, document)
            case "user":
                grant = self.s3.sts.grants[USERS_KEY]
                grant.policy = _added(grant.policy, document)
            case _:
                raise AssertionError(f"nothing can be pasted into {reason.target}")


def _added(document: dict[str, Any] | None, statement: dict[str, Any]) -> dict[str, Any]:
    if "Statement" in statement:
        return statement
    before = list(document["Statement"]) if document is not None else []
    return policy(*before, statement)


def step(report: Report, name: str) -> Step:
    """The one that did not pass, if there are several of this name."""
    found = [one for one in report.steps if one.name == name]
    assert found, (name, report.plain())
    return next((one for one in found if one.outcome != "passed"), found[0])


def outcomes(report: Report) -> dict[str, str]:
    return {one.name: one.outcome for one in report.steps}


@asynccontextmanager
async def a_scene(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    environment: Mapping[str, str] | None = None,
    *,
    trusted: ssl.SSLContext | None = None,
) -> AsyncGenerator[Scene]:
    """Everything is right in it. Every name is this machine; `trusted`: whose certificates are good."""
    clock = HurriedClock()
    monkeypatch.setattr(JSONFileLoader, "load_file", lambda _loader, path: _parsed(path))
    if not (tmp_path / "longshore.db").exists():
        shutil.copy(template(), tmp_path / "longshore.db")
    async with FakeS3(clock=clock.now) as s3:
        _furnish(s3)
        ours = {
            "AWS_ACCESS_KEY_ID": OPERATOR_KEY,
            "AWS_SECRET_ACCESS_KEY": OPERATOR_SECRET,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL": s3.url,
            "LONGSHORE_CATALOG_URL": f"sqlite:///{tmp_path / 'longshore.db'}",
            "LONGSHORE_ENDPOINTS": s3.url.replace("127.0.0.1", MINIO),
            "LONGSHORE_EXTERNAL_IDS": "any",
            "LONGSHORE_SECRET_KEYS": KEYS,
            "LONGSHORE_LIMITS__BACKOFF_MOST_S": "0.01",
            "LONGSHORE_LIMITS__STS_ATTEMPTS": "1",
        }
        for name in list(os.environ):
            if name.startswith(("AWS_", "LONGSHORE_")):
                monkeypatch.delenv(name)
        for name, value in (ours | dict(environment or {})).items():
            monkeypatch.setenv(name, value)
        async with (
            open_service(Settings.load(), observe=lambda _: None) as service,
            open_tools(service, actor="alice", clock=clock, look_up=loopback, trust=trusted) as tools,
        ):
            yield Scene(s3=s3, service=service, tools=tools, clock=clock)


_READ: Final = JSONFileLoader.load_file


@cache
def _parsed(path: str) -> Any:
    """What botocore knows of AWS, once in a process and not once in a scene, of which it would be the longest part."""
    return _READ(JSONFileLoader(), path)


def _furnish(s3: FakeS3) -> None:
    s3.create_bucket("acme", account=CUSTOMER)
    s3.put("acme", b"raw/a.txt", b"alpha")
    s3.put("acme", b"raw/b.txt", b"beta")
    s3.put("acme", b"other/c.txt", b"gamma")
    s3.sts.add_role(ROLE, trust=trust(OURS, "ext-1"), policy=policy(*reads("acme", "raw/")))
    s3.sts.operator.policy = policy(allow(["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"], "*"))
