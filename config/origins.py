"""Addresses that tenants type: one strict grammar, so that no two readers of an address can differ on where it leads.

Sources: RFC 3986 (URIs), RFC 1035 and 5890 (names), and the "ends in a number" rule of the WHATWG URL standard, which finds the hosts that
an operating system would take for an IPv4 address however they are written. What passes is plain ASCII in lower case, so that
urllib, yarl and the resolver read the same host and port in it. What a name leads to is for `config.networks` to judge.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Final, Self
from urllib.parse import unquote, urljoin

import idna

from config.networks import Networks

MOST_CHARACTERS: Final = 2048
_MOST_HOST: Final = 253
_PORTS: Final = {"http": 80, "https": 443}
_ANY: Final = "any"
_NOWHERE: Final = Networks()
_EVERYWHERE: Final = Networks((ip_network("0.0.0.0/0"), ip_network("::/0")))
"""The operator's own list may hold addresses: whether they are connected to is for the guard."""

_SHAPE: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^?#]*)(\?[^#]*)?(#.*)?", re.DOTALL)
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_AUTHORITY: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(?::([1-9][0-9]{0,4}))?")
_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PATH: Final = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*")
_QUERY: Final = re.compile(r"\?(?:[A-Za-z0-9._~!$&'()*+,;=:@/?\[\]-]|%[0-9A-Fa-f]{2})*")
_ODD: Final = re.compile(
    r"[\x00-\x20\x7f-\xa0\u1680\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff\\]|[\ud800-\udfff]"
)
_ENCODED_ODD: Final = re.compile(r"%(?:[01][0-9A-Fa-f]|7[Ff])")
_OTHER_DOTS: Final = re.compile(r"[\u3002\uff0e\uff61]")


@dataclass(frozen=True, slots=True, kw_only=True)
class WebAddress:
    """An address that was checked; `str` of it is its one way to be written."""

    scheme: str
    host: str
    """A DNS name in ASCII and lower case, or an IP address that the operator opened; an IPv6 one without brackets."""
    port: int
    path: str = "/"
    """Percent-encoded; begins with a slash."""
    query: str = ""
    """With its question mark; empty if there is none."""

    @property
    def authority(self) -> str:
        """As a Host header has it: without the scheme's own port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.authority}"

    @property
    def target(self) -> str:
        return f"{self.path}{self.query}"

    @property
    def shown(self) -> str:
        """For people: without the query, which may hold a signature."""
        return f"{self.origin}{self.path[:200]}"

    def __str__(self) -> str:
        return f"{self.origin}{self.target}"


@dataclass(frozen=True, slots=True)
class Origins:
    """The origins that the operator lets tenants name, beside https on port 443 for HTTPS sources."""

    listed: tuple[tuple[str, str, int], ...] = ()
    """Scheme, host and port. A host of `*` is any, one that begins with `*.` any below it."""

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Self:
        """`https://s3.example.com`, `https://*.example.com:8443`, `http://minio:9000`, `https://*`, or `any` for the last one.

        Raises ValueError that says which entry can't be, and what to write.
        """
        return cls(tuple(dict.fromkeys(_listed(number, text.strip()) for number, text in enumerate(texts, 1))))

    def permits(self, address: WebAddress) -> bool:
        return any(
            (address.scheme, address.port) == (scheme, port)
            and (host in {"*", address.host} or (host.startswith("*.") and address.host.endswith(host[1:])))
            for scheme, host, port in self.listed
        )

    def names(self, address: WebAddress) -> bool:
        """Whether this very origin is listed, and not just a pattern that fits it."""
        return (address.scheme, address.host, address.port) in self.listed

    def __add__(self, other: Origins) -> Origins:
        return Origins(tuple(dict.fromkeys(self.listed + other.listed)))


_NO_OTHERS: Final = Origins()


def well_formed(text: str) -> WebAddress:
    """An address by the grammar alone, wherever it leads: what is kept is read by this. Raises ValueError that says what to write."""
    return _read(text, _EVERYWHERE)


def checked_endpoint(text: str, allowed: Origins, networks: Networks = _NOWHERE) -> WebAddress:
    """The endpoint of an S3-compatible storage, as `https://host[:port][/base]`, on an origin that the operator lists.

    Raises ValueError that says what to write instead.
    """
    address = _read(text, networks)
    if address.query:
        raise ValueError("an endpoint has no query: leave out the ? and what follows it")
    if not allowed.permits(address):
        raise ValueError(
            f"{address.origin} is no endpoint that this service may be pointed at: the operator lists them in LONGSHORE_ENDPOINTS"
        )
    return address


def checked_https(
    text: str, allowed: Origins = _NO_OTHERS, networks: Networks = _NOWHERE, *, prefix: bool = False
) -> WebAddress:
    """The address of an HTTPS source: https, on port 443 or on an origin that the operator lists.

    `prefix`: it stands for all that begins with it, so it ends with a slash and has no query.
    Raises ValueError that says what to write instead.
    """
    address = _read(text, networks)
    if address.scheme != "https":
        raise ValueError("it must begin with https://: what is sent over plain http can be read and changed on its way")
    if address.port != _PORTS["https"] and not allowed.permits(address):
        raise ValueError(
            f"port {address.port} may not be used: leave it out for 443, or ask the operator to list {address.origin} in "
            "LONGSHORE_ENDPOINTS"
        )
    if prefix and (address.query or not address.path.endswith("/")):
        raise ValueError("a prefix ends with a slash and has no query: write https://host/folder/")
    return address


def redirected(
    base: WebAddress, location: str, allowed: Origins = _NO_OTHERS, networks: Networks = _NOWHERE
) -> WebAddress:
    """Where a redirect leads, checked like any other address; a fragment is for browsers and left out. Raises ValueError."""
    if not location or len(location) > MOST_CHARACTERS or not location.isascii() or _ODD.search(location):
        raise ValueError("its Location is empty, too long, or holds characters that no address has")
    plain = location.partition("#")[0]
    if plain.startswith("//"):
        plain = f"{base.scheme}:{plain}"
    elif not _SCHEME.match(plain):  # else urljoin would read https:x and https:///x as paths on this server
        plain = urljoin(str(base), plain)
    return checked_https(plain, allowed, networks)


def _read(text: str, networks: Networks) -> WebAddress:
    scheme, authority, path, query = _parts(text)
    if "@" in authority:
        raise ValueError(
            "no user or password belongs into an address: leave out what stands before the @, and give them as such"
        )
    found = _AUTHORITY.fullmatch(authority)
    port = int(found[2] or _PORTS[scheme]) if found is not None else 0
    if found is None or port > 65535:
        raise ValueError(
            "its host and port can't be read: write https://host or https://host:port, the port from 1 to 65535"
        )
    return WebAddress(scheme=scheme, host=_host(found[1], networks), port=port, path=_path(path), query=_query(query))


def _parts(text: str) -> tuple[str, str, str, str]:
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"it is longer than {MOST_CHARACTERS} characters")
    if _ODD.search(text):
        raise ValueError(
            "it holds a space, a backslash or a character that can't be seen: write it without, or as %20 in its path"
        )
    found = _SHAPE.fullmatch(text)
    scheme = found[1].lower() if found is not None else ""
    if found is None or scheme not in _PORTS:
        raise ValueError("it must be a full address: write https://host/path")
    if found[5]:
        raise ValueError(
            "no fragment belongs into an address: leave out the # and what follows it, or write %23 for a # in its path"
        )
    return scheme, found[2], found[3], found[4] or ""


def _host(text: str, networks: Networks) -> str:
    literal = text.startswith("[")
    host = str(_ipv6(text[1:-1])) if literal else _name(text)
    if literal or _NUMBER.fullmatch(host.rpartition(".")[2]):
        if not literal:
            host = _ipv4(host)
        if not networks.lists(host):
            raise ValueError(
                "its host is an IP address: write the server's name, as in its certificate; "
                "the operator opens addresses by LONGSHORE_NETWORKS"
            )
    elif (host == "localhost" or host.endswith(".localhost")) and not networks.lists("127.0.0.1"):
        raise ValueError("localhost is this service's own machine: write the server's public name")
    return host


def _ipv6(text: str) -> IPv6Address:
    try:
        return IPv6Address(text)
    except ValueError:
        raise ValueError("its host is in brackets and no IPv6 address: write the server's name") from None


def _ipv4(text: str) -> str:
    try:
        return str(IPv4Address(text))
    except ValueError:
        raise ValueError("its host ends in a number, as no name does: write the server's name") from None


def _name(text: str) -> str:
    """In ASCII and lower case, by IDNA 2008: unlike what browsers do, no character is taken for another one."""
    if text.endswith("."):
        raise ValueError("its host ends with a dot: write it without")
    if text.isascii():
        name = text.lower()
    else:
        if _OTHER_DOTS.search(text):
            raise ValueError("its host holds a character that only looks like a dot: write plain dots")
        try:
            name = idna.encode(text, uts46=False, std3_rules=True).decode("ascii")
        except (idna.IDNAError, UnicodeError):
            raise ValueError(
                "its host is no name that IDNA permits: write it in lower case, or in its xn-- form"
            ) from None
    if len(name) > _MOST_HOST or not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise ValueError(
            f"its host is no DNS name: write a-z, 0-9 and - in labels of at most 63, joined by dots, {_MOST_HOST} in all"
        )
    return name


def _path(path: str) -> str:
    if not _PATH.fullmatch(path) or _ENCODED_ODD.search(path):
        raise ValueError(
            "its path holds what no path may: write special characters percent-encoded, and no control characters"
        )
    plain = path
    for _ in range(3):  # servers that decode more than once are known
        # some servers take away what stands behind a semicolon, and read the dots then
        if {".", ".."} & {part.partition(";")[0] for part in re.split(r"[/\\]", plain)}:
            raise ValueError("its path holds . or .. as a part: write the path that is meant")
        plain = unquote(plain)
    return path or "/"


def _query(query: str) -> str:
    if query and not _QUERY.fullmatch(query):
        raise ValueError("its query holds what no query may: write special characters percent-encoded")
    return query


def _listed(number: int, text: str) -> tuple[str, str, int]:
    """One entry of the operator's list."""
    if text == _ANY:
        return "https", "*", _PORTS["https"]
    scheme, mark, rest = text.partition("://")
    wild = "*" if rest == "*" or rest.startswith("*:") else "*." if rest.startswith("*.") else ""
    plain = f"any{rest[1:]}" if wild == "*" else rest.removeprefix(wild)
    try:
        address = _read(f"{scheme}{mark}{plain}", _EVERYWHERE)
    except ValueError as error:
        raise ValueError(f"entry {number} is no origin: {error}") from None
    if address.target != "/":
        raise ValueError(f"entry {number} is no origin: leave out path and query, as in https://s3.example.com")
    return address.scheme, wild if wild == "*" else f"{wild}{address.host}", address.port
