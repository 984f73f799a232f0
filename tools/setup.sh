#!/usr/bin/env bash
# Installs the system packages the build needs, and only those that are missing; says one line when
# nothing is. Uses apt alone, through sudo where it is not root, and never removes a package.
# Usage: tools/setup.sh [further package, or command:package ...]
set -euo pipefail

readonly RUST_MINIMUM=1.87
readonly BOOST_MINIMUM=108100

# Tools count as present when their command is on PATH, whoever put it there.
readonly TOOLS=(g++:g++ cmake:cmake ninja:ninja-build ccache:ccache)
readonly LIBRARIES=(
  ca-certificates libfmt-dev libspdlog-dev nlohmann-json3-dev libcli11-dev libedit-dev
  libssl-dev libtomlplusplus-dev libxxhash-dev
  libgtest-dev libgmock-dev libbenchmark-dev
)

die() {
  printf 'set-up: %s\n' "$*" >&2
  exit 1
}

# at_least FOUND WANTED: compares versions by number.
at_least() {
  [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]
}

# have_boost: whether the headers are there and new enough, whoever put them there.
have_boost() {
  local header=/usr/include/boost/version.hpp
  [ -r "$header" ] && [ "$(awk '/define BOOST_VERSION/ {print $3}' "$header")" -ge "$BOOST_MINIMUM" ]
}

# have_rust: whether one of the places where rust/CMakeLists.txt looks holds a new enough toolchain.
have_rust() {
  local cargo version
  for cargo in "$(command -v cargo)" "${HOME:-}/.cargo/bin/cargo" /usr/bin/cargo; do
    [ -x "$cargo" ] || continue
    version=$("${cargo%/*}/rustc" --version 2>/dev/null | awk '{print $2}')
    if [ -n "$version" ] && at_least "$version" "$RUST_MINIMUM"; then
      return 0
    fi
  done
  return 1
}

# boost_package: Debian 12 has the headers twice, and under the plain name they are too old.
boost_package() {
  if grep -qs VERSION_CODENAME=bookworm /etc/os-release; then
    echo libboost1.81-dev
  else
    echo libboost-dev
  fi
}

installed() {
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

tools=("${TOOLS[@]}")
packages=("${LIBRARIES[@]}")
for further in "$@"; do
  if [[ $further == *:* ]]; then tools+=("$further"); else packages+=("$further"); fi
done

missing=()
for tool in "${tools[@]}"; do
  command -v "${tool%%:*}" >/dev/null || missing+=("${tool##*:}")
done

have_rust || missing+=(rustc-web cargo-web)
have_boost || missing+=("$(boost_package)")

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  [ ${#missing[@]} -eq 0 ] && exit 0 # CMake says which library is missing, if one is
  die "this system has no apt. Install what these Debian packages hold: ${missing[*]}" \
    "${packages[*]}"
fi

for package in "${packages[@]}"; do
  installed "$package" || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
  echo "set-up: everything is there"
  exit 0
fi

install=(apt-get install -y --no-install-recommends --no-remove "${missing[@]}")
as_root=(env DEBIAN_FRONTEND=noninteractive)
if [ "$(id -u)" -ne 0 ]; then
  # Without a terminal sudo could not ask for a password, and would wait or fail with less to say.
  if ! command -v sudo >/dev/null || { [ ! -t 0 ] && ! sudo -n true 2>/dev/null; }; then
    die "packages are missing and this user may not install them. As root run:" \
      "apt-get update && ${install[*]}"
  fi
  as_root=(sudo "${as_root[@]}")
fi

echo "set-up: installing ${missing[*]}"
readonly LOCK=(-o DPkg::Lock::Timeout=120)
"${as_root[@]}" apt-get "${LOCK[@]}" update -q ||
  echo "set-up: the package lists could not be refreshed, trying with those at hand" >&2
"${as_root[@]}" "${install[@]}" "${LOCK[@]}" -q ||
  die "the installation failed. Run it by hand to see why: apt-get update && ${install[*]}"

have_rust || die "Rust $RUST_MINIMUM or newer is needed, and Debian's is older here. Install one," \
  "e.g. with rustup, so that cargo is on PATH."
echo "set-up: done"
