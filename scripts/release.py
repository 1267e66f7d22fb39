#!/usr/bin/env python3
"""Puts the files of a release into a folder: the function as a zip for each processor, a template that deploys it with the
AWS CLI alone, the examples, the licences of what is compiled in, and checksums. The same binaries and the same tree give the
same bytes."""

import argparse
import hashlib
import json
import logging
import os
import re
import shutil
import sys
import zipfile
from pathlib import Path

# SAM asks for a region to learn the partition; no account is looked at.
os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")

import yaml
from samtranslator.translator.managed_policy_translator import ManagedPolicyLoader
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

from licenses import third_party

# It warns of its own metrics, which nobody gathers here.
logging.getLogger("samtranslator").setLevel(logging.ERROR)

PROJECT = Path(__file__).resolve().parent.parent
FUNCTION = "ElastiCacheResourceFunction"
ARCHITECTURES = ("x86_64", "arm64")
# What a zip can say at the earliest.
EPOCH = (1980, 1, 1, 0, 0, 0)
# Longest template that CloudFormation takes without a bucket.
LONGEST_TEMPLATE = 51_200


def version() -> str:
    """Of the workspace."""
    return re.search(r'^\[workspace\.package\]\nversion = "(.+)"$', (PROJECT / "Cargo.toml").read_text(), re.MULTILINE)[1]


def write_zip(binary: Path, output: Path) -> None:
    """The function as Lambda takes it, without anything of when and where it was packed."""
    entry = zipfile.ZipInfo("bootstrap", EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.create_system = 3  # Unix, so that the mode counts
    entry.external_attr = 0o100755 << 16
    with zipfile.ZipFile(output, "w") as archive:
        archive.writestr(entry, binary.read_bytes(), compresslevel=9)


def application(readme: str) -> dict:
    """What the Serverless Application Repository asks for."""
    labels = ["elasticache", "valkey", "redis", "cloudformation", "custom-resource"]
    return {
        "AWS::ServerlessRepo::Application": {
            "Name": "elasticache-resource",
            "Description": "An ElastiCache cluster as one CloudFormation resource: Custom::ElastiCache",
            "Author": "The maintainers of elasticache-resource",
            "SpdxLicenseId": "MIT",
            "LicenseUrl": "LICENSE-MIT",
            "ReadmeUrl": readme,
            "Labels": labels,
            "SemanticVersion": version(),
        }
    }


def template(architecture: str) -> dict:
    """The template of the project as SAM expands it, for one processor, with the zip next to it as code."""
    source = yaml_parse((PROJECT / "template.yaml").read_text())
    properties = source["Resources"][FUNCTION]["Properties"]
    properties["CodeUri"] = "s3://bucket/key"
    properties["Architectures"] = [architecture]
    del source["Parameters"]["Architecture"]
    expanded = transform(source, {}, ManagedPolicyLoader(None))
    for resource in expanded["Resources"].values():
        resource.pop("Metadata", None)
    function = expanded["Resources"][FUNCTION]["Properties"]
    function["Code"] = f"function-{architecture}.zip"
    # SAM's mark on what it deployed.
    function.pop("Tags", None)
    expanded.pop("Transform", None)
    order = ["AWSTemplateFormatVersion", "Description", "Metadata", "Parameters", "Conditions", "Resources", "Outputs"]
    expanded["Metadata"] = application("README.md")
    return {name: expanded[name] for name in order}


def write_template(architecture: str, output: Path) -> None:
    # Through JSON, so that nothing of the parser's types is left.
    plain = json.loads(json.dumps(template(architecture)))
    text = f"# elasticache-resource {version()} for {architecture}: made from template.yaml by `make release`.\n"
    text += yaml.safe_dump(plain, sort_keys=False, width=120)
    if len(text) > LONGEST_TEMPLATE:
        sys.exit(f"{output} has {len(text)} bytes, and CloudFormation takes {LONGEST_TEMPLATE}")
    output.write_text(text)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", action="append", required=True, metavar="ARCHITECTURE=PATH")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--package", type=Path, nargs="*", default=[], help="packages of the CDK's constructs")
    arguments = parser.parse_args()
    binaries = dict(binary.split("=", 1) for binary in arguments.binary)
    if unknown := set(binaries) - set(ARCHITECTURES):
        sys.exit(f"there is no processor {', '.join(unknown)}: write {' or '.join(ARCHITECTURES)}")
    output: Path = arguments.output
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    for architecture, binary in binaries.items():
        write_zip(Path(binary), output / f"function-{architecture}.zip")
        suffix = "" if architecture == ARCHITECTURES[0] else f"-{architecture}"
        write_template(architecture, output / f"release-template{suffix}.yaml")
    for pattern in ("README.md", "CHANGELOG.md", "LICENSE-*", "docs/*.md", "docs/*.svg", "examples/*.yaml", "lint/*.*", "schema/[ct]*.json"):
        for source in PROJECT.glob(pattern):
            copy = output / source.relative_to(PROJECT)
            copy.parent.mkdir(exist_ok=True)
            shutil.copyfile(source, copy)
    (output / "THIRD-PARTY-LICENSES.txt").write_text(third_party())
    for package in arguments.package:
        shutil.copyfile(package, output / package.name)
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(output)}\n"
            for path in sorted(output.rglob("*")) if path.is_file()]
    (output / "SHA256SUMS").write_text("".join(sums))
    print(f"{output}: {', '.join(path.name for path in sorted(output.iterdir()))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
