"""Reads the places that a connection permits: `s3://bucket` and `s3://bucket/prefix/`. Hides the rules of bucket names."""

from __future__ import annotations

import ipaddress
import re
from typing import Final
from urllib.parse import unquote

from credentials.grants import Grant

_PREFIX_BYTES: Final = 1024
_BUCKET_ARN: Final = re.compile(r"arn:aws[a-z-]*:s3:::(?P<bucket>[^/*]+)(?:/(?P<rest>.*))?", re.DOTALL)
_BUCKET_URL: Final = re.compile(
    r"https?://(?:(?P<virtual>[a-z0-9.-]+)\.)?s3[a-z0-9.-]*\.amazonaws\.com(?:\.cn)?(?:/(?P<path>.*))?", re.DOTALL
)
_CONSOLE_URL: Final = re.compile(
    r"https://(?:[a-z0-9-]+\.)*console\.(?:aws\.amazon\.com|amazonaws\.cn|amazonaws-us-gov\.com)/s3/(?:buckets|object)/"
    r"(?P<virtual>[^/?#]+)(?P<path>).*",
    re.DOTALL,
)
"""What the address bar shows while somebody looks at a bucket."""
_ALIASES: Final = {
    "-s3alias": "the alias of an access point",
    "--ol-s3": "the alias of an Object Lambda access point",
    ".mrap": "a multi-region access point",
    "--x-s3": "a directory bucket, which lists its keys in no order",
    "--table-s3": "a table bucket",
}


def parse_place(text: str) -> Grant:
    """`s3://bucket` or `s3://bucket/prefix/`, taken literally (nothing is percent-decoded), as a Grant.

    Raises ValueError that says what to type instead.
    """
    text = text.strip()
    if not text.startswith("s3://"):
        raise ValueError(_what_to_type(text))
    bucket, _, prefix = text.removeprefix("s3://").partition("/")
    problem = bucket_problem(bucket)
    if problem:
        raise ValueError(problem)
    if "*" in prefix:
        tail = prefix.split("*", 1)[0].rpartition("/")
        raise ValueError(
            f"a place has no wildcards: everything below it is permitted; type s3://{bucket}/{tail[0]}{tail[1]}"
        )
    if prefix and not prefix.endswith("/"):
        raise ValueError(
            f"a prefix ends with a slash: type s3://{bucket}/{prefix}/, or s3://{bucket} for the whole bucket"
        )
    try:
        size = len(prefix.encode())
    except UnicodeEncodeError:
        raise ValueError("the prefix is no valid UTF-8, and S3's keys are") from None
    if size > _PREFIX_BYTES:
        raise ValueError(f"the prefix has {size} bytes, and S3's keys have at most {_PREFIX_BYTES}")
    return Grant(bucket=bucket, prefix=prefix)


def parse_locator(text: str) -> str:
    """`s3://bucket/key` or `s3://bucket/prefix/`, taken literally. Raises ValueError that says what to type instead."""
    bucket, separator, key = text.removeprefix("s3://").partition("/")
    if not text.startswith("s3://") or not separator or not key:
        raise ValueError("type one object of the bucket as s3://bucket/key, or a folder as s3://bucket/folder/")
    problem = bucket_problem(bucket)
    if problem:
        raise ValueError(problem)
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise ValueError("the key is no valid UTF-8, and S3's keys are") from None
    if size > _PREFIX_BYTES:
        raise ValueError(f"the key has {size} bytes, and S3's keys have at most {_PREFIX_BYTES}")
    return text


def place_text(grant: Grant) -> str:
    """What `parse_place` reads back as the same Grant."""
    return f"s3://{grant.bucket}/{grant.prefix}" if grant.prefix else f"s3://{grant.bucket}"


def bucket_problem(name: str) -> str | None:
    """What is wrong with a bucket's name by S3's naming rules (User Guide, "General purpose bucket naming rules"), or None."""
    problem = None
    if not 3 <= len(name) <= 63:
        problem = f"a bucket's name has 3 to 63 characters, not {len(name)}"
    elif re.fullmatch(r"[a-z0-9.-]+", name) is None:
        problem = "a bucket's name has only lower-case letters, digits, dots and hyphens"
    elif not (name[0].isalnum() and name[-1].isalnum()):
        problem = "a bucket's name begins and ends with a letter or a digit"
    elif ".." in name:
        problem = "a bucket's name has no two dots in a row"
    elif _is_address(name):
        problem = "a bucket's name does not look like an IP address"
    for ending, what in _ALIASES.items():
        if name.endswith(ending):
            problem = f"a name that ends with {ending} is {what}; name the bucket itself"
    return problem


def _what_to_type(text: str) -> str:
    arn = _BUCKET_ARN.fullmatch(text)
    if arn:
        return f"that is an ARN; type the place as {_suggested(arn['bucket'], arn['rest'])}"
    url = _BUCKET_URL.fullmatch(text) or _CONSOLE_URL.fullmatch(text)
    if url:
        bucket, rest = url["virtual"], url["path"]
        if not bucket:
            bucket, _, rest = (rest or "").partition("/")
        return f"that is a URL; type the place as {_suggested(bucket, rest)}"
    if text.startswith("arn:"):
        return "that is an ARN, and not a bucket's; type the place as s3://bucket or s3://bucket/prefix/"
    if "://" in text:
        return "that is a URL; type the place as s3://bucket or s3://bucket/prefix/"
    if bucket_problem(text) is None:
        return f"type the place as s3://{text} or s3://{text}/prefix/"
    return "a place is typed as s3://bucket or s3://bucket/prefix/"


def locator_to_type(text: str) -> str | None:
    """What was meant by the ARN or URL of a bucket or an object, or by a bucket's bare name: as `s3://bucket/key`. None: nobody knows."""
    arn = _BUCKET_ARN.fullmatch(text)
    if arn:
        bucket, key = arn["bucket"], arn["rest"] or ""
    elif url := _BUCKET_URL.fullmatch(text):
        path = unquote((url["path"] or "").split("?", 1)[0])
        bucket, key = (url["virtual"], path) if url["virtual"] else (path.partition("/")[0], path.partition("/")[2])
    elif console := _CONSOLE_URL.fullmatch(text):
        bucket, key = console["virtual"], ""
    else:
        bucket, key = text, ""
    if bucket_problem(bucket) or not key.isprintable():
        return None
    return f"s3://{bucket}/{key}" if key else f"s3://{bucket}"


def _suggested(bucket: str, rest: str | None) -> str:
    if bucket_problem(bucket):
        return "s3://bucket or s3://bucket/prefix/"
    prefix = (rest or "").split("?", 1)[0].split("*", 1)[0].rpartition("/")
    return f"s3://{bucket}/{prefix[0]}/" if prefix[1] else f"s3://{bucket}"


def _is_address(name: str) -> bool:
    try:
        ipaddress.IPv4Address(name)
    except ValueError:
        return False
    return True
