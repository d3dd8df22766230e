"""Set-ups for the tests of policies: a plain one, and any at all."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import strategies as st

from credentials.grants import Grant
from credentials.policies.setup import Setup

US = "arn:aws:iam::111122223333:role/longshore-worker"
CUSTOMER = "arn:aws:iam::444455556666:role/longshore-reader"
KEY = "arn:aws:kms:eu-west-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab"
OTHER_KEY = "arn:aws:kms:us-east-1:444455556666:key/mrk-1234abcd"
EXTERNAL_ID = "Q7hJ2mWz8kLpXr4TnVb6YcDf9GsA3eUi"
PHOTOS = Grant(bucket="acme-photos", prefix="2026/")

ODD = Grant(bucket="acme-odd", prefix='a*b?c$d${e}%{f}%%{g}"\\日\U0001f600/')
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "whole bucket": {"grants": (Grant(bucket="acme-photos"),)},
    "several": {"grants": (PHOTOS, Grant(bucket="acme-video"), ODD)},
    "odd": {"grants": (ODD,)},
    "everything": {
        "grants": (PHOTOS, Grant(bucket="acme-video")),
        "versions": True,
        "tags": True,
        "kms_keys": (KEY, OTHER_KEY),
        "output": Grant(bucket="acme-photos", prefix="out/"),
        "output_kms_key": KEY,
        "copy_to": Grant(bucket="our-transfer", prefix="acme/"),
        "session_tags": True,
    },
    "account": {"trust": "account", "session_tags": True},
    "named": {"role_name": "Any.Name+Of=Theirs,@1"},
    "no external ID": {"external_id": None},
    "bedrock": {"scope": "bedrock", "grants": ()},
}


def setup(**fields: Any) -> Setup:
    plain: dict[str, Any] = {
        "connection": "acme",
        "workspace": "main",
        "principal_arn": US,
        "external_id": EXTERNAL_ID,
        "grants": (PHOTOS,),
    }
    return Setup(**plain | fields)


buckets = st.from_regex(re.compile(r"[a-z0-9][a-z0-9.-]{1,20}[a-z0-9]", re.ASCII), fullmatch=True)
segments = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('*?$%"\\{}/ é日\U0001f600'), max_size=12)
prefixes = st.just("") | st.lists(segments, min_size=1, max_size=3).map(lambda parts: "/".join(parts) + "/")
grants = st.builds(Grant, bucket=buckets, prefix=prefixes)


def setups(**fixed: Any) -> st.SearchStrategy[Setup]:
    """Any that reads S3; no output and no copies."""
    drawn: dict[str, Any] = {
        "connection": st.from_regex(re.compile(r"[a-z0-9][a-z0-9_-]{0,62}", re.ASCII), fullmatch=True),
        "external_id": st.from_regex(re.compile(r"[\w+=,.@:/-]{2,40}", re.ASCII), fullmatch=True),
        "grants": st.lists(grants, min_size=1, max_size=4).map(tuple),
        "versions": st.booleans(),
        "tags": st.booleans(),
        "kms_keys": st.lists(st.sampled_from([KEY, OTHER_KEY]), unique=True).map(tuple),
        "session_tags": st.booleans(),
        "trust": st.sampled_from(["role", "account"]),
    }
    drawn |= {name: st.just(value) for name, value in fixed.items()}
    return st.fixed_dictionaries(drawn).map(lambda fields: setup(**fields))
