#!/usr/bin/env bash
# Installs into a temporary prefix and builds examples/classify.c against it with pkg-config, with
# the shared and with the static library, and with CMake.
#   test_install.sh BUILD EXAMPLE WEIGHTS_MAKER CC
set -euo pipefail # and so no grep -q behind a pipe: it may end before what it reads from
build=$1 example=$2 make_weights=$3 cc=$4
prefix=$(mktemp -d)
trap 'rm -rf "$prefix"' EXIT
cmake --install "$build" --prefix "$prefix" >"$prefix/log" || { cat "$prefix/log"; exit 1; }

# The lines that are printed are those that the compiler and the program below need.
lines=$(sed -n 's/^  export /export /p' "$prefix/log")
[ "$(wc -l <<<"$lines")" = 2 ] || { cat "$prefix/log"; exit 1; }

lib=$(dirname "$(find "$prefix" -name alexnet.pc)")/..
"$make_weights" "$prefix/weights.safetensors" "$prefix/picture.ppm"

# check NAME: runs the program NAME, which must give three answers.
check() {
    local answers
    answers=$("$prefix/$1" "$prefix/weights.safetensors" "$prefix/picture.ppm")
    [ "$(wc -l <<<"$answers")" = 3 ] || { echo "$1 said: $answers"; exit 1; }
    ! "$prefix/$1" "$prefix/nothing.safetensors" "$prefix/picture.ppm" 2>"$prefix/message"
    grep -q nothing.safetensors "$prefix/message"
}

mkdir "$prefix/program"
cat >"$prefix/program/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.25)
project(program LANGUAGES C)
find_package(alexnet 0.1 REQUIRED)
add_executable(program $example)
target_link_libraries(program PRIVATE alexnet::alexnet)
END
cmake -S "$prefix/program" -B "$prefix/program/build" -DCMAKE_PREFIX_PATH="$prefix" \
    -DCMAKE_C_COMPILER="$cc" >"$prefix/log" || { cat "$prefix/log"; exit 1; }
cmake --build "$prefix/program/build" >"$prefix/log" || { cat "$prefix/log"; exit 1; }
check program/build/program

eval "$lines"
# shellcheck disable=SC2046 # pkg-config prints several words
"$cc" -Wall -Werror "$example" $(pkg-config --cflags --libs alexnet) -o "$prefix/shared"
check shared
grep -q "libalexnet.so.0 => $prefix" <<<"$(ldd "$prefix/shared")"

rm "$lib"/libalexnet.so*
# shellcheck disable=SC2046
"$cc" -Wall -Werror "$example" $(pkg-config --cflags --static --libs alexnet) -o "$prefix/static"
check static
! grep -q libalexnet <<<"$(ldd "$prefix/static")"

version=$("$prefix/bin/alexnet" --version)
grep -q '^alexnet [0-9]' <<<"$version"
if [ -n "$(find "$prefix" -name alexnet-cuda.so)" ] && grep 'no CUDA plug-in' <<<"$version"; then
    exit 1
fi
grep -q '^\.TH ALEXNET 1' "$prefix/share/man/man1/alexnet.1"
bash -n "$prefix/share/bash-completion/completions/alexnet"
grep -q '^#compdef alexnet' "$prefix/share/zsh/site-functions/_alexnet"
echo "installed, built three times, and ran"
