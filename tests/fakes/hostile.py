"""Thousands of addresses that lead inside, in every notation that some reader of addresses is known to take."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address

from config.networks import FORBIDDEN, Network

_FULLWIDTH = str.maketrans("0123456789abcdefx", "０１２３４５６７８９ａｂｃｄｅｆｘ")
_CIRCLED = str.maketrans("0123456789", "⓪①②③④⑤⑥⑦⑧⑨")
_BOLD = str.maketrans("0123456789", "𝟎𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖𝟗")
_ARABIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")


@dataclass(frozen=True, slots=True)
class Hostile:
    """One address, and where a reader that can be tricked would connect to."""

    url: str
    """`{port}` stands where the canary's port belongs."""
    ip: str

    def at(self, port: int) -> str:
        return self.url.replace("{port}", str(port))


def samples(network: Network, how_many: int, dice: random.Random) -> Iterator[IPv4Address | IPv6Address]:
    """The first, the last, and some between."""
    kind = IPv4Address if isinstance(network, IPv4Network) else IPv6Address
    low, high = int(network.network_address), int(network.broadcast_address)
    chosen = {low, high, min(low + 1, high), *(dice.randint(low, high) for _ in range(how_many))}
    yield from (kind(number) for number in sorted(chosen))


def inner(seed: int, how_many: int) -> list[IPv4Address]:
    """IPv4 addresses of every forbidden network; 127.0.0.1 and the metadata service first."""
    dice = random.Random(seed)
    first = [IPv4Address("127.0.0.1"), IPv4Address("169.254.169.254")]
    rest = [
        address
        for network, _ in FORBIDDEN
        for address in samples(network, how_many, dice)
        if isinstance(address, IPv4Address)
    ]
    return list(dict.fromkeys(first + rest))


def native(seed: int, how_many: int) -> list[IPv6Address]:
    """IPv6 addresses of every forbidden network."""
    dice = random.Random(seed)
    found = [
        address
        for network, _ in FORBIDDEN
        for address in samples(network, how_many, dice)
        if isinstance(address, IPv6Address)
    ]
    return list(dict.fromkeys(found))


def wrapped(address: IPv4Address) -> list[IPv6Address]:
    """Every form of IPv6 that carries an IPv4 address."""
    v4 = int(address)
    teredo = int(IPv6Address("2001::"))
    return [
        IPv6Address(v4),  # compatible
        IPv6Address(0xFFFF << 32 | v4),  # mapped
        IPv6Address(0xFFFF << 48 | v4),  # translated
        IPv6Address(int(IPv6Address("64:ff9b::")) | v4),
        IPv6Address(int(IPv6Address("64:ff9b:1::")) | v4),
        IPv6Address(0x2002 << 112 | v4 << 80),
        IPv6Address(0x2002 << 112 | v4 << 80 | 0x5EFE << 32 | v4),
        IPv6Address(teredo | 0x0808_0808 << 64 | ~v4 & 0xFFFF_FFFF),  # the client, behind a public server
        IPv6Address(teredo | v4 << 64 | ~0x0808_0808 & 0xFFFF_FFFF),  # the server
        IPv6Address(int(IPv6Address("2a00:1450:4001:80b::")) | 0x5EFE << 32 | v4),  # ISATAP below a public prefix
        IPv6Address(int(IPv6Address("2a00:1450:4001:80b::")) | 0x0200_5EFE << 32 | v4),
    ]


def spelt(address: IPv4Address) -> Iterator[str]:
    """Hosts that inet_aton, or a reader that normalises before it looks, takes for this address."""
    number, octets = int(address), address.packed
    a, b, c, d = octets
    plain = str(address)
    yield plain
    yield str(number)
    yield str(number + (1 << 32))  # overflows
    yield f"0x{number:x}"
    yield f"0X{number:08X}"
    yield f"0{number:o}"
    yield f"000000{number:o}"
    yield ".".join(f"0x{o:x}" for o in octets)
    yield ".".join(f"0x{o:08x}" for o in octets)
    yield ".".join(f"0{o:o}" for o in octets)
    yield ".".join(f"{o:03d}" for o in octets)
    yield f"0x{a:x}.{b}.0{c:o}.{d}"
    yield f"{a}.{number & 0xFFFFFF}"
    yield f"{a}.{b}.{number & 0xFFFF}"
    yield f"0x{a:x}.0x{number & 0xFFFFFF:x}"
    yield f"0{a:o}.{b}.0x{number & 0xFFFF:x}"
    yield f"{a + 256}.{b}.{c}.{d}"
    yield f"{plain}."
    yield f"{plain}.."
    yield f".{plain}"
    for digits in (_FULLWIDTH, _CIRCLED, _BOLD, _ARABIC):
        yield plain.translate(digits)
    yield f"0x{number:x}".translate(_FULLWIDTH)
    for dot in "。．｡․":
        yield plain.replace(".", dot)
    yield plain.replace(".", "%2e")
    yield "".join(f"%{ord(c):02x}" for c in plain)
    yield "".join(f"%25{ord(c):02x}" for c in plain)
    yield f"{plain[:1]}\t{plain[1:]}"
    yield f"{plain[:2]}\n{plain[2:]}"
    yield f"{plain}\r"
    yield f"{plain}%00.example.com"
    yield f"{plain}\0.example.com"
    yield f"\u200b{plain}"
    yield f"{plain[:1]}\u00ad{plain[1:]}"
    yield f" {plain}"
    yield f"[{plain}]"
    yield f"0{plain}"


def bracketed(address: IPv6Address) -> Iterator[str]:
    v4 = IPv4Address(int(address) & 0xFFFF_FFFF)
    yield f"[{address}]"
    yield f"[{address.exploded.upper()}]"
    yield f"[{address}%eth0]"
    yield f"[{address}%25lo]"
    yield f"[{':'.join(address.exploded.split(':')[:6])}:{v4}]"
    yield f"[{address}"
    yield str(address)


def tricks(host: str) -> Iterator[str]:
    """Whole addresses in which one reader finds a good host and another one finds this."""
    good = "files.example.com"
    yield f"https://{good}@{host}:{{port}}/"
    yield f"https://{good}:443@{host}:{{port}}/"
    yield f"https://{good}\\@{host}:{{port}}/"
    yield f"https://{good}%40{host}:{{port}}/"
    yield f"https://{good}:{{port}}#@{host}:{{port}}/"
    yield f"https://{host}:{{port}}\\@{good}/"
    yield f"https://{host}:{{port}}#@{good}/"
    yield f"https://{good}&@{host}:{{port}}#@{good}/"
    yield f"https://{good}:80:{{port}}@{host}:{{port}}/"
    yield f"https:{host}:{{port}}/"
    yield f"https:/{host}:{{port}}/"
    yield f"https:///{host}:{{port}}/"
    yield f"https:\\\\{host}:{{port}}\\"
    yield f"//{host}:{{port}}/"
    yield f"http://{host}:{{port}}/"
    yield f"ht\ntps://{host}:{{port}}/"
    yield f" https://{host}:{{port}}/"
    yield f"\x01https://{host}:{{port}}/"
    yield f"https://{host}:0{{port}}/"
    yield f"https://{host}: {{port}}/"
    yield f"https://{host}:{{port}}@{good}:x/"
    yield f"https://{host}:{{port}}/?x=\nhttps://{good}"
    for scheme in ("gopher", "file", "ftp", "dict", "ws", "data", "jar:https", "httpſ"):
        yield f"{scheme}://{host}:{{port}}/"


LOCALHOSTS = (
    *(
        "localhost",
        "LOCALHOST",
        "LocalHost",
        "localhost.",
        "localhost..",
        "x.localhost",
        "ⓛocalhost",
        "ｌｏｃａｌｈｏｓｔ",
    ),
    *("loc\u00adalhost", "local\thost", "localhoſt", "%6cocalhost", "localhost%00", "localhost\\", "ip6-localhost"),
    *("localhost.localdomain", "metadata", "metadata.google.internal", "instance-data", "printer.local", "a.internal"),
    *("a" * 64 + ".example.com", ".".join(["a" * 63] * 5), "-a.example.com", "a..example.com", "*.example.com", ""),
)
"""Names of this machine and of its neighbours, and some that are none."""


def named(ips: list[IPv4Address | IPv6Address]) -> Iterator[Hostile]:
    """Faultless names, all of which lead inside."""
    for number, ip in enumerate(ips):
        yield Hostile(f"https://n{number}.example.com:{{port}}/", str(ip))


def hostile(seed: int, how_many: int) -> list[Hostile]:
    """At least `how_many` distinct ones; the same for a seed."""
    found: dict[Hostile, None] = {}
    ips: list[IPv4Address | IPv6Address] = []
    for address in inner(seed, 3):
        forms = wrapped(address)
        ips += [address, *forms]
        hosts = [*spelt(address), *(host for form in forms for host in bracketed(form))]
        for host in hosts:
            found[Hostile(f"https://{host}:{{port}}/", str(address))] = None
        for url in tricks(str(address)):
            found[Hostile(url, str(address))] = None
    for six in native(seed, 3):
        ips.append(six)
        for host in bracketed(six):
            found[Hostile(f"https://{host}:{{port}}/", str(six))] = None
    for host in LOCALHOSTS:
        found[Hostile(f"https://{host}:{{port}}/", "127.0.0.1")] = None
    found |= dict.fromkeys(named(list(dict.fromkeys(ips))))
    assert len(found) >= how_many, len(found)
    return list(found)
