#!/bin/sh
# Makes one kind of trouble, then is the program that it was given: `trouble.sh KIND PROGRAM ARGUMENT…`
set -eu
kind=$1
shift
case $kind in
crash)
    echo "the table is broken" >&2
    exit 3
    ;;
segfault) kill -SEGV $$ ;;
hang)
    trap '' TERM
    sleep 4811
    ;;
garbage)
    printf 'garbage\n\377\376\n[1, 2]\n{"epoch": "x", "mse_valid": 0}\n{"mse_test": "?"}\n{"mse_va' >>"$HPT_METRICS"
    echo >>"$HPT_METRICS"
    printf 'epoch x validation\ntest\n\000\033[31m\n'
    ;;
gap) echo '{"epoch": 0, "extra": 7}' >>"$HPT_METRICS" ;;
shout) yes "all work and no play" | head -c 3000000 ;;
child)
    sleep 4812 &
    (setsid sleep 4812 >/dev/null 2>&1 &)
    ;;
silent) exit 0 ;;
esac
exec "$@"
