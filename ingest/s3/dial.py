"""Where every socket to a storage begins: hides names, addresses and TLS. No address is connected to that was not permitted."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeVar

from config.limits import Limits
from config.networks import Networks
from ingest.s3.transport import TransportError

P = TypeVar("P", bound=asyncio.Protocol)

Permit = Callable[[str, str], None]
"""Given a host and one of its IP addresses; raises TransportError (AddressDenied) if that may not be connected to."""
LookUp = Callable[[str, int], Awaitable[list["Where"]]]


class Where(NamedTuple):
    """One address of a host."""

    family: socket.AddressFamily
    ip: str
    port: int


def anywhere(_host: str, _ip: str) -> None:
    """Endpoints come from the operator, who may have a storage in the next rack."""


def guarding(networks: Networks) -> Permit:
    """For whatever tenants may name: no address inside is connected to, however a name or a notation leads there."""

    def permit(host: str, ip: str) -> None:
        if why := networks.why_forbidden(ip):
            raise TransportError(
                "AddressDenied",
                f"{host[:253]} leads to {why}, and is not connected to; the operator opens networks by LONGSHORE_NETWORKS",
            )

    return permit


async def ask_system(host: str, port: int) -> list[Where]:
    """Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [Where(family, str(address[0]), port) for family, _, _, _, address in found]


class _Name:
    """What is known of one name."""

    __slots__ = ("asking", "turn", "until", "wheres")

    def __init__(self) -> None:
        self.asking = asyncio.Lock()
        self.turn = 0
        self.until = 0.0
        self.wheres: list[Where] = []


class Dialer:
    """Looks names up, asks whether their addresses are permitted, and connects to just those: there is no second look-up."""

    def __init__(
        self,
        limits: Limits,
        *,
        permit: Permit = anywhere,
        look_up: LookUp = ask_system,
        trust: ssl.SSLContext | None = None,
        monotonic: Callable[[], float] | None = None,
    ) -> None:
        """`trust`: the certificates that are good; None: those of the system."""
        self._limits = limits
        self._permit = permit
        self._look_up = look_up
        self._trust = trust
        self._monotonic = monotonic or asyncio.get_running_loop().time
        self._names: OrderedDict[tuple[str, int], _Name] = OrderedDict()

    @property
    def trust(self) -> ssl.SSLContext:
        """Made at the first use: it reads a few hundred certificates."""
        if self._trust is None:
            self._trust = ssl.create_default_context()
            self._trust.set_alpn_protocols(["http/1.1"])
        return self._trust

    async def wheres(self, host: str, port: int) -> list[Where]:
        """The addresses that may be connected to, beginning with another one each time. Raises TransportError, or OSError."""
        name = self._names.get((host, port))
        if name is None:
            name = self._names[host, port] = _Name()
            if len(self._names) > self._limits.names:
                self._names.popitem(last=False)
        async with name.asking:
            if self._monotonic() >= name.until:
                name.wheres = list(dict.fromkeys(await self._look_up(host, port)))
                name.until = self._monotonic() + self._limits.names_s
        name.turn += 1
        turned = [name.wheres[(name.turn + step) % len(name.wheres)] for step in range(len(name.wheres))]
        return self._permitted(host, turned)

    def _permitted(self, host: str, wheres: list[Where]) -> list[Where]:
        good, denial = [], None
        for where in wheres:
            try:
                self._permit(host, where.ip)
            except TransportError as error:
                denial = error
            else:
                good.append(where)
        if not good:
            raise denial or TransportError("Unreachable", "the server can't be reached (its name has no address)")
        return good

    async def dial(self, scheme: str, host: str, port: int, protocol: Callable[[], P]) -> P:
        """A protocol that is connected, with TLS if the scheme is https, within `connect_s`. Raises TransportError."""
        context = self.trust if scheme == "https" else None
        try:
            async with asyncio.timeout(self._limits.connect_s):
                return await self._first(host, await self.wheres(host, port), context, protocol)
        except TimeoutError:
            raise TransportError("TimedOut", dialling=True) from None
        except OSError as error:
            raise unreachable(error) from None

    async def _first(
        self, host: str, wheres: list[Where], context: ssl.SSLContext | None, protocol: Callable[[], P]
    ) -> P:
        """Each address but the last may take half of the time that is left."""
        left_s = self._limits.connect_s
        for where in wheres[:-1]:
            left_s /= 2
            try:
                async with asyncio.timeout(left_s):
                    return await _connect(host, where, context, protocol)
            except ssl.SSLCertVerificationError:
                raise
            except OSError:
                continue  # TimeoutError is one, too
        return await _connect(host, wheres[-1], context, protocol)


async def _connect(host: str, where: Where, context: ssl.SSLContext | None, protocol: Callable[[], P]) -> P:
    loop = asyncio.get_running_loop()
    raw = socket.socket(where.family, socket.SOCK_STREAM)
    try:
        raw.setblocking(False)  # noqa: FBT003 - its only parameter
        await loop.sock_connect(raw, (where.ip, where.port))
    except BaseException:
        raw.close()
        raise
    name = host.rstrip(".") if context is not None else None  # a certificate's names have no dot at their end
    _, connected = await loop.create_connection(protocol, sock=raw, ssl=context, server_hostname=name)
    return connected


def unreachable(error: OSError) -> TransportError:
    """Raise it outside of the library's own error."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return TransportError("CertificateInvalid", f"the server's certificate is not good ({error.verify_message})")
    why = error.strerror or type(error).__name__
    return TransportError("Unreachable", f"the server can't be reached ({type(error).__name__}: {why})")
