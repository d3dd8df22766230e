"""A Sid occurs once in a policy, also where the statements of several connections, workspaces or places are put into one."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given

from credentials.grants import Grant
from credentials.policies.access import access_policy
from credentials.policies.bucket import bucket_policies
from credentials.policies.kms import key_statement
from credentials.policies.repair import statement_for
from credentials.policies.setup import Setup
from tests.fakes.iam import check
from tests.unit.credentials.policies.setups import CUSTOMER, KEY, OTHER_KEY, PHOTOS, setup, setups


@given(first=setups(workspace="main"), second=setups(workspace="beta"))
def test_the_statements_of_two_workspaces_fit_into_one_policy(first: Setup, second: Setup) -> None:
    """Each workspace has its bucket's policy and its repairs; the bucket has one policy, in which a Sid occurs once."""
    found = []
    for one in (first, second):
        own = replace(one, method="bucket", grants=(PHOTOS, *one.grants))
        found += bucket_policies(own)[PHOTOS.bucket]["Statement"]
        found += [statement_for(need, own, place) for need in ("list", "get") for place in dict.fromkeys(own.grants)]
    check({"Statement": found}, principal=True)


def test_the_statements_for_several_places_and_keys_fit_into_one_policy() -> None:
    places = [PHOTOS, Grant(bucket="acme-photos"), Grant(bucket="acme-video")]
    found = [statement_for(need, setup(), place) for need in ("list", "get", "put") for place in places]
    found += [statement_for("decrypt", setup(), PHOTOS, key_arn=key) for key in (KEY, OTHER_KEY)]
    check({"Statement": [*access_policy(setup())["Statement"], *found]}, principal=False)
    assert statement_for("list", setup(), PHOTOS) == found[0], "the same again is the same statement"


def test_the_statements_of_two_connections_fit_into_one_keys_policy() -> None:
    found = [key_statement(setup(connection=name, kms_keys=(KEY,), role_arn=CUSTOMER)) for name in ("acme", "video")]
    check({"Statement": found}, principal=True)
