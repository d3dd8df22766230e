"""CloudFormation, Terraform and shell: each makes exactly the documents that stand alone, and its own tools find nothing to say."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml  # type: ignore[import-untyped]  # it ships no types, and its stubs are one package more
from cfnlint.api import lint
from hypothesis import example, given, settings
from hypothesis import strategies as st

from config.errors import ConnectionSetupError
from credentials.grants import Grant
from credentials.policies import cloudformation, terraform
from credentials.policies.access import access_policy
from credentials.policies.bucket import bucket_policies
from credentials.policies.commands import commands
from credentials.policies.cors import cors_rules
from credentials.policies.names import description, policy_name, role_name
from credentials.policies.setup import Setup
from credentials.policies.trust import trust_policy
from credentials.policies.yaml import as_yaml
from tests.unit.credentials.policies import templates
from tests.unit.credentials.policies.setups import EXTERNAL_ID, ODD, PHOTOS, VARIANTS, setup, setups


@pytest.mark.parametrize(
    ("name", "form"), [*((name, "yaml") for name in VARIANTS), ("several", "json"), ("everything", "json")]
)
@pytest.mark.acceptance("CG-04", "CG-05", "CG-11")
def test_cfn_lint_finds_nothing_wrong_with_any_template(name: str, form: str) -> None:
    """Neither errors nor warnings."""
    assert [str(found) for found in lint(cloudformation.render(setup(**VARIANTS[name]), form=form))] == []


@pytest.mark.acceptance("CG-04", "CG-05", "CG-11")
def test_a_template_has_the_parameters_and_exports_the_outputs() -> None:
    template = yaml.safe_load(cloudformation.render(setup(), form="yaml"))
    assert {name: one["Default"] for name, one in template["Parameters"].items()} == {
        "BucketName": "acme-photos",
        "ExternalId": EXTERNAL_ID,
        "RoleName": "longshore-acme",
    }
    assert not any("NoEcho" in one for one in template["Parameters"].values())
    exported = {name: one["Export"]["Name"]["Fn::Sub"] for name, one in template["Outputs"].items()}
    assert exported == {"RoleArn": "${AWS::StackName}-RoleArn", "RoleName": "${AWS::StackName}-RoleName"}


def same_everywhere(asked: Setup) -> None:
    alone = (trust_policy(asked), access_policy(asked), role_name(asked))
    for read in (
        templates.cloudformation(cloudformation.render(asked, form="yaml")),
        templates.cloudformation(cloudformation.render(asked, form="json")),
        templates.terraform(terraform.render(asked)),
    ):
        assert (read.trust, read.access, read.role_name) == alone


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.acceptance("IN-11", "IN-12", "KO-10")
def test_a_template_makes_the_documents_that_stand_alone(name: str) -> None:
    same_everywhere(setup(**VARIANTS[name]))


@given(asked=setups())
@settings(deadline=None, max_examples=40)
@example(asked=setup(grants=(ODD, Grant(bucket="acme", prefix="line\nline\x7f/"))))
def test_whatever_a_prefix_holds_survives_every_template(asked: Setup) -> None:
    same_everywhere(asked)


def test_a_parameter_changes_its_bucket_its_external_id_and_nothing_else() -> None:
    asked = setup(grants=(PHOTOS, Grant(bucket="acme-photos-2"), Grant(bucket="acme-video")))
    theirs = setup(grants=(Grant(bucket="theirs", prefix="2026/"), *asked.grants[1:]), external_id="another-one")
    made = templates.cloudformation(
        cloudformation.render(asked, form="yaml"), BucketName="theirs", ExternalId="another-one", RoleName=""
    )
    planned = templates.terraform(terraform.render(asked), bucket_name="theirs", external_id="another-one")
    for read in (made, planned):
        assert read.trust == trust_policy(theirs)
        assert _unordered(read.access) == _unordered(access_policy(theirs))
    assert made.role_name is None, "CloudFormation chooses"


def _unordered(value: Any) -> Any:
    """Statements and lists as sets: the order of buckets is that of their names."""
    if isinstance(value, dict):
        return frozenset((name, _unordered(one)) for name, one in value.items() if name != "Sid")
    return frozenset(map(_unordered, value)) if isinstance(value, list) else value


@given(
    said=st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
    | st.sampled_from(["yes", "Null", "1e3", "a: b", "- a", "2012-10-17"])
)
@settings(deadline=None)
def test_our_yaml_is_read_back_as_it_was(said: str) -> None:
    """A key, a value, an element of a list of lists."""
    value = {"a": {said[:20]: said}, "b": [[said, said], {"c": said}, []], "d": {}, "e": 3, "f": True}
    assert yaml.safe_load(as_yaml(value)) == value


def test_a_script_makes_the_role(tmp_path: Path) -> None:
    asked = setup(role_name="theirs", grants=(PHOTOS, ODD), origins=("https://app.example.com",))
    calls = templates.shell(
        commands(asked), answers={"get-bucket-cors": "(NoSuchCORSConfiguration)"}, directory=tmp_path
    )
    assert [call[:2] for call, _ in calls] == [
        ["iam", "create-role"],
        ["iam", "put-role-policy"],
        ["iam", "get-role"],
    ] + [["s3api", "put-bucket-cors"]] * 2
    (create, trust), (put, access), _, (_, cors), _ = calls
    assert (trust, access, cors) == (trust_policy(asked), access_policy(asked), {"CORSRules": cors_rules(asked)})
    assert create[create.index("--description") + 1] == description(asked)
    assert put[put.index("--policy-name") + 1] == policy_name(asked)
    assert all(call[call.index("--role-name") + 1] == "theirs" for call, _ in calls[:3])


@pytest.mark.parametrize(
    ("answer", "put"), [("(NoSuchBucketPolicy)", True), ("(AccessDenied)", False), ('{"Policy": "..."}', False)]
)
def test_a_script_never_replaces_a_buckets_policy(answer: str, put: bool, tmp_path: Path) -> None:
    asked = setup(method="bucket", grants=(PHOTOS, Grant(bucket="acme-video")))
    calls = templates.shell(commands(asked), answers={"get-bucket-policy": answer}, directory=tmp_path)
    assert [document for _, document in calls] == (list(bucket_policies(asked).values()) if put else [])


def test_a_quick_create_link_fills_the_form_in() -> None:
    asked = setup(connection="acme_1")
    url = cloudformation.quick_create_url(
        asked, template_url="https://s3.amazonaws.com/ours/a template.yaml", region="eu-west-1"
    )
    parts = urlsplit(url)
    assert (parts.netloc, parts.query) == ("eu-west-1.console.aws.amazon.com", "region=eu-west-1")
    place, _, query = parts.fragment.partition("?")
    assert place == "/stacks/create/review"
    assert parse_qs(query, strict_parsing=True) == {
        "templateURL": ["https://s3.amazonaws.com/ours/a template.yaml"],
        "stackName": ["longshore-acme-1"],
        "param_BucketName": ["acme-photos"],
        "param_ExternalId": [EXTERNAL_ID],
        "param_RoleName": ["longshore-acme_1"],
    }
    with pytest.raises(ConnectionSetupError, match="deploy it from the command line"):
        cloudformation.quick_create_url(asked, template_url="https://example.com/" + "a" * 1000, region="eu-west-1")


def test_a_template_is_deployed_from_a_file() -> None:
    said = cloudformation.deploy_command(setup(), file="a b.yaml")
    assert (
        said
        == "aws cloudformation deploy --template-file 'a b.yaml' --stack-name longshore-acme --capabilities CAPABILITY_NAMED_IAM"
    )
