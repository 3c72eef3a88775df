#!/usr/bin/env bash
# The tutorial of docs/azure-cli.md as it stands there, with the real az and the
# real oras: every block of bash in it is run, one after another.
#
# usage: test/azure_tutorial.sh      needs root, bin/, az, and oras on PATH
set -euo pipefail
if [ "${1:-}" != inside ]; then
  [ "$(id -u)" = 0 ] || { echo "skipped: namespaces of our own need root" >&2; [ "${CI:-}" != true ]; exit; }
  exec unshare --mount --net "$0" inside
fi
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/azure_lib.sh"
command -v az >/dev/null || { echo "skipped: az is not installed" >&2; [ "${CI:-}" != true ]; exit; }
command -v oras >/dev/null || fail "oras is not installed; .ci/run tells how"
azure_hosts localhost # the tutorial adds the registry
cd "$work"
export PATH="$root/bin:$PATH"
sudo() { "$@"; }

export ADMIN_PASSWD=tutorial-admin-password
ORLOPD_ADMIN_PASSWORD=$ADMIN_PASSWD ORLOPD_LISTEN=127.0.0.1:5443 ORLOPD_TLS=auto ORLOPD_DOMAIN=azurecr.localtest orlopd >orlopd.out 2>orlopd.log &
started+=($!)
await listening 127.0.0.1:5443

sed -n '/^```bash$/,/^```$/p' "$root/docs/azure-cli.md" | sed '/^```/d' >tutorial.sh
[ "$(wc -l <tutorial.sh)" -gt 20 ] || fail "the page has no tutorial"
set -x
. ./tutorial.sh
set +x
[ "$(cat artifact.txt)" = "Here is an artifact!" ] || fail "something else was pulled"

echo "== a managed identity"
kill "${started[0]}"; wait "${started[0]}" || true
secret="a secret of this machine"
ORLOPD_MANAGED_IDENTITY_SECRET=$secret orlopd --managed-identity "$SP_APP_ID" >orlopd.out 2>orlopd2.log &
started=($!)
await listening 127.0.0.1:5443
export MSI_ENDPOINT="https://myregistry.azurecr.localtest:5443/msi/token?secret=wrong"
expect 1 login --identity
export MSI_ENDPOINT="https://myregistry.azurecr.localtest:5443/msi/token?secret=${secret// /%20}"
expect 0 login --identity
expect 0 acr repository list --name myregistry
is d '["samples/artifact"]'
echo "== the tutorial with az passed, ${SECONDS} s"
