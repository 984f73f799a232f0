#!/usr/bin/env python3
"""Makes the tables of docs/benchmarks.md from reports of `trellis gpu-check`.

    tools/gpu_report.py docs/benchmarks/h200.json [MORE.json ...]

Prints markdown: where each report was made, then one table with a row for each figure and a column for
each report. Of figures that stand in several parts of one report's run, give the files of all parts: a
figure is taken from the first report of a column that has it. Reports belong to one column if device and
commit are the same. Exits with 1 if a check of any report failed, after printing its name.
"""

import argparse
import json
import pathlib
import sys


def number(value):
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def cell(figure):
    if figure is None:
        return ""
    share = figure.get("bandwidth_share")
    return number(figure["value"]) + ("" if share is None else f" ({100 * share:.0f} %)")


def columns_of(reports):
    """Reports by (device, commit), in the order in which they come."""
    columns = {}
    for report in reports:
        machine = report["machine"]
        columns.setdefault((machine["device"], machine["commit"]), []).append(report)
    return columns


def machine_line(index, reports):
    machine = reports[0]["machine"]
    checks = [check for report in reports for check in report["checks"]]
    passed = sum(check["passed"] for check in checks)
    bandwidth = max(report["read_gb_per_s"] for report in reports)
    read = f", read {bandwidth:,.0f} GB/s" if bandwidth else ""
    return (
        f"{index}. {machine['device']}, driver for CUDA {machine['cuda driver']}, commit {machine['commit']}, "
        f"{machine['date']}{read}; {passed} of {len(checks)} checks passed"
    )


def table(columns):
    names = []  # of figures, in the order in which they come, with their units
    found = []
    for reports in columns:
        by_name = {}
        for report in reports:
            for figure in report["figures"]:
                key = (figure["name"], figure["unit"])
                by_name.setdefault(key, figure)
                if key not in names:
                    names.append(key)
        found.append(by_name)
    lines = ["| figure | " + " | ".join(str(i + 1) for i in range(len(found))) + " |", "|---" * (len(found) + 1) + "|"]
    for key in names:
        cells = " | ".join(cell(by_name.get(key)) for by_name in found)
        lines.append(f"| {key[0]}, {key[1]} | {cells} |")
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reports", nargs="+", type=pathlib.Path, metavar="REPORT.json")
    arguments = parser.parse_args()
    reports = [json.loads(path.read_text()) for path in arguments.reports]
    columns = columns_of(reports)
    for index, column in enumerate(columns.values(), 1):
        print(machine_line(index, column))
    print("\nIn brackets: the bytes that a step must read, over what the measured bandwidth moves in its time.\n")
    print("\n".join(table(columns.values())))
    failed = [check for report in reports for check in report["checks"] if not check["passed"]]
    for check in failed:
        print(f"failed: {check['section']}: {check['name']}: {check['detail']}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
