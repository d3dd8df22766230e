"""A header block is read in one way or not at all, and a request is written so that nothing breaks out of its line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.limits import Limits
from ingest.s3.http1 import read_head, write_request
from ingest.s3.transport import TransportError

LIMITS = Limits()
OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "block",
    [
        b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n: b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\r\n\tc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\nContent-Length: 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: \0\r\n\r\n",
        b"HTTP/1.1 200 OK\nA: b\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1  200 OK\r\n\r\n",
        b"HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"http/1.1 200 OK\r\n\r\n",
        b" HTTP/1.1 200 OK\r\n\r\n",
        b"ICY 200 OK\r\n\r\n",
        OK + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\n",
        OK + b"Content-Length: 1, 1\r\n\r\n",
        OK + b"Content-Length: 1 1\r\n\r\n",
        OK + b"Content-Length: +1\r\n\r\n",
        OK + b"Content-Length: 0x1\r\n\r\n",
        OK + b"Content-Length:\r\n\r\n",
        OK + b"Content-Length: " + b"9" * 19 + b"\r\n\r\n",
        OK + b"Transfer-Encoding: gzip\r\n\r\n",
        OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
        OK + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        OK + b"Transfer-Encoding: identity\r\nContent-Length: 1\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
@pytest.mark.parametrize("bodiless", [False, True])
def test_what_could_be_read_in_two_ways_is_no_answer(block: bytes, bodiless: bool) -> None:
    with pytest.raises(TransportError) as caught:
        read_head(block, LIMITS, bodiless=bodiless)
    assert caught.value.code == "NotHttp"


def test_an_answer_without_a_length_ends_with_its_connection_only_if_the_server_says_so() -> None:
    with pytest.raises(TransportError, match="where it ends"):
        read_head(OK + b"\r\n", LIMITS, bodiless=False)
    for block in (OK + b"Connection: x, Close\r\n\r\n", b"HTTP/1.0 200 OK\r\n\r\n"):
        head = read_head(block, LIMITS, bodiless=False)
        assert (head.length, head.chunks, head.lasting) == (None, None, False)


_VALUES = st.binary(max_size=30).map(lambda raw: bytes(b for b in raw if b >= 0x20 and b != 0x7F).strip(b" \t"))
_NAMES = st.from_regex(rb"[A-Za-z][A-Za-z0-9-]{0,10}", fullmatch=True).filter(
    lambda name: name.lower() not in {b"content-length", b"transfer-encoding", b"connection", b"upgrade"}
)


@given(pairs=st.lists(st.tuples(_NAMES, st.sampled_from([b"", b" ", b"\t "]), _VALUES, st.sampled_from([b"", b" "]))))
def test_headers_come_back_as_they_were_sent(pairs: list[tuple[bytes, bytes, bytes, bytes]]) -> None:
    lines = b"".join([name + b":" + before + value + after + b"\r\n" for name, before, value, after in pairs])
    expected: dict[str, str] = {}
    for raw, _, value, _ in pairs:
        name, text = raw.decode().lower(), value.decode("utf-8", "surrogateescape")
        expected[name] = f"{expected[name]}, {text}" if name in expected else text
    head = read_head(OK + lines + b"Content-Length: 0\r\n\r\n", LIMITS, bodiless=False)
    assert head.headers == {**expected, "content-length": "0"}


@given(
    method=st.sampled_from(["GET", "HEAD", "DELETE", "PUT", "POST"]),
    target=st.text(max_size=20) | st.just("/x"),
    headers=st.dictionaries(st.sampled_from(["host", "x-a"]), st.text(max_size=20)),
    body=st.binary(max_size=20),
)
def test_a_request_has_the_lines_that_were_asked_for_or_is_not_written(
    method: str, target: str, headers: dict[str, str], body: bytes
) -> None:
    said = target + "".join(headers.values())
    if not target or " " in target or set(said) & set("\r\n\0") or any(0xD800 <= ord(one) < 0xE000 for one in said):
        with pytest.raises(TransportError) as caught:
            write_request(method, target, headers, body)
        assert (caught.value.code, caught.value.__context__) == ("RequestInvalid", None)
        return
    if method in ("PUT", "POST"):
        written, _, sent = write_request(method, target, headers, body).partition(b"\r\n\r\n")
        assert (sent, b"content-length: %d\r\n" % len(body) in written) == (body, True)
        headers, written = {**headers, "content-length": str(len(body))}, written + b"\r\n\r\n"
    else:
        written = write_request(method, target, headers)
    lines = written.split(b"\r\n")
    assert lines[0] == f"{method} {target} HTTP/1.1".encode()
    assert lines[0].count(b" ") == 2
    assert lines[1 : 1 + len(headers)] == [f"{name}: {value}".encode() for name, value in headers.items()]
    assert written.count(b"\n") == written.count(b"\r") == len(headers) + 5
    assert written.endswith(b"\r\n\r\n")
