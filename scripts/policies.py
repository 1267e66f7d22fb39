#!/usr/bin/env python3
"""Checks every policy in a SAM template, as SAM expands it, against the reference data of IAM that policy_sentry keeps.

Each action exists and has something in its statement to work on; each resource is one that an action of its statement
works on; each kind of resource that an action requires is allowed, and each action that AWS takes in the caller's name;
each key of a condition is known for the actions next to it; and the policies are not too long for a role.
"""

import argparse
import fnmatch
import json
import logging
import os
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

# SAM asks for a region to learn the partition; no account is looked at.
os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")

from policy_sentry.shared.iam_data import get_service_prefix_data
from samtranslator.translator.managed_policy_translator import ManagedPolicyLoader
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

# It warns of its own metrics, which nobody gathers here.
logging.getLogger("samtranslator").setLevel(logging.ERROR)

# As long as they get, because the length of policies is limited.
PSEUDO_PARAMETERS = {"AWS::Partition": "aws-us-gov", "AWS::Region": "us-gov-west-1", "AWS::AccountId": "123456789012"}

# Characters that the inline policies of a role may have together, and a managed policy; white space does not count.
LONGEST_INLINE_POLICIES = 10_240
LONGEST_MANAGED_POLICY = 6_144

# Keys of every request, as far as they are used here. Keys about tags are not among them: the reference data says which
# actions and resources know them.
GLOBAL_KEYS = {"aws:securetransport"}

# What an action takes in the caller's name only for something that the function does not ask for.
UNUSED_DEPENDENCIES = {
    # Stacks without their names (API reference of DescribeStacks, StackName).
    "cloudformation:DescribeStacks": {"cloudformation:ListStacks"},
    # The export of a snapshot to a bucket.
    "elasticache:CreateSnapshot": {"s3:DeleteObject", "s3:GetBucketAcl", "s3:PutObject"},
}


class Template:
    """What SAM makes of a template, with values for its parameters."""

    def __init__(self, source: dict, parameters: dict[str, str]) -> None:
        for resource in source["Resources"].values():
            if resource["Type"] == "AWS::Serverless::Function":
                # SAM takes code from a bucket only.
                resource["Properties"]["CodeUri"] = "s3://bucket/key"
        self.parameters = source.get("Parameters", {})
        defaults = {name: parameter.get("Default", "") for name, parameter in self.parameters.items()}
        self.values = {**defaults, **parameters, **PSEUDO_PARAMETERS}
        self.resources = transform(source, {}, ManagedPolicyLoader(None))["Resources"]

    def policies(self) -> Iterator[tuple[str, dict]]:
        """Every policy document with the place where it stands, plain: functions are resolved."""
        for name, resource in self.resources.items():
            properties = resource.get("Properties", {})
            if resource["Type"] == "AWS::Lambda::Permission":
                yield name, {"Statement": {"Effect": "Allow", "Action": properties["Action"]}}
            for place, document in documents(name, properties):
                yield place, self.plain(document)

    def plain(self, value):
        """A value with its functions resolved; of an Fn::If both branches count."""
        match value:
            case {"Ref": name} if name in self.values:
                text = str(self.values[name])
                is_list = "List" in self.parameters.get(name, {}).get("Type", "")
                return [part.strip() for part in text.split(",")] if is_list else text
            case {"Fn::Sub": str(text)}:
                return re.sub(r"\$\{([\w:]+)\}", lambda name: str(self.values[name[1]]), text)
            case {"Fn::GetAtt": [name, "Arn"]}:
                _, service, kind = self.resources[name]["Type"].lower().split("::")
                return wildcards(get_service_prefix_data(service)["resources"][kind]["arn"])
            case {"Fn::If": [_, *branches]}:
                return self.plain([branch for branch in branches if branch != {"Ref": "AWS::NoValue"}])
            case {"Ref": _} | {"Fn::Sub": _} | {"Fn::GetAtt": _} | {"Fn::Join": _}:
                raise SystemExit(f"{json.dumps(value)} is not understood in a policy")
            case dict():
                return {key: self.plain(inner) for key, inner in value.items()}
            case list():
                return [part for inner in value for part in listed(self.plain(inner))]
        return value

    def kind(self, place: str) -> str:
        """The type of the resource that a place is in."""
        return self.resources[place.split(".")[0]]["Type"]


def documents(place: str, value) -> Iterator[tuple[str, dict]]:
    if isinstance(value, dict) and "Statement" in value:
        yield place, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from documents(f"{place}.{key}", inner)
    elif isinstance(value, list):
        for inner in value:
            yield from documents(place, inner)


def listed(value) -> list:
    return value if isinstance(value, list) else [value]


def wildcards(arn: str) -> str:
    """The form of an ARN, with a wildcard for each of its variables."""
    return re.sub(r"\$\{\w+\}", "*", arn)


def same_arn(one: str, other: str) -> bool:
    """Whether an ARN can match both patterns. A wildcard ends with its part of the ARN."""
    if "*" in (one, other):
        return True
    return all(overlap(*parts) for parts in zip(one.split(":", 5), other.split(":", 5), strict=True))


@cache
def overlap(one: str, other: str) -> bool:
    """Whether a text can match both patterns."""
    if not one or not other:
        return not (one + other).strip("*")
    if one[0] == "*":
        return overlap(one[1:], other) or overlap(one, other[1:])
    if other[0] == "*":
        return overlap(other, one)
    return (one[0] == other[0] or "?" in (one[0], other[0])) and overlap(one[1:], other[1:])


class Action:
    """An action of the reference data."""

    def __init__(self, service: str, data: dict) -> None:
        self.name = f"{service}:{data['privilege']}"
        kinds = get_service_prefix_data(service)["resources"]
        rows = data["resource_types"].values()
        # The row without a kind has the keys that belong to no kind of resource, or to each.
        self.rows = {row["resource_type"]: row for row in rows if row["resource_type"]}
        self.common_keys = [key for row in rows if not row["resource_type"] for key in row["condition_keys"]]
        self.arns = {kind: wildcards(kinds[kind]["arn"]) for kind in self.rows}
        # The other keys of a kind are of requests, and the rows say which requests have them.
        self.tag_keys = {
            kind: [key for key in kinds[kind]["condition_keys"] if "ResourceTag/" in key] for kind in self.rows
        }
        self.dependencies = {action for row in rows for action in row["dependent_actions"]}

    def works_on(self, resource: str) -> list[str]:
        """The kinds of resources among those that a policy's resource stands for; one empty kind for no resource."""
        if not self.rows:
            return [""] if resource == "*" else []
        return [kind for kind, arn in self.arns.items() if same_arn(resource, arn)]

    def knows(self, key: str, kind: str) -> bool:
        known = self.common_keys + (self.rows[kind]["condition_keys"] + self.tag_keys[kind] if kind else [])
        return any(is_key(key, form) for form in known)


def is_key(key: str, form: str) -> bool:
    """Whether a key has the form of the reference data, which writes the key of a tag in several ways."""
    pattern = re.sub(r"\$\{\w+\}|<key>|(?<=/)tag-key$", "*", form)
    return fnmatch.fnmatchcase(key.lower(), pattern.lower())


def actions(pattern: str) -> list[Action]:
    """The actions that a pattern means."""
    service, _, meant = pattern.lower().partition(":")
    known = get_service_prefix_data(service).get("privileges", {})
    return [Action(service, data) for name, data in known.items() if fnmatch.fnmatchcase(name.lower(), meant)]


def problems_of_statement(statement: dict) -> Iterator[str]:
    keys = [key for condition in statement.get("Condition", {}).values() for key in condition]
    # The policy of a queue and the trust of a role are about just these.
    resources = listed(statement.get("Resource", []))
    used = set()
    for pattern in listed(statement["Action"]):
        meant = actions(pattern)
        if not meant:
            yield f"there is no action {pattern}"
        for action in meant:
            works_on = {resource: action.works_on(resource) for resource in resources}
            kinds = {kind for of_resource in works_on.values() for kind in of_resource}
            used |= {resource for resource, of_resource in works_on.items() if of_resource}
            if resources and not kinds and "*" not in pattern:
                yield f"{action.name} works on none of the resources, but on {', '.join(action.rows) or '*'}"
            for key in (key for key in keys if key.lower() not in GLOBAL_KEYS):
                for kind in sorted(kind for kind in kinds if not action.knows(key, kind)):
                    yield f"{action.name} does not know the condition key {key}" + (f" for a {kind}" if kind else "")
    for resource in resources:
        if resource not in used:
            yield f"no action of the statement works on {resource}"


def problems_of_policy(document: dict) -> Iterator[str]:
    allowed: dict[str, set[str]] = {}
    meant = {}
    for number, statement in enumerate(listed(document["Statement"]), 1):
        yield from (f"{statement.get('Sid', number)}: {problem}" for problem in problems_of_statement(statement))
        if statement["Effect"] == "Allow" and "Resource" in statement:
            for action in (action for pattern in listed(statement["Action"]) for action in actions(pattern)):
                meant[action.name] = action
                kinds = {kind for resource in listed(statement["Resource"]) for kind in action.works_on(resource)}
                allowed.setdefault(action.name, set()).update(kinds)
    for name, action in meant.items():
        for kind, row in action.rows.items():
            if row["required"] and kind not in allowed[name]:
                yield f"{name} requires a {kind} ({action.arns[kind]}), which no statement allows it"


def missing_dependencies(policies: list[dict]) -> Iterator[str]:
    statements = [statement for document in policies for statement in listed(document["Statement"])]
    allowing = [statement for statement in statements if statement["Effect"] == "Allow"]
    patterns = {pattern for statement in allowing for pattern in listed(statement["Action"])}
    allowed = {action.name: action for pattern in patterns for action in actions(pattern)}
    for name, action in sorted(allowed.items()):
        for dependency in sorted(action.dependencies - allowed.keys() - UNUSED_DEPENDENCIES.get(name, set())):
            yield f"{name} needs {dependency} too, which no statement allows"


def problems(source: dict, parameters: dict[str, str]) -> list[str]:
    template = Template(source, parameters)
    policies = list(template.policies())
    found = [f"{place}: {problem}" for place, document in policies for problem in problems_of_policy(document)]
    inline = [
        document
        for place, document in policies
        if template.kind(place) == "AWS::IAM::RolePolicy" or ".Policies." in place
    ]
    managed = [document for place, document in policies if template.kind(place) == "AWS::IAM::ManagedPolicy"]
    found += missing_dependencies(inline + managed)
    lengths = [("inline policies", LONGEST_INLINE_POLICIES, sum(length(document) for document in inline))]
    lengths += [("managed policy", LONGEST_MANAGED_POLICY, length(document)) for document in managed]
    found += [f"the {what}: {has} characters; a role may have {most}" for what, most, has in lengths if has > most]
    return found


def length(document: dict) -> int:
    return len("".join(json.dumps(document).split()))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parameter", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("template", type=Path)
    arguments = parser.parse_args()
    parameters = dict(parameter.split("=", 1) for parameter in arguments.parameter)
    found = problems(yaml_parse(arguments.template.read_text()), parameters)
    for problem in found:
        print(f"{arguments.template}: {problem}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
