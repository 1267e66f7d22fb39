#!/usr/bin/env python3
"""Prints the licences of everything that is compiled into the function, as they ask for where it is passed on: each crate with
the files about its licence that it brings, and each text once."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
PACKAGE = "elasticache-resource"
TARGETS = ("x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu")
NOTICE = re.compile(r"(licen[cs]e|copying|notice|copyright|unlicense)", re.IGNORECASE)
# Of the standard library, which no crate stands for.
STANDARD_LIBRARY = "The standard library of Rust: MIT OR Apache-2.0, https://github.com/rust-lang/rust"


def metadata() -> dict:
    """What cargo knows of the tree; it fetches what is missing."""
    command = ["cargo", "metadata", "--locked", "--format-version", "1"]
    command += [word for target in TARGETS for word in ("--filter-platform", target)]
    run = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    if run.returncode:
        sys.exit(f"{' '.join(command)}: {run.stderr.strip()}")
    return json.loads(run.stdout)


def linked(tree: dict) -> list[dict]:
    """The crates that end up in the binary: neither those that only build it, nor those that only test it."""
    packages = {package["id"]: package for package in tree["packages"]}
    dependencies = {node["id"]: node["deps"] for node in tree["resolve"]["nodes"]}
    is_macro = {name for name, package in packages.items()
                if any("proc-macro" in target["kind"] for target in package["targets"])}
    ahead = [name for name, package in packages.items() if package["name"] == PACKAGE]
    found: set[str] = set()
    while ahead:
        name = ahead.pop()
        if name in found or name in is_macro:
            continue
        found.add(name)
        ahead += [dependency["pkg"] for dependency in dependencies[name]
                  if any(kind["kind"] is None for kind in dependency["dep_kinds"])]
    of_others = [packages[name] for name in found if packages[name]["source"] is not None]
    return sorted(of_others, key=lambda package: (package["name"], package["version"]))


def notices(package: dict) -> list[str]:
    """The texts about its licence that a crate brings."""
    folder = Path(package["manifest_path"]).parent
    named = {folder / package["license_file"]} if package["license_file"] else set()
    files = named | {file for file in folder.iterdir() if file.is_file() and NOTICE.search(file.name)}
    return [file.read_text(encoding="utf-8", errors="replace").strip() for file in sorted(files)]


def third_party() -> str:
    """The whole list."""
    texts: dict[str, list[str]] = {}
    without, crates = [], linked(metadata())
    for package in crates:
        name = f"{package['name']} {package['version']} ({package['license'] or 'see below'})"
        found = notices(package)
        for text in found:
            # The same licence in other line breaks is one text.
            texts.setdefault(" ".join(text.split()), [text]).append(name)
        if not found:
            without.append(f"{name}, {package['repository'] or package['homepage'] or 'no address'}")
    parts = [f"The function is made of these {len(crates)} crates and the standard library of Rust, under their own licences.",
             STANDARD_LIBRARY]
    if without:
        parts.append("Crates that bring no text of their licence:\n" + "\n".join(without))
    parts += ["\n".join(sorted(set(names))) + f"\n\n{text}" for text, *names in texts.values()]
    return f"\n\n{'-' * 80}\n\n".join(parts) + "\n"


if __name__ == "__main__":
    try:
        print(third_party(), end="")
    except BrokenPipeError:
        os.close(sys.stdout.fileno())
