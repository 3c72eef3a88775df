#!/usr/bin/env bash
# Measures what docs/capacity.md reasons from: the CPU time of a node and of
# PostgreSQL for each kind of request, the requests that reach the S3 server, and
# the bytes of each row. It starts a private PostgreSQL, versitygw and orlopd, and
# ends them.
#
# usage: ./capacity.sh [SECONDS]     of each load; 5 if not given
#
# needs orlopd, orlop, versitygw v1.8.0 and psql on PATH, and Debian's postgresql
set -euo pipefail
cd "$(dirname "$0")"
seconds=${1:-5}
dir=$(mktemp -d)
chmod 755 "$dir"
bin=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)
as=() # initdb refuses root
if [ "$(id -u)" = 0 ]; then
  id pgbench >/dev/null 2>&1 || useradd --no-create-home --system pgbench
  as=(setpriv --reuid=pgbench --regid=pgbench --clear-groups)
fi
mkdir -p "$dir/pg" "$dir/run" "$dir/s3/bench" "$dir/files" "$dir/home"
if [ "$(id -u)" = 0 ]; then chown pgbench "$dir/pg" "$dir/run"; fi

"${as[@]}" "$bin/initdb" -D "$dir/pg" -U reg -A trust --no-locale -E UTF8 >/dev/null
"${as[@]}" "$bin/postgres" -D "$dir/pg" -p 19620 -k "$dir/run" -c listen_addresses=127.0.0.1 -c shared_buffers=1GB >"$dir/pg.log" 2>&1 &
postgres=$!
ROOT_ACCESS_KEY=benchkey ROOT_SECRET_KEY=benchsecret versitygw --quiet --keep-alive --access-log "$dir/s3.log" --port 127.0.0.1:19610 posix "$dir/s3" >"$dir/s3.out" 2>&1 &
s3=$!
nodes=
trap 'kill -INT $nodes $s3 $postgres; wait || true; rm -rf "$dir"' EXIT
sql() { psql -q -A -t -h 127.0.0.1 -p 19620 -U reg "$@"; }
until sql postgres -c 'SELECT 1' >/dev/null 2>&1; do sleep 0.1; done
sql postgres -c 'CREATE DATABASE reg'

# serve PORT REDIRECT starts a node; its process is in $node.
export AWS_ACCESS_KEY_ID=benchkey AWS_SECRET_ACCESS_KEY=benchsecret ORLOPD_ADMIN_PASSWORD=bench-password
serve() {
  orlopd --listen "127.0.0.1:$1" --data "$dir/data-$1" --redirect="$2" --metadata "postgres://reg@127.0.0.1:19620/reg?sslmode=disable" \
    --blobs "s3://bench/a?endpoint=http://127.0.0.1:19610&region=us-east-1&path-style=true" >"$dir/node-$1.log" 2>&1 &
  node=$!
  nodes+=" $node"
  until curl -sf "http://127.0.0.1:$1/readyz" >/dev/null; do sleep 0.1; done
}
serve 19600 true
go build -o "$dir/regbench" .

echo "== rows, which stay for what follows"
psql -h 127.0.0.1 -p 19620 -U reg reg -f rows.sql

export HOME=$dir/home
orlop login 127.0.0.1:19600 -u admin -p bench-password >/dev/null 2>&1

# asked runs a command and prints the requests that reached the S3 server.
asked() {
  local what=$1 before
  shift
  before=$(wc -l <"$dir/s3.log")
  "$@" >/dev/null 2>"$dir/client.log" || { cat "$dir/client.log"; return 1; }
  sleep 1
  echo "$what: $(tail -n +$((before + 1)) "$dir/s3.log" | grep -oE 's3_[A-Za-z]+' | sort | uniq -c | tr -s '\n ' ' ')"
}

echo "== requests to the S3 server"
cd "$dir/files"
for size in 1k 1m 10m 64m; do
  head -c "${size^^}" /dev/urandom >"$size"
  asked "push of $size" orlop push 127.0.0.1:19600/cap/$size:1 "$size"
  asked "pull of $size" orlop pull 127.0.0.1:19600/cap/$size:1 -o "$dir/got"
  rm -rf "$dir/got"
done
digest=$(orlop manifest fetch 127.0.0.1:19600/cap/64m:1 | grep -oE 'sha256:[0-9a-f]{64}' | tail -n 1)
small=$(orlop manifest fetch 127.0.0.1:19600/cap/1k:1 | grep -oE 'sha256:[0-9a-f]{64}' | tail -n 1)
manifest=$(orlop resolve 127.0.0.1:19600/cap/1k:1)

# value prints the value of a measurement.
value() { grep "\"$1\"" "$dir/load.log" | grep -oE '"value":[0-9.e+-]+' | head -n 1 | cut -d : -f 2; }
commits() { sql reg -c "SELECT xact_commit FROM pg_stat_database WHERE datname = 'reg'"; }

# load prints what a request takes of a node, and of PostgreSQL, measured one
# after the other.
load() {
  local what=$1 before n used=()
  shift
  for pid in $node $postgres; do
    sleep 1.2 # until PostgreSQL has counted
    before=$(commits)
    "$dir/regbench" httpload -base http://127.0.0.1:19600 -user admin -pass bench-password -conns 32 -dur "${seconds}s" -pid $pid "$@" \
      2>"$dir/load.log" >/dev/null || { cat "$dir/load.log"; return 1; }
    used+=("$(value "${method}_server_cpu")")
  done
  sleep 1.2
  n=$(value "${method}_rate")
  printf '%-22s node %5.1f us, PostgreSQL %5.1f us, %.1f transactions, %.0f a second, p50 %.1f ms, p99 %.1f ms\n' "$what" "${used[@]}" \
    "$(awk "BEGIN { print ($(commits) - $before) / ($n * $seconds) }")" "$n" "$(value "${method}_p50")" "$(value "${method}_p99")"
}

echo "== CPU time, microseconds a request"
method=GET
load "manifest by tag" -path /v2/cap/1k/manifests/1
load "manifest by digest" -path "/v2/cap/1k/manifests/$manifest"
method=HEAD load "HEAD of a blob" -path "/v2/cap/64m/blobs/$digest" -method HEAD
load "small blob" -path "/v2/cap/1k/blobs/$small"
load "redirect of a blob" -path "/v2/cap/64m/blobs/$digest" -status 307

cd - >/dev/null
echo "== transfers through a node, and small artifacts (2,000, of two blobs and a manifest by tag)"
serve 19601 false
for pid in $node $postgres $s3; do
  rm -f "$dir/r.jsonl"
  "$dir/regbench" server -base http://127.0.0.1:19601 -user admin -pass bench-password -pid $pid -runs 1 -work S1,S2,S5 -size $((256 << 20)) \
    -quiet 1s -dir "$dir/work" -out "$dir/r.jsonl" >"$dir/load.out" 2>&1 || cat "$dir/load.out"
  echo "of process $(cat /proc/$pid/comm):"
  grep -E 'cpu|rate|MB/s|artifacts' "$dir/load.out" || cat "$dir/load.out"
done
