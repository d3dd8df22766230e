"""Everything that is asked of one place, in the order in which each needs what came before."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass

from config.errors import LongshoreError
from credentials.grants import Grant
from credentials.kinds import BucketSpec, KeysSpec
from credentials.places import place_text
from ingest.check.asking import BucketDoor
from ingest.check.causes import told
from ingest.check.objects import FIND, GET, HEAD, KMS, TAGS, VERSION, VERSION_TAGS, Found, ObjectTest, find
from ingest.check.opening import Opened
from ingest.check.places import LIST, REGION, PlaceTest, region_by_listing
from ingest.check.report import Step, failed, untried
from ingest.check.waiting import Spreading
from ingest.listable import DELIMITER, Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a test wants of a place."""

    place: Grant
    spec: BucketSpec
    test_key: bytes | None = None
    """What is read; None: the first object below `find_below`."""
    find_below: bytes = b""

    @property
    def about(self) -> str:
        return place_text(self.place)

    @property
    def names_endpoint(self) -> bool:
        return isinstance(self.spec, KeysSpec) and self.spec.endpoint is not None

    @property
    def reads(self) -> tuple[str, ...]:
        """The names of the steps that read an object."""
        spec = self.spec
        more = ((VERSION,) if spec.versions else ()) + ((TAGS,) if spec.tags else ())
        more += (VERSION_TAGS,) if spec.versions and spec.tags else ()
        return (HEAD, GET, *more, KMS)


def nothing_of(wanted: Wanted, why: str, *, names: tuple[str, ...] = (REGION, LIST)) -> list[Step]:
    return [untried(name, why, about=wanted.about) for name in (*names, *wanted.reads)]


async def through_place(door: BucketDoor, wanted: Wanted, opened: Opened, spreading: Spreading) -> AsyncGenerator[Step]:
    """Each step when it has been taken. `door`: of the place's bucket, signed by nobody."""
    access, repairs = opened.access, opened.repairs
    signed = door if access is None else door.signed_by(access)
    assert repairs is not None
    test = PlaceTest(
        door=signed,
        place=wanted.place,
        repairs=repairs,
        spreading=spreading,
        said_region=wanted.spec.region,
        account=opened.account,
        is_tenants=wanted.names_endpoint,
    )
    reached, region = await test.reach()
    yield reached
    why = "the endpoint was not reached" if reached.outcome == "failed" else "there is no session to ask with"
    if access is None or reached.outcome == "failed":
        yield region or untried(REGION, why, about=wanted.about)
        for step in nothing_of(wanted, why, names=(LIST,)):
            yield step
        return
    listed, shape = await test.list()
    if region is None:
        works = listed.outcome == "passed"
        why = "the server does not tell, and no listing shows it"
        region = region_by_listing(test) if works else untried(REGION, why, about=wanted.about)
    yield region
    yield listed
    if wanted.spec.versions:
        yield await test.versions()
    for step in await _objects(signed, wanted, opened, spreading, shape):
        yield step


async def _objects(
    door: BucketDoor, wanted: Wanted, opened: Opened, spreading: Spreading, shape: Shape | None
) -> list[Step]:
    assert opened.repairs is not None
    if wanted.test_key is not None:
        found = Found(keys=[wanted.test_key])
    elif shape is None or shape.kind == "denied":
        why = "without a listing, no object is known: set a test location, and the test reads that"
        return nothing_of(wanted, why, names=())
    else:
        try:
            found = await find(door, wanted.find_below or wanted.place.prefix.encode(), shape)
        except LongshoreError as error:
            return [failed(FIND, told(error), about=wanted.about), *nothing_of(wanted, "no object was found", names=())]
    if not found.keys:
        vital = untried(HEAD, found.why_none(), about=wanted.about, vital=True)
        return [vital, *(untried(name, "there is no object to read", about=wanted.about) for name in wanted.reads[1:])]
    test = ObjectTest(
        door=door,
        place=wanted.place,
        repairs=opened.repairs,
        spreading=spreading,
        key=found.keys[0],
        others=found.keys[1:],
        listed=True if wanted.test_key is None else None,
        kms_keys=wanted.spec.kms_keys,
    )
    return await _of_object(test, wanted)


async def _of_object(test: ObjectTest, wanted: Wanted) -> list[Step]:
    steps = await test.read()
    if wanted.spec.versions:
        steps.append(await test.version())
    if wanted.spec.tags:
        steps.append(await test.tags())
    if wanted.spec.versions and wanted.spec.tags:
        steps.append(await test.version_tags())
    return [*steps, test.decrypt()]


def wanted_of(place: Grant, spec: BucketSpec) -> Wanted:
    """With the test location, if it lies in this place."""
    at = spec.test_location
    head = f"s3://{place.bucket}/"
    if at is None or not at.startswith(head + place.prefix):
        return Wanted(place=place, spec=spec)
    key = at.removeprefix(head).encode()
    if not key or key.endswith(DELIMITER):
        return Wanted(place=place, spec=spec, find_below=key)
    return Wanted(place=place, spec=spec, test_key=key)
