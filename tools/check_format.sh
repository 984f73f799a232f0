#!/usr/bin/env bash
# Says which C++ files are not formatted as .clang-format asks; with --fix formats them.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly CLANG_FORMAT=clang-format-19 # versions differ in what they write: this one is the rule

mapfile -t files < <(
  find src include apps tests bench fuzz rust/include -type f \
    \( -name '*.h' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh' \) 2>/dev/null | sort
)
if [ "${1:-}" = --fix ]; then
  "$CLANG_FORMAT" -i "${files[@]}"
  echo "format: ${#files[@]} files formatted"
elif "$CLANG_FORMAT" --dry-run --Werror "${files[@]}"; then
  echo "format: ${#files[@]} files are well formatted"
else
  echo "format: run 'make format' and commit what it changes" >&2
  exit 1
fi
