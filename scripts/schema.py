#!/usr/bin/env python3
"""Checks the JSON Schema of the properties with a standard validator, and every resource in the templates against it."""

import argparse
import json
import sys
from pathlib import Path

from cfnlint.decode import decode
from jsonschema import Draft7Validator
from jsonschema.exceptions import SchemaError


def resources(template: Path, resource_type: str) -> list[tuple[str, dict]]:
    """Logical id and properties of the resources of this type, functions in their long form."""
    content, matches = decode(str(template))
    if content is None:
        sys.exit(f"{template}: {matches[0].message}")
    # The parser's own dictionaries and texts carry places in the file; through JSON they become plain ones.
    declared = json.loads(json.dumps(content, default=str)).get("Resources", {})
    return [(name, resource.get("Properties", {})) for name, resource in declared.items() if resource["Type"] == resource_type]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schema", type=Path, required=True)
    parser.add_argument("templates", type=Path, nargs="+")
    arguments = parser.parse_args()
    schema = json.loads(arguments.schema.read_text())
    try:
        Draft7Validator.check_schema(schema)
    except SchemaError as error:
        sys.exit(f"{arguments.schema}: {error.message}")
    validator = Draft7Validator(schema)
    checked, wrong = 0, 0
    for template in arguments.templates:
        for name, properties in resources(template, schema["typeName"]):
            checked += 1
            for error in validator.iter_errors(properties):
                wrong += 1
                print(f"{template}: {name}: {error.json_path}: {error.message}", file=sys.stderr)
            if validator.is_valid({**properties, "NotAProperty": 1}):
                wrong += 1
                print(f"{arguments.schema} accepts a property that does not exist", file=sys.stderr)
    if checked == 0:
        sys.exit(f"no template declares a {schema['typeName']}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
