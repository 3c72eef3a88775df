#!/usr/bin/env bash
# The real az and orlop side by side on one registry: what they print, in every
# format, and how they end.
#
# usage: test/acr_like_az.sh      needs root, bin/, az, and oras on PATH
set -euo pipefail
if [ "${1:-}" != inside ]; then
  [ "$(id -u)" = 0 ] || { echo "skipped: namespaces of our own need root" >&2; [ "${CI:-}" != true ]; exit; }
  exec unshare --mount --net "$0" inside
fi
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/azure_lib.sh"
command -v az >/dev/null || { echo "skipped: az is not installed" >&2; [ "${CI:-}" != true ]; exit; }
azure_hosts localhost myregistry.azurecr.localtest
cd "$work"

export ORLOPD_ADMIN_PASSWORD=tutorial-admin-password
export ORLOPD_LISTEN=127.0.0.1:443 ORLOPD_DATA=$work/data ORLOPD_TLS=auto ORLOPD_DOMAIN=azurecr.localtest
"$root/bin/orlopd" >orlopd.out 2>orlopd.log &
started+=($!)
await listening 127.0.0.1:443

export PATH="$root/bin:$PATH" SSL_CERT_FILE="$work/data/tls/ca.pem"
host=myregistry.azurecr.localtest
echo "$ORLOPD_ADMIN_PASSWORD" | orlop acr login --name $host --username admin --password-stdin
orlop acr sp create --name ci --role Owner >ci.json
SP_APP_ID=$(orlop acr sp list --query "[?displayName=='ci'].appId" -o tsv)
SP_PASSWD=$(python3 -c 'import json; print(json.load(open("ci.json"))["password"])')

echo "== az and orlop sign in as the same service principal"
orlopd azure-setup >setup.sh
. ./setup.sh
tenant=$(sed -n 's/.*az login .*--tenant //p' setup.sh)
az login --service-principal --username "$SP_APP_ID" --password "$SP_PASSWD" --tenant "$tenant" >/dev/null
echo "$SP_PASSWD" | orlop acr login --name myregistry --username "$SP_APP_ID" --password-stdin

# Two repositories alike: what changes something is done by az in the one and by
# orlop in the other.
echo "Here is an artifact!" >artifact.txt
echo '{"seen": true}' >scan.json
for repo in twins/az twins/us; do
  orlop push $host/$repo:1.0,stable artifact.txt:application/vnd.unknown.layer.v1+txt --reproducible --annotation "note=a: b" >/dev/null
  orlop attach --artifact-type application/vnd.example.scan --annotation org.opencontainers.image.created=2026-01-01T00:00:00Z $host/$repo:1.0 scan.json >/dev/null
  orlop push $host/$repo:2.0 artifact.txt --reproducible --artifact-type application/vnd.example.other >/dev/null
  orlop manifest index create $host/$repo:index 1.0 2.0 >/dev/null
done

# az is run in one process, for its start takes a second: by the Python that it
# is installed for.
/usr/bin/python3 -W ignore "$root/test/acr_like_az.py"
echo "== az and orlop are alike"
