#!/usr/bin/env bash
# Measures orlopd on PostgreSQL and an S3 server beside distribution on the same
# S3 server. It starts a private PostgreSQL and versitygw and ends them.
#
# usage: ./scale_out.sh RESULTS.jsonl [RUNS] [WORKLOADS] [COLUMNS]
#
# needs orlopd, registry (distribution v3.1.2), versitygw v1.8.0 and psql on PATH,
# and Debian's postgresql
set -euo pipefail
cd "$(dirname "$0")"
results=$(realpath -m "$1") runs=${2:-3} work=${3:-S1,S2,S3,S4,S5,S6,S7} columns=${4:-all}
dir=$(mktemp -d)
chmod 755 "$dir"
bin=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)
as=() # initdb refuses root
if [ "$(id -u)" = 0 ]; then
  id pgbench >/dev/null 2>&1 || useradd --no-create-home --system pgbench
  as=(setpriv --reuid=pgbench --regid=pgbench --clear-groups)
fi
mkdir -p "$dir/pg" "$dir/run" "$dir/s3/bench"
if [ "$(id -u)" = 0 ]; then chown pgbench "$dir/pg" "$dir/run"; fi

"${as[@]}" "$bin/initdb" -D "$dir/pg" -U reg -A trust --no-locale -E UTF8 >/dev/null
"${as[@]}" "$bin/postgres" -D "$dir/pg" -p 19520 -k "$dir/run" -c listen_addresses=127.0.0.1 -c shared_buffers=256MB >"$dir/pg.log" 2>&1 &
postgres=$!
ROOT_ACCESS_KEY=benchkey ROOT_SECRET_KEY=benchsecret versitygw --quiet --keep-alive --port 127.0.0.1:19510 posix "$dir/s3" >"$dir/s3.log" 2>&1 &
s3=$!
trap 'kill -INT $postgres $s3; wait $postgres $s3 || true; rm -rf "$dir"' EXIT
until psql -q -h 127.0.0.1 -p 19520 -U reg postgres -c 'SELECT 1' >/dev/null 2>&1; do sleep 0.1; done

go build -o "$dir/regbench" .
"$dir/regbench" server -servers conf/servers_scale_out.json -only "$columns" -runs "$runs" -work "$work" -size $((256 << 20)) \
  -dir "$dir/work" -out "$results"
"$dir/regbench" report "$results"
