#!/usr/bin/env bash
# One long script of oras commands, run twice: by the real oras, and by orlop
# under the name oras. Against our registry and against distribution both must
# print the same lines, in whatever order transfers end, succeed and fail
# alike, and write the same files. After that, commands of 2020 by orlop alone.
#
# usage: test/dropin.sh      needs bin/, and oras and registry on PATH
set -euo pipefail
. "$(dirname "$0")/lib.sh"
for tool in oras registry; do
  command -v "$tool" >/dev/null || fail "$tool is not installed; .ci/run tells how"
done
mkdir -p "$work/bin-theirs" "$work/bin-ours" "$work/scratch"
ln -s "$(command -v oras)" "$work/bin-theirs/oras"
ln -s "$root/bin/orlop" "$work/bin-ours/oras"
cd "$work"

# The script. REG is the registry, R the repository of the one who runs it, C an
# annotation that makes digests the same, D the digest of artifact.txt. A line
# that begins with ! must fail; of one that begins with ~ the lines are not
# compared, for a reason that docs/client.md has under "What differs from ORAS".
commands() {
  # The other registry takes whatever is given.
  [ "$REG" = "$DISTRIBUTION" ] || echo '! oras login $REG -u $USER_NAME -p wrong'
  cat <<'LINES'
oras login $REG -u $USER_NAME -p $PASSWORD
echo $PASSWORD | oras login $REG -u $USER_NAME --password-stdin
~ oras version
oras push $REG/$R:1.0 --config /dev/null:application/vnd.unknown.config.v1+json ./artifact.txt:application/vnd.unknown.layer.v1+txt -a $C
oras push $REG/$R:2,b,c artifact.txt folder/other.txt:text/plain -a $C -a key=value --artifact-type application/x-mine
oras push $REG/$R:json artifact.txt -a $C --format json
oras push $REG/$R:template artifact.txt -a $C --format go-template='{{.digest}} {{.mediaType}}'
oras push $REG/$R:empty -a $C
oras push $REG/$R:amd64 artifact.txt -a $C --artifact-platform linux/amd64
oras push $REG/$R:arm64 folder/other.txt -a $C --artifact-platform linux/arm64
oras push $REG/$R:exported artifact.txt -a $C --export-manifest exported.json
oras push $REG/$R:annotated artifact.txt --annotation-file annotations.json
oras push $REG/$R:v10 artifact.txt -a $C --image-spec v1.0 --artifact-type application/x-old
oras push $REG/$R:v11 artifact.txt -a $C --image-spec v1.1 --config config.json:application/x-config --artifact-type application/x-new
oras push --plain-http $REG/$R:concurrent artifact.txt folder/other.txt -a $C --concurrency 1
! oras push $REG/$R:1.0 absent.txt
! oras push $REG/$R:1.0 $PWD/artifact.txt
! oras push $REG/$R:1.0 artifact.txt artifact.txt
! oras push $REG/$R:1.0 artifact.txt --image-spec v9
! oras push $REG/$R@$D artifact.txt
! oras push $REG/$R:1.0 artifact.txt --format nonsense
! oras push
! oras push $REG/UPPER:1 artifact.txt
~ oras pull $REG/$R:1.0 -o pulled
oras pull $REG/$R:2 -o pulled-keep
oras pull $REG/$R:2 -o pulled-json --format json
oras pull $REG/$R:2 -o pulled-template --format go-template='{{range .files}}{{.mediaType}}{{"\n"}}{{end}}'
oras pull $REG/$R:v11 -o pulled-config --config saved.json
oras pull $REG/$R:empty -o pulled-empty
~ oras pull $REG/$R:1.0 -o pulled-concurrent --concurrency 1
! oras pull $REG/$R:absent
! oras pull $REG/$R
! oras pull $REG/$R:2 -o pulled-keep --keep-old-files
! oras pull $REG/$R@sha256:0000000000000000000000000000000000000000000000000000000000000000
oras tag $REG/$R:2 tagged tagged-too
! oras tag $REG/$R:absent tagged
! oras tag $REG/$R:2 -- -bad
oras resolve $REG/$R:tagged
oras resolve --full-reference $REG/$R:tagged
! oras resolve $REG/$R:absent
oras repo tags $REG/$R
oras repo tags $REG/$R --format json
oras repo tags $REG/$R --last json
oras repository show-tags $REG/$R --exclude-digest-tags
oras repo ls $REG | grep -c $R
oras repo list $REG --format json | grep -c $R
! oras repo tags $REG/$R/absent
oras attach $REG/$R:2 artifact.txt --artifact-type application/x-sbom -a $C
oras attach $REG/$R:2 --artifact-type application/x-signature -a $C -a signed=yes
oras attach $REG/$R:1.0 folder/other.txt:text/plain --artifact-type application/x-sbom -a $C --format json
! oras attach $REG/$R:2 artifact.txt
! oras attach $REG/$R:2 --artifact-type application/x-sbom
! oras attach $REG/$R:absent artifact.txt --artifact-type application/x-sbom
oras discover $REG/$R:1.0
oras discover $REG/$R:1.0 --format json
oras discover $REG/$R:2 --artifact-type application/x-sbom --format tree
oras discover $REG/$R:1.0 --format go-template='{{.digest}} {{len .referrers}}'
oras discover $REG/$R:empty
! oras discover $REG/$R:absent
oras manifest fetch $REG/$R:2
oras manifest fetch $REG/$R:2 --pretty
oras manifest fetch $REG/$R:2 --descriptor
oras manifest fetch $REG/$R:2 --format json
oras manifest fetch $REG/$R:2 -o manifest.json
! oras manifest fetch $REG/$R:absent
oras manifest fetch-config $REG/$R:amd64
oras manifest fetch-config $REG/$R:amd64 --descriptor
oras manifest push $REG/$R:again manifest.json
oras manifest push $REG/$R:again,twice manifest.json --descriptor
cat manifest.json | oras manifest push $REG/$R:from-stdin -
! oras manifest push $REG/$R:bad annotations.json
oras manifest index create $REG/$R:index amd64 arm64
oras manifest index create $REG/$R:index-too,index-three amd64 --annotation key=value --artifact-type application/x-index
oras manifest index update $REG/$R:index-too --add arm64 --tag updated
oras manifest index update $REG/$R:index-too --remove $(oras resolve $REG/$R:amd64)
! oras manifest index create $REG/$R:index absent
oras resolve $REG/$R:index --platform linux/arm64
oras pull $REG/$R:index --platform linux/amd64 -o pulled-platform
! oras pull $REG/$R:index --platform plan9/mips
oras blob push $REG/$R artifact.txt
oras blob push $REG/$R@$D artifact.txt --size 21
! oras blob push $REG/$R artifact.txt --size 20
cat config.json | oras blob push $REG/$R@sha256:$(sha256sum <config.json | cut -d" " -f1) - --size 3 --descriptor --media-type application/json
oras blob fetch $REG/$R@$D -o -
oras blob fetch $REG/$R@$D -o blob.txt
oras blob fetch $REG/$R@$D --descriptor
! oras blob fetch $REG/$R@$D
! oras blob fetch $REG/$R@sha256:0000000000000000000000000000000000000000000000000000000000000000 -o -
~ oras cp $REG/$R:2 $REG/$R-copy:1,2
~ oras cp -r $REG/$R:2 --to-oci-layout copied:2
~ oras cp $REG/$R:index --platform linux/amd64 $REG/$R-copy:amd64
~ oras copy --from-oci-layout copied:2 $REG/$R-copy:back
oras resolve $REG/$R-copy:back
oras repo tags $REG/$R-copy
! oras cp $REG/$R:absent $REG/$R-copy:1
~ oras backup $REG/$R:1.0,2 -o saved --include-referrers
~ oras backup $REG/$R -o saved.tar
~ oras restore $REG/$R-restored --input saved
~ oras restore $REG/$R-restored:1.0 --input saved.tar
~ oras restore $REG/$R-restored-dry --input saved.tar --dry-run
oras repo tags $REG/$R-restored
! oras restore $REG/$R-restored --input absent
oras push --oci-layout layout:1,2 artifact.txt folder/other.txt -a $C
oras push --oci-layout layout:1,2 artifact.txt folder/other.txt -a $C
oras push $REG/$R:2,b,c artifact.txt folder/other.txt:text/plain -a $C -a key=value --artifact-type application/x-mine
oras repo tags --oci-layout layout
oras resolve --oci-layout layout:1
oras tag --oci-layout layout:1 3
oras pull --oci-layout layout:3 -o pulled-layout
~ oras manifest fetch --oci-layout layout:1 --descriptor
oras push --oci-layout-path layout registry.example/app:v1 artifact.txt -a $C
oras push --oci-layout attached:1 artifact.txt -a $C
~ oras attach --oci-layout attached:1 artifact.txt --artifact-type application/x-sbom -a $C
~ oras discover --oci-layout attached:1 --format tree
! oras pull --oci-layout layout:absent
! oras pull --oci-layout absent:1
oras blob delete $REG/$R@$D --force
! oras blob delete $REG/$R:2 --force
echo n | oras manifest delete $REG/$R:v10
echo y | oras manifest delete $REG/$R:v10
oras manifest delete $REG/$R:exported --force --descriptor
oras manifest rm $REG/$R:absent --force
! oras manifest delete $REG/$R:absent
! oras manifest delete
! oras nonsense
! oras pull --nonsense $REG/$R:1
oras logout $REG
! oras push 127.0.0.1:1/a:1 artifact.txt --plain-http
LINES
}

# legacy: commands of the releases of 2020, which oras 1.3 has no more.
legacy() {
  cat <<'LINES'
oras login $REG -u $USER_NAME -p $PASSWORD -c auth.json
oras login $REG -u $USER_NAME -p $PASSWORD --insecure
oras push $REG/$R:2020 --manifest-config /dev/null:application/vnd.unknown.config.v1+json ./artifact.txt:application/vnd.unknown.layer.v1+txt
oras push $REG/$R:2020 --manifest-annotations annotations.json artifact.txt -v
oras push $REG/$R:absolute $PWD/artifact.txt --disable-path-validation
oras pull $REG/$R:2020 -a -o all
oras pull $REG/$R:2020 --allow-all -o all
oras pull $REG/$R:2020 --media-type application/vnd.oci.image.layer.v1.tar -o typed
oras pull $REG/$R:2020 -t application/x-other -o typed-other
! test -e typed-other/artifact.txt
! oras pull $REG/$R:2020 -a -k -o all
oras pull $REG/$R:absolute -a -T -o all
oras logout $REG -c auth.json
LINES
}

# prepare SIDE makes the directory in which a side works.
prepare() {
  mkdir -p "$1/folder"
  echo "Here is an artifact!" >"$1/artifact.txt"
  echo "Another" >"$1/folder/other.txt"
  echo "{}" >"$1/config.json"
  echo '{"$manifest": {"org.opencontainers.image.created": "2020-01-02T03:04:05Z"}, "artifact.txt": {"a": "b"}}' >"$1/annotations.json"
}

# run_lines SIDE TRANSCRIPT runs the lines of standard input in the directory of
# a side, and writes what they print, sorted, and whether they fail as expected.
run_lines() {
  local side=$1 transcript=$2 line expected status
  while IFS= read -r line; do
    expected=0 status=0
    [[ $line == "! "* ]] && expected=1
    (
      cd "$side"
      export PATH="$work/bin-$side:$PATH" DOCKER_CONFIG="$work/$side-config" REG R="dropin-$side" USER_NAME PASSWORD
      export C="org.opencontainers.image.created=2020-01-02T03:04:05Z" ORLOP_STATE="$work/$side-state"
      export D="sha256:$(sha256sum <artifact.txt | cut -d' ' -f1)"
      bash -c "${line#[~!] }" </dev/null
    ) >out 2>err || status=1
    {
      echo "\$ $line"
      [[ $line == [~!]\ * ]] || normalise "$side" <out | sort
      [ "$status" = "$expected" ] || { echo "unexpected: exit status"; sed 's/^/  /' err; }
    } >>"$transcript"
  done
}

# normalise SIDE takes out what cannot be the same for both.
normalise() {
  sed -e "s/dropin-$1/REPOSITORY/g" -e "s|$work/$1|DIRECTORY|g" -e 's/in [0-9.]*m\{0,1\}s\./in TIME./' -e 's/"[0-9a-f]\{12\}"/ID/'
}

# compare REGISTRY runs the script on both sides.
compare() {
  REG=$1
  echo "== oras and orlop against $REG"
  local side
  for side in theirs ours; do
    rm -rf "$side" "$side-config" "transcript-$side"
    prepare "$side"
    commands | run_lines "$side" "transcript-$side"
  done
  diff -u transcript-theirs transcript-ours >transcript.diff || { cat transcript.diff; fail "the transcripts differ"; }
  if grep -A 5 '^unexpected' transcript-ours; then fail "a command ended otherwise than expected"; fi
  # Layouts have more to them than content, and what is attached differs.
  diff -r --exclude='*.tar' --exclude=index.json --exclude=index.json.lock --exclude=ingest \
    --exclude=attached --exclude=pulled-empty theirs ours || fail "the files differ"
  echo "$(commands | wc -l) commands are the same"
}

export ORLOPD_ADMIN_PASSWORD=dropin-admin-password
start_orlopd
start_distribution
USER_NAME=admin PASSWORD=$ORLOPD_ADMIN_PASSWORD
unset ORLOPD_ADMIN_PASSWORD
compare "$DISTRIBUTION"
compare "localhost:${REGISTRY##*:}"

echo "== commands of 2020"
: >transcript-ours
legacy | run_lines ours transcript-ours
if grep -A 5 '^unexpected' transcript-ours; then fail "a command of 2020 ended otherwise than expected"; fi
echo "$(legacy | wc -l) commands went well"

echo "== passed"
