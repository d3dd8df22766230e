"""Suggests what to call things in the customer's account; every name may be another one."""

from __future__ import annotations

import hashlib
import re
from typing import Final

from credentials.places import place_text
from credentials.policies.setup import Setup

_ROLE_CHARACTERS: Final = 64
_SHOWN: Final = 3


def role_name(setup: Setup) -> str:
    """What the customer asked for, or `longshore-CONNECTION`: a valid name of a role (1 to 64 characters)."""
    return setup.role_name or _short(f"longshore-{setup.connection}")


def reader(setup: Setup) -> str:
    """Who reads: the customer's role, or we ourselves where the bucket's policy lets us in.

    A role that does not exist yet has words in capitals where its account belongs: AWS takes no policy until they are replaced.
    """
    if setup.method == "bucket":
        return setup.principal
    return setup.role_arn or f"arn:{setup.partition}:iam::ACCOUNT-ID:role/{role_name(setup)}"


def policy_name(setup: Setup) -> str:
    """A valid name of a policy (1 to 128 characters), and of what it does."""
    return f"longshore-{setup.connection}-{_does(setup)}"


def stack_name(setup: Setup) -> str:
    """CloudFormation takes letters, digits and hyphens, a letter first, 128 at most."""
    return f"longshore-{setup.connection}".replace("_", "-")


def description(setup: Setup) -> str:
    """One sentence for the description of a role or a policy: 1,000 characters at most, none of which a shell or a template reads."""
    if setup.scope == "bedrock":
        return f"Lets longshore ({setup.connection}) invoke Bedrock models; no bucket"
    places = sorted(dict.fromkeys(place_text(grant) for grant in setup.grants))
    shown = ", ".join(place if len(place) <= 200 else f"{place[:200]}..." for place in places[:_SHOWN])
    more = f" and {len(places) - _SHOWN} more" if len(places) > _SHOWN else ""
    doing = "read, and write results of," if setup.writes else "list and read, never change,"
    said = f"Lets longshore ({setup.connection}) {doing} {shown}{more}"
    return re.sub(r"[^\w ,.:;/()*+=@-]", "?", said, flags=re.ASCII)


def _does(setup: Setup) -> str:
    if setup.scope == "bedrock":
        return "invoke"
    return "read-write" if setup.writes else "read"


def _short(name: str) -> str:
    if len(name) <= _ROLE_CHARACTERS:
        return name
    told_apart = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: _ROLE_CHARACTERS - 9]}-{told_apart}"
