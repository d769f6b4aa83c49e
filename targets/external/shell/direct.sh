#!/bin/sh
# Saves as most scripts do: `>` empties the file at once, and the new content follows.
#
# A shell's form of what the market-data gateway did, whose fill log was 0 bytes long after a kill.
# Run: sh direct.sh DIR init, then sh direct.sh DIR
set -eu
. "$(dirname "$0")/store.sh"

save() {
    state_after "$2" >"$1"
}

run "$@"
