"""Which addresses may be connected to: public ones, what the operator lists, and nothing that carries another one inside."""

from __future__ import annotations

import random
from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.networks import FORBIDDEN, Networks
from tests.fakes.hostile import inner, native, samples, wrapped

NOBODY = Networks()
PUBLIC = (
    *(
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "52.218.0.1",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
    ),
    *("128.0.0.1", "168.63.129.15", "168.63.129.17", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0"),
    *("192.0.1.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255"),
    *(
        "2001:200::1",
        "2001:4860:4860::8888",
        "2003::1",
        "2400:cb00::1",
        "2600:1f18::1",
        "2606:4700::1111",
        "2a05:d018::1",
    ),
    *("2600::5efe:808:808", "2a00:1450::200:5efe:101:101"),  # ISATAP of public addresses
)


@pytest.mark.parametrize("ip", PUBLIC)
def test_public_addresses_pass(ip: str) -> None:
    assert NOBODY.why_forbidden(ip) is None


@pytest.mark.parametrize(("network", "what"), FORBIDDEN, ids=str)
def test_each_network_of_the_table_is_forbidden_from_its_first_address_to_its_last(network: object, what: str) -> None:
    assert what
    for address in samples(ip_network(str(network)), 20, random.Random(1)):
        why = NOBODY.why_forbidden(str(address))
        assert why is not None
        assert str(address) not in why.split()[:-1], "how a name resolves is not told"


def test_whatever_carries_an_address_inside_is_forbidden() -> None:
    for address in inner(2, 5):
        assert all(NOBODY.why_forbidden(str(form)) for form in (address, *wrapped(address)))
    assert all(NOBODY.why_forbidden(str(address)) for address in native(2, 5))


@pytest.mark.parametrize(
    "ip",
    [
        *(
            "",
            "x",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "8.8.8.8.",
            " 8.8.8.8",
            "8.8.8.8\n",
            "[::1]",
            "8.8.8.8/32",
        ),
        *(
            "８.8.8.8",
            "8.8.8",
            "fe80::1%eth0",
            "2606:4700::1111%lo",
            "2606:4700::1111%",
            "::1%25lo",
            "1.2.3.4:443",
            "08.8.8.8",
        ),
    ],
)
def test_what_is_not_an_address_as_the_system_writes_it_is_refused(ip: str) -> None:
    assert Networks.parse(["127.0.0.0/8", "fe80::/10", "8.0.0.0/8"]).why_forbidden(ip)


@given(st.integers(0, 2**32 - 1).map(IPv4Address))
def test_what_passes_is_global_and_its_wrapped_forms_pass_only_where_they_are_listed(address: IPv4Address) -> None:
    passes = NOBODY.why_forbidden(str(address)) is None
    assert not passes or (address.is_global and not address.is_multicast)
    isatap = wrapped(address)[-2:]
    others = wrapped(address)[:-2]
    assert all(NOBODY.why_forbidden(str(form)) for form in others)
    assert all((NOBODY.why_forbidden(str(form)) is None) == passes for form in isatap)
    nat64 = Networks.parse(["64:ff9b::/96"])
    assert (nat64.why_forbidden(str(wrapped(address)[3])) is None) == passes


@given(st.integers(0, 2**128 - 1).map(IPv6Address))
def test_an_ipv6_address_that_passes_is_global_unicast(address: IPv6Address) -> None:
    if NOBODY.why_forbidden(str(address)) is None:
        assert address.is_global
        assert address in ip_network("2000::/3")


# -- the operator's list

ENTRIES = st.sampled_from(
    [
        "10.0.0.0/8",
        "10.20.0.0/16",
        "192.168.7.5",
        "172.16.0.0/12",
        "127.0.0.1/32",
        "fd00::/8",
        "fc00::/7",
        "::1",
        "198.18.0.0/15",
    ]
)


@given(st.lists(ENTRIES, max_size=4), st.randoms(use_true_random=False))
def test_a_list_opens_exactly_its_networks(entries: list[str], dice: random.Random) -> None:
    networks = Networks.parse(entries)
    opened = [ip_network(entry) for entry in entries]
    for address in [*inner(dice.randint(0, 50), 2), *native(dice.randint(0, 50), 2)]:
        listed = any(address in network for network in opened)
        special = address in ip_network("fd00:ec2::/32") or str(address) in {"fd20:ce::254", "fd00:c1::a9fe:a9fe"}
        carries = isinstance(address, IPv6Address) and address != IPv6Address("::1")
        if not carries or not listed or special:
            assert (networks.why_forbidden(str(address)) is None) == (listed and not special), address


@pytest.mark.parametrize(
    ("entry", "metadata"),
    [
        ("169.254.0.0/16", "169.254.169.254"),
        ("169.254.169.0/24", "169.254.169.254"),
        ("169.254.0.0/16", "169.254.170.2"),
        ("100.64.0.0/10", "100.100.100.200"),
        ("168.63.0.0/16", "168.63.129.16"),
        ("192.0.0.0/24", "192.0.0.192"),
        ("fc00::/7", "fd00:ec2::254"),
        ("fd00::/8", "fd20:ce::254"),
        ("fd00:c1::/32", "fd00:c1::a9fe:a9fe"),
    ],
)
def test_a_metadata_service_opens_only_to_an_entry_that_means_it(entry: str, metadata: str) -> None:
    wide = Networks.parse([entry])
    assert wide.why_forbidden(metadata)
    assert not wide.lists(metadata)
    assert Networks.parse([metadata]).why_forbidden(metadata) is None
    assert Networks.parse([entry, metadata]).why_forbidden(metadata) is None


def test_a_wrapped_form_passes_only_if_it_is_listed_and_what_it_carries_may_be_reached_too() -> None:
    nat64, both = Networks.parse(["64:ff9b::/96"]), Networks.parse(["64:ff9b::/96", "10.0.0.0/8"])
    assert nat64.why_forbidden("64:ff9b::808:808") is None
    assert nat64.why_forbidden("64:ff9b::a01:203") == "a private network (10.0.0.0/8), in another form"
    assert both.why_forbidden("64:ff9b::a01:203") is None
    assert both.why_forbidden("64:ff9b::a9fe:a9fe")
    assert both.why_forbidden("::ffff:10.1.2.3"), "listing an address opens no other form of it"
    assert Networks.parse(["::/32", "::1"]).why_forbidden("::ffff:127.0.0.1")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0.0.0.0/0", "too wide"),
        ("::/0", "too wide"),
        ("0.0.0.0/1", "too wide"),
        ("8000::/1", "too wide"),
        ("any", "write 10.20.0.0/16"),
        ("", "write 10.20.0.0/16"),
        ("10.0.0.1/8", "bits set behind its prefix"),
        ("10.0.0.0/33", "can't be read"),
        ("minio.internal", "can't be read"),
        ("fe80::1%eth0", "zone"),
        ("64:ff9b:1::/48", "list the /96"),
        ("64:ff9b::/32", "list the /96"),
    ],
)
def test_an_entry_that_can_not_be_is_told_with_what_to_write(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=f"^entry 2 .*{said}"):
        Networks.parse(["10.0.0.0/8", text])


def test_a_list_shows_itself_and_may_have_spaces() -> None:
    assert repr(Networks.parse([" 10.0.0.0/8 ", "10.0.0.0/8", "fd12::1"])) == "Networks(10.0.0.0/8, fd12::1/128)"
    assert not NOBODY.lists("nonsense")
