#!/usr/bin/env bash
# Starts orlopd on a database and a prefix of its own, named by the port. The
# servers that it uses are those of scale_out.sh.
set -euo pipefail
port=$1 redirect=${2:+true}
psql -q -h 127.0.0.1 -p 19520 -U reg postgres -c "CREATE DATABASE bench_$port" >&2
export AWS_ACCESS_KEY_ID=benchkey AWS_SECRET_ACCESS_KEY=benchsecret ORLOPD_ADMIN_PASSWORD=bench-password
exec orlopd --listen "127.0.0.1:$port" --data "$STORE" --anonymous-pull \
  --metadata "postgres://reg@127.0.0.1:19520/bench_$port?sslmode=disable" \
  --blobs "s3://bench/$port?endpoint=http://127.0.0.1:19510&region=us-east-1&path-style=true" --redirect="${redirect:-false}"
