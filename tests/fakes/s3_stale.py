"""Signatures that come too late or too early, and sessions that are over: what S3 and STS say of them."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.fakes.s3_answers import error
from tests.fakes.s3_sign import TIME, Signed
from tests.fakes.s3_wire import Answer
from tests.fakes.sts_roles import Grant

_LONGEST_S = 604_800
_EARLY_S = 900


def stale_for_s3(signed: Signed, grant: Grant, now: float, max_skew_s: float | None) -> Answer | None:
    if grant.token != signed.token:
        return error(400, "InvalidToken", "The provided token is malformed or otherwise invalid.")
    if signed.lasts_s is not None and (answer := _presigned(signed, signed.lasts_s, now)) is not None:
        return answer
    if grant.expires is not None and grant.expires <= now:
        return error(400, "ExpiredToken", "The provided token has expired.")
    if signed.lasts_s is None and max_skew_s is not None and abs(signed.sent_at - now) > max_skew_s:
        more = {"RequestTime": signed.sent, "MaxAllowedSkewMilliseconds": str(int(max_skew_s * 1000))}
        text = "The difference between the request time and the current time is too large."
        return error(403, "RequestTimeTooSkewed", text, None, ServerTime=_iso(now), **more)
    return None


def _presigned(signed: Signed, lasts_s: int, now: float) -> Answer | None:
    if lasts_s > _LONGEST_S:
        text = f"X-Amz-Expires must be less than a week (in seconds) that is {_LONGEST_S}"
        return error(400, "AuthorizationQueryParametersError", text)
    if signed.sent_at - now > _EARLY_S:
        return error(403, "AccessDenied", "Request is not valid yet", None, ServerTime=_iso(now))
    if now >= signed.sent_at + lasts_s:
        more = {"Expires": _iso(signed.sent_at + lasts_s), "ServerTime": _iso(now)}
        return error(403, "AccessDenied", "Request has expired", None, **more, **{"X-Amz-Expires": str(lasts_s)})
    return None


def stale_for_sts(signed: Signed, now: float, max_skew_s: float | None) -> str:
    """In STS's words; empty if the time is right."""
    if max_skew_s is None:
        return ""
    minutes = int(max_skew_s // 60)
    if signed.sent_at < now - max_skew_s:
        earliest = _compact(now - max_skew_s)
        return f"Signature expired: {signed.sent} is now earlier than {earliest} ({_compact(now)} - {minutes} min.)"
    if signed.sent_at > now + max_skew_s:
        latest = _compact(now + max_skew_s)
        return (
            f"Signature not yet current: {signed.sent} is still later than {latest} ({_compact(now)} + {minutes} min.)"
        )
    return ""


def _iso(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _compact(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).strftime(TIME)
