#!/usr/bin/env bash
# Every command of "az acr" that works on a registry's data, with the real az,
# once with a user and a password and once signed in as a service principal; and
# what az does when it is refused.
#
# usage: test/azure_cli.sh      needs root, bin/, az, and oras on PATH
set -euo pipefail
if [ "${1:-}" != inside ]; then
  [ "$(id -u)" = 0 ] || { echo "skipped: namespaces of our own need root" >&2; [ "${CI:-}" != true ]; exit; }
  exec unshare --mount --net "$0" inside
fi
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/azure_lib.sh"
command -v az >/dev/null || { echo "skipped: az is not installed" >&2; [ "${CI:-}" != true ]; exit; }
command -v oras >/dev/null || fail "oras is not installed; .ci/run tells how"
azure_hosts localhost myregistry.azurecr.localtest another.azurecr.localtest
docker_shim
cd "$work"

host=myregistry.azurecr.localtest
export ORLOPD_ADMIN_PASSWORD=tutorial-admin-password
export ORLOPD_LISTEN=127.0.0.1:443 ORLOPD_DATA=$work/data ORLOPD_TLS=auto ORLOPD_DOMAIN=azurecr.localtest
"$root/bin/orlopd" >orlopd.out 2>orlopd.log &
started+=($!)
await listening 127.0.0.1:443

echo "== set up, as azure-setup says"
export SSL_CERT_FILE="$work/data/tls/ca.pem"
echo "$ORLOPD_ADMIN_PASSWORD" | "$root/bin/orlop" login $host --username admin --password-stdin
"$root/bin/orlop" acr sp create --name ci --role Contributor >ci.json
"$root/bin/orlop" acr sp create --name reader --role AcrPull >reader.json
"$root/bin/orlop" acr sp create --name owner --role Owner >owner.json
SP_APP_ID=$(python3 -c 'import json; print(json.load(open("ci.json"))["appId"])')
SP_PASSWD=$(python3 -c 'import json; print(json.load(open("ci.json"))["password"])')
echo "$SP_PASSWD" | oras login $host --username "$SP_APP_ID" --password-stdin
"$root/bin/orlopd" azure-setup >setup.sh
. ./setup.sh

# A repository with an artifact that has two tags and a referrer.
refill() {
  echo "Here is an artifact!" >artifact.txt
  echo '{"seen": true}' >scan.json
  oras push $host/samples/artifact:1.0 artifact.txt:application/vnd.unknown.layer.v1+txt >push.out
  oras tag $host/samples/artifact:1.0 stable latest >/dev/null
  oras attach --artifact-type application/vnd.example.scan $host/samples/artifact:1.0 scan.json >/dev/null
  digest=$(sed -n 's/^Digest: //p' push.out)
  referrer=$(oras discover --format json $host/samples/artifact:1.0 | sed -n 's/.*"digest": "\(sha256:[^"]*\)".*/\1/p' | grep -v "$digest" | head -n 1)
}

image="createdTime lastUpdateTime digest changeableAttributes"
switches="deleteEnabled writeEnabled readEnabled listEnabled"

# look AUTHENTICATION... : what changes nothing.
look() {
  local name="-n myregistry"
  expect 0 acr repository list $name "$@"
  is d '["samples/artifact"]'
  expect 0 acr repository list $name --top 1 "$@" --output tsv
  [ "$(cat out)" = samples/artifact ] || fail "$(cat out)"
  expect 0 acr repository show $name --repository samples/artifact "$@"
  keys d registry imageName createdTime lastUpdateTime manifestCount tagCount changeableAttributes
  keys "d['changeableAttributes']" $switches teleportEnabled
  is "d['registry']" $host; is "d['tagCount']" 3
  expect 0 acr repository show $name --image samples/artifact:1.0 "$@"
  keys d name $image signed
  keys "d['changeableAttributes']" $switches
  is "d['digest']" "$digest"
  expect 0 acr repository show $name --image "samples/artifact@$digest" "$@"
  is "d['digest']" "$digest"; is "sorted(d['tags'])" '["1.0", "latest", "stable"]'
  expect 0 acr repository show-tags $name --repository samples/artifact "$@"
  is d '["1.0", "latest", "stable"]'
  expect 0 acr repository show-tags $name --repository samples/artifact --orderby time_asc "$@"
  is "d[0]" 1.0
  expect 0 acr repository show-tags $name --repository samples/artifact --detail --top 1 --orderby time_desc "$@"
  keys "d[0]" name $image signed
  expect 0 acr repository show-manifests $name --repository samples/artifact --detail "$@"
  is "len(d)" 2
  expect 0 acr manifest list-metadata -r myregistry -n samples/artifact "$@"
  is "len(d)" 2
  expect 0 acr manifest list -r myregistry -n samples/artifact "$@"
  is "sorted(set(m['schemaVersion'] for m in d))" '[2]'
  expect 0 acr manifest show -r myregistry -n samples/artifact:1.0 "$@"
  is "d['layers'][0]['mediaType']" application/vnd.unknown.layer.v1+txt
  expect 0 acr manifest show -r myregistry -n "samples/artifact@$digest" --raw "$@"
  says '"schemaVersion":2'
  expect 0 acr manifest show-metadata $host/samples/artifact:1.0 "$@"
  is "d['digest']" "$digest"
  expect 0 acr manifest metadata show -r myregistry -n samples/artifact:1.0 "$@"
  expect 0 acr manifest list-referrers -r myregistry -n samples/artifact:1.0 --recursive "$@"
  is "d['references'][0]['artifactType'] if 'references' in d else d['manifests'][0]['artifactType']" application/vnd.example.scan
  expect 0 acr manifest list-referrers -r myregistry -n "samples/artifact@$digest" --artifact-type application/x-none "$@"
}

# locks AUTHENTICATION... : a locked tag withstands what az can do to it.
locks() {
  local name="-n myregistry"
  expect 0 acr repository update $name --image samples/artifact:stable --write-enabled false --delete-enabled false "$@"
  is "d['changeableAttributes']['writeEnabled'], d['changeableAttributes']['deleteEnabled']" '(False, False)'
  expect 1 acr repository untag $name --image samples/artifact:stable "$@"
  says "disallowed"
  if oras tag "$host/samples/artifact@$referrer" stable 2>err; then fail "a locked tag has moved"; fi
  expect 0 acr repository update $name --image samples/artifact:stable --write-enabled true --delete-enabled true "$@"
  expect 0 acr manifest update-metadata -r myregistry -n "samples/artifact@$digest" --delete-enabled false "$@"
  expect 1 acr repository delete $name --image "samples/artifact@$digest" --yes "$@"
  expect 0 acr manifest metadata update -r myregistry -n "samples/artifact@$digest" --delete-enabled true "$@"
  expect 0 acr repository update $name --repository samples/artifact --delete-enabled false "$@"
  expect 1 acr repository delete $name --repository samples/artifact --yes "$@"
  expect 0 acr repository update $name --repository samples/artifact --delete-enabled true --list-enabled false "$@"
  expect 0 acr repository list $name "$@"
  is d '[]'
  expect 0 acr repository update $name --repository samples/artifact --list-enabled true "$@"
}

# remove AUTHENTICATION... : untag, delete, and where it is on, restore.
remove() {
  local name="-n myregistry"
  expect 0 acr repository untag $name --image samples/artifact:stable "$@"
  expect 0 acr repository show-tags $name --repository samples/artifact "$@"
  is d '["1.0", "latest"]'
  expect 0 acr manifest delete -r myregistry -n samples/artifact:latest --yes "$@"
  expect 3 acr repository show $name --image samples/artifact:1.0 "$@"
  expect 0 acr repository list-deleted $name "$@"
  is d '["samples/artifact"]'
  expect 0 acr manifest restore -r myregistry -n samples/artifact:1.0 --yes "$@"
  expect 0 acr repository show $name --image samples/artifact:1.0 "$@"
  is "d['digest']" "$digest"
  expect 0 acr repository delete $name --repository samples/artifact --yes "$@"
  expect 3 acr repository show $name --repository samples/artifact "$@"
}

# refused AUTHENTICATION... : what is not there.
refused() {
  local name="-n myregistry"
  expect 3 acr repository show $name --repository no/such "$@"
  says "repository name not known to registry"
  expect 3 acr repository show $name --image no/such:1.0 "$@"
  expect 1 acr repository show-tags $name --repository no/such "$@"
  expect 1 acr repository delete $name --repository no/such --yes "$@"
}

echo "== with a user and a password, without a sign-in"
refill
password=(--username "$SP_APP_ID" --password "$SP_PASSWD")
look "${password[@]}"
locks "${password[@]}"
remove "${password[@]}"
refused "${password[@]}"
expect 1 acr repository list -n myregistry --username "$SP_APP_ID" --password wrong
says "Response code: 401"
expect 0 acr login -n myregistry "${password[@]}"
expect 1 acr login -n myregistry --username "$SP_APP_ID" --password wrong
expect 1 acr repository list -n myregistry
says "Please run 'az login' to setup account."

echo "== signed in as a service principal"
tenant=$(sed -n 's/.*az login .*--tenant //p' setup.sh)
expect 1 login --service-principal --username "$SP_APP_ID" --password wrong --tenant "$tenant"
says AADSTS7000215
expect 0 login --service-principal --username "$SP_APP_ID" --password "$SP_PASSWD" --tenant "$tenant"
is "d[0]['state'], d[0]['tenantId']" "('Enabled', '$tenant')"
refill
look
locks
remove
refused
refill
expect 0 acr repository delete -n myregistry --image samples/artifact:1.0 --yes
expect 0 acr manifest list-deleted -r myregistry -n samples/artifact
is "'expiresAfter' in d[0] and 'deletedAt' in d[0] and any(m['digest'] == '$digest' for m in d)" true
expect 0 acr manifest list-deleted-tags -r myregistry -n samples/artifact
expect 0 acr check-health -n myregistry --ignore-errors --yes
for fine in "DNS lookup to $host at IP 127.0.0.1 : OK" "Challenge endpoint https://$host/v2/ : OK" \
  "Fetch refresh token for registry '$host' : OK" "Fetch access token for registry '$host' : OK"; do says "$fine"; done
expect 0 acr login -n myregistry
expect 0 acr login -n myregistry --expose-token
keys d accessToken loginServer
echo "$(value "d['accessToken']")" | oras login $host --username 00000000-0000-0000-0000-000000000000 --password-stdin

echo "== the registry, as Resource Manager shows it"
expect 0 acr list
is "d[0]['loginServer']" $host
expect 0 acr show -n myregistry --query policies.softDeletePolicy
is "d['status'], d['retentionDays']" "('enabled', 7)"
expect 0 acr show-usage -n myregistry
expect 0 acr check-name -n myregistry
is "d['nameAvailable']" false
expect 1 acr credential show -n myregistry
expect 0 acr update -n myregistry --admin-enabled true
expect 0 acr credential show -n myregistry
admin=$(value "d['username']") first=$(value "d['passwords'][0]['value']")
expect 0 acr repository list -n myregistry --username "$admin" --password "$first"
expect 0 acr credential renew -n myregistry --password-name password
expect 1 acr repository list -n myregistry --username "$admin" --password "$first"
[ "$admin" = myregistry ] || fail "the admin user is called $admin"
expect 1 acr delete -n myregistry --yes
says "does not have authorization"

echo "== tokens and scope maps"
expect 0 acr scope-map create -r myregistry -n readers --description "for tests" --repository 'samples/*' content/read metadata/read --repository tools/one content/read
is "sorted(d['actions'])" '["repositories/samples/*/content/read", "repositories/samples/*/metadata/read", "repositories/tools/one/content/read"]'
expect 0 acr scope-map update -r myregistry -n readers --remove-repository tools/one content/read --add-repository 'samples/*' content/write
expect 0 acr scope-map show -r myregistry -n readers
is "len(d['actions']), d['description']" "(3, 'for tests')"
expect 0 acr scope-map list -r myregistry --query "[].name"
is "'readers' in d and '_repositories_pull' in d" true
expect 3 acr scope-map show -r myregistry -n absent
expect 0 acr token create -r myregistry -n robot --scope-map readers
says "docker login $host"
robot=$(value "d['credentials']['passwords'][0]['value']")
is "d['scopeMapId'].endswith('/scopeMaps/readers'), d['credentials']['username'], d['status']" "(True, 'robot', 'enabled')"
expect 0 acr repository show-tags -n myregistry --repository samples/artifact --username robot --password "$robot"
expect 1 acr repository delete -n myregistry --repository samples/artifact --yes --username robot --password "$robot"
expect 1 acr repository list -n myregistry --username robot --password "$robot"
expect 0 acr token list -r myregistry --query "[].name"
is d '["robot"]'
expect 0 acr token credential generate -r myregistry -n robot --password1 --expiration-in-days 30
is "len(d['passwords']), d['passwords'][0]['name'], d['passwords'][0]['expiry'] is not None" "(1, 'password1', True)"
former=$robot robot=$(value "d['passwords'][0]['value']")
expect 1 acr repository show-tags -n myregistry --repository samples/artifact --username robot --password "$former"
expect 0 acr token credential delete -r myregistry -n robot --password2
expect 0 acr token show -r myregistry -n robot
is "[p['name'] for p in d['credentials']['passwords']]" '["password1"]'
expect 0 acr repository show-tags -n myregistry --repository samples/artifact --username robot --password "$robot"
expect 0 acr token update -r myregistry -n robot --status disabled
is "d['status']" disabled
expect 1 acr repository show-tags -n myregistry --repository samples/artifact --username robot --password "$robot"
expect 1 acr scope-map delete -r myregistry -n readers --yes
says "a token has this scope map"
expect 0 acr token delete -r myregistry -n robot --yes
expect 0 acr scope-map delete -r myregistry -n readers --yes
expect 0 acr token create -r myregistry -n robot --repository samples/artifact content/read metadata/read --no-passwords
expect 0 acr token list -r myregistry
is "d[0]['scopeMapId'].rsplit('/')[-1]" robot-scope-map

echo "== policies"
expect 0 acr config soft-delete update -r myregistry --days 10 --status enabled --yes
is "d['retentionDays'], d['status']" "(10, 'enabled')"
expect 0 acr config soft-delete show -r myregistry
is "d['retentionDays']" 10
expect 0 acr config retention update -r myregistry --status enabled --days 30 --type UntaggedManifests
is "d['days'], d['status']" "(30, 'enabled')"
expect 0 acr config retention show -r myregistry
expect 0 acr config retention update -r myregistry --status disabled --type UntaggedManifests
expect 0 acr config authentication-as-arm update -r myregistry --status disabled
is "d['status']" disabled
expect 0 acr repository list -n myregistry
expect 0 acr config authentication-as-arm update -r myregistry --status enabled
expect 0 acr config authentication-as-arm show -r myregistry
is "d['status']" enabled
expect 1 acr config content-trust update -r myregistry --status enabled
says "there is no content trust"

echo "== several registries"
owner=$(python3 -c 'import json; d = json.load(open("owner.json")); print(d["appId"], d["password"])')
expect 0 login --service-principal --username "${owner% *}" --password "${owner#* }" --tenant "$tenant"
expect 0 acr check-name -n another
is "d['nameAvailable']" true
expect 0 acr create -n another -g orlop --sku Premium --admin-enabled true
is "d['loginServer'], d['adminUserEnabled']" "('another.azurecr.localtest', True)"
expect 0 acr list --query "sort([].name)"
is d '["another", "myregistry"]'
expect 0 acr repository list -n another
is d '[]'
expect 0 acr credential show -n another
is "d['username']" another
echo "$(value "d['passwords'][0]['value']")" | oras login another.azurecr.localtest --username another --password-stdin
oras push another.azurecr.localtest/samples/artifact:1.0 artifact.txt:text/plain >/dev/null
expect 0 acr repository show-tags -n another --repository samples/artifact
is d '["1.0"]'
expect 0 acr token create -r another -n robot --scope-map _repositories_pull --no-passwords
expect 1 acr repository list -n another --username "$SP_APP_ID" --password "$SP_PASSWD"
expect 0 login --service-principal --username "$SP_APP_ID" --password "$SP_PASSWD" --tenant "$tenant"
expect 0 acr list --query "[].name"
is d '["myregistry"]'
expect 1 acr delete -n another --yes
expect 0 login --service-principal --username "${owner% *}" --password "${owner#* }" --tenant "$tenant"
expect 1 acr delete -n myregistry --yes
says "the default registry cannot be deleted"
expect 0 acr delete -n another --yes
expect 0 acr list --query "[].name"
is d '["myregistry"]'
code=$(curl -s -o err --cacert "$SSL_CERT_FILE" -w '%{http_code}' https://another.azurecr.localtest/v2/)
[ "$code" = 404 ] || fail "a host that names no registry answers $code"

echo "== signed in as one who may only pull"
reader=$(python3 -c 'import json; d = json.load(open("reader.json")); print(d["appId"], d["password"])')
expect 0 login --service-principal --username "${reader% *}" --password "${reader#* }" --tenant "$tenant"
expect 0 acr repository list -n myregistry
expect 1 acr repository delete -n myregistry --repository samples/artifact --yes
expect 1 acr credential show -n myregistry
says "does not have authorization"

echo "== az passed, ${SECONDS} s"
