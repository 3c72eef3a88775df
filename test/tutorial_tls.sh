#!/usr/bin/env bash
# The tutorial over TLS, with the registry's own authority: orlop and the real
# oras trust its certificate and nothing else.
#
# usage: test/tutorial_tls.sh      needs bin/, and oras on PATH
set -euo pipefail
. "$(dirname "$0")/lib.sh"
command -v oras >/dev/null || fail "oras is not installed; .ci/run tells how"
cd "$work"

export ORLOPD_ADMIN_PASSWORD=tutorial-admin-password
start_orlopd --tls auto --domain azurecr.localtest

ca=$work/data/tls/ca.pem

for client in "$root/bin/orlop" oras; do
  echo "== ${client##*/} -> https://$REGISTRY"
  if echo "$ORLOPD_ADMIN_PASSWORD" | "$client" login "$REGISTRY" --plain-http=false --username admin --password-stdin 2>untrusted.txt; then
    fail "signed in to a server that nobody vouches for"
  fi
  grep -qi "certificate" untrusted.txt || fail "the refusal does not name the certificate: $(cat untrusted.txt)"
  echo "$ORLOPD_ADMIN_PASSWORD" | "$client" login "$REGISTRY" --ca-file "$ca" --username admin --password-stdin
  echo "Here is an artifact!" >artifact.txt
  "$client" push --ca-file "$ca" "$REGISTRY/samples/${client##*/}:1.0" ./artifact.txt:application/vnd.unknown.layer.v1+txt
  rm artifact.txt
  "$client" pull --ca-file "$ca" "$REGISTRY/samples/${client##*/}:1.0"
  [ "$(cat artifact.txt)" = "Here is an artifact!" ] || fail "something else was pulled"
done

echo "== a login server of the domain"
curl -sS --cacert "$ca" --resolve "myregistry.azurecr.localtest:${REGISTRY##*:}:127.0.0.1" -D headers.txt \
  "https://myregistry.azurecr.localtest:${REGISTRY##*:}/v2/" -o /dev/null
grep -i "^www-authenticate:.*realm=\"https://myregistry.azurecr.localtest:" headers.txt || fail "the challenge names another host"
unset ORLOPD_ADMIN_PASSWORD
echo "== the tutorial over TLS passed"
