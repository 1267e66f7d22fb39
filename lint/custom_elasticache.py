"""Rules of cfn-lint for Custom::ElastiCache: properties (E9601) and attributes (E9602).

    cfn-lint --append-rules lint --template template.yaml

They say what the function would say about the same mistake, at the line of the template. The schema that they go by lies
in this folder, so that the folder works wherever it is copied to.
"""

from __future__ import annotations

import difflib
import json
import re
from pathlib import Path
from typing import Any, Iterator, List, NamedTuple, Tuple, Union

from cfnlint.rules import CloudFormationLintRule, RuleMatch

SCHEMA = json.loads(Path(__file__).with_name("custom-elasticache.json").read_text(encoding="utf-8"))
TYPE: str = SCHEMA["typeName"]
PROPERTIES = f"Properties of {TYPE}"
SOURCE = "docs/properties.md of elasticache-resource"

Where = List[Union[str, int]]
# Longest part of a bad value that is worth repeating.
SHOWN_CHARACTERS = 60
# Numbers as the function reads them.
WHOLE = r"[+-]?\d+"
NUMBER = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
# Names that a message can list.
FEW = 10


class Found(NamedTuple):
    """A mistake, and the keys that lead to it from the properties of the resource."""

    where: Where
    text: str


def nearest(given: str, known: list[str]) -> str | None:
    """The known name that was probably meant."""
    lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(str(given).lower(), list(lower), n=1)
    return lower[close[0]] if close else None


def function(value: Any) -> str | None:
    """Name of the CloudFormation function that a value is."""
    if isinstance(value, dict) and len(value) == 1:
        name = str(next(iter(value)))
        if name in ("Ref", "Condition") or name.startswith("Fn::"):
            return name
    return None


def branches(value: Any, where: Where) -> Iterator[Tuple[Any, Where]]:
    """What a value may turn out to be, as far as the template tells: the branches of Fn::If, and what is no function."""
    name = function(value)
    if name == "Fn::If" and isinstance(value[name], list) and len(value[name]) == 3:
        for index in (1, 2):
            yield from branches(value[name][index], [*where, name, index])
    elif name is None:
        yield value, where


def is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def is_unset(value: Any) -> bool:
    """Whether the function reads this as nothing."""
    if isinstance(value, list):
        return all(is_blank(item) for item in value)
    return is_blank(value) or value == {}


def scalar(value: Any) -> str | None:
    """The text of a value as the function gets it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None or isinstance(value, (list, dict)) else str(value).strip()


def is_resolved_later(value: Any) -> bool:
    return isinstance(value, str) and "{{resolve:" in value


def problem(name: str, value: Any, rule: str, fix: str) -> str:
    """The function's words. What may be a token is never repeated."""
    text = scalar(value)
    if text is None:
        text = json.dumps(value, default=str)
    last = name.rsplit(".", 1)[-1]
    if last.startswith(("AuthToken", "Secret")) and not text.isdigit():
        return f"{name}: {rule}; {fix}"
    if len(text) > SHOWN_CHARACTERS:
        text = text[:SHOWN_CHARACTERS] + "…"
    return f"{name} ({text}): {rule}; {fix}"


def words(schema: dict) -> list[str]:
    """The words that a property takes; none for another kind of property."""
    return next((one["enum"] for one in schema["anyOf"] if "enum" in one and True not in one["enum"]), [])


def check(schema: dict, value: Any, name: str, where: Where) -> Iterator[Found]:
    """What is wrong with the value of a property, whose schema lists what it takes."""
    kinds = [one for one in schema["anyOf"] if "$ref" not in one]
    first = kinds[0]
    for branch, place in branches(value, where):
        if is_unset(branch) or is_resolved_later(branch):
            continue
        if first.get("type") == "array":
            yield from check_list(first, branch, name, place)
        elif first.get("type") == "object":
            yield from check_map(first, branch, name, place)
        else:
            yield from check_scalar(schema, first, branch, name, place)


def check_scalar(schema: dict, kind: dict, value: Any, name: str, where: Where) -> Iterator[Found]:
    text = scalar(value)
    if True in kind.get("enum", []):
        if str(text).lower() not in ("true", "false"):
            yield Found(where, problem(name, value, "must be true or false", "write true or false"))
    elif "minimum" in kind:
        low, high = kind["minimum"], kind["maximum"]
        fix = f"write a number from {low} to {high}"
        whole = "integer" in kind["type"]
        if text is None or not re.fullmatch(WHOLE if whole else NUMBER, text):
            yield Found(where, problem(name, value, "must be a whole number" if whole else "must be a number", fix))
        elif not low <= float(text) <= high:
            yield Found(where, problem(name, value, f"must be between {low} and {high}", fix))
    elif known := words(schema):
        if str(text).lower() not in (word.lower() for word in known):
            listed = ", ".join(known)
            meant = nearest(str(text), known)
            fix = f"write {meant}" if meant else f"write one of {listed}"
            yield Found(where, problem(name, value, f"must be one of {listed}", fix))
    elif text is None:
        yield Found(where, problem(name, value, "must be a string", "write one value, not a list or a map"))


def check_list(kind: dict, value: Any, name: str, where: Where) -> Iterator[Found]:
    of_maps = next((one for one in kind["items"].get("anyOf", []) if "properties" in one), None)
    if of_maps is None:
        if isinstance(value, str) and "," in value:
            return
        if not isinstance(value, list):
            yield Found(where, problem(name, value, "must be a list of strings", "write a list, even for one value"))
            return
        for index, item in enumerate(value):
            for branch, place in branches(item, [*where, index]):
                if isinstance(branch, (list, dict)) and not is_unset(branch):
                    rule, fix = "must be a string", "write one value, not a list or a map"
                    yield Found(place, problem(f"{name}[{index}]", branch, rule, fix))
        return
    if not isinstance(value, list):
        keys = ", ".join(of_maps["properties"])
        yield Found(where, problem(name, value, f"must be a list of maps with {keys}", "write a list of maps"))
        return
    for index, item in enumerate(value):
        for branch, place in branches(item, [*where, index]):
            if not is_unset(branch):
                yield from check_map(of_maps, branch, f"{name}[{index}]", place)


def check_map(kind: dict, value: Any, name: str, where: Where) -> Iterator[Found]:
    if not isinstance(value, dict):
        if "properties" in kind:
            rule, fix = f"must be a map with {', '.join(kind['properties'])}", "write a map"
        else:
            rule, fix = "must be a map of names to values", "write `name: value` pairs"
        yield Found(where, problem(name, value, rule, fix))
    elif "properties" in kind:
        yield from check_object(kind, value, name + ".", where)
    else:
        for key, item in value.items():
            for branch, place in branches(item, [*where, key]):
                if isinstance(branch, (list, dict)):
                    rule, fix = "must be a string", "write one value, not a list or a map"
                    yield Found(place, problem(f"{name}.{key}", branch, rule, fix))


def check_object(schema: dict, value: dict, prefix: str, where: Where) -> Iterator[Found]:
    """The names of a map, and their values."""
    known = list(schema["properties"])
    # Fn::Transform and Fn::ForEach stand among the names and bring others.
    brings_more = any(str(key).startswith("Fn::") for key in value)
    for key, item in value.items():
        if key in schema["properties"]:
            yield from check(schema["properties"][key], item, prefix + key, [*where, key])
        elif not str(key).startswith("Fn::"):
            meant = nearest(key, known)
            listed = f"it is one of {', '.join(known)}" if len(known) < FEW else "remove it"
            fix = f"did you mean {meant}?" if meant else listed
            yield Found([*where, key], f"{prefix}{key}: is not a property of {TYPE}; {fix}")
    if brings_more:
        return
    for key in schema.get("required", []):
        given = list(branches(value[key], [*where, key])) if key in value else [(None, where)]
        for branch, place in given:
            if is_unset(branch):
                meaning = schema["properties"][key].get("description", "")
                yield Found(place, f"{prefix}{key}: is required. {meaning}")


class Properties(CloudFormationLintRule):
    """Names and values of properties."""

    id = "E9601"
    shortdesc = PROPERTIES
    description = f"Names, types, ranges and words of the properties of {TYPE}"
    source_url = SOURCE
    tags = ["resources", "elasticache"]

    def match(self, cfn: Any) -> list[RuleMatch]:
        matches = []
        for name, resource in cfn.get_resources(TYPE).items():
            properties = resource.get("Properties") or {}
            if isinstance(properties, dict):
                start: Where = ["Resources", name, "Properties"] if "Properties" in resource else ["Resources", name]
                found = check_object(SCHEMA, properties, "", [])
                matches.extend(RuleMatch(start + one.where, one.text) for one in found)
        return matches


class Attributes(CloudFormationLintRule):
    """Names of attributes, in Fn::GetAtt and in Fn::Sub."""

    id = "E9602"
    shortdesc = f"Attributes of {TYPE}"
    description = f"Names of the attributes of {TYPE} in Fn::GetAtt and Fn::Sub"
    source_url = "docs/attributes.md of elasticache-resource"
    tags = ["functions", "getatt", "elasticache"]

    def match(self, cfn: Any) -> list[RuleMatch]:
        caches = set(cfn.get_resources(TYPE))
        matches = []
        for *where, value in cfn.search_deep_keys("Fn::GetAtt"):
            parts = value.split(".", 1) if isinstance(value, str) else value
            if isinstance(parts, list) and len(parts) > 1 and all(isinstance(part, str) for part in parts):
                matches.extend(self.unknown(caches, parts[0], ".".join(parts[1:]), where))
        for *where, value in cfn.search_deep_keys("Fn::Sub"):
            text, given = value if isinstance(value, list) and len(value) == 2 else (value, {})
            if isinstance(text, str):
                for reference in re.findall(r"\$\{([^!${}][^${}]*)\}", text):
                    resource, dot, attribute = reference.strip().partition(".")
                    if dot and not (isinstance(given, dict) and reference in given):
                        matches.extend(self.unknown(caches, resource, attribute, where))
        return matches

    @staticmethod
    def unknown(caches: set[str], resource: str, attribute: str, where: Where) -> Iterator[RuleMatch]:
        known = SCHEMA["attributes"]
        if resource in caches and attribute not in known:
            meant = nearest(attribute, list(known))
            # People leave the group away.
            meant = meant or next((name for name in known if name.endswith(f".{attribute}")), None)
            fix = f"did you mean {meant}?" if meant else f"it is one of {', '.join(known)}"
            yield RuleMatch(where, f"{resource}.{attribute}: is not an attribute of {TYPE}; {fix}")
