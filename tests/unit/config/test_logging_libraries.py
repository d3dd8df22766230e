"""Random secrets in random shapes go through the loggers of libraries; and aiobotocore really asks an STS, with all logging on."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import string
import subprocess
import sys
from collections.abc import Callable, Iterator
from urllib.parse import quote, urlencode

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from config.errors import RoleDeniedError
from config.limits import Limits
from config.logging import configure_logging
from credentials.sts import AwsSts
from tests.unit.credentials.sts_server import CANARY, granted, refused, request, serving

LIBRARIES = ("botocore.hooks", "aiobotocore.parsers", "aiohttp.client", "urllib3.connectionpool", "arq.worker", "redis")
CHANGED = ("", "botocore", "aiobotocore", "aiohttp.client", "urllib3", "boto3", "arq", "arq.worker")
BASE64 = string.ascii_letters + string.digits + "/+"

key_ids = st.builds(
    "{}{}".format,
    st.sampled_from(["AKIA", "ASIA"]),
    st.text(string.ascii_uppercase + "234567", min_size=16, max_size=16),
)
secrets = st.text(BASE64, min_size=40, max_size=40)
tokens = st.builds("{}{}=".format, st.sampled_from(["IQoJb3JpZ2lu", "FwoGZXIvYXdz"]), st.text(BASE64, min_size=64))

Shape = Callable[[str, str, str], object]
SHAPES: dict[str, Shape] = {
    "an answer of STS": lambda key_id, secret, token: (
        f"<Credentials><AccessKeyId>{key_id}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey>"
        f"<SessionToken>{token}</SessionToken></Credentials>"
    ),
    "the same as bytes": lambda key_id, secret, token: (
        f"<SecretAccessKey>{secret}</SecretAccessKey>\n<SessionToken>{token}</SessionToken>{key_id}".encode()
    ),
    "json": lambda key_id, secret, token: json.dumps(
        {"AccessKeyId": key_id, "SecretAccessKey": secret, "Token": token}
    ),
    "json in json": lambda key_id, secret, token: json.dumps(
        {"body": json.dumps([{"id": key_id, "Token": token, "secret": secret}])}
    ),
    "a dict": lambda key_id, secret, token: {
        "a": [{"access_key_id": key_id, "secret_access_key": secret, "x-amz-security-token": token}]
    },
    "a form": lambda key_id, secret, token: urlencode(
        {"X-Amz-Credential": f"{key_id}/20260101", "X-Amz-Security-Token": token, "SecretAccessKey": secret}
    ),
    "headers": lambda key_id, secret, token: {
        "authorization": f"AWS4-HMAC-SHA256 Credential={key_id}/20260101/us-east-1/s3/aws4_request, Signature={secret}",
        "x-amz-security-token": token.encode(),
    },
    "a URL": lambda key_id, secret, token: f"redis://{key_id}:{quote(secret, safe='')}@host/0?token={quote(token)}",
    "a sentence": lambda key_id, secret, token: f"the keys {key_id} / {secret} with {token} are refused",
    "an exception": lambda key_id, secret, token: ValueError(
        f"{key_id}: secret_access_key={secret!r}", {"token": token}
    ),
}


@pytest.fixture(autouse=True, scope="module")
def _logging_as_it_was() -> Iterator[None]:
    factory, hook = logging.getLogRecordFactory(), sys.excepthook
    loggers = [logging.getLogger(name) for name in CHANGED]
    before = [(logger, logger.level, list(logger.handlers), logger.propagate) for logger in loggers]
    yield
    sys.excepthook = hook
    logging.setLogRecordFactory(factory)
    for logger, level, handlers, propagate in before:
        logger.setLevel(level)
        logger.handlers[:] = handlers
        logger.propagate = propagate
    structlog.reset_defaults()


def _everything(style: str) -> io.StringIO:
    """All logging on; what `configure_logging` keeps quiet is woken again, so that only redaction stands between."""
    out = io.StringIO()
    configure_logging(level="DEBUG", format=style, stream=out)
    for name in CHANGED:
        logging.getLogger(name).setLevel(logging.DEBUG)
    return out


def _fail(cause: Exception) -> None:
    raise RuntimeError(f"after {cause}") from cause


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
@given(
    key_id=key_ids,
    secret=secrets,
    token=tokens,
    name=st.sampled_from(LIBRARIES),
    style=st.sampled_from(["json", "console"]),
)
def test_no_secret_comes_through_any_library_in_any_shape(
    shape: Shape, key_id: str, secret: str, token: str, name: str, style: str
) -> None:
    out = _everything(style)
    what = shape(key_id, secret, token)
    log = logging.getLogger(name)
    log.debug("got %s", what)
    log.info("got %r of %d", what, 3)
    log.warning(what)
    structlog.get_logger("ours").info("got", what=what, also=[{"deep": (what,)}])
    if isinstance(what, Exception):
        try:
            _fail(what)
        except RuntimeError:
            log.exception("it failed")
            structlog.get_logger("ours").exception("it failed", error=what)
    said = out.getvalue()
    assert said.count("got") >= 3
    for hidden in {key_id, secret, token, quote(secret, safe=""), quote(token), quote(token, safe=""), key_id[4:12]}:
        assert hidden not in said


async def _ask(*, wake: bool, level: str = "DEBUG") -> str:
    """What is logged while aiobotocore is granted one session and refused another."""
    out = io.StringIO()
    configure_logging(level=level, format="json", stream=out)
    if wake:
        for name in CHANGED:
            logging.getLogger(name).setLevel(logging.DEBUG)
    answers = iter([granted("2099-01-01T00:00:00Z"), refused(403, "AccessDenied", "role 4711 is not for you")])
    async with (
        serving(lambda _: next(answers)) as (url, _),
        AwsSts(region="eu-central-1", endpoint=url, limits=Limits(sts_attempts=1)) as sts,
    ):
        session = await sts.assume(request())
        assert (session.secret_access_key, session.token) == ("canary-secret", CANARY)
        structlog.get_logger("ours").info("assumed", session=session, plain=str(session))
        with contextlib.suppress(RoleDeniedError):
            await sts.assume(request())
    return out.getvalue()


@pytest.fixture
def own_secret(monkeypatch: pytest.MonkeyPatch) -> str:
    secret = "oUr0wn/SecretKey+0fTheOperatorCanary1234"
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOPERATORCANARY01")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "IQoJoperatorsowntokencanary0123456789")
    return secret


@pytest.mark.parametrize("wake", [False, True])
async def test_aiobotocore_asks_sts_for_real_and_nothing_of_it_is_in_the_log(own_secret: str, wake: bool) -> None:
    """Once with its loggers held at INFO as always, and once woken: then the lines are there, without the secrets."""
    said = await _ask(wake=wake)
    assert ('"level": "debug", "logger": "aiobotocore' in said) is wake
    assert ("not for you" in said) is wake
    hidden = (own_secret, "operatorsowntoken", CANARY, "canary-secret", "ASIACANARY0000000001", "AKIAOPERATORCANARY01")
    for secret in (*hidden, quote(CANARY, safe="")):
        assert secret not in said


@pytest.mark.parametrize(
    "text",
    [
        "s3://Acme/Raw/2024/Day01/CamB/Clip0007xyz.mov",
        "key //bucket/IMG/2024/06/DSC0001/holidayQxyz is gone",
        "Photos/2023/Summer/Crete/Day1/IMG_0042.JPG changed",
        'etag "9bb58f26192e4ba00f01e2e7b136bbd8-17" of a//b/../c',
        "sha256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "run 01JD3Z9QKX8R5V7T2M4N6P1WBC and 3f2504e0-4f89-11d3-9a0c-0305e82c3301",
        "arn:aws:sts::444455556666:assumed-role/Reader/longshore-01JD3Z9QKX",
        "connection acme permits s3://acme/2026/; 3 of 1,000 listed in 0.25 s (40%)",
    ],
)
def test_what_a_run_speaks_of_comes_through_unharmed(text: str) -> None:
    out = _everything("json")
    logging.getLogger("any.library").info("of %s", text)
    structlog.get_logger("ours").info("of", key=text, keys=[text], object={"etag": text})
    foreign, ours = [json.loads(line) for line in out.getvalue().splitlines()]
    assert foreign["event"] == f"of {text}"
    assert (ours["key"], ours["keys"], ours["object"]) == (text, [text], {"etag": text})


def test_an_object_that_can_not_be_printed_ends_nobody() -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("no text of me")

        __repr__ = __str__

    out = _everything("json")
    logging.getLogger("redis").info("token=abcdefgh1234 and %s", Broken())
    logging.getLogger("redis").info({"a": Broken()})
    first, second = [json.loads(line)["event"] for line in out.getvalue().splitlines()]
    assert first == "token=[redacted] and %s (tuple that can't be shown)"
    assert second == "(dict that can't be shown) ()"


@pytest.mark.parametrize("style", ["json", "console"])
def test_the_traceback_that_ends_a_process_loses_its_secrets(style: str) -> None:
    secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    program = (
        "from config.logging import configure_logging\n"
        f"configure_logging(level='INFO', format={style!r})\n"
        f"raise ValueError('no Redis at redis://:' + 'EL'.join({secret.split('EL')!r}).replace('/', '.') + '@host')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "nobody expected" in done.stderr
    assert "ValueError: no Redis at redis://[redacted]@host" in done.stderr
    assert secret.replace("/", ".") not in done.stderr
