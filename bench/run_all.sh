#!/bin/bash
# Runs the whole set, the columns taking turns.
#   run_all.sh [results folder] [runs]
# Environment: SERVERS, TOOLS = columns (names in conf/*.json); BIG = columns of S7 and S8R (first run only);
#   QUIET = wait for this long a quiet moment before each measurement; DIR = scratch folder.
set -u
cd "$(dirname "$0")"
OUT=$(realpath -m "${1:-results}") LAST=${2:-3} DIR=${DIR:-${TMPDIR:-/tmp}/regbench} QUIET=${QUIET:-6s}
SERVERS=${SERVERS:-orlopd,distribution,nginx} BIG=${BIG:-orlopd,distribution} TOOLS=${TOOLS:-orlop,oras,regctl,crane,skopeo,cp-tar}
mkdir -p "$OUT" "$DIR"
go build -o "$DIR/regbench" . || exit 1
B=$DIR/regbench
for r in $(seq 1 "$LAST"); do
  one="-runs 1 -first-run $r -quiet $QUIET -dir $DIR"
  $B server $one -only "$SERVERS" -work S1,S2,S3,S4,S5,S6,S8 -dur 4s -budget 60s -out "$OUT/server.jsonl"
  $B client $one -only "$TOOLS" -out "$OUT/client.jsonl"
  # a 50 ms, 500 Mbit/s link; 2 MiB in flight per connection (at most 40 MB/s each)
  $B client $one -only "$TOOLS" -tag slow- -rtt 50ms -mbit 500 -window 2097152 -size 134217728 -files 200 -layers 20 -layer-mb 2 \
     -work C1,C2,C4 -dir "$DIR/slow" -out "$OUT/client-slow.jsonl"
  if [ "$r" = 1 ]; then
    $B server $one -only "$BIG" -work S7,S8R -dur 4s -budget 120s -out "$OUT/server-big.jsonl"
  fi
done
$B report -limit nginx "$OUT/server.jsonl"; $B report "$OUT/server-big.jsonl"; $B report -limit cp-tar "$OUT/client.jsonl" "$OUT/client-slow.jsonl"
