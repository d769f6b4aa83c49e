#!/bin/sh
# Saves to a temporary file beside the real one and renames it over that: a kill leaves the old state or the new one.
#
# The repair that the published accounts have in common. It is for one writer, as the temporary's name is fixed, and
# against kills alone: nothing is synced, so that a power loss may still leave an empty file.
# Run: sh atomic.sh DIR init, then sh atomic.sh DIR
set -eu
. "$(dirname "$0")/store.sh"

save() {
    state_after "$2" >"$1.tmp"
    mv "$1.tmp" "$1"
}

run "$@"
