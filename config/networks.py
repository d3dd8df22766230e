"""Which addresses may be connected to for a tenant: hides every way in which an address can lead inside.

Sources: the IANA special-purpose registries of IPv4 and IPv6 (RFC 6890), RFC 6052 and 8215 (NAT64), 3056 (6to4), 4380 (Teredo),
5214 (ISATAP), and the clouds' documents on their metadata services. `ipaddress.is_global` is asked too, but not trusted: it calls
NAT64 and 6to4 forms of inner addresses, site-local ones and Azure's 168.63.129.16 global, and changes between versions of Python.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, Self

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_METADATA: Final[dict[str, str]] = {
    "169.254.169.254/32": "a cloud's metadata service",
    "169.254.170.0/24": "the service that gives containers their credentials",
    "169.254.0.23/32": "a cloud's metadata service",
    "168.63.129.16/32": "Azure's platform service",
    "100.100.100.200/32": "Alibaba Cloud's metadata service",
    "192.0.0.192/32": "Oracle Cloud's metadata service",
    "fd00:ec2::/32": "AWS's metadata and credentials services",
    "fd20:ce::254/128": "Google Cloud's metadata service",
    "fd00:c1::a9fe:a9fe/128": "Oracle Cloud's metadata service",
}
"""Opened only by an entry of the allow list that lies inside: who lists 10.0.0.0/8, 169.254.0.0/16 or fd00::/8 does not mean these."""

_OTHERS: Final[dict[str, str]] = {
    "0.0.0.0/8": "no host in particular",
    "10.0.0.0/8": "a private network",
    "100.64.0.0/10": "a carrier's or cloud's inner network",
    "127.0.0.0/8": "loopback, which is this machine",
    "169.254.0.0/16": "a link-local network",
    "172.16.0.0/12": "a private network",
    "192.0.0.0/24": "a network reserved for protocols",
    "192.0.2.0/24": "a network for documentation only",
    "192.31.196.0/24": "a network reserved for protocols",
    "192.52.193.0/24": "a network reserved for protocols",
    "192.88.99.0/24": "a network reserved for 6to4",
    "192.168.0.0/16": "a private network",
    "192.175.48.0/24": "a network reserved for protocols",
    "198.18.0.0/15": "a network for benchmarks only",
    "198.51.100.0/24": "a network for documentation only",
    "203.0.113.0/24": "a network for documentation only",
    "224.0.0.0/4": "a multicast group",
    "255.255.255.255/32": "everybody (broadcast)",
    "240.0.0.0/4": "a reserved network",
    "::/128": "no host in particular",
    "::1/128": "loopback, which is this machine",
    "::/96": "an IPv4 address in an old form of IPv6",
    "::ffff:0:0/96": "an IPv4 address in the form of IPv6",
    "::ffff:0:0:0/96": "an IPv4 address in a translated form",
    "64:ff9b::/96": "an IPv4 address behind NAT64",
    "64:ff9b:1::/48": "an IPv4 address behind a local NAT64",
    "100::/64": "a network that discards packets",
    "100:0:0:1::/64": "a network reserved for protocols",
    "2001::/32": "an IPv4 address behind Teredo",
    "2001:2::/48": "a network for benchmarks only",
    "2001:db8::/32": "a network for documentation only",
    "2001::/23": "a network reserved for protocols",
    "2002::/16": "an IPv4 address in the form of 6to4",
    "2620:4f:8000::/48": "a network reserved for protocols",
    "3ffe::/16": "a test network that is gone",
    "3fff::/20": "a network for documentation only",
    "5f00::/16": "a network for segment routing only",
    "fc00::/7": "a private network",
    "fe80::/10": "a link-local network",
    "fec0::/10": "a private network of old",
    "ff00::/8": "a multicast group",
}
"""The first one that holds an address names it."""

FORBIDDEN: Final[tuple[tuple[Network, str], ...]] = tuple(
    (ip_network(text), what) for table in (_METADATA, _OTHERS) for text, what in table.items()
)
"""Networks that no tenant may have anything connected to, and what each of them is."""

_UNLISTABLE: Final = tuple(ip_network(text) for text in _METADATA)
_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
_LOW_32: Final = tuple(
    IPv6Network(text) for text in ("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48")
)
"""They hold an IPv4 address in their last 32 bits; see `_check_entry` for the last of them."""
_NO_IPV4: Final = (IPv6Address("::"), IPv6Address("::1"))
_SIX_TO_FOUR: Final = IPv6Network("2002::/16")
_TEREDO: Final = IPv6Network("2001::/32")
_LOCAL_NAT64: Final = IPv6Network("64:ff9b:1::/48")
_ISATAP: Final = (0x0000_5EFE, 0x0200_5EFE)
_WIDEST: Final = {4: 8, 6: 7}
"""Prefix lengths of the widest private networks, 10.0.0.0/8 and fc00::/7."""


class Networks:
    """What may be connected to: public addresses, and the networks that the operator lists.

    An address that carries another one (mapped, NAT64, 6to4, Teredo, ISATAP ...) passes only if it may be connected to by itself,
    and the other one too: to reach S3 through NAT64, list 64:ff9b::/96; to reach 10.1.2.3 through it, list 10.1.2.3/32 as well.
    Listing 10.1.2.3/32 alone opens that address as it stands, and no other form of it.
    """

    def __init__(self, allowed: Iterable[Network] = ()) -> None:
        """`allowed`: checked already; `parse` checks."""
        self.allowed = tuple(allowed)

    def __repr__(self) -> str:
        return f"Networks({', '.join(map(str, self.allowed))})"

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Self:
        """The operator's list, as CIDRs or plain addresses. Raises ValueError that says which entry can't be, and what to write."""
        return cls(dict.fromkeys(_entry(number, text.strip()) for number, text in enumerate(texts, 1)))

    def lists(self, ip: str) -> bool:
        """Whether the operator opened this address; False for what is none."""
        try:
            return self._listed(_read(ip))
        except ValueError:
            return False

    def why_forbidden(self, ip: str) -> str | None:
        """Why this address may not be connected to, as what follows "leads to"; None: it may be.

        Names the network, never the address: a tenant must not learn from us how names inside resolve.
        """
        try:
            address = _read(ip)
        except ValueError as error:
            return str(error)
        for carried, form in enumerate((address, *_inner(address))):
            if not self._listed(form) and (why := _why(form)):
                return f"{why}, in another form" if carried else why
        return None

    def _listed(self, address: Address) -> bool:
        for entry in self.allowed:
            if address.version == entry.version and address in entry:
                guarded = (one for one in _UNLISTABLE if one.version == entry.version and address in one)
                if all(entry.prefixlen >= one.prefixlen for one in guarded):
                    return True
        return False


def _entry(number: int, text: str) -> Network:
    """Its number, not its text, is told: nobody knows what was pasted there."""
    try:
        network = ip_network(text)
    except ValueError as error:
        raise ValueError(
            f"entry {number} is no network ({_said(error)}): write 10.20.0.0/16, 192.168.7.5/32 or fd12:3456::/48"
        ) from None
    if isinstance(network, IPv6Network) and network.network_address.scope_id is not None:
        raise ValueError(f"entry {number} has a zone, which no address of a server has: write it without %...")
    if network.prefixlen < _WIDEST[network.version]:
        raise ValueError(
            f"entry {number} is too wide: it would open loopback and metadata services to every tenant. List the networks "
            f"that are meant, each /{_WIDEST[network.version]} or narrower; public addresses need no entry"
        )
    if isinstance(network, IPv6Network) and network.overlaps(_LOCAL_NAT64) and network.prefixlen < 96:
        raise ValueError(f"entry {number} holds local NAT64 addresses: list the /96 that the NAT64 uses")
    return network


def _said(error: ValueError) -> str:
    return "it has bits set behind its prefix" if "host bits" in str(error) else "it can't be read"


def _read(ip: str) -> Address:
    """Raises ValueError as what follows "leads to"."""
    if "%" in ip:
        raise ValueError("an address with a zone, which belongs to one link")
    try:
        return ip_address(ip)
    except ValueError:
        raise ValueError("no IP address") from None


def _inner(address: Address) -> Iterator[IPv4Address]:
    """The IPv4 addresses that an IPv6 one carries: packets to it may end there."""
    if isinstance(address, IPv4Address):
        return
    bits = int(address)
    if address not in _NO_IPV4 and any(address in network for network in _LOW_32):
        yield IPv4Address(bits & 0xFFFF_FFFF)
    if address in _SIX_TO_FOUR:
        yield IPv4Address((bits >> 80) & 0xFFFF_FFFF)
    if address in _TEREDO:
        yield IPv4Address((bits >> 64) & 0xFFFF_FFFF)  # its server
        yield IPv4Address(~bits & 0xFFFF_FFFF)  # its client, each bit flipped
    if (bits >> 32) & 0xFFFF_FFFF in _ISATAP:
        yield IPv4Address(bits & 0xFFFF_FFFF)


def _why(address: Address) -> str | None:
    for network, what in FORBIDDEN:
        if address.version == network.version and address in network:
            return f"{what} ({network})"
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
        return "no public address (outside of 2000::/3)"
    return None if address.is_global else "no public address"
