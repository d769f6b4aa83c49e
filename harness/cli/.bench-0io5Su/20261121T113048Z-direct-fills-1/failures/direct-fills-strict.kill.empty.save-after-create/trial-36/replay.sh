#!/bin/sh
# Shows this failure again. Exits 1 when it shows, 0 when it does not.
exec crashtest replay "$(dirname "$0")" "$@"
