#!/usr/bin/env bash
# Runs the conformance suite of the distribution specification, with every
# option on, against orlopd on its embedded default. Only sparse manifests have
# to be allowed: the specification leaves them to the registry, and the suite
# wants them taken.
#
# usage: test/conformance.sh [RESULTS-DIRECTORY]     needs bin/orlopd, and conformance on PATH
set -euo pipefail
. "$(dirname "$0")/lib.sh"
command -v conformance >/dev/null || fail "the conformance suite is not installed; .ci/run tells how"
results=$(realpath -m "${1:-$work/results}")
mkdir -p "$results"

export ORLOPD_ADMIN_PASSWORD=conformance-admin-password
start_orlopd --sparse-manifests

export OCI_VERSION=dev OCI_REGISTRY=$REGISTRY OCI_TLS=disabled OCI_RESULTS_DIR=$results
export OCI_USERNAME=admin OCI_PASSWORD=$ORLOPD_ADMIN_PASSWORD
export OCI_DATA_SPARSE=true
cd "$work"
status=0
conformance >"$work/conformance.log" 2>&1 || status=$?
cat "$work/conformance.log"
[ "$status" -eq 0 ] || fail "the suite failed"

# Nothing may be left out either: no test is disabled, none skipped.
for count in Disabled Skip FAIL Error; do
  grep -Eq "^ *$count\.+: +0$" "$work/conformance.log" || fail "$count is not 0"
done
grep -Eq '^ *Total\.+: +[1-9]' "$work/conformance.log" || fail "no test ran"
