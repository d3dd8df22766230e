"""Everything that is asked of one place, in the order in which each needs what came before."""

from __future__ import annotations

from dataclasses import dataclass

from credentials.grants import Grant
from credentials.kinds import BucketSpec, KeysSpec
from credentials.places import place_text
from ingest.check.asking import BucketDoor
from ingest.check.finding import FIND, Found, find
from ingest.check.objects import GET, HEAD, KMS, TAGS, VERSION, VERSION_TAGS, ObjectTest
from ingest.check.opening import Opened
from ingest.check.places import LIST, REACH, REGION, VERSIONS, PlaceTest, region_by_listing
from ingest.check.report import Step, Taken, untried
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


async def through_place(door: BucketDoor, wanted: Wanted, opened: Opened, spreading: Spreading, found: Taken) -> None:
    """`found` gets each step when it has been taken. `door`: of the place's bucket, signed by nobody."""
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
    found.begin(REACH, wanted.about)
    reached, region = await test.reach()
    found.append(reached)
    why = "the endpoint was not reached" if reached.outcome == "failed" else "there is no session to ask with"
    if access is None or reached.outcome == "failed":
        found.append(region or untried(REGION, why, about=wanted.about))
        found.extend(nothing_of(wanted, why, names=(LIST,)))
        return
    found.begin(LIST, wanted.about)
    listed, shape = await test.list()
    if region is None:
        works = shape is not None and shape.kind != "denied"
        why = "the server does not tell, and no listing shows it"
        region = region_by_listing(test) if works else untried(REGION, why, about=wanted.about)
    found.append(region)
    found.append(listed)
    if wanted.spec.versions:
        found.begin(VERSIONS, wanted.about)
        found.append(await test.versions())
    await _objects(test, wanted, shape, found, is_told=listed.outcome == "failed")


async def _objects(place: PlaceTest, wanted: Wanted, shape: Shape | None, found: Taken, *, is_told: bool) -> None:
    """`is_told`: what forbids to list has been told."""
    if wanted.test_key is not None:
        met = Found(keys=[wanted.test_key])
    elif shape is None or shape.kind == "denied":
        why = "without a listing, no object is known: set a test location, and the test reads that"
        found.extend(nothing_of(wanted, why, names=()))
        return
    else:
        found.begin(FIND, wanted.about)
        met = await find(place.door, wanted.find_below or wanted.place.prefix.encode(), shape)
        if met.error is not None and not is_told:
            found.append(place.listing_refused(FIND, met.error))
    if not met.keys:
        why = met.why_none() if met.error is None else "no object was found"
        found.append(untried(HEAD, why, about=wanted.about, vital=met.error is None))
        found.extend(untried(name, "there is no object to read", about=wanted.about) for name in wanted.reads[1:])
        return
    test = ObjectTest(
        door=place.door,
        place=wanted.place,
        repairs=place.repairs,
        spreading=place.spreading,
        key=met.keys[0],
        others=met.keys[1:],
        listed=True if wanted.test_key is None else None,
        kms_keys=wanted.spec.kms_keys,
    )
    await _of_object(test, wanted, found)


async def _of_object(test: ObjectTest, wanted: Wanted, found: Taken) -> None:
    found.begin(f"{HEAD} and {GET}", test.about)
    found.extend(await test.read())
    if wanted.spec.versions:
        found.begin(VERSION, test.about)
        found.append(await test.version())
    if wanted.spec.tags:
        found.begin(TAGS, test.about)
        found.append(await test.tags())
    if wanted.spec.versions and wanted.spec.tags:
        found.begin(VERSION_TAGS, test.about)
        found.append(await test.version_tags())
    found.append(test.decrypt())


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
