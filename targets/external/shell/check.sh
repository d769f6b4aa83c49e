#!/bin/sh
# Says in one line of the protocol what a writer would find in a directory if it started now.
#
# It loads as the writers do. What loads must be exactly the state after the operation whose number it carries.
# Run: sh check.sh DIR
set -eu
. "$(dirname "$0")/store.sh"

if ! found=$(load "$1/state.txt" 2>&1); then
    say "refused $found"
elif state_after "$found" | cmp -s - "$1/state.txt"; then
    say "state $found"
else
    say "garbage numbered $found, which is not what operation $found made"
fi
