#!/bin/sh
# Installs from Debian what build, tests and demo need and the machine lacks. Says nothing when
# nothing is missing, and then needs no network either.
set -eu

missing=""
need_command() {
    command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}
need_file() {
    [ -n "$(find /usr/share/fonts "$HOME/.fonts" /usr/local/share/fonts -name "$1" -print -quit 2>/dev/null)" ] ||
        missing="$missing $2"
}

need_command cc build-essential
need_command ffmpeg ffmpeg
need_command ffprobe ffmpeg
need_command ruby ruby
need_command rsync rsync
need_command /usr/sbin/sshd openssh-server
need_command ssh openssh-client
need_command openssl openssl
need_command curl curl
need_command promtool prometheus
need_command python3 python3
command -v mariadbd >/dev/null 2>&1 || [ -x /usr/sbin/mariadbd ] || missing="$missing mariadb-server-core"
need_command mariadb mariadb-client-core
[ -n "$(find /usr/lib/postgresql -name initdb -print -quit 2>/dev/null)" ] || missing="$missing postgresql"
need_command node nodejs
need_command npm npm
python3 -c 'import venv, ensurepip' 2>/dev/null || missing="$missing python3-venv"
need_command faketime faketime
# The packages: built, looked at, and installed into a fresh Debian.
need_command objdump binutils
need_command xz xz-utils
need_command lintian lintian
need_command debootstrap debootstrap
need_command ip iproute2
need_command runuser util-linux
need_command systemd-analyze systemd
need_command ansible-lint ansible-lint
python=$(command -v /usr/bin/python3 || command -v python3 || true)
"$python" -c 'import numpy' 2>/dev/null || missing="$missing python3-numpy"
"$python" -c 'import aiosmtpd' 2>/dev/null || missing="$missing python3-aiosmtpd"
"$python" -c 'import PIL' 2>/dev/null || missing="$missing python3-pil"
need_command node nodejs
need_file 'LiberationSans-Regular.ttf' fonts-liberation
need_file 'DejaVuSans.ttf' fonts-dejavu-core
need_file 'NotoColorEmoji.ttf' fonts-noto-color-emoji
need_file 'DroidSansFallbackFull.ttf' fonts-droid-fallback

if ! command -v cargo >/dev/null 2>&1; then
    echo "Rust is missing: see https://rustup.rs" >&2
    exit 2
fi
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "Missing:$missing (names of Debian packages); install them in your system's way." >&2
    exit 2
fi
as_root=""
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
        echo "Missing:$missing. As root: apt-get install$missing" >&2
        exit 2
    fi
    as_root="sudo"
fi
echo "Installing from Debian:$missing"
# Package lists may be old or absent; a mirror that is down for one of them need not matter.
$as_root apt-get update -q >/dev/null || echo "apt-get update failed; trying with the lists that are here" >&2
# The tests start database servers of their own; the package's service is not to start.
if [ ! -e /usr/sbin/policy-rc.d ]; then
    trap '$as_root rm -f /usr/sbin/policy-rc.d' EXIT
    printf '#!/bin/sh\nexit 101\n' | $as_root tee /usr/sbin/policy-rc.d >/dev/null
    $as_root chmod +x /usr/sbin/policy-rc.d
fi
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -q --no-install-recommends $missing >/dev/null
