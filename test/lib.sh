# Functions for the scripts that drive real programs. Source it after
# "set -euo pipefail". It makes a scratch directory, $work, and removes it at
# the end together with what was started.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
work=$(mktemp -d)
started=()

# The person's own credentials and configuration stay out of it.
export HOME="$work/home" DOCKER_CONFIG="$work/home/.docker" XDG_CONFIG_HOME="$work/home/.config"
mkdir -p "$HOME"

finish() {
  local status=$?
  for pid in ${started[@]+"${started[@]}"}; do # an empty array is unbound to old shells
    kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true
  done
  if [ "$status" -ne 0 ]; then
    for log in "$work"/*.log; do
      [ -s "$log" ] && { echo "--- $(basename "$log")"; tail -n 40 "$log"; } >&2
    done
    echo "FAILED: ${0##*/}" >&2
  fi
  rm -rf "$work"
  exit "$status"
}
trap finish EXIT

fail() { echo "error: $*" >&2; exit 1; }

# await COMMAND... repeats a command until it succeeds, for at most 30 seconds.
await() {
  for _ in $(seq 600); do
    "$@" >/dev/null 2>&1 && return 0
    sleep 0.05
  done
  fail "gave up waiting for: $*"
}

# start_orlopd [ARGUMENT...] starts the registry on a free port and sets
# REGISTRY to its address. Its output is in $work/orlopd.out.
start_orlopd() {
  "$root/bin/orlopd" --listen 127.0.0.1:0 --data "$work/data" "$@" >"$work/orlopd.out" 2>"$work/orlopd.log" &
  started+=($!)
  await grep -q '^Orlop serves' "$work/orlopd.out"
  REGISTRY=$(sed -n 's|^Orlop serves https\{0,1\}://||p' "$work/orlopd.out" | head -n 1)
  await listening "$REGISTRY"
}

# start_postgres starts a private PostgreSQL and sets METADATA to its address, to
# which the name of a database made by postgres_database belongs.
start_postgres() {
  local bin dir=$work/postgres port as=()
  bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
  [ -n "$bin" ] || fail "PostgreSQL is not installed"
  port=$(free_port)
  mkdir -p "$dir/run" && chmod 711 "$work"
  if [ "$(id -u)" -eq 0 ]; then # it does not run as root
    chown -R nobody "$dir"
    as=(setpriv --reuid=nobody --regid=nogroup --clear-groups)
  fi
  (cd "$dir" && ${as[@]+"${as[@]}"} "$bin/initdb" -D "$dir/data" -U orlop -A trust --no-locale -E UTF8 --no-sync) >"$work/initdb.log" 2>&1
  ${as[@]+"${as[@]}"} "$bin/postgres" -D "$dir/data" -p "$port" -k "$dir/run" -c listen_addresses=127.0.0.1 >"$work/postgres.log" 2>&1 &
  started+=($!)
  await "$bin/psql" -h 127.0.0.1 -p "$port" -U orlop -c 'SELECT 1' postgres
  METADATA=postgres://orlop@127.0.0.1:$port
  psql=$bin/psql
}

postgres_database() { "$psql" -q -c "CREATE DATABASE $1" "$METADATA/postgres"; }

# start_s3 starts a private S3 server, where s3_bucket makes buckets, and sets
# S3_ENDPOINT and the credentials.
start_s3() {
  local addr=127.0.0.1:$(free_port)
  export AWS_ACCESS_KEY_ID=orlop-test AWS_SECRET_ACCESS_KEY=orlop-test-secret
  mkdir -p "$work/s3"
  ROOT_ACCESS_KEY=$AWS_ACCESS_KEY_ID ROOT_SECRET_KEY=$AWS_SECRET_ACCESS_KEY \
    versitygw --quiet --keep-alive --port "$addr" posix "$work/s3" >"$work/s3.log" 2>&1 &
  started+=($!)
  await listening "$addr"
  S3_ENDPOINT=http://$addr
}

s3_bucket() { mkdir "$work/s3/$1"; }

# start_distribution starts another registry, which takes whatever account is
# given, and sets DISTRIBUTION to its address.
start_distribution() {
  local addr=127.0.0.1:$(free_port)
  cat >"$work/distribution.yml" <<YAML
version: 0.1
storage: {filesystem: {rootdirectory: $work/distribution}, delete: {enabled: true}}
http: {addr: "$addr"}
log: {level: error}
YAML
  OTEL_TRACES_EXPORTER=none OTEL_METRICS_EXPORTER=none registry \
    serve "$work/distribution.yml" >"$work/distribution.log" 2>&1 &
  started+=($!)
  await listening "$addr"
  DISTRIBUTION=localhost:${addr##*:}
}

# admin_password prints the password that the registry generated.
admin_password() { sed -n '/shown only now/,$s/^    \([^ ]*\)$/\1/p' "$work/orlopd.out" | head -n 1; }

# listening HOST:PORT tells whether something accepts connections there.
listening() { (exec 3<>"/dev/tcp/${1%:*}/${1##*:}"); }

# free_port prints a port that is free now.
free_port() {
  local port
  for port in $(seq $((20000 + RANDOM % 20000)) 60000); do
    listening "127.0.0.1:$port" 2>/dev/null || { echo "$port"; return; }
  done
}
