# Functions for the scripts that drive the real az. Source it after lib.sh, in
# namespaces of the script's own: it takes port 443 and the file of hosts.

# azure_hosts NAME... makes the names lead to this machine, and no others known.
azure_hosts() {
  ip link set lo up 2>/dev/null || python3 - <<'PY'
import fcntl, socket, struct
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:  # SIOCSIFFLAGS: lo up
    fcntl.ioctl(s, 0x8914, struct.pack("16sh", b"lo", 1 | 64))
PY
  echo "127.0.0.1 $*" >"$work/hosts"
  mount --bind "$work/hosts" /etc/hosts
}

# az of its own: neither the person's clouds and sign-ins nor a message home.
export AZURE_CONFIG_DIR="$work/home/.azure" AZURE_CORE_COLLECT_TELEMETRY=no AZURE_CORE_NO_COLOR=yes

# docker_shim makes a "docker" that signs in as docker does, without a daemon:
# "az acr login" asks for "docker ps" and then runs "docker login".
docker_shim() {
  mkdir -p "$work/shim"
  cat >"$work/shim/docker" <<'SH'
#!/usr/bin/env bash
case $1 in
  login) exec oras "$@" ;;
  version) echo 'Docker version 0, a shim' ;;
esac
SH
  chmod +x "$work/shim/docker"
  export PATH="$work/shim:$PATH"
}

# expect CODE ARGUMENT... runs az, whose exit code must be CODE. What it printed
# is in out and err.
expect() {
  local want=$1 got=0
  shift
  echo "-- $((SECONDS)) s: az $*" | sed -E 's/(--username|--password) [^ ]+/\1 …/g'
  az "$@" >out 2>err </dev/null || got=$?
  [ "$got" = "$want" ] || { cat out err >&2; fail "exit code $got, not $want: az $*"; }
}

# says TEXT: what az said last, on either stream, has the text.
says() { grep -qF -- "$1" out err || { cat out err >&2; fail "az does not say: $1"; }; }

# value EXPRESSION prints a part of the JSON that az printed, d.
value() { python3 -c 'import json, sys; d = json.load(open("out")); v = eval(sys.argv[1]); print(json.dumps(v) if isinstance(v, (list, dict, bool)) else v)' "$1"; }

# is EXPRESSION VALUE: a part of the JSON that az printed is the value.
is() {
  local got
  got=$(value "$1")
  [ "$got" = "$2" ] || { cat out >&2; fail "$1 is $got, not $2"; }
}

# keys EXPRESSION KEY... : the object has these keys and no others.
keys() {
  local object=$1; shift
  is "' '.join(sorted($object))" "$(printf '%s\n' "$@" | LC_ALL=C sort | paste -sd' ')"
}
