#!/usr/bin/env python3
"""Checks that a program can be carried to another machine: it names no shared library but glibc's, asks
for no newer glibc than 2.36, and is no larger than a limit.

Usage: tools/check_self_contained.py PROGRAM [MEGABYTES]
"""

import pathlib
import re
import subprocess
import sys

GLIBC = {"libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1", "ld-linux-x86-64.so.2"}
NEWEST_GLIBC = (2, 36)  # of Debian 12


def complaints(program, most_bytes):
    dynamic = subprocess.run(["readelf", "-dV", program], capture_output=True, text=True, check=True).stdout
    for name in re.findall(r"\(NEEDED\).*\[(.+)\]", dynamic):
        if name not in GLIBC:
            yield f"needs {name}"
    versions = {tuple(map(int, version.split("."))) for version in re.findall(r"GLIBC_(\d+\.\d+)", dynamic)}
    if max(versions) > NEWEST_GLIBC:
        yield f"needs glibc {'.'.join(map(str, max(versions)))}"
    size = pathlib.Path(program).stat().st_size
    if size > most_bytes:
        yield f"has {size} bytes, {most_bytes} are allowed"


def main():
    program = sys.argv[1]
    found = list(complaints(program, int(sys.argv[2]) * 1_000_000 if len(sys.argv) > 2 else float("inf")))
    print("\n".join([f"{program} {complaint}" for complaint in found] or [f"{program} needs nothing but glibc"]))
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
