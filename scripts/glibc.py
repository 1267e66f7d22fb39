#!/usr/bin/env python3
"""Fails when a binary needs a newer glibc than it will meet, or is built for another processor.

Amazon Linux 2023, which `provided.al2023` runs on, has glibc 2.34. A binary that asks for more does not start there.
"""

import argparse
import struct
import sys
from pathlib import Path

MACHINES = {"x86_64": 62, "arm64": 183}
NEEDED_VERSIONS = 0x6FFFFFFE  # SHT_GNU_verneed: the symbol versions that the binary asks its libraries for


class NotAnElfFile(Exception):
    """The file is no 64-bit little-endian ELF binary."""


def text_at(table: bytes, offset: int) -> str:
    return table[offset : table.index(b"\0", offset)].decode()


def needed_versions(binary: bytes) -> tuple[int, set[str]]:
    """The machine that the binary is for, and every symbol version that it asks for, such as `GLIBC_2.17`."""
    if binary[:6] != b"\x7fELF\x02\x01":
        raise NotAnElfFile
    (machine,) = struct.unpack_from("<H", binary, 18)
    (sections_at,) = struct.unpack_from("<Q", binary, 40)
    section_size, section_count = struct.unpack_from("<HH", binary, 58)

    # Per section: name, type, flags, address, offset, size, link, info, alignment, entry size.
    sections = [
        struct.unpack_from("<IIQQQQIIQQ", binary, sections_at + index * section_size) for index in range(section_count)
    ]
    versions = set()
    for _, kind, _, _, offset, _, link, entries, _, _ in sections:
        if kind != NEEDED_VERSIONS:
            continue
        strings_at, strings_size = sections[link][4:6]
        strings = binary[strings_at : strings_at + strings_size]
        for _ in range(entries):
            _, count, _, first, following = struct.unpack_from("<HHIII", binary, offset)
            version_at = offset + first
            for _ in range(count):
                _, _, _, name, next_version = struct.unpack_from("<IHHII", binary, version_at)
                versions.add(text_at(strings, name))
                version_at += next_version
            offset += following
    return machine, versions


def release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.removeprefix("GLIBC_").split("."))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary", type=Path)
    parser.add_argument("--newest", default="2.34", help="newest glibc release that the binary may ask for")
    parser.add_argument("--architecture", choices=MACHINES, required=True)
    arguments = parser.parse_args()

    try:
        machine, versions = needed_versions(arguments.binary.read_bytes())
    except OSError as error:
        print(f"cannot read the binary: {error}", file=sys.stderr)
        return 1
    except NotAnElfFile:
        print(f"{arguments.binary} is not a 64-bit Linux binary", file=sys.stderr)
        return 1
    if machine != MACHINES[arguments.architecture]:
        print(f"{arguments.binary} is not built for {arguments.architecture}", file=sys.stderr)
        return 1

    numbered = sorted((v for v in versions if v.startswith("GLIBC_") and v[6:7].isdigit()), key=release)
    too_new = [version for version in numbered if release(version) > release(arguments.newest)]
    if too_new:
        print(f"{arguments.binary} asks for {', '.join(too_new)}; the runtime has {arguments.newest}", file=sys.stderr)
        return 1
    newest = numbered[-1].removeprefix("GLIBC_") if numbered else "none"
    print(f"{arguments.binary}: {arguments.architecture}, newest glibc asked for {newest} (at most {arguments.newest})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
