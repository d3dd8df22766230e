"""What a job asks for beyond the plain, and what is wrong with one, as who typed it reads it."""

from __future__ import annotations

import shlex
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import JobError, OutOfScopeError
from config.settings import Settings
from console.asking import as_typed, in_words_of_options, typed
from console.cli import longshore
from console.commands.jobs import job_of
from console.show import ASKED, asked
from ingest.job import IngestJob

EVERYTHING: dict[str, Any] = {
    "versions": "all",
    "tags": True,
    "copy_to": "s3://ours/copies/",
    "recheck_archived": True,
    "perceptual_hash": True,
    "include": ["*.jpg", "it's/*"],
    "exclude": ["tmp/*"],
}


def test_a_plain_job_asks_for_nothing_and_no_job_says_nothing() -> None:
    plain = IngestJob(uris=["s3://bucket"])
    assert (asked(plain), typed(plain), typed(plain, depth=True)) == ({}, "", "")
    assert (asked(None), typed(None, depth=True)) == (None, "")


def test_what_a_job_asks_for_is_told_by_its_fields_and_as_it_is_typed() -> None:
    job = IngestJob(uris=["s3://bucket"], depth="content", **EVERYTHING)
    assert asked(job) == EVERYTHING
    with longshore.commands["ingest"].make_context(
        "ingest", [*shlex.split(typed(job, depth=True)), "s3://bucket"]
    ) as context:
        params = context.params
    again = {name: list(value) if isinstance(value, tuple) else value for name, value in params.items()}
    again.pop("as_object")
    assert IngestJob(**again) == job
    assert asked(IngestJob(uris=["s3://bucket/a"], exact=True)) == {"exact": True}


def test_whatever_a_job_may_ask_for_is_told() -> None:
    assert set(IngestJob.model_fields) - set(ASKED) == {"connection", "uris", "depth", "options"}


def _refused(*uris: str, connection: str | None = None, **fields: Any) -> str:
    with pytest.raises(click.UsageError) as refused:
        job_of(Settings(), connection, uris=uris, **fields)
    return refused.value.message.removeprefix("the job can't be used: ")


@pytest.mark.parametrize(
    ("uris", "fields", "said"),
    [
        (["s3://acme/a"], {"exact": True, "depth": "list"}, "--exact asks each object, "),
        (["s3://acme"], {"perceptual_hash": True}, "--perceptual-hash needs the whole picture"),
        (["s3://acme"], {"copy_to": "s3://ours/a"}, "--copy-to: copies go below a folder"),
        (["https://a.example/x"], {"recheck_archived": True}, "--recheck-archived is for buckets"),
        (["s3://acme/a"], {"exact": True, "versions": "all"}, "--versions: all are found by listing"),
        (["s3://acme"], {"connection": ""}, "--connection: "),
        (["s3://acme"], {"include": ("a", "")}, "--include '': a glob has"),
        (["s3://acme"], {"exclude": ("a",) * 101}, "--include and --exclude: 101 globs"),
        (["s3://acme"] * 1001, {}, "the URIs: 1001 are more than"),
        (["s3://acme", "photos"], {}, "'photos' is no S3 locator"),
        (["s3://acme", "https://a.example:x/"], {}, "https://a.example:x/: its host and port"),
        (["s3://acme", "https://a.example/"], {}, "a job reads buckets or HTTPS servers"),
        (["s3://acme/a; include.7 b"], {"exact": True, "include": ("a",)}, "the URIs name each object"),
    ],
)
def test_what_is_wrong_with_a_job_is_told_in_the_words_of_the_options(
    uris: list[str], fields: dict[str, Any], said: str
) -> None:
    assert _refused(*uris, **fields).startswith(said)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (JobError("copy_to: the operator does not allow copies to s3://a/"), "--copy-to: the operator does not"),
        (OutOfScopeError("tags: connection 'acme' says; tags"), "--tags: connection 'acme' says; tags"),
        (OutOfScopeError("connection 'acme' does not permit s3://a/"), "connection 'acme' does not permit"),
    ],
)
def test_so_is_what_is_wrong_with_it_for_its_connection(error: JobError | OutOfScopeError, said: str) -> None:
    with pytest.raises(type(error)) as refused, in_words_of_options():
        raise error
    assert refused.value.message.startswith(said)


@given(
    st.text(),
    st.lists(st.sampled_from(["; uris.3: ", "; copy_to ", "include.9:", "can't be used: ", "payload: ", "é"])),
)
def test_no_text_that_somebody_typed_breaks_the_telling(text: str, parts: list[str]) -> None:
    as_typed("the job can't be used: " + text.join(parts), uris=["s3://a"], fields={"include": [], "exclude": ["b"]})
