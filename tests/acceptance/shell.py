"""A customer's cloud in another process, and a shell in which longshore is used as its users use it."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from console.cli import run
from tests.servers import ROOT, tell

ROLE = "arn:aws:iam::444455556666:role/longshore-reader"


@dataclass(frozen=True, slots=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass(slots=True)
class Customer:
    """Buckets and roles of the fake cloud, and what it has seen."""

    url: str

    def bucket(self, name: str, objects: Mapping[str, str], **fields: Any) -> None:
        """`fields`: account, policy, versioned, cors, ownership ... of tests/fakes/s3_store.py."""
        self.tell("bucket", name=name, **fields)
        for key, body in objects.items():
            self.tell("put", bucket=name, key=key, body=body)

    def role(self, external_id: str | None = None, *, buckets: tuple[str, ...] = ("acme",), reads: bool = True) -> str:
        """A role that may list these buckets, and read them too."""
        statements: list[dict[str, Any]] = [
            {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": [f"arn:aws:s3:::{name}" for name in buckets]}
        ]
        if reads:
            objects = [f"arn:aws:s3:::{name}/*" for name in buckets]
            statements.append({"Effect": "Allow", "Action": "s3:GetObject", "Resource": objects})
        policy = {"Version": "2012-10-17", "Statement": statements}
        self.tell("role", arn=ROLE, external_id=external_id, policy=policy)
        return ROLE

    def trust(self, document: Mapping[str, Any], *, in_s: float = 0.0) -> None:
        """From then on the role's trust policy."""
        self.tell("change_role", arn=ROLE, trust=document, in_s=in_s)

    def bucket_policy(self, name: str, document: Mapping[str, Any], *, account: str | None = None) -> None:
        """From then on only the owner's principals may without being named in it. `account`: whose the bucket is."""
        self.tell("change_bucket", name=name, policy=document, **({"account": account} if account else {}))

    def kms(self, arn: str, **fields: Any) -> None:
        """A key; `fields`: policy, allowed (principals), disabled."""
        self.tell("kms", arn=arn, **fields)

    def probes(self) -> list[dict[str, Any]]:
        """The AssumeRole calls that only tried whom a role trusts."""
        found: list[dict[str, Any]] = self.tell("probes")
        return found

    def tell(self, verb: str, **fields: Any) -> Any:
        return tell(self.url, verb, **fields)

    def seen(self, op: str | None = None) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.tell("log", **({"op": op} if op else {}))
        return found

    def assumed(self) -> list[dict[str, Any]]:
        """The AssumeRole calls so far, without those that only tried whom a role trusts."""
        probes = self.probes()
        return [call for call in self.tell("calls") if call["action"] == "AssumeRole" and call not in probes]


@dataclass(slots=True)
class Shell:
    """A user's shell: a directory, an environment, commands."""

    directory: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def catalog(self) -> Path:
        return self.directory / "longshore.db"

    def longshore(self, *arguments: str, stdin: str = "") -> Done:
        """Run a command in this process, which is several times faster than another one; all else is as a user has it."""
        out, err, before = io.StringIO(), io.StringIO(), sys.stdin
        sys.stdin = io.StringIO(stdin)
        try:
            with _environment(self.environment), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = run(arguments)
        finally:
            sys.stdin = before
            logging.getLogger().handlers = [h for h in logging.getLogger().handlers if _is_pytests(h)]
        assert "Traceback" not in err.getvalue(), err.getvalue()
        return Done(code, out.getvalue(), err.getvalue())

    def ok(self, *arguments: str, stdin: str = "") -> Done:
        done = self.longshore(*arguments, stdin=stdin)
        assert done.code == 0, done
        return done

    @contextlib.contextmanager
    def process(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """The same in a process of its own, which ends with the block."""
        with subprocess.Popen(
            [sys.executable, "-m", "console", *arguments],
            cwd=ROOT,
            env={**self._inherited(), **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def wait(self, process: subprocess.Popen[str]) -> Done:
        out, err = process.communicate(timeout=60)
        assert "Traceback" not in err, err
        return Done(process.returncode, out, err)

    def add_role(self, *arguments: str, external_id: str | None = "ext-1") -> Done:
        """The connection `acme`, to the customer's role and the bucket `acme`."""
        named = ("--external-id", external_id) if external_id else ("--no-external-id",)
        return self.ok("connections", "add", "acme", "--role-arn", ROLE, *named, "--allow", "s3://acme", *arguments)

    def _inherited(self) -> dict[str, str]:
        return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "LONGSHORE_"))}


def _is_pytests(handler: logging.Handler) -> bool:
    return type(handler).__module__.startswith("_pytest")


@contextlib.contextmanager
def _environment(ours: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    for name in before:
        if name.startswith(("AWS_", "LONGSHORE_")):
            del os.environ[name]
    os.environ.update(ours)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
