"""What lies on the queue: JSON both ways, and whatever else somebody puts there."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from arq.jobs import deserialize_job_raw, serialize_job, serialize_result
from arq.utils import ms_to_datetime
from hypothesis import example, given
from hypothesis import strategies as st

from config.errors import SettingsError
from config.settings import Settings
from worker.queue import INGEST, Unreadable, dumps, loads, open_bell

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=10,
)
JOB_LIKE = st.fixed_dictionaries({}, optional=dict.fromkeys(("t", "f", "a", "k", "et"), JSON))


def _call(raw: bytes) -> tuple[str, list[Any], dict[str, Any], int | None, int]:
    """As arq takes a job apart, with everything that it does to the parts and would die of."""
    name, args, kwargs, job_try, enqueued_ms = deserialize_job_raw(raw, deserializer=loads)
    hash(name)
    _ = job_try and job_try > 1
    ms_to_datetime(enqueued_ms)
    return name, [*args], {**kwargs}, job_try, enqueued_ms


def test_a_job_reads_back_as_it_was_written() -> None:
    raw = serialize_job(INGEST, ({"uris": ["s3://b/é\udc80"]},), {}, None, 1_700_000_000_000, serializer=dumps)
    assert _call(raw) == (INGEST, [{"uris": ["s3://b/é\udc80"]}], {}, None, 1_700_000_000_000)


@given(raw=st.binary(max_size=80) | st.one_of(JSON, JOB_LIKE).map(lambda data: json.dumps(data).encode()))
@example(raw=b"")
@example(raw=b"[" * 100_000)
@example(raw=b'{"f": ["list"], "a": [], "k": {}, "t": null, "et": 1}')
@example(raw=b'{"f": "ingest", "a": [], "k": {}, "t": "3", "et": 1}')
@example(raw=b'{"f": "ingest", "a": [], "k": {}, "t": null, "et": 1e400}')
@example(raw=b'{"f": "ingest", "a": [], "k": {}, "t": null, "et": 99999999999999999999}')
@example(raw=b'{"f": "ingest", "a": [], "k": {}, "t": null, "et": ' + b"9" * 5000 + b"}")
def test_whatever_lies_on_the_queue_arq_gets_a_call_that_it_survives(raw: bytes) -> None:
    name, args, _, _, _ = _call(raw)
    assert isinstance(name, str)
    assert name == INGEST or not any(isinstance(arg, Unreadable) for arg in args)


def test_a_job_that_is_too_large_is_not_even_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = serialize_job(INGEST, ({"uris": ["s3://b"], "options": {"x": "y" * 1000}},), {}, None, 1, serializer=dumps)
    assert loads(raw, most=len(raw))["f"] == INGEST
    monkeypatch.setattr(json, "loads", pytest.fail)
    (unreadable,) = loads(raw, most=len(raw) - 1)["a"]
    assert f"it has {len(raw)} bytes, more than {len(raw) - 1}" in unreadable.reason


@pytest.mark.parametrize("levels", [300, 900, 950, 960, 970, 980])
def test_a_job_that_arq_could_not_write_down_is_told_so(levels: int) -> None:
    """Whether the parser takes it depends on how deep it is called."""
    raw = b'{"f":"ingest","a":[%s],"k":{},"t":null,"et":1}' % (b"[" * levels + b"]" * levels)
    (unreadable,) = loads(raw)["a"]
    assert isinstance(unreadable, Unreadable)
    assert unreadable.reason == "it is nested deeper than 200"


class _Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return pytest.fail, ("it was unpickled",)


def test_a_pickle_is_never_opened() -> None:
    """Whoever can write to Redis must not be able to run code here."""
    _, args, kwargs, _, _ = _call(pickle.dumps({"f": INGEST, "a": (_Bomb(),), "k": {}, "t": None, "et": 1}))
    (unreadable,) = args
    assert isinstance(unreadable, Unreadable)
    assert "JSON" in unreadable.reason
    assert kwargs == {}


def test_an_error_as_result_is_told_in_words_and_without_its_secrets() -> None:
    secret = "AKIAIOSFODNN7EXAMPLE:secret_access_key=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    raw = serialize_result(
        INGEST,
        (Unreadable("odd"), object()),
        {},
        1,
        1,
        False,
        ValueError(secret),
        1,
        2,
        "ref",
        "q",
        "id",
        serializer=dumps,
    )
    assert raw is not None
    result = loads(raw)
    assert result["r"].startswith("ValueError: ")
    assert b"wJalr" not in raw
    assert result["a"] == ["odd", "<object>"]


async def test_a_redis_url_that_is_none_is_named_without_its_value() -> None:
    with pytest.raises(SettingsError, match="LONGSHORE_REDIS_URL") as caught:
        async with open_bell(Settings(redis_url="http://user:hunter2@host")):
            pass
    assert "hunter2" not in caught.value.message
