"""The CloudFormation template: the customer's role with its trust and its permissions, and how to launch it."""

from __future__ import annotations

import json
import shlex
from typing import Any, Final
from urllib.parse import quote, urlencode

from config.errors import ConnectionSetupError
from credentials.policies.access import access_policy
from credentials.policies.names import description, policy_name, role_name, stack_name
from credentials.policies.parameters import Filled, parameterised
from credentials.policies.setup import Setup
from credentials.policies.trust import trust_policy
from credentials.policies.yaml import as_yaml

TEMPLATE_CHARACTERS: Final = 51_200
"""A template that is sent with the request, not from S3 (CloudFormation quotas)."""
URL_CHARACTERS: Final = 1_024
"""A quick-create link (CloudFormation User Guide)."""
_CONSOLES: Final = {"aws-cn": "console.amazonaws.cn", "aws-us-gov": "console.amazonaws-us-gov.com"}
_NAMED: Final = "HasRoleName"


def template(setup: Setup) -> dict[str, Any]:
    """The template as plain data.

    BucketName is the bucket that was named first; further buckets stand in it as they are. No parameter is NoEcho: an external ID is
    no secret, and quick-create links leave such parameters out.
    """
    role = {
        "RoleName": {"Fn::If": [_NAMED, {"Ref": "RoleName"}, {"Ref": "AWS::NoValue"}]},
        "Description": description(setup),
        "AssumeRolePolicyDocument": parameterised(trust_policy(setup), setup, _written),
        "Policies": [
            {
                "PolicyName": policy_name(setup),
                "PolicyDocument": parameterised(access_policy(setup), setup, _written),
            }
        ],
    }
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": description(setup),
        "Parameters": _parameters(setup),
        "Conditions": {_NAMED: {"Fn::Not": [{"Fn::Equals": [{"Ref": "RoleName"}, ""]}]}},
        "Resources": {"Role": {"Type": "AWS::IAM::Role", "Properties": role}},
        "Outputs": {
            "RoleArn": _output("The ARN of the role: give it to longshore", {"Fn::GetAtt": ["Role", "Arn"]}),
            "RoleName": _output("The name of the role", {"Ref": "Role"}),
        },
    }


def render(setup: Setup, *, form: str) -> str:
    """The template's text, `yaml` or `json`. Raises ConnectionSetupError when CloudFormation takes none of its size."""
    # some read JSON as YAML, which takes a letter beyond U+FFFF as itself, never as two escapes
    plain = template(setup)
    text = as_yaml(plain) if form == "yaml" else json.dumps(plain, indent=2, ensure_ascii=False) + "\n"
    if len(text) > TEMPLATE_CHARACTERS:
        raise ConnectionSetupError(
            f"the template has {len(text):,} characters, and CloudFormation takes {TEMPLATE_CHARACTERS:,}: permit whole buckets "
            "instead of many places, or use --format yaml, which is shorter",
            code="TemplateTooLong",
        )
    return text


def deploy_command(setup: Setup, *, file: str) -> str:
    """A stack may name its role, so it always gets the right to; what the command makes is the same without."""
    return (
        f"aws cloudformation deploy --template-file {shlex.quote(file)} --stack-name {stack_name(setup)} "
        "--capabilities CAPABILITY_NAMED_IAM"
    )


def outputs_command(setup: Setup) -> str:
    return f"aws cloudformation describe-stacks --stack-name {stack_name(setup)} --query 'Stacks[0].Outputs' --output table"


def quick_create_url(setup: Setup, *, template_url: str, region: str) -> str:
    """A link that opens the console with everything filled in. The template must lie in S3, where the customer may read it.

    Raises ConnectionSetupError when the link gets longer than the console takes.
    """
    given = {"templateURL": template_url, "stackName": stack_name(setup)}
    given |= {f"param_{name}": one["Default"] for name, one in _parameters(setup).items() if one["Default"]}
    console = f"{region}.{_CONSOLES.get(setup.partition, 'console.aws.amazon.com')}"
    url = f"https://{console}/cloudformation/home?region={region}#/stacks/create/review?{urlencode(given, quote_via=quote)}"
    if len(url) > URL_CHARACTERS:
        raise ConnectionSetupError(
            f"the quick-create link has {len(url):,} characters, and the console takes {URL_CHARACTERS:,}: put the template at a "
            "shorter URL, or deploy it from the command line"
        )
    return url


def _parameters(setup: Setup) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    if setup.scope == "s3":
        found["BucketName"] = {
            "Type": "String",
            "Description": "The bucket to read",
            "Default": setup.first_bucket,
            "MinLength": 3,
            "MaxLength": 63,
            "AllowedPattern": "^[a-z0-9][a-z0-9.-]*[a-z0-9]$",
        }
    if setup.external_id is not None:
        found["ExternalId"] = {
            "Type": "String",
            "Description": "What longshore says when it assumes the role; it was issued for this connection, so leave it",
            "Default": setup.external_id,
            "MinLength": 2,
            "MaxLength": 1224,
            "AllowedPattern": "^[A-Za-z0-9_+=,.@:/-]*$",
        }
    found["RoleName"] = {
        "Type": "String",
        "Description": "What to call the role; empty lets CloudFormation choose",
        "Default": role_name(setup),
        "MaxLength": 64,
        "AllowedPattern": "^[A-Za-z0-9_+=,.@-]*$",
    }
    return found


def _output(said: str, value: dict[str, Any]) -> dict[str, Any]:
    name = "RoleArn" if "Fn::GetAtt" in value else "RoleName"
    return {"Description": said, "Value": value, "Export": {"Name": {"Fn::Sub": f"${{AWS::StackName}}-{name}"}}}


def _written(filled: Filled) -> dict[str, Any]:
    if not filled.before and not filled.after:
        return {"Ref": filled.parameter}
    if "$" in filled.after:
        # Fn::Sub would take a policy's own ${*} for a variable
        return {"Fn::Join": ["", [filled.before, {"Ref": filled.parameter}, filled.after]]}
    return {"Fn::Sub": f"{filled.before}${{{filled.parameter}}}{filled.after}"}
