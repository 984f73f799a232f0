#!/usr/bin/env bash
# Finds a CUDA compiler that is new enough: $CUDACXX, nvcc on PATH, /usr/local/cuda, or the pinned
# wheels of cuda-requirements.txt, which it installs into build/cuda-toolkit (no root) where there is
# no other. Says one line when nothing is missing.
# Usage: tools/setup_cuda.sh          find one, installing it if need be
#        tools/setup_cuda.sh --find   print the path of nvcc; exit code 1 where there is none
set -euo pipefail
cd "$(dirname "$0")/.."

readonly NVCC_MINIMUM=12.8 # the oldest that knows sm_120
readonly REQUIREMENTS=tools/cuda-requirements.txt
readonly TOOLKIT=build/cuda-toolkit
readonly TOOLKIT_NVCC=$PWD/$TOOLKIT/nvidia/cu13/bin/nvcc

die() {
  printf 'set-up: %s\n' "$*" >&2
  exit 1
}

# version_of NVCC: as 13.0, or nothing if it does not run.
version_of() {
  "$1" --version 2>/dev/null | sed -n 's/.*release \([0-9.]*\),.*/\1/p' || true
}

# usable NVCC: whether it runs and is new enough.
usable() {
  [ -x "$1" ] || return 1
  local version
  version=$(version_of "$1")
  [ -n "$version" ] &&
    [ "$(printf '%s\n%s\n' "$NVCC_MINIMUM" "$version" | sort -V | head -n 1)" = "$NVCC_MINIMUM" ]
}

# Whether the wheels lie there as the requirements ask for them now.
wheels_installed() {
  cmp -s "$REQUIREMENTS" "$TOOLKIT/requirements.txt"
}

# find_nvcc: prints the path of the first one that will do.
find_nvcc() {
  local candidate
  if [ -n "${CUDACXX:-}" ]; then
    candidate=$(command -v "$CUDACXX" || true)
    usable "$candidate" || die "CUDACXX is $CUDACXX, which is no nvcc of $NVCC_MINIMUM or newer"
    echo "$candidate"
    return
  fi
  for candidate in "$(command -v nvcc || true)" /usr/local/cuda/bin/nvcc; do
    if usable "$candidate"; then
      echo "$candidate"
      return
    fi
  done
  wheels_installed && usable "$TOOLKIT_NVCC" && echo "$TOOLKIT_NVCC"
}

install_wheels() {
  [ "$(uname -sm)" = "Linux x86_64" ] ||
    die "no nvcc was found; install a CUDA toolkit of $NVCC_MINIMUM or newer for $(uname -sm)"
  python3 -m pip --version >/dev/null 2>&1 || tools/setup.sh python3-pip
  echo "set-up: installing the CUDA compiler into $TOOLKIT (105 MB to fetch, 270 MB on disk)"
  rm -rf "$TOOLKIT" "$TOOLKIT.partial"
  mkdir -p "$TOOLKIT.partial"
  python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
    --only-binary :all: --no-deps --require-hashes --target "$TOOLKIT.partial" -r "$REQUIREMENTS" ||
    die "pip could not install the CUDA compiler. Install a CUDA toolkit of $NVCC_MINIMUM or newer" \
      "and put its nvcc on PATH, or name it in CUDACXX."
  # The names under which nvcc and CMake look for libraries.
  ln -s lib "$TOOLKIT.partial/nvidia/cu13/lib64"
  ln -s libcudart.so.13 "$TOOLKIT.partial/nvidia/cu13/lib/libcudart.so"
  cp "$REQUIREMENTS" "$TOOLKIT.partial/requirements.txt"
  mv "$TOOLKIT.partial" "$TOOLKIT"
}

nvcc=$(find_nvcc) || nvcc=
if [ "${1:-}" = --find ]; then
  [ -n "$nvcc" ] || exit 1
  echo "$nvcc"
  exit 0
fi
if [ -z "$nvcc" ]; then
  [ -z "${CUDACXX:-}" ] || exit 1 # find_nvcc said why
  install_wheels
  nvcc=$(find_nvcc) || die "the CUDA compiler in $TOOLKIT does not run on this system"
fi
echo "set-up: CUDA compiler $(version_of "$nvcc"), $nvcc"
