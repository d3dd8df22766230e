"""How a connection of one workspace becomes something to read from: joins registry, sessions, sockets and pace."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from weakref import WeakValueDictionary

from config.origins import well_formed
from config.settings import Settings
from credentials.access import Accesses
from credentials.connection import Connection
from credentials.events import Event as CredentialEvent
from credentials.events import SessionRefreshed
from credentials.grants import Grant
from credentials.kinds import BasicSpec, BearerSpec, KeysSpec
from credentials.output import encryption_headers
from credentials.registry import Registry
from credentials.session import Access
from credentials.sessions import session_name
from credentials.web import Login, Nobody, WebAccess
from ingest.copy_place import CopyPlace
from ingest.events import Observe
from ingest.gate import Gates
from ingest.https import Fetcher
from ingest.s3.address import Address
from ingest.s3.asker import Asker
from ingest.s3.client import Location, S3Client
from ingest.s3.copying import S3Copier
from ingest.s3.regions import Regions
from ingest.s3.tagging import S3Tags
from ingest.s3.transport import Transport
from ingest.sources.https import HttpsSource


class Storage:
    """Connections, sessions and buckets of one workspace, as `ingest.work` asks for them."""

    def __init__(
        self,
        *,
        settings: Settings,
        registry: Registry,
        accesses: Accesses,
        http: Transport,
        guarded: Transport,
        gates: Gates,
        regions: Regions,
    ) -> None:
        """`http` goes where the operator sends it; `guarded` to public addresses only, and goes where a tenant says."""
        self._settings, self._registry, self._accesses = settings, registry, accesses
        self._http, self._guarded, self._gates = http, guarded, gates
        self._regions = regions
        self._fetcher = Fetcher(
            guarded, settings.limits, allowed=settings.origins + settings.public_origins, networks=settings.opened
        )
        self._sts_asked: OrderedDict[str, Callable[[], None]] = OrderedDict()
        self._shares: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        """By connection, as long as somebody reads through it."""
        self._servers: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        """By origin, of HTTPS servers: few are built for as many requests as S3 is."""
        self._copying: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        """As above, for copies alone."""

    @property
    def workspace(self) -> str:
        return self._settings.workspace

    async def connection(self, name: str) -> Connection:
        return await self._registry.get(name, workspace=self._settings.workspace)

    async def connections(self) -> list[Connection]:
        """All that the workspace sees."""
        return await self._registry.list(workspace=self._settings.workspace)

    async def access(
        self,
        connection: Connection,
        *,
        run_id: str,
        places: Sequence[Grant],
        copy_to: Grant | None,
        sts_asked: Callable[[], None],
    ) -> Access:
        self._sts_asked[session_name(run_id)] = sts_asked
        self._sts_asked.move_to_end(session_name(run_id))
        if len(self._sts_asked) > self._settings.limits.sessions:
            self._sts_asked.popitem(last=False)
        return await self._accesses.open(connection, run_id=run_id, places=places, copy_to=copy_to)

    async def signing(self, connection: Connection, buckets: Sequence[str]) -> Access:
        """The access that signs URLs of objects in these buckets. Raises what `Accesses.open` raises."""
        places = [Grant(bucket=bucket, prefix="") for bucket in buckets]
        return await self._accesses.open(connection, run_id="presign", places=places)

    async def address(self, connection: Connection, bucket: str) -> Address:
        """Where URLs of this bucket lead. Raises OutOfScopeError, RequestRefusedError, RegionError."""
        return await self._regions.address(*self.location(connection, bucket))

    def location(self, connection: Connection, bucket: str) -> tuple[Location, Transport]:
        """Where a bucket is asked, and over what. Raises OutOfScopeError for a connection that reads no buckets."""
        spec = connection.bucket_spec
        endpoint = spec.endpoint if isinstance(spec, KeysSpec) else None
        location = Location(
            bucket=bucket,
            region=spec.region or self._settings.region,
            endpoint=endpoint or self._settings.s3_endpoint,
            path_style=spec.path_style if isinstance(spec, KeysSpec) else None,
            requester_pays=spec.requester_pays,
            expected_owner=spec.expected_owner,
        )
        return location, self._http if endpoint is None else self._guarded

    def bucket(self, connection: Connection, access: Access, bucket: str, *, observe: Observe) -> S3Client:
        location, http = self.location(connection, bucket)
        return S3Client(
            http=http,
            gates=self._gates,
            access=access,
            location=location,
            limits=self._settings.limits,
            share=self._reading(connection),
            observe=observe,
        )

    def tags(self, connection: Connection, access: Access, bucket: str, *, observe: Observe) -> S3Tags:
        """What reads the tags of objects of a bucket."""
        location, http = self.location(connection, bucket)
        return S3Tags(self._asker(access, location, http, self._reading(connection), observe))

    def copier(self, connection: Connection, access: Access, place: CopyPlace, *, observe: Observe) -> S3Copier:
        """What copies into a place of the operator's, which is where the operator's own storage is. It is encrypted as the
        connection says of its output, where that is its place.
        """
        spec = connection.bucket_spec
        location = Location(bucket=place.bucket, region=self._settings.region, endpoint=self._settings.s3_endpoint)
        out = spec.output
        inside = out is not None and out.bucket == place.bucket and place.prefix.startswith(out.prefix)
        share = _share(self._copying, connection.id, self._settings.limits.copies_per_connection)
        asker = self._asker(access, location, self._http, share, observe)
        return S3Copier(asker, encryption=encryption_headers(spec) if inside else None)

    def _asker(
        self, access: Access, location: Location, http: Transport, share: asyncio.Semaphore, observe: Observe
    ) -> Asker:
        return Asker(
            http=http,
            gates=self._gates,
            access=access,
            location=location,
            limits=self._settings.limits,
            share=share,
            observe=observe,
        )

    def _reading(self, connection: Connection) -> asyncio.Semaphore:
        return _share(self._shares, connection.id, self._settings.limits.requests_per_connection)

    async def login(self, connection: Connection) -> WebAccess:
        """What HTTPS servers are shown. Raises what reading the secret raises."""
        if isinstance(connection.spec, BasicSpec | BearerSpec):
            again = partial(self._registry.secret, connection, fresh=True)
            return Login(connection.spec, await self._registry.secret(connection), again=again)
        return Nobody()

    def web(self, connection: Connection, access: WebAccess, origin: str, *, observe: Observe) -> HttpsSource:
        """An HTTPS server. Where anybody may name any, metrics know those alone that the operator names."""
        bounded = connection.kind != "default" or connection.public.names(well_formed(origin))
        return HttpsSource(
            fetcher=self._fetcher,
            gates=self._gates,
            share=_share(self._servers, origin, self._settings.limits.https_at_once),
            access=access,
            follows=connection.follows,
            origin=origin,
            label=origin if bounded else "https://*",
            limits=self._settings.limits,
            observe=observe,
        )

    def session_asked(self, event: CredentialEvent) -> None:
        """A session carries its run in its name, so what STS is asked for is metered on the run."""
        if isinstance(event, SessionRefreshed) and (asked := self._sts_asked.get(event.session_name)):
            asked()


def _share(kept: WeakValueDictionary[str, asyncio.Semaphore], whose: str, most: int) -> asyncio.Semaphore:
    """What all runs have in flight together, of one connection or to one server."""
    share = kept.get(whose)
    if share is None:
        share = kept[whose] = asyncio.Semaphore(most)
    return share
