#!/usr/bin/env bash
# A container image by skopeo: pushed with a password and with the token that it
# stands for, inspected, listed, copied between repositories, pulled and deleted.
#
# usage: test/client_skopeo.sh      needs bin/, and skopeo on PATH
set -euo pipefail
. "$(dirname "$0")/lib.sh"
command -v skopeo >/dev/null || fail "skopeo is not installed"
cd "$work"
export ORLOPD_ADMIN_PASSWORD=tutorial-admin-password
start_orlopd
skopeo() { command skopeo --insecure-policy "$@"; }

echo "== make an image of one layer"
mkdir rootfs && echo hello >rootfs/greeting
tar -C rootfs -cf layer.tar . && gzip -kn layer.tar
printf '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' "$(sha256sum <layer.tar | cut -d' ' -f1)" >config.json
"$root/bin/orlop" push --oci-layout image:v1 --config config.json:application/vnd.oci.image.config.v1+json \
  layer.tar.gz:application/vnd.oci.image.layer.v1.tar+gzip
want=$("$root/bin/orlop" resolve --oci-layout image:v1)

echo "== push, look, copy, pull"
image=docker://$REGISTRY/samples/image
skopeo copy -q --dest-tls-verify=false --dest-creds "admin:$ORLOPD_ADMIN_PASSWORD" oci:image:v1 "$image:v1"
skopeo login --tls-verify=false -u admin --password-stdin "$REGISTRY" <<<"$ORLOPD_ADMIN_PASSWORD"
skopeo inspect --tls-verify=false "$image:v1" | tee inspect.json
grep -q "\"Digest\": \"$want\"" inspect.json || fail "the image has another digest than $want"
grep -q '"Architecture": "amd64"' inspect.json || fail "the configuration cannot be read"
skopeo copy -q --src-tls-verify=false --dest-tls-verify=false "$image:v1" "docker://$REGISTRY/samples/copy:v2"
skopeo list-tags --tls-verify=false "docker://$REGISTRY/samples/copy" | grep -q '"v2"' || fail "the tag of the copy is not listed"
skopeo copy -q --src-tls-verify=false "docker://$REGISTRY/samples/copy:v2" oci:pulled:v2
[ "$("$root/bin/orlop" resolve --oci-layout pulled:v2)" = "$want" ] || fail "another image was pulled"

echo "== delete"
skopeo delete --tls-verify=false "$image:v1"
if skopeo inspect --tls-verify=false "$image:v1" 2>/dev/null; then fail "deleted, and still there"; fi
unset ORLOPD_ADMIN_PASSWORD
echo "== skopeo passed"
