#!/usr/bin/env python3
"""Checks that #includes follow the layers of docs/architecture.md, and where intrinsics stand.

Prints file:line of each include against the arrows, and each folder of src/ that docs/architecture.md
does not name; exits with 1 where there is one.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Folder -> the folders it may include directly; what those may include it may include too.
ARROWS = {
    "base": [],
    "trellis": [],  # include/trellis, the public API: types that every layer may name
    "simt": ["base"],
    "tensor": ["base"],
    "exl3": ["base"],
    "backend": ["tensor", "exl3"],  # exl3: a LinearWeight names its codebook
    "backend/reference": ["backend"],
    "backend/cpu": ["backend"],
    "backend/cuda": ["backend", "simt"],  # simt: what stands in for the CUDA toolkit
    "text": ["base", "trellis"],
    "dialog": ["text", "trellis"],
    "checkpoint": ["backend", "trellis"],
    "cache": ["backend"],
    "sampling": ["backend", "trellis"],
    "nn": ["backend", "cache"],
    "model": ["nn", "checkpoint"],
    "convert": ["model"],
    "engine": ["model", "cache", "sampling", "text", "trellis"],
    "server": ["dialog", "text", "trellis"],  # of the engine the public headers alone
    "apps": ["server", "engine", "convert"],
}
# Files that may do more than their folder, each with the reason.
EXCEPTIONS = {
    # They name the implementations.
    "src/backend/create.cpp": ["backend/reference", "backend/cpu", "backend/cuda"],
    "src/backend/devices.cpp": ["backend/cpu", "backend/cuda"],
    "src/nn/rope.h": ["checkpoint"],  # RopeConfig: plain numbers of config.json, used unchanged
}
# Its headers are named as those of the CUDA toolkit, or simt/...
SIMT_INCLUDE = ROOT / "src" / "simt" / "include"
INTRINSICS = re.compile(r"(\w*intrin|arm_\w+|cpuid)\.h")
INTRINSICS_ALLOWED = ("src/backend/cpu/isa/", "src/convert/isa/")
INCLUDE = re.compile(r'\s*#\s*include\s*([<"])([^>"]+)[>"]')


def layer_of(path):
    """The key of ARROWS that a path below src/, include/ or apps/ belongs to."""
    parts = path.parts
    if parts[0] == "apps":
        return "apps"
    nested = "/".join(parts[1:3])
    return nested if nested in ARROWS else parts[1]


def reachable(layer):
    seen, todo = set(), [layer]
    while todo:
        current = todo.pop()
        if current not in seen:
            seen.add(current)
            todo.extend(ARROWS[current])
    return seen


def resolve(include, including_file):
    """The project file an include names, relative to the root, or None where it is not ours."""
    for folder in (ROOT / "src", ROOT / "include", SIMT_INCLUDE, including_file.parent):
        candidate = (folder / include).resolve()
        if candidate.is_file() and candidate.is_relative_to(ROOT):
            return candidate.relative_to(ROOT)
    return None


def complaints(path):
    relative = path.relative_to(ROOT)
    layer = layer_of(relative)
    if layer not in ARROWS:
        yield f"{relative}:1: folder {layer} stands in no layer; add it to tools/check_layers.py"
        return
    allowed = reachable(layer) | set(EXCEPTIONS.get(str(relative), []))
    for number, line in enumerate(path.read_text().splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        name = match[2]
        if INTRINSICS.fullmatch(name) and not str(relative).startswith(INTRINSICS_ALLOWED):
            yield f"{relative}:{number}: {name} belongs in {' or '.join(INTRINSICS_ALLOWED)}"
        target = resolve(name, path)
        if target is None or target.parts[0] not in ("src", "include", "apps"):
            continue
        if layer_of(target) not in allowed:
            yield f"{relative}:{number}: {layer} may not include {layer_of(target)} ({name})"


def unnamed_folders():
    document = ROOT / "docs" / "architecture.md"
    text = document.read_text()
    for folder in sorted(path for path in (ROOT / "src").rglob("*") if path.is_dir()):
        name = f"{folder.relative_to(ROOT)}/"
        if name not in text and any(folder.glob("*.*")):
            yield f"{document.relative_to(ROOT)}:1: does not name {name}"


def main():
    files = sorted(
        path
        for folder in ("src", "include", "apps")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".h", ".cpp", ".cu", ".cuh")
    )
    found = [complaint for path in files for complaint in complaints(path)]
    found.extend(unnamed_folders())
    print("\n".join(found + [f"layers: {len(files)} files, {len(found)} complaints"]))
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
