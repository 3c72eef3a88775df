#!/usr/bin/env bash
# The tutorial: starts a registry with no configuration and walks through
# signing in, pushing, looking, pulling and deleting, showing every command and
# its output. It fails if anything is not as it should be.
#
# usage: demo/tutorial.sh          after "make build", or as "make demo"
set -euo pipefail
. "$(dirname "$0")/../test/lib.sh"
PATH="$root/bin:$PATH"
cd "$work"

say() { printf '\n# %s\n' "$*"; }

# show COMMAND runs a command line and shows it with its output, which is left
# in $out.
show() {
  printf '$ %s\n' "$1"
  local status=0
  out=$(eval "$1" 2>&1) || status=$?
  [ -z "$out" ] || printf '%s\n' "$out"
  return "$status"
}

# expect TEXT: the last output has this text in it.
expect() { [[ "$out" == *"$1"* ]] || fail "the output lacks: $1"; }

# refused EXIT-CODE COMMAND shows a command that must fail in this way.
refused() {
  local status=0
  show "$2" || status=$?
  [ "$status" -eq "$1" ] || fail "expected exit code $1, not $status"
  echo "(exit code $status)"
}

say "Start the registry. It needs no configuration."
printf '$ orlopd &\n'
start_orlopd
cat "$work/orlopd.out"
ADMIN_PASSWORD=$(admin_password)
[ -n "$ADMIN_PASSWORD" ] || fail "no password was generated"
echo "(the port is $REGISTRY here, so that the demo is in nobody's way; the default is 127.0.0.1:5000)"

say "As the admin, create a service principal that may push, and one that may only pull."
show 'echo "$ADMIN_PASSWORD" | orlop acr login --name $REGISTRY --username admin --password-stdin'
expect "Login Succeeded"
show 'orlop acr sp create --name ci --role AcrPush --repository "samples/*" | tee ci.json'
expect '"appId"'
SP_APP_ID=$(sed -n 's/.*"appId": "\([^"]*\)".*/\1/p' ci.json)
SP_PASSWD=$(sed -n 's/.*"password": "\([^"]*\)".*/\1/p' ci.json)
show 'orlop acr sp create --name reader --role AcrPull > reader.json'
show 'orlop acr sp list'
expect "reader"

say "Sign in as the service principal, push a file."
show 'echo "$SP_PASSWD" | orlop login $REGISTRY --username $SP_APP_ID --password-stdin'
expect "Login Succeeded"
show 'echo "Here is an artifact!" > artifact.txt'
show 'orlop push $REGISTRY/samples/artifact:1.0 \
    --manifest-config /dev/null:application/vnd.unknown.config.v1+json \
    ./artifact.txt:application/vnd.unknown.layer.v1+txt'
expect "603ea6780f25 artifact.txt"
expect "Digest: sha256:"

say "Look at it, as the admin: the acr commands go on as who signed in by acr login."
show 'orlop acr repository show --name $REGISTRY --image samples/artifact:1.0'
expect '"name": "1.0"'
show 'orlop repo tags $REGISTRY/samples/artifact'
expect "1.0"

say "Pull it back."
show 'rm artifact.txt'
show 'orlop pull $REGISTRY/samples/artifact:1.0 --media-type application/vnd.unknown.layer.v1+txt'
show 'cat artifact.txt'
expect "Here is an artifact!"

say "Who may only pull cannot push."
READER_ID=$(sed -n 's/.*"appId": "\([^"]*\)".*/\1/p' reader.json)
READER_PASSWD=$(sed -n 's/.*"password": "\([^"]*\)".*/\1/p' reader.json)
show 'echo "$READER_PASSWD" | orlop login $REGISTRY --username $READER_ID --password-stdin'
refused 5 'orlop push $REGISTRY/samples/artifact:2.0 ./artifact.txt:application/vnd.unknown.layer.v1+txt'

say "Delete it."
show 'orlop acr repository delete --name $REGISTRY --image samples/artifact:1.0 --yes'
refused 6 'orlop pull $REGISTRY/samples/artifact:1.0'

say "Done: everything was as it should be."
