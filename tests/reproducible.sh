#!/usr/bin/env bash
# Builds the packages a second time, from a copy of the sources in another folder, and compares them
# byte by byte with those that `make deb` has left in target/debian.
#
#   tests/reproducible.sh            the hook's; the crates it uses are taken from the first build
#   tests/reproducible.sh --full     both, with everything compiled anew
set -euo pipefail
cd "$(dirname "$0")/.."

parts=(hook)
[ "${1:-}" != --full ] || parts=(hook receiver)
other=$(mktemp -d "${TMPDIR:-/tmp}/bbb2pod-again.XXXXXX")
trap 'rm -rf "$other"' EXIT

git ls-files -z --cached --others --exclude-standard | tar --null -T - --ignore-failed-read -cf - | tar -C "$other" -xf -
mkdir -p "$other/target"
cp -a target/package-tools "$other/target/"
if [ "${1:-}" != --full ]; then
    # With the workspace's own crates made to be compiled again.
    built="$(uname -m)-unknown-linux-gnu"
    mkdir -p "$other/target/$built"
    cp -a target/dist "$other/target/"
    cp -a "target/$built/dist" "$other/target/$built/"
    for crate in recording render manual hook receiver; do
        rm -rf "$other/target/$built/dist/.fingerprint/$crate-"*
    done
fi
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}"
log="$other/log"
env -u CARGO_TARGET_DIR "$other/packaging/build.sh" "${parts[@]}" >"$log" 2>&1 || { tail -n 30 "$log"; exit 1; }

passed=0
failed=0
for part in "${parts[@]}"; do
    deb=$(cd target/debian && echo "bbb2pod-${part}_"*.deb)
    grep -q "Compiling $part " "$log" || { echo "FAIL  $part was not compiled again"; failed=$((failed + 1)); }
    if cmp "target/debian/$deb" "$other/target/debian/$deb"; then
        passed=$((passed + 1))
        echo "ok    $deb has the same bytes, built in another folder"
    else
        failed=$((failed + 1))
        echo "FAIL  $deb has other bytes, built in another folder"
    fi
done
printf '\n%s passed, %s failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
