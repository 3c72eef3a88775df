#!/usr/bin/env bash
# The tutorial word for word: the registry is myregistry.example:5000, over TLS
# with its own authority, in namespaces of this script's own, so that neither
# the name nor the port is taken from anybody. Once with orlop and its flags of
# 2020, once with a link named oras to orlop, once with the real oras.
#
# usage: test/tutorial_words.sh      needs root, bin/, and oras on PATH
set -euo pipefail
if [ "${1:-}" != inside ]; then
  [ "$(id -u)" = 0 ] || { echo "skipped: namespaces of our own need root" >&2; [ "${CI:-}" != true ]; exit; }
  exec unshare --mount --net "$0" inside
fi
. "$(dirname "$0")/lib.sh"
command -v oras >/dev/null || fail "oras is not installed; .ci/run tells how"
real_oras=$(command -v oras)
ip link set lo up 2>/dev/null || python3 - <<'PY'
import fcntl, socket, struct
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:  # SIOCSIFFLAGS: lo up
    fcntl.ioctl(s, 0x8914, struct.pack("16sh", b"lo", 1 | 64))
PY
printf '127.0.0.1 localhost myregistry.example\n' >"$work/hosts"
mount --bind "$work/hosts" /etc/hosts

mkdir -p "$work/orlop" "$work/linked" "$work/real"
ln -s "$root/bin/orlop" "$work/orlop/orlop"
ln -s "$root/bin/orlop" "$work/linked/oras"
ln -s "$root/bin/orlop" "$work/linked/orlop"
ln -s "$real_oras" "$work/real/oras"
ln -s "$root/bin/orlop" "$work/real/orlop"

"$root/bin/orlopd" --listen 127.0.0.1:5000 --data "$work/data" --tls auto --domain example >"$work/orlopd.out" 2>"$work/orlopd.log" &
started+=($!)
await listening 127.0.0.1:5000
export SSL_CERT_FILE="$work/data/tls/ca.pem"

# tutorial CLIENT CONFIG-FLAG PULL-FLAGS…: the commands as they stand in it.
tutorial() {
  local client=$1 config=$2; shift 2
  $client login myregistry.example:5000 --username $SP_APP_ID --password $SP_PASSWD
  echo "Here is an artifact!" > artifact.txt
  $client push myregistry.example:5000/samples/artifact:1.0 \
      $config /dev/null:application/vnd.unknown.config.v1+json \
      ./artifact.txt:application/vnd.unknown.layer.v1+txt | tee push.out
  grep -Eq '^(Uploading|Exists   ) 603ea6780f25 artifact.txt$' push.out || fail "the upload is not told"
  grep -q '^Pushed ' push.out && grep -q '^Digest: sha256:' push.out || fail "the end is not told"
  orlop acr repository show --name myregistry --image samples/artifact:1.0
  rm artifact.txt
  $client pull myregistry.example:5000/samples/artifact:1.0 "$@"
  [ "$(cat artifact.txt)" = "Here is an artifact!" ] || fail "something else was pulled"
  echo y | orlop acr repository delete --name myregistry --image samples/artifact:1.0
  if $client pull myregistry.example:5000/samples/artifact:1.0; then fail "deleted, and still there"; fi
}

for who in orlop linked real; do
  echo "== $who"
  cd "$work/$who"
  export PATH="$work/$who:$PATH"
  [ "$who" != orlop ] || admin_password | orlop acr login --name myregistry.example:5000 --username admin --password-stdin
  orlop acr sp create --name "ci-$who" --role AcrPush --repository 'samples/*' >ci.json
  SP_APP_ID=$(sed -n 's/.*"appId": "\([^"]*\)".*/\1/p' ci.json)
  SP_PASSWD=$(sed -n 's/.*"password": "\([^"]*\)".*/\1/p' ci.json)
  case $who in
    orlop) tutorial orlop --manifest-config --media-type application/vnd.unknown.layer.v1+txt ;;
    linked) tutorial oras --manifest-config --media-type application/vnd.unknown.layer.v1+txt ;;
    real) tutorial oras --config ;;
  esac
done
echo "== the tutorial passed, word for word"
