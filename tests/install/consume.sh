#!/usr/bin/env bash
# consume.sh WAY: builds and runs the consumer in WORK by one of the ways in which users take a library in.
# Environment: SOURCE (of Detent), BUILD (its build directory), WORK (ours, emptied), CXX, CMAKE, LAUNCHER.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
way=$1
rm -rf "$WORK"
mkdir -p "$WORK"

configure() {
  "$CMAKE" -G Ninja -DCMAKE_CXX_COMPILER="$CXX" -DCMAKE_CXX_COMPILER_LAUNCHER="$LAUNCHER" "$@"
}

# Installs the library under $WORK/prefix, then moves it: what was written down at install time is wrong now.
install_and_move() {
  local from=$BUILD
  if [[ $way == *_shared ]]; then
    from=$WORK/library
    configure -S "$SOURCE" -B "$from" -DBUILD_SHARED_LIBS=ON -DDETENT_TESTS=OFF -DDETENT_CLI=OFF -DDETENT_BENCH=OFF
    "$CMAKE" --build "$from"
  fi
  "$CMAKE" --install "$from" --prefix "$WORK/prefix"
  mv "$WORK/prefix" "$WORK/moved"
  if grep -rIl -e "$WORK" -e "$SOURCE" "$WORK/moved"; then
    echo "these installed files name this machine's directories" >&2
    return 1
  fi
}

with_cmake() {
  configure -S "$here/consumer" -B "$WORK/consumer" "$@"
  "$CMAKE" --build "$WORK/consumer"
  "$WORK/consumer/consumer"
}

with_pkg_config() {
  local pc
  pc=$(find "$WORK/moved" -name detent.pc)
  export PKG_CONFIG_PATH=${pc%/*}
  # shellcheck disable=SC2046
  "$CXX" -std=c++20 "$here/consumer/main.cpp" -o "$WORK/consumer" $(pkg-config --cflags --libs detent)
  LD_LIBRARY_PATH=$(pkg-config --variable=libdir detent) "$WORK/consumer"
}

case $way in
  find_package | find_package_shared)
    install_and_move
    with_cmake -DWAY=find_package -DCMAKE_PREFIX_PATH="$WORK/moved" ;;
  pkg_config | pkg_config_shared)
    install_and_move
    with_pkg_config ;;
  add_subdirectory | fetch_content)
    with_cmake -DWAY="$way" -DDETENT_SOURCE="$SOURCE" ;;
esac
