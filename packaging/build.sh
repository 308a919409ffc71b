#!/usr/bin/env bash
# Builds the two Debian packages into target/debian/. The same sources give the same bytes.
#
#   packaging/build.sh                 installs cargo-deb, zig and cargo-zigbuild when they are missing
#   packaging/build.sh hook            one of them: hook or receiver
#
# Programs are linked for the glibc of 2012 (GLIBC), so that the hook runs on every node since
# Ubuntu 14.04; a program that needs a newer symbol ends the build.
set -euo pipefail
cd "$(dirname "$0")/.."

GLIBC=2.17
parts=("$@")
[ $# -gt 0 ] || parts=(hook receiver)
cargo=${CARGO:-cargo}
triple="$(uname -m)-unknown-linux-gnu"
built="${CARGO_TARGET_DIR:-target}/$triple/dist"
staged=target/package
debs=target/debian
tools=target/package-tools

say() { printf '\n== %s\n' "$*"; }
fail() {
    printf 'packages: %s\n' "$*" >&2
    exit 1
}

say "Tools"
for need in python3:python3-venv objdump:binutils ar:binutils xz:xz-utils gzip:gzip; do
    command -v "${need%:*}" >/dev/null || fail "${need%:*} is missing: apt install ${need#*:}"
done
command -v cargo-deb >/dev/null || $cargo install --locked --quiet cargo-deb@3.8.0
if [ ! -x "$tools/bin/cargo-zigbuild" ] || ! "$tools/bin/python-zig" version >/dev/null 2>&1; then
    python3 -m venv "$tools"
    "$tools/bin/pip" install --quiet --disable-pip-version-check ziglang==0.17.1 cargo-zigbuild==0.24.1
fi
PATH="$PWD/$tools/bin:$PATH"
export CARGO_ZIGBUILD_PYTHON_PATH="$PWD/$tools/bin/python3"

# The time that files in the packages get: that of the last commit.
if [ -z "${SOURCE_DATE_EPOCH:-}" ]; then
    SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null) || SOURCE_DATE_EPOCH=$(stat -c %Y CHANGELOG.md)
fi
export SOURCE_DATE_EPOCH
# Where they were built does not show. The folder of the sources is never named: crates of the
# workspace are compiled by relative paths, which is looked at below.
home=${CARGO_HOME:-$HOME/.cargo}
export RUSTFLAGS="--remap-path-prefix=$home=/cargo"
export CFLAGS="-ffile-prefix-map=$home=/cargo"

say "Programs, for glibc $GLIBC"
$cargo zigbuild --locked --profile dist --target "$triple.$GLIBC" -p hook -p receiver "${parts[@]/#/--bin=bbb2pod-}"
for program in "${parts[@]/#/bbb2pod-}"; do
    [ -x "$built/$program" ] || fail "$built/$program is not there"
    newest=$(objdump -T "$built/$program" | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -n 1)
    [ "$(printf '%s\n' "GLIBC_$GLIBC" "$newest" | sort -V | tail -n 1)" = "GLIBC_$GLIBC" ] ||
        fail "$program needs $newest, newer than GLIBC_$GLIBC"
    foreign=$(objdump -p "$built/$program" | awk '$1 == "NEEDED" { print $2 }' |
        grep -Ev '^(libc|libm|libpthread|libdl|librt|libutil|ld-linux-x86-64|ld-linux-aarch64)\.so' || true)
    [ -z "$foreign" ] || fail "$program needs $foreign, which belongs to no dependency of its package"
    for place in "$PWD" "$home"; do
        ! grep -qF "$place/" "$built/$program" || fail "$program names $place, where it was built"
    done
    echo "$program: $newest, $(stat -c %s "$built/$program") bytes"
done

say "Man pages, completions, changelogs"
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
for part in "${parts[@]}"; do
    rm -rf "${staged:?}/$part"
    mkdir -p "$staged/$part"
    "$built/bbb2pod-$part" manual "$staged/$part"
    {
        echo "bbb2pod-$part ($version-1) unstable; urgency=medium"
        echo
        echo "  * See CHANGELOG.md of bbb2pod $version."
        echo
        echo " -- The bbb2pod authors <bbb2pod@bbb2pod.invalid>  $(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")"
    } >"$staged/$part/changelog"
done

# One member of an ar archive.
member() {
    local size
    size=$(stat -c %s "$1")
    printf '%-16s%-12s%-6s%-6s%-8s%-10s`\n' "$1" "$SOURCE_DATE_EPOCH" 0 0 100644 "$size"
    cat "$1"
    [ $((size % 2)) -eq 0 ] || printf '\n'
}

# An old dpkg (1.17.5 in Ubuntu 14.04) reads files compressed with xz, but not the control member.
with_control_as_gzip() {
    local deb=$1 work
    work=$(mktemp -d)
    (
        cd "$work"
        ar x "$deb"
        xz -dc control.tar.xz | gzip -9n >control.tar.gz
        printf '!<arch>\n'
        member debian-binary
        member control.tar.gz
        member data.tar.xz
    ) >"$deb.new"
    rm -rf "$work"
    mv "$deb.new" "$deb"
}

say "Packages"
mkdir -p "$debs"
for part in "${parts[@]}"; do
    rm -f "$debs/bbb2pod-${part}_"*.deb
    $cargo deb -q --no-build --no-strip -p "$part" --profile dist --target "$triple" --compress-type xz --output "$debs"
    deb=$(echo "$debs/bbb2pod-${part}_"*.deb)
    with_control_as_gzip "$PWD/$deb"
    echo "$deb  $(stat -c %s "$deb") bytes  $(sha256sum "$deb" | cut -c1-16)"
done
