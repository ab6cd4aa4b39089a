#!/bin/sh
# has TEXT PATTERN...: ends the test where the text lacks one of them.
has() {
    text=$1
    shift
    for pattern in "$@"; do
        if ! printf '%s\n' "$text" | grep -q -- "$pattern"; then
            printf 'no "%s" in:\n%s\n' "$pattern" "$text" >&2
            exit 1
        fi
    done
}
