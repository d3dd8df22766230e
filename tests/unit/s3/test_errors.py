"""Every code of S3 becomes the right class with a message that helps, and no secret is in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import (
    AccessDeniedError,
    BucketMissingError,
    ClockSkewError,
    ObjectArchivedError,
    ObjectChangedError,
    ObjectMissingError,
    ProtocolError,
    RegionError,
    RequestRefusedError,
    SourceError,
    SourceUnavailableError,
)
from ingest.events import RequestClass
from ingest.s3.errors import CODES, Refusal, Subject, refused
from tests.fakes.s3_faults import error_document


def _refused(
    status: int,
    code: str = "",
    *,
    request: RequestClass = "get",
    message: str = "Said the server.",
    headers: dict[str, str] | None = None,
    key: bytes = b"a/key",
) -> SourceError:
    subject = Subject(request=request, bucket="bkt", key=key)
    body = error_document(code, message) if code else b""
    refusal = Refusal(status=status, headers=headers or {}, body=body, region="us-east-1")
    return refused(subject, refusal, now=1_800_000_000.0)


@pytest.mark.parametrize(("code", "kind"), CODES.items())
def test_every_code_of_the_table_becomes_its_class_and_says_what_which_why_and_what_next(
    code: str, kind: type[SourceError]
) -> None:
    status = 405 if code == "MethodNotAllowed" else 403
    error = _refused(status, code, headers={"x-amz-request-id": "REQ1"})
    assert type(error) is kind
    assert error.code == code
    assert error.fields["status"] == status
    assert error.fields["request_id"] == ("REQ1")
    assert str(error).startswith(f"GET s3://bkt/a/key: {code} ({status}): Said the server. ")
    assert len(str(error).split(". ", 1)[1]) > 20


@pytest.mark.parametrize(
    ("request_", "status", "kind"),
    [
        ("head", 301, RegionError),
        ("head", 400, RequestRefusedError),
        ("head", 403, AccessDeniedError),
        ("head", 404, ObjectMissingError),
        ("head", 412, ObjectChangedError),
        ("head", 429, SourceUnavailableError),
        ("head", 500, SourceUnavailableError),
        ("head", 503, SourceUnavailableError),
        ("get", 400, RequestRefusedError),
        ("get", 401, AccessDeniedError),
        ("get", 408, SourceUnavailableError),
        ("get", 416, RequestRefusedError),
        ("get", 204, ProtocolError),
        ("get", 302, ProtocolError),
        ("get", 502, SourceUnavailableError),
        ("list", 403, AccessDeniedError),
        ("list", 404, BucketMissingError),
    ],
)
def test_without_a_document_the_status_decides(request_: RequestClass, status: int, kind: type[SourceError]) -> None:
    error = _refused(status, request=request_)
    assert type(error) is kind
    wordless = {429: "TooManyRequests", 500: "InternalError", 503: "ServiceUnavailable"}
    assert error.code == wordless.get(status, kind.__name__.removesuffix("Error"))


def test_a_code_that_we_do_not_know_is_shown_but_never_becomes_a_label() -> None:
    error = _refused(418, "ImATeapot")
    assert type(error) is RequestRefusedError
    assert error.code == "RequestRefused"
    assert "ImATeapot (418)" in str(error)


def test_no_error_promises_what_nobody_keeps() -> None:
    """It may be what a run ends with, once nothing asks again."""
    assert "by itself" not in str(_refused(503, "SlowDown"))


def test_a_head_that_is_refused_where_the_bucket_is_not_is_a_matter_of_regions() -> None:
    error = _refused(400, request="head", headers={"x-amz-bucket-region": "eu-west-1"})
    assert isinstance(error, RegionError)
    assert error.fields["region"] == "eu-west-1"
    assert isinstance(_refused(400, request="head", headers={"x-amz-bucket-region": "us-east-1"}), RequestRefusedError)


def test_a_delete_marker_is_a_missing_object() -> None:
    assert isinstance(_refused(405, "MethodNotAllowed", headers={"x-amz-delete-marker": "true"}), ObjectMissingError)


def test_a_temporary_redirect_inside_the_region_passes_by_itself() -> None:
    error = _refused(307, "TemporaryRedirect", headers={"x-amz-bucket-region": "us-east-1"})
    assert isinstance(error, SourceUnavailableError)


def test_the_skew_of_the_clocks_is_measured() -> None:
    error = _refused(403, "RequestTimeTooSkewed", headers={"date": "Fri, 15 Jan 2027 07:40:00 GMT"})
    assert isinstance(error, ClockSkewError)
    assert "our clock is +1200 s" in str(error)


@pytest.mark.parametrize("date", ["Fri, 31 Dec 9999 23:59:59 -2359", "soon", "", "\u00b2"])
def test_a_date_that_is_none_is_not_measured(date: str) -> None:
    error = _refused(403, "RequestTimeTooSkewed", headers={"date": date})
    assert isinstance(error, ClockSkewError)
    assert "our clock is" not in str(error)


@pytest.mark.parametrize(
    ("text", "seconds"), [("7", 7.0), ("\u00b2", None), ("\u0664", None), ("-1", None), ("9" * 400, 999999.0)]
)
def test_a_pause_that_is_asked_for_is_a_number_of_seconds_or_nothing(text: str, seconds: float | None) -> None:
    assert _refused(503, "SlowDown", headers={"retry-after": text}).fields.get("retry_after_s") == seconds


def test_archived_is_not_denied() -> None:
    assert type(_refused(403, "InvalidObjectState")) is ObjectArchivedError


def test_what_the_server_says_is_bounded_and_loses_its_secrets_and_controls() -> None:
    message = "bad\nkey ASIAABCDEFGHIJKLMNOP with FwoGZXIvYXdzEBYaDHqa0AP1hLjMnyTESTTOKEN== " + "x" * 5000
    text = str(_refused(403, "AccessDenied", message=message))
    assert "ASIAABCDEFGHIJKLMNOP" not in text
    assert "TESTTOKEN" not in text
    assert "\n" not in text
    assert len(text) < 900


@given(key=st.binary(max_size=1024))
def test_any_key_can_be_shown_in_a_line_of_text(key: bytes) -> None:
    text = str(Subject(request="get", bucket="bkt", key=key))
    assert text.isprintable()
    assert len(text) < 160
    text.encode()


@pytest.mark.parametrize("before", range(120, 200))
def test_no_half_of_a_secret_is_left_where_a_message_is_shortened(before: int) -> None:
    secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    message = f"{'x ' * (before // 2)} {secret} {'y ' * 60}{'z' * (before % 2)}"
    shown = str(_refused(403, "AccessDenied", message=message))
    assert secret[-12:] not in shown
    assert secret[:12] not in shown
