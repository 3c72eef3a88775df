#!/usr/bin/env bash
# The tutorial with the clients and the registries that people have: the real
# oras against our registry, orlop under the name oras, orlop against
# distribution, and oras against what orlop pushed and the other way round.
#
# usage: test/tutorial_clients.sh      needs bin/, and oras and registry on PATH
set -euo pipefail
. "$(dirname "$0")/lib.sh"
for tool in oras registry; do
  command -v "$tool" >/dev/null || fail "$tool is not installed; .ci/run tells how"
done
real_oras=$(command -v oras)
cd "$work"

# tutorial CLIENT REGISTRY CONFIG-FLAG REPOSITORY: push, pull, compare.
tutorial() {
  local client=$1 registry=$2 flag=$3 repo=$4
  echo "== ${client##*/} -> $registry/$repo"
  echo "Here is an artifact!" >artifact.txt
  "$client" push "$registry/$repo:1.0" "$flag" /dev/null:application/vnd.unknown.config.v1+json \
    ./artifact.txt:application/vnd.unknown.layer.v1+txt | tee push.out
  grep -q '^Digest: sha256:' push.out || fail "no digest was printed"
  pull "$client" "$registry/$repo:1.0"
  [ "$("$client" repo tags "$registry/$repo")" = 1.0 ] || fail "the tag is not listed"
  "$client" resolve "$registry/$repo:1.0" | grep -q '^sha256:' || fail "resolve gives no digest"
}

# pull CLIENT REFERENCE: pulls the artifact and compares it.
pull() {
  rm -f artifact.txt
  "$1" pull "$2"
  [ "$(cat artifact.txt)" = "Here is an artifact!" ] || fail "${1##*/} pull $2 gave something else"
}

mkdir -p linked
ln -s "$root/bin/orlop" linked/oras
export ORLOPD_ADMIN_PASSWORD=tutorial-admin-password
start_orlopd
start_distribution
# oras speaks plain HTTP to localhost, and to no address unless told.
REGISTRY=localhost:${REGISTRY##*:}

echo "$ORLOPD_ADMIN_PASSWORD" | "$root/bin/orlop" acr login --name "$REGISTRY" --username admin --password-stdin
"$root/bin/orlop" acr sp create --name ci --role AcrPush --repository 'samples/*' >ci.json
SP_APP_ID=$(sed -n 's/.*"appId": "\([^"]*\)".*/\1/p' ci.json)
SP_PASSWD=$(sed -n 's/.*"password": "\([^"]*\)".*/\1/p' ci.json)
for client in "$root/bin/orlop" "$work/linked/oras" "$real_oras"; do
  "$client" login "$REGISTRY" --username "$SP_APP_ID" --password "$SP_PASSWD"
done
tutorial "$real_oras" "$REGISTRY" --config samples/oras
tutorial "$root/bin/orlop" "$REGISTRY" --manifest-config samples/orlop
tutorial "$work/linked/oras" "$REGISTRY" --manifest-config samples/linked
tutorial "$root/bin/orlop" "$REGISTRY" --config samples/orlop-config
tutorial "$root/bin/orlop" "$DISTRIBUTION" --manifest-config samples/artifact

echo "== each pulls what the other pushed"
pull "$real_oras" "$REGISTRY/samples/orlop:1.0"
pull "$root/bin/orlop" "$REGISTRY/samples/oras:1.0"
pull "$real_oras" "$DISTRIBUTION/samples/artifact:1.0"

"$root/bin/orlop" acr repository delete --name "$REGISTRY" --image samples/oras:1.0 --yes
if "$real_oras" pull "$REGISTRY/samples/oras:1.0" 2>/dev/null; then fail "deleted, and still there"; fi

unset ORLOPD_ADMIN_PASSWORD
echo "== all tutorials passed"
