"""Where a bucket is asked: hides partitions, virtual-host and path addressing, and that no server ever tells us a host."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from config.errors import RegionError, RequestRefusedError, SettingsError

_REGION = re.compile(r"[a-z]{2}(?:-[a-z]{1,16}){1,3}-\d{1,2}", re.ASCII)
_ANY_REGION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9_-]", re.ASCII)
_HOST_LABELS = re.compile(r"[a-z0-9](?:[a-z0-9.-]{1,61})[a-z0-9]", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Where a bucket is, and how it wants to be asked."""

    bucket: str
    region: str
    """Where to look first; the right one is found by itself."""
    endpoint: str | None = None
    """None: AWS, in the region's partition. Given: an S3-compatible server, `http(s)://host[:port][/base]`."""
    path_style: bool | None = None
    """None: path if an endpoint is given or the name can't be a host under a wildcard certificate, else virtual host."""
    requester_pays: bool = False
    expected_owner: str | None = None
    """Account ID (12 digits) that must own the bucket."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """What requests to one bucket in one region begin with."""

    region: str
    origin: str
    """`scheme://host[:port]`."""
    host: str
    """The Host header."""
    base: str
    """The percent-encoded path of the bucket, without a slash at its end."""


def address_of(location: Location, region: str) -> Address:
    """Raises SettingsError for an endpoint, RequestRefusedError for a bucket name, RegionError for a region that can't be."""
    bucket = location.bucket
    if not _BUCKET.fullmatch(bucket) or ".." in bucket:
        raise RequestRefusedError(
            f"{bucket[:80]!r} can't be a bucket's name: give the plain name, 3 to 63 of a-z, 0-9, '.' and '-', not an ARN or a URL",
            code="InvalidBucketName",
        )
    if location.endpoint is None:
        return _aws(location, region)
    if not _ANY_REGION.fullmatch(region):
        raise RegionError(f"{region[:40]!r} can't be a region (bucket {bucket})")
    parts = _endpoint(location.endpoint)
    base = parts.path.rstrip("/")
    if location.path_style is False:
        return _address(region, parts.scheme, f"{bucket}.{parts.netloc}", base)
    return _address(region, parts.scheme, parts.netloc, f"{base}/{bucket}")


def same_partition(one: str, other: str) -> bool:
    """Whether a session for one region can be good in the other."""
    return _suffix(one) == _suffix(other) and one.startswith("us-gov-") == other.startswith("us-gov-")


def _aws(location: Location, region: str) -> Address:
    if not _REGION.fullmatch(region):
        raise RegionError(
            f"{region[:40]!r} can't be an AWS region (bucket {location.bucket}): a region looks like eu-west-1"
        )
    host = f"s3.{region}.{_suffix(region)}"
    fits_host = bool(_HOST_LABELS.fullmatch(location.bucket)) and "." not in location.bucket
    if location.path_style or (location.path_style is None and not fits_host):
        return _address(region, "https", host, f"/{location.bucket}")
    return _address(region, "https", f"{location.bucket}.{host}", "")


def _suffix(region: str) -> str:
    return "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"


def _address(region: str, scheme: str, host: str, base: str) -> Address:
    return Address(region=region, origin=f"{scheme}://{host}", host=host, base=base)


def _endpoint(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise SettingsError("the S3 endpoint can't be read as a URL: write https://host[:port]") from None
    plain = parts.username is None and parts.password is None and not parts.query and not parts.fragment
    if parts.scheme not in {"http", "https"} or not parts.hostname or not plain or not text.isascii():
        raise SettingsError(
            "the S3 endpoint must be https://host[:port] or http://host[:port], without user, query or fragment"
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    default = {"http": 80, "https": 443}[parts.scheme]
    return parts._replace(netloc=host if port in (None, default) else f"{host}:{port}")
