#!/usr/bin/env python3
"""Asks a deployed function what a Create or an Update would do to its account, and prints the answer.

Nothing is changed: the function reads. With --id it is an Update of that resource, else a Create. Credentials and region
are those of the AWS CLI; the right that is needed is lambda:InvokeFunction on the function. Ends as `plan` without an
account does: with 0 when the request would be made, with 1 when it would be refused, with 2 when there is no plan.
"""

import argparse
import json
import os
import sys
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

# The function answers within 50 s; asking twice would only take longer.
PATIENCE = Config(read_timeout=70, retries={"total_max_attempts": 1})


class NoPlan(Exception):
    """Why there is none."""


def properties(path: str) -> dict:
    """What stands under Properties in a template, from a file."""
    try:
        read = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise NoPlan(f"reading {path}: {error.strerror}") from error
    except ValueError as error:
        raise NoPlan(f"{path} is not JSON: {error}") from error
    if not isinstance(read, dict):
        raise NoPlan(f"{path} does not hold a JSON object")
    if {"Type", "Properties"} <= read.keys():
        raise NoPlan(f"{path} holds a whole resource: give what stands under its Properties")
    return read


def ask(function: str, plan: dict, client=None) -> dict:
    """What the function answers to a Plan event."""
    try:
        client = client or boto3.client("lambda", config=PATIENCE)
        answer = client.invoke(FunctionName=function, Payload=json.dumps({"Plan": plan}))
        payload = answer["Payload"].read()
    except (BotoCoreError, ClientError) as error:
        raise NoPlan(f"invoking {function}: {error}") from error
    try:
        told = json.loads(payload)
    except ValueError:
        told = None
    if "FunctionError" in answer:
        said = told.get("errorMessage", told) if isinstance(told, dict) else payload[:500]
        raise NoPlan(f"{function} failed: {said}")
    if not isinstance(told, dict) or "text" not in told or not told.keys() & {"failed", "refused"}:
        raise NoPlan(f"{function} answered no plan: it is another function, or an earlier release of this one")
    return told


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--function", required=True, help="name or ARN of the deployed function")
    parser.add_argument("--id", help="physical id of the resource that an Update would change: what Ref gives")
    parser.add_argument("--old", help="file with the properties that the stack has now, which make the plan exact")
    parser.add_argument("--json", action="store_true", help="print fields in place of text")
    parser.add_argument("new", help="file with the properties that are wanted, as JSON")
    given = parser.parse_args(arguments)
    if given.id is not None and not given.id.strip():
        parser.error("--id is empty: give the id of the resource, or leave it out for a Create")
    if given.old and not given.id:
        parser.error("--old is of an Update: give its --id too (make plan: ID=...)")
    try:
        plan = {"ResourceProperties": properties(given.new)}
        if given.id:
            plan["PhysicalResourceId"] = given.id
        if given.old:
            plan["OldResourceProperties"] = properties(given.old)
        told = ask(given.function, plan)
    except NoPlan as why:
        print(why, file=sys.stderr)
        return 2
    print(json.dumps(told, indent=2) if given.json else told["text"])
    return 2 if "failed" in told else int(told["refused"])


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except BrokenPipeError:
        os.close(sys.stdout.fileno())
