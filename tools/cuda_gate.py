#!/usr/bin/env python3
"""Compiles every CUDA kernel and holds the machine code to the budgets of tests/cuda_gate/budgets.json.

Needs nvcc (tools/setup_cuda.sh) but no GPU. A kernel may not spill, nor use local memory, registers, or instructions per
weight beyond its budget, nor opcodes that it forbids; the compiler may not warn. Prints a complaint a
line and exits with 1 where there is one. --report prints what every kernel takes. Results are kept in
build/cuda-gate and made anew for the files that changed.
"""

import argparse
import concurrent.futures
import dataclasses
import functools
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import cubin

ROOT = pathlib.Path(__file__).resolve().parent.parent
# As cmake/TrellisCuda.cmake compiles them.
FLAGS = [
    "-std=c++20", "-O3", "-DNDEBUG", "--expt-relaxed-constexpr", "-diag-suppress=20208",
    "-DFMT_HEADER_ONLY=1", "-DFMT_USE_CONSTEXPR=1", f"-I{ROOT}/src", f"-I{ROOT}/include",
    "-Werror=all-warnings", "-Xptxas=-v",
]  # fmt: skip
ENTRY = re.compile(r"Compiling entry function '(\S+)'")
FUNCTION = re.compile(r"Function properties for (\S+)")
FRAME = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
USED = re.compile(r"Used (\d+) registers")
STACK = re.compile(r"(\d+) bytes cumulative stack size")
SHARED = re.compile(r"(\d+) bytes smem")
WARNING = re.compile(r"warning|\bC75\d\d\b", re.IGNORECASE)
BUDGET_KEYS = {
    "kernel", "archs", "registers", "shared_bytes", "local_bytes", "why", "instructions_per_weight",
    "require", "forbid", "loop_forbid",
}  # fmt: skip


@dataclasses.dataclass
class Kernel:
    """What the compiler said of one kernel, and its machine code."""

    name: str  # as short_name() gives it
    arch: str
    registers: int
    stack_bytes: int
    spill_bytes: int
    shared_bytes: int
    code: cubin.Code


def compute_capability(arch):
    return int(re.match(r"\d+", arch)[0])


def digest(text):
    return hashlib.sha256(text if isinstance(text, bytes) else text.encode()).hexdigest()


@functools.lru_cache(maxsize=None)
def file_digest(path):
    try:
        return digest(pathlib.Path(path).read_bytes())
    except OSError:
        return None


def demangle(names):
    result = subprocess.run(["c++filt"], input="\n".join(names), capture_output=True, text=True, check=True)
    return dict(zip(names, result.stdout.splitlines()))


def short_name(demangled):
    """gemv<4, (Codebook)2> for void trellis::cuda::(anonymous namespace)::gemv<4, (trellis::exl3::Codebook)2>(int*)."""
    name = demangled.replace("(anonymous namespace)::", "")
    if name.endswith(")"):
        begin, depth = len(name) - 1, 1
        while depth:  # back over the parameters
            begin -= 1
            depth += {")": 1, "(": -1}.get(name[begin], 0)
        name = name[:begin]
    return re.sub(r"\btrellis::(\w+::)*", "", name).removeprefix("void ")


class Compiler:
    """nvcc, and the folder with what it made of each source for each architecture."""

    def __init__(self, nvcc, folder):
        version = subprocess.run([nvcc, "--version"], capture_output=True, text=True, check=True).stdout
        self.nvcc, self.folder = nvcc, folder
        self.key = digest("\n".join([version, *FLAGS]))

    def compile(self, source, arch):
        """The path of the cubin and what the compiler printed. Raises RuntimeError where it fails."""
        stem = self.folder / f"sm_{arch}" / f"{source.stem}-{digest(str(source))[:8]}"
        record = stem.with_suffix(".json")
        if record.exists():
            known = json.loads(record.read_text())
            if known["key"] == self.key and all(file_digest(p) == d for p, d in known["files"].items()):
                return stem.with_suffix(".cubin"), known["output"]
        stem.parent.mkdir(parents=True, exist_ok=True)
        cubin_path, depfile = stem.with_suffix(".cubin"), stem.with_suffix(".d")
        with tempfile.TemporaryDirectory() as folder:
            # The whole of it, since g++ may refuse what nvcc leaves to the host; the machine code is kept on the way.
            command = [self.nvcc, *FLAGS, "-c", f"-arch=sm_{arch}", "--keep", "--keep-dir", folder, "-MD", "-MF"]
            object_path = pathlib.Path(folder, "object.o")
            run = subprocess.run(
                [*command, str(depfile), "-o", str(object_path), str(source)], capture_output=True, text=True
            )
            output = run.stdout + run.stderr
            if run.returncode != 0:
                raise RuntimeError(output)
            (kept,) = pathlib.Path(folder).glob("*.cubin")
            shutil.move(kept, cubin_path)
        files = depfile.read_text().replace("\\\n", " ").split(":", 1)[1].split()
        entry = {"key": self.key, "files": {path: file_digest(path) for path in files}, "output": output}
        record.write_text(json.dumps(entry))
        return cubin_path, output


def parse_output(output):
    """By mangled name of a kernel: registers, stack, spill and shared bytes, from ptxas -v. And its warnings."""
    found, warnings, frames, entry, function = {}, [], {}, None, None
    for line in output.splitlines():
        if WARNING.search(line):
            warnings.append(line.strip())
        elif match := ENTRY.search(line):
            entry = match[1]
        elif match := FUNCTION.search(line):
            function = match[1]
        elif match := FRAME.search(line):
            frames[function] = (int(match[1]), int(match[2]) + int(match[3]))
        elif match := USED.search(line):
            stack, shared = STACK.search(line), SHARED.search(line)
            own_stack, spill = frames[entry]
            found[entry] = (
                int(match[1]),
                max(own_stack, int(stack[1]) if stack else 0),  # with that of functions it calls
                spill,
                int(shared[1]) if shared else 0,
            )
    return found, warnings


def measure(compiler, source, arch):
    """The kernels of a source, and complaints of the compiler."""
    try:
        path, output = compiler.compile(source, arch)
    except RuntimeError as error:
        return [], [f"{source}: does not compile for sm_{arch}\n{error}"]
    properties, warnings = parse_output(output)
    codes = cubin.read_kernels(path.read_bytes(), compute_capability(arch))
    names = demangle(list(properties))
    kernels = [
        Kernel(short_name(names[mangled]), arch, registers, stack, spill, shared, codes[mangled])
        for mangled, (registers, stack, spill, shared) in properties.items()
    ]
    return kernels, [f"{source}: sm_{arch}: {warning}" for warning in warnings]


def per_weight(kernel, rule):
    """Instructions a weight in the main loop, or None where no loop holds the opcode."""
    loop = kernel.code.main_loop(rule["opcode"])
    if loop is None:
        return None
    return (loop.end - loop.begin) / (kernel.code.count(rule["opcode"], loop) * rule["weights"])


def violations(kernel, budget):
    """What a kernel takes beyond its budget, as phrases."""
    if kernel.spill_bytes:
        yield f"spills {kernel.spill_bytes} bytes"
    elif kernel.stack_bytes > budget.get("local_bytes", 0):
        yield f"uses {kernel.stack_bytes} bytes of local memory, {budget.get('local_bytes', 0)} are allowed"
    if kernel.registers > budget["registers"]:
        yield f"takes {kernel.registers} registers, {budget['registers']} are allowed"
    if kernel.shared_bytes > budget.get("shared_bytes", kernel.shared_bytes):
        yield f"takes {kernel.shared_bytes} bytes of shared memory, {budget['shared_bytes']} are allowed"
    for opcode in budget.get("require", []):
        if not kernel.code.count(opcode):
            yield f"has no {opcode}"
    for opcode in budget.get("forbid", []):
        if kernel.code.count(opcode):
            yield f"has {kernel.code.count(opcode)} {opcode}"
    rule = budget.get("instructions_per_weight")
    if not rule:
        return
    spent = per_weight(kernel, rule)
    if spent is None:
        yield f"has no loop with {rule['opcode']}"
    else:
        if spent > rule["most"]:
            yield f"takes {spent:.2f} instructions a weight, {rule['most']} are allowed"
        for opcode in budget.get("loop_forbid", []):
            if kernel.code.count(opcode, kernel.code.main_loop(rule["opcode"])):
                yield f"has {opcode} in its main loop"


def budget_of(kernel, budgets):
    """The first that fits."""
    for budget in budgets:
        if kernel.arch in budget.get("archs", [kernel.arch]) and re.search(budget["kernel"], kernel.name):
            return budget
    return None


def check(kernels, budgets):
    for kernel in kernels:
        budget = budget_of(kernel, budgets)
        if budget is None:
            yield f"{kernel.name}: sm_{kernel.arch}: has no budget"
            continue
        for violation in violations(kernel, budget):
            yield f"{kernel.name}: sm_{kernel.arch}: {violation}"


def check_names(kernels, budgets):
    """Complaints over budgets that no kernel has, as those of a kernel that was renamed."""
    used = [budget_of(kernel, budgets) for kernel in kernels]
    for budget in budgets:
        if budget not in used and budget["kernel"] != ".*":
            yield f"budget \"{budget['kernel']}\": no kernel has this name"


def read_budgets(path):
    table = json.loads(path.read_text())
    for budget in table["budgets"]:
        unknown = set(budget) - BUDGET_KEYS
        if unknown:
            raise SystemExit(f"{path}: budget \"{budget.get('kernel')}\" has unknown keys {sorted(unknown)}")
        if budget.get("local_bytes") and not budget.get("why"):
            raise SystemExit(f"{path}: budget \"{budget['kernel']}\" allows local memory but does not say why")
    return table["archs"], table["budgets"]


def report(kernels, budgets):
    print("  arch  regs  shared  local  instrs  a weight  kernel")
    for kernel in sorted(kernels, key=lambda kernel: (kernel.arch, kernel.name)):
        rule = (budget_of(kernel, budgets) or {}).get("instructions_per_weight")
        spent = per_weight(kernel, rule) if rule else None
        print(
            f"{kernel.arch:>6}{kernel.registers:>6}{kernel.shared_bytes:>8}{kernel.stack_bytes:>7}"
            f"{len(kernel.code.opcodes):>8}{f'{spent:.2f}' if spent else '-':>10}  {kernel.name}"
        )


def find_nvcc():
    found = subprocess.run([ROOT / "tools" / "setup_cuda.sh", "--find"], capture_output=True, text=True)
    if found.returncode != 0:
        raise SystemExit(found.stderr.strip() or "cuda-gate: there is no nvcc; run tools/setup_cuda.sh")
    return found.stdout.strip()


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="*", type=pathlib.Path, help="default: every .cu of src/backend/cuda")
    parser.add_argument("--archs", help="architectures, separated by commas; default: those of the budgets")
    parser.add_argument("--budgets", type=pathlib.Path, default=ROOT / "tests" / "cuda_gate" / "budgets.json")
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "build" / "cuda-gate")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--report", action="store_true", help="print what every kernel takes")
    options = parser.parse_args(arguments)

    archs, budgets = read_budgets(options.budgets)
    if options.archs:
        archs = options.archs.split(",")
        budgets = [budget for budget in budgets if set(budget.get("archs", archs)) & set(archs)]
    sources = options.sources or sorted((ROOT / "src" / "backend" / "cuda").rglob("*.cu"))
    compiler = Compiler(find_nvcc(), options.folder)
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        work = [pool.submit(measure, compiler, source.resolve(), arch) for source in sources for arch in archs]
        results = [item.result() for item in work]
    kernels = [kernel for found, _ in results for kernel in found]
    complaints = [complaint for _, found in results for complaint in found]
    everything_compiled = not complaints
    complaints.extend(check(kernels, budgets))
    if everything_compiled and not options.sources:
        complaints.extend(check_names(kernels, budgets))
    if options.report:
        report(kernels, budgets)
    print("\n".join(complaints + [
        f"cuda-gate: {len(kernels)} kernels of {len(sources)} files for sm_{', sm_'.join(archs)}, "
        f"{len(complaints)} complaints"
    ]))  # fmt: skip
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
