"""Addresses that tenants type: what passes is read alike by every reader, and what does not is told with what to write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from yarl import URL

from config.networks import Networks
from config.origins import Origins, WebAddress, checked_endpoint, checked_https, redirected

ANYWHERE = Origins.parse(["https://*:8443", "http://*:9000", "http://*", "any"])
INSIDE = Networks.parse(["10.0.0.0/8", "fd12::/32", "127.0.0.1"])

GOOD = [
    ("https://s3.example.com", "https://s3.example.com/"),
    ("HTTPS://S3.Example.COM:443/A/b%20c?x=1&y=[2]", "https://s3.example.com/A/b%20c?x=1&y=[2]"),
    ("https://bücher.example/", "https://xn--bcher-kva.example/"),
    ("https://straße.example/", "https://xn--strae-oqa.example/"),
    ("https://xn--bcher-kva.example/", "https://xn--bcher-kva.example/"),
    ("https://例え.テスト/", "https://xn--r8jz45g.xn--zckzah/"),
    ("https://minio:8443/", "https://minio:8443/"),
    ("https://a.b/...;x/%2F%25/..a", "https://a.b/...;x/%2F%25/..a"),
    ("https://a.b//double//", "https://a.b//double//"),
    ("https://10.1.2.3/", "https://10.1.2.3/"),
    ("https://[FD12:0::0001]:8443/", "https://[fd12::1]:8443/"),
    ("https://localhost/", "https://localhost/"),
]


@pytest.mark.parametrize(("text", "written"), GOOD)
def test_a_good_address_is_written_in_one_way(text: str, written: str) -> None:
    address = checked_https(text, ANYWHERE, INSIDE)
    assert str(address) == written
    assert checked_https(written, ANYWHERE, INSIDE) == address


BAD = [
    ("http://a.b/", "must begin with https"),
    ("ftp://a.b/", "full address"),
    ("a.b/c", "full address"),
    ("//a.b/c", "full address"),
    ("", "full address"),
    ("https://user@a.b/", "before the @"),
    ("https://user:pw@a.b/", "before the @"),
    ("https://good@127.0.0.1/", "before the @"),
    ("https://good\\@127.0.0.1/", "backslash"),
    ("https://a.b /", "space"),
    ("https://a.b/x y", "space"),
    ("https://a.b/\r\nHost: evil", "space"),
    ("https://a\tb/", "space"),
    ("https://a.b/\x7f", "can't be seen"),
    ("https://a\u200bb.c/", "can't be seen"),
    ("https://a.b/\ud800", "can't be seen"),
    ("https://a.b/x#y", "fragment"),
    ("https://a.b:8444/", "list https://a.b:8444 in LONGSHORE_ENDPOINTS"),
    ("https://a.b:0/", "host and port"),
    ("https://a.b:0443/", "host and port"),
    ("https://a.b:65536/", "host and port"),
    ("https://a.b:４４３/", "host and port"),
    ("https://a.b:/", "host and port"),
    ("https://a.b:443:443/", "host and port"),
    ("https:///x", "host and port"),
    ("https://[::1/", "host and port"),
    ("https://::1/", "host and port"),
    ("https://[::1%25lo]/", "host and port"),
    ("https://[1.2.3.4]/", "no IPv6 address"),
    ("https://1.1.1.1/", "write the server's name"),
    ("https://[2606:4700::1111]/", "write the server's name"),
    ("https://[::ffff:10.1.2.3]/", "write the server's name"),
    ("https://127.1/", "ends in a number"),
    ("https://0x7f.1/", "ends in a number"),
    ("https://2130706433/", "ends in a number"),
    ("https://0177.0.0.1/", "ends in a number"),
    ("https://a.b.1/", "ends in a number"),
    ("https://a.0x/", "ends in a number"),
    ("https://10.1.2.3./", "ends with a dot"),
    ("https://a.b./", "ends with a dot"),
    ("https://127。0。0。1/", "plain dots"),
    ("https://①②⑦.0.0.1/", "IDNA"),
    ("https://１２７.0.0.1/", "IDNA"),
    ("https://\u212aelvin.com/", "IDNA"),
    ("https://BÜCHER.example/", "IDNA"),
    ("https://a..b/", "DNS name"),
    ("https://-a.b/", "DNS name"),
    ("https://a_b.c/", "DNS name"),
    ("https://a%2eb/", "DNS name"),
    (f"https://{'a' * 64}.b/", "DNS name"),
    (f"https://{'.'.join(['a' * 60] * 5)}/", "DNS name"),
    ("https://a.b/../c", "as a part"),
    ("https://a.b/./c", "as a part"),
    ("https://a.b/%2e%2E/c", "as a part"),
    ("https://a.b/x%2f..%2fc", "as a part"),
    ("https://a.b/x%5c..", "as a part"),
    ("https://a.b/%252e%252e/c", "as a part"),
    ("https://a.b/a/..;/admin", "as a part"),
    ("https://a.b/..;x=1;y/c", "as a part"),
    ("https://a.b/.;/c", "as a part"),
    ("https://a.b/%2e%2e;/c", "as a part"),
    ("https://a.b/..%3b/c", "as a part"),
    ("https://a.b/%252e.%253B/c", "as a part"),
    ("https://a.b/..;", "as a part"),
    ("https://a.b/%zz", "percent-encoded"),
    ("https://a.b/%00", "control"),
    ("https://a.b/%0d%0aX:", "control"),
    ("https://a.b/ü", "percent-encoded"),
    ("https://a.b/?ü", "percent-encoded"),
    ('https://a.b/"', "percent-encoded"),
    (f"https://a.b/{'x' * 2048}", "longer than 2048"),
]


@pytest.mark.parametrize(("text", "said"), BAD)
def test_a_bad_address_is_told_with_what_to_write(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        checked_https(text, ANYWHERE, INSIDE)


def test_a_message_repeats_no_password() -> None:
    with pytest.raises(ValueError, match="@") as caught:
        checked_https("https://me:hunter2-hunter2@a.b/")
    assert "hunter2" not in str(caught.value)
    with pytest.raises(ValueError, match="@") as caught:
        Origins.parse(["https://me:hunter2-hunter2@a.b"])
    assert "hunter2" not in str(caught.value)


def test_this_machine_and_addresses_are_named_only_where_the_operator_opens_them() -> None:
    for text in ("https://localhost/", "https://a.localhost/", "https://10.1.2.3/", "https://[fd12::1]/"):
        with pytest.raises(ValueError, match="name"):
            checked_https(text)
        assert checked_https(text, networks=INSIDE).host in text


def test_a_prefix_is_a_folder() -> None:
    assert str(checked_https("https://a.b", prefix=True)) == "https://a.b/"
    assert str(checked_https("https://a.b/c/", prefix=True)) == "https://a.b/c/"
    for text in ("https://a.b/c", "https://a.b/c/?x=1", "https://a.b/?"):
        with pytest.raises(ValueError, match="ends with a slash"):
            checked_https(text, prefix=True)


# -- whatever passes is read alike

PIECES = st.sampled_from(
    [
        *(
            "https://",
            "HTTPS://",
            "http://",
            "//",
            "/",
            "\\",
            "@",
            ":",
            "#",
            "?",
            ".",
            "..",
            "%2e",
            "%00",
            "%40",
            "[",
            "]",
            "a.b",
        ),
        *(
            "example.com",
            "127.0.0.1",
            "::1",
            "0x7f.1",
            "2130706433",
            ":443",
            ":8443",
            ":80",
            "localhost",
            "bücher",
            "。",
            "①",
            "\t",
        ),
        *(
            "\n",
            " ",
            "\u212a",
            "\u017f",
            "\u00ad",
            "xn--",
            "*",
            "&",
            ";",
            "user:pw@",
            "１",
            "ß",
            "é",
            "e\u0301",
            "-",
            "_",
            "~",
            "|",
        ),
    ]
)
TEXTS = st.one_of(
    st.lists(PIECES, max_size=8).map("".join),
    st.lists(PIECES, max_size=6).map(lambda parts: "https://example.com" + "".join(parts)),
    st.lists(PIECES, max_size=6).map(lambda parts: "https://" + "".join(parts)),
    st.text(max_size=30).map(lambda text: f"https://{text}"),
    st.from_regex(r"https?://[a-z0-9.:\[\]@%-]{1,20}(/[a-z.%\\]{0,8})?", fullmatch=True),
)


@given(TEXTS)
@example("https://example.com:8443/a?b=[c]")
@example("https://faß.example/")
def test_every_reader_finds_the_same_host_and_port_in_what_passes(text: str) -> None:
    for address, readings in _passing(text):
        mine = (address.scheme, address.host, address.port)
        for reading in (str(address), *readings):
            parts, yarl = urlsplit(reading), URL(reading, encoded=True)
            if ":" not in address.host or not readings:  # the same IPv6 address may be spelt in many ways
                assert (parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}[parts.scheme]) == mine
                assert (yarl.scheme, (yarl.raw_host or "").lower(), yarl.port) == mine
            assert parts.username is parts.password is yarl.user is yarl.password is None
        assert str(address).isascii()
        assert str(address).isprintable()
        assert len(address.host) <= 253
        assert ".." not in address.path.split("/")


def _passing(text: str) -> Iterator[tuple[WebAddress, list[str]]]:
    """Addresses that are accepted, and how else they are written."""
    as_typed = [text] if text.isascii() else []
    with suppress(ValueError):
        yield checked_https(text, ANYWHERE, INSIDE), as_typed
    with suppress(ValueError):
        yield checked_endpoint(text, ANYWHERE, INSIDE), as_typed
    with suppress(ValueError):
        yield redirected(checked_https("https://example.com/a/b"), text, ANYWHERE, INSIDE), []


def test_a_name_beyond_ascii_is_what_idna_2008_makes_of_it() -> None:
    """Not what IDNA 2003 makes of it, which maps characters first."""
    assert checked_https("https://faß.example/").host == "xn--fa-hia.example"
    assert "faß.example".encode("idna") == b"fass.example"


# -- endpoints


@pytest.mark.parametrize(
    ("listed", "text", "good"),
    [
        ("https://s3.example.com", "https://s3.example.com", True),
        ("https://s3.example.com", "https://S3.example.com:443/", True),
        ("https://s3.example.com", "https://s3.example.com:8443", False),
        ("https://s3.example.com", "http://s3.example.com:443", False),
        ("https://s3.example.com", "https://s3.example.com.evil.com", False),
        ("https://s3.example.com", "https://evil.s3.example.com", False),
        ("https://*.example.com", "https://fra1.example.com/base", True),
        ("https://*.example.com", "https://a.b.example.com", True),
        ("https://*.example.com", "https://example.com", False),
        ("https://*.example.com", "https://evilexample.com", False),
        ("https://*.example.com:8443", "https://a.example.com:8443", True),
        ("http://minio:9000", "http://minio:9000", True),
        ("http://minio:9000", "http://minio", False),
        ("any", "https://whatever.example", True),
        ("any", "https://whatever.example:8443", False),
        ("any", "http://whatever.example", False),
        ("https://*:8443", "https://whatever.example:8443", True),
        ("https://bücher.example", "https://xn--bcher-kva.example", True),
        ("http://10.1.2.3:9000", "http://10.1.2.3:9000", True),
        ("http://10.1.2.3:9000", "http://10.1.2.4:9000", False),
        ("http://11.1.2.3:9000", "http://11.1.2.3:9000", False),  # no network of the operator's
        ("any", "https://1.1.1.1", False),
        ("any", "https://10.1.2.3", True),
    ],
)
def test_endpoints_are_those_that_the_operator_lists(listed: str, text: str, good: bool) -> None:
    allowed = Origins.parse([listed])
    if good:
        assert checked_endpoint(text, allowed, INSIDE).origin
    else:
        with pytest.raises(ValueError, match="LONGSHORE_"):
            checked_endpoint(text, allowed, INSIDE)


def test_no_endpoint_is_permitted_unless_the_operator_says_so_and_none_has_a_query() -> None:
    with pytest.raises(ValueError, match="LONGSHORE_ENDPOINTS"):
        checked_endpoint("https://s3.example.com", Origins())
    with pytest.raises(ValueError, match="no query"):
        checked_endpoint("https://s3.example.com/?x", Origins.parse(["any"]))


@pytest.mark.parametrize(
    "text", ["*", "s3.example.com", "https://a.b/c", "https://a.b?c", "https://a*.b", "https://*.*", "ANY", ""]
)
def test_an_origin_that_can_not_be_is_told(text: str) -> None:
    with pytest.raises(ValueError, match=r"^entry 1 is no origin"):
        Origins.parse([text])


# -- redirects


@pytest.mark.parametrize(
    ("location", "leads_to"),
    [
        ("/x", "https://a.b/x"),
        ("x?y=1#part", "https://a.b/c/x?y=1"),
        ("../x", "https://a.b/x"),
        ("//other.example/x", "https://other.example/x"),
        ("https://other.example", "https://other.example/"),
    ],
)
def test_a_redirect_leads_where_a_browser_would_go(location: str, leads_to: str) -> None:
    assert str(redirected(checked_https("https://a.b/c/d?e=f"), location)) == leads_to


@pytest.mark.parametrize(
    "location",
    [
        "",
        "http://a.b/",
        "https://a.b:444/",
        "\\\\evil.example/",
        "/\\evil.example",
        "https://u@b/",
        "/ü",
        "/%00",
        "/a b",
        "x" * 3000,
        *(
            "javascript:alert(1)",
            "https://127.0.0.1/",
            "//2130706433/",
            "https://[::1]/",
            "https://[oops/",
            "https://",
            "///evil",
        ),
        *("https:x", "https:/x", "HTTPS:///x", "x:y"),
    ],
)
def test_a_redirect_that_may_not_be_followed_is_refused(location: str) -> None:
    with pytest.raises(ValueError, match=r"[a-z]"):
        redirected(checked_https("https://a.b/c/d"), location)


def test_an_address_for_people_has_no_query() -> None:
    address = checked_https("https://a.b:8443/c?X-Amz-Signature=abc", ANYWHERE)
    assert (address.shown, address.authority, address.origin) == ("https://a.b:8443/c", "a.b:8443", "https://a.b:8443")
    assert address.target == "/c?X-Amz-Signature=abc"
