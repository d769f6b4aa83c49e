# What the shell writers have in common: the store that they keep, and their side of the line protocol.
#
# `state.txt` begins with the number of the operation and ends with it; between them are 1,700 fills. The state after
# operation N follows from N alone: a checker makes it again and compares. A writer defines `save FILE N`, then `run`s.

state_after() {
    awk -v n="$1" 'BEGIN {
        split("AAPL AMD MSFT NVDA TSLA", symbol)
        print "sequence", n
        for (i = n; i < n + 1700; i++)
            printf "F-%06d %s BUY %d %.2f\n", i, symbol[i % 5 + 1], 100 + i * 37 % 900, 100 + i * 7919 % 90000 / 100
        print "end", n
    }'
}

load() { # in a $( ): the number of a whole file; a damaged one is an error, never an empty default
    [ -s "$1" ] || refuse "$1 is missing or empty"
    read -r word number <"$1" && [ "$word" = sequence ] && [ "$number" -ge 0 ] 2>/dev/null || refuse "$1 has no number"
    tail -n 1 "$1" | { read -r word last && [ "$word $last" = "end $number" ]; } || refuse "$1 is cut short"
    echo "$number"
}

refuse() { echo "$*" >&2; exit 1; }

say() { echo "crashtest: $*"; }

run() {
    file=${1:?usage: $0 DIR [init]}/state.txt
    if [ "${2-}" = init ]; then state_after 0 >"$file"; return; fi # nothing crashes yet
    n=$(load "$file")
    say ready
    for _ in 1 2 3 4; do
        n=$((n + 1))
        say "begin $n"
        save "$file" "$n"
        say "ack $n"
    done
}
