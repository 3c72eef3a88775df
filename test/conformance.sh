#!/usr/bin/env bash
# Runs the conformance suite of the distribution specification against orlopd on
# its embedded default: first with every option on, for which sparse manifests
# have to be allowed (the specification leaves them to the registry, and the
# suite wants them taken), then with all settings at their defaults. Then both
# again on PostgreSQL and S3.
#
# usage: test/conformance.sh [RESULTS-DIRECTORY]     needs bin/orlopd, PostgreSQL, and conformance and versitygw on PATH
set -euo pipefail
. "$(dirname "$0")/lib.sh"
for tool in conformance versitygw; do
  command -v "$tool" >/dev/null || fail "$tool is not installed; .ci/run tells how"
done
results=$(realpath -m "${1:-$work/results}")
mkdir -p "$results"

export ORLOPD_ADMIN_PASSWORD=conformance-admin-password
export OCI_VERSION=dev OCI_TLS=disabled OCI_USERNAME=admin OCI_PASSWORD=$ORLOPD_ADMIN_PASSWORD

# suite NAME SPARSE OUTCOME... [-- FLAG...] runs the suite against a registry with
# these flags, with or without sparse manifests, and demands that no test has one
# of the outcomes.
suite() {
  local name=$1 sparse=$2 outcomes=() status=0
  shift 2
  while [ "$#" -gt 0 ] && [ "$1" != -- ]; do outcomes+=("$1"); shift; done
  [ "$#" -eq 0 ] || shift
  echo "== $name"
  rm -rf "$work/data"
  start_orlopd "$@"
  mkdir -p "$results/$name"
  (cd "$work" && OCI_REGISTRY=$REGISTRY OCI_RESULTS_DIR=$results/$name OCI_DATA_SPARSE=$sparse conformance) >"$work/conformance.log" 2>&1 || status=$?
  sed -n '/^OCI Conformance Result/,$p' "$work/conformance.log"
  [ "$status" -eq 0 ] || fail "the suite failed"
  for outcome in "${outcomes[@]}"; do
    grep -q "^  $outcome\.*: *0$" "$work/conformance.log" || fail "not every test ran and passed: $outcome"
  done
  kill "${started[-1]}" && wait "${started[-1]}" || true
  unset 'started[-1]'
}

suite everything true Skip Disabled FAIL Error -- --sparse-manifests
suite defaults false Skip FAIL Error

start_postgres
start_s3
# scaled NAME makes a database and a bucket. The suite would show the bucket the
# credentials of the registry, since both are on one host, so it is not sent there.
scaled() {
  postgres_database "$1" && s3_bucket "$1"
  flags=(--metadata "$METADATA/$1" --blobs "s3://$1?endpoint=$S3_ENDPOINT&region=us-east-1" --redirect=false)
}
scaled everything
suite scaled-everything true Skip Disabled FAIL Error -- --sparse-manifests "${flags[@]}"
scaled defaults
suite scaled-defaults false Skip FAIL Error -- "${flags[@]}"
