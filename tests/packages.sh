#!/usr/bin/env bash
# Installs, upgrades, removes and purges the two packages of `make deb` in a fresh Debian, and takes
# a recording all the way through. Needs root (a chroot) and Debian's packages.
#
#   tests/packages.sh              Debian 12
#   tests/packages.sh bullseye     another one
set -euo pipefail
cd "$(dirname "$0")/.."

suite=${1:-bookworm}
bin="$(realpath -m "${CARGO_TARGET_DIR:-target}")/release"
base="$PWD/target/package-base-$suite.tar"
passed=0
failed=0
limit_bytes_hook=6000000
limit_bytes_receiver=25000000

if [ -z "${IN_NAMESPACE:-}" ]; then
    [ "$(id -u)" -eq 0 ] || { echo "packages: needs root" >&2; exit 2; }
    # Mounts and processes of the chroot end with this script, whatever happens.
    IN_NAMESPACE=1 exec unshare --mount --pid --fork --kill-child "$0" "$@"
fi

scratch=$(mktemp -d "${TMPDIR:-/tmp}/bbb2pod-packages.XXXXXX")
root="$scratch/root"
clean_up() {
    umount "$root/proc" 2>/dev/null || true
    umount "$root/dev" 2>/dev/null || true
    rm -rf --one-file-system "$scratch"
}
trap clean_up EXIT

say() { printf '\n== %s\n' "$*"; }
check() {
    local what=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
        echo "ok    $what"
    else
        failed=$((failed + 1))
        echo "FAIL  $what"
    fi
}
within() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"; }
as() {
    local user=$1
    shift
    within runuser -u "$user" -- "$@"
}
said() { grep -qF -- "$1" "$scratch/said"; }
# dpkg's words are kept for `said`; a failure ends everything.
dpkg_() {
    within dpkg "$@" >"$scratch/said" 2>&1 || { cat "$scratch/said"; echo "packages: dpkg $* failed" >&2; exit 1; }
}
is_not() { ! "$@"; }
same() { [ "$1" = "$2" ] || { printf '      %q is not %q\n' "$1" "$2"; false; }; }
there() { [ -e "$root$1" ]; }
owner() { stat -c '%U:%G %a' "$root$1" 2>/dev/null | sed "s/UNKNOWN/?/g"; }
owner_within() { within stat -c '%U:%G %a' "$1"; }

hook_deb=$(echo target/debian/bbb2pod-hook_*.deb)
receiver_deb=$(echo target/debian/bbb2pod-receiver_*.deb)
for deb in "$hook_deb" "$receiver_deb"; do
    [ -f "$deb" ] || { echo "packages: $deb is not there; make deb" >&2; exit 2; }
done

say "The packages themselves"
check "the hook's is smaller than $limit_bytes_hook bytes" [ "$(stat -c %s "$hook_deb")" -lt "$limit_bytes_hook" ]
check "the receiver's is smaller than $limit_bytes_receiver bytes" [ "$(stat -c %s "$receiver_deb")" -lt "$limit_bytes_receiver" ]
# control.tar.gz first: the dpkg of Ubuntu 14.04 takes no other.
members=$(ar t "$hook_deb" | tr '\n' ' ')
check "an old dpkg can read the hook's" same "$members" "debian-binary control.tar.gz data.tar.xz "
check "lintian finds no error" lintian --fail-on error "$hook_deb" "$receiver_deb"
for unit in packaging/hook/*.service packaging/receiver/*.service; do
    exposure=$(systemd-analyze security --offline=true --no-pager "$unit" | sed -n 's/.*Overall exposure level.*: \([0-9.]*\).*/\1/p')
    check "$(basename "$unit") is exposed by $exposure, less than 3" awk "BEGIN { exit !($exposure < 3.0) }"
done

say "A fresh Debian ($suite)"
mkdir -p "$root"
if [ ! -f "$base" ]; then
    {
        debootstrap --variant=minbase "$suite" "$root"
        within apt-get install -y --no-install-recommends ffmpeg fonts-liberation fonts-dejavu-core adduser ansible-core python3-apt
        within apt-get clean
    } >"$scratch/debootstrap.log" 2>&1 || { tail -n 20 "$scratch/debootstrap.log"; exit 1; }
    tar -C "$root" -cf "$base.new" . && mv "$base.new" "$base"
else
    tar -C "$root" -xf "$base"
fi
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
begin=$(date +%s)

# What BigBlueButton brings, as far as it matters here.
fake="$scratch/bbb-record-core"
mkdir -p "$fake/DEBIAN" "$fake/usr/local/bigbluebutton/core/scripts/post_publish"
cat >"$fake/DEBIAN/control" <<'END'
Package: bbb-record-core
Version: 1:2.4-1
Architecture: all
Maintainer: nobody <nobody@localhost>
Description: stands for BigBlueButton's recording scripts
END
cat >"$fake/DEBIAN/postinst" <<'END'
#!/bin/sh
set -e
getent passwd bigbluebutton >/dev/null || useradd --system --create-home --shell /bin/sh bigbluebutton
mkdir -p /var/bigbluebutton/published /var/bigbluebutton/unpublished /var/bigbluebutton/deleted /var/bigbluebutton/recording
chown -R bigbluebutton:bigbluebutton /var/bigbluebutton
END
chmod 755 "$fake/DEBIAN/postinst"
echo "published_dir: /var/bigbluebutton/published" >"$fake/usr/local/bigbluebutton/core/scripts/bigbluebutton.yml"
echo "# an example" >"$fake/usr/local/bigbluebutton/core/scripts/post_publish/post_publish.rb.example"
dpkg-deb --root-owner-group -b "$fake" "$root/tmp/bbb.deb" >/dev/null
cp "$hook_deb" "$root/tmp/hook.deb"
cp "$receiver_deb" "$root/tmp/receiver.deb"
script=/usr/local/bigbluebutton/core/scripts/post_publish/a0_post_publish_bbb2pod.rb

say "The hook before BigBlueButton, and the other way round"
dpkg_ -i /tmp/hook.deb
check "it says that there is no BigBlueButton yet" said "no BigBlueButton here yet"
dpkg_ -i /tmp/bbb.deb
check "the script comes when BigBlueButton does" there "$script"
check "BigBlueButton's user may read the token" within sh -c 'id -nG bigbluebutton | grep -qw bbb2pod-hook'
check "the outbox belongs to it" same "$(owner_within /var/bigbluebutton/bbb2pod)" "bigbluebutton:bigbluebutton 750"
check "and so does the log" same "$(owner_within /var/log/bbb2pod-hook/bbb2pod-hook.log)" "bigbluebutton:adm 640"
rm "$root$script"
dpkg_ -i /tmp/bbb.deb
check "it comes back after an upgrade of BigBlueButton" there "$script"
dpkg_ -r bbb2pod-hook
check "removing takes the script first" is_not there "$script"
dpkg_ -P bbb2pod-hook
# BigBlueButton as it is without the hook.
node_state() {
    (cd "$root" && find usr/local/bigbluebutton var/bigbluebutton etc/systemd etc/cron.d etc/logrotate.d -printf '%p %m %U %G\n' | sort)
    grep -E '^(bigbluebutton|bbb2pod-hook):' "$root/etc/group" "$root/etc/passwd" | sed "s|$root||"
}
node_state >"$scratch/before"

say "Both packages, two commands, the first recording"
dpkg_ -i /tmp/hook.deb /tmp/receiver.deb
check "the receiver has a user of its own" within id bbb2pod
check "its state is its own" same "$(owner_within /var/lib/bbb2pod)" "bbb2pod:bbb2pod 750"
check "its settings are not for everybody" same "$(owner_within /etc/bbb2pod/receiver.yml)" "root:bbb2pod 640"
install -d "$root/srv/pod/ftp/bbbclaim"
within chown bbb2pod: /srv/pod/ftp/bbbclaim
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >>"$root/etc/bbb2pod/receiver.yml" <<END
listen: 127.0.0.1:$port
upload: { keep_free: 0B }
END
check "check finds nothing wrong" as bbb2pod bbb2pod-receiver check
as bbb2pod bbb2pod-receiver serve >"$scratch/receiver.log" 2>&1 &
receiver=$!
is_up() {
    for _ in $(seq 300); do
        curl -sf "http://127.0.0.1:$port/healthz" >/dev/null && return
        sleep 0.1
    done
    return 1
}
check "the receiver answers" is_up
command=$(as bbb2pod bbb2pod-receiver node enroll bbb1 2>/dev/null)
# shellcheck disable=SC2086
within $command >"$scratch/enrolled" 2>&1 || [ $? -eq 1 ] || cat "$scratch/enrolled"
check "the node has its token" [ -s "$root/etc/bbb2pod/token" ]
check "which is for BigBlueButton's user" as bigbluebutton test -r /etc/bbb2pod/token
check "and for nobody else" is_not as nobody test -r /etc/bbb2pod/token
record_id=$("$bin/bbb2pod-samples" "$root" --generation 2.4 --seconds 20)
# It names its folders as they are seen from outside of the chroot.
sed -i "s|$root||g" "$root/usr/local/bigbluebutton/core/scripts/bigbluebutton.yml"
within chown -R bigbluebutton:bigbluebutton /var/bigbluebutton
check "publish takes it" as bigbluebutton bbb2pod-hook publish -m "$record_id" -f presentation
# As cron does it on a machine without systemd.
within /usr/share/bbb2pod-hook/as-bbb send
check "cron's way of sending empties the outbox" same "$(as bigbluebutton bbb2pod-hook status --json | grep -c '"job":')" 0
stage=""
for _ in $(seq 600); do
    stage=$(as bbb2pod bbb2pod-receiver recording list --json | sed -n 's/.*"state":"\([a-z]*\)".*/\1/p')
    case "$stage" in done | failed) break ;; esac
    sleep 0.2
done
check "the recording is done" same "$stage" "done"
check "its video is in the claim directory" sh -c "ls '$root'/srv/pod/ftp/bbbclaim/*.mp4 >/dev/null"
check "all of this took less than five minutes" [ $(($(date +%s) - begin)) -lt 300 ]
echo "      $(($(date +%s) - begin)) s"
check "man pages are there" sh -c "[ \$(ls '$root'/usr/share/man/man1/bbb2pod-*.1.gz | wc -l) -gt 12 ]"
check "completions are there" there /usr/share/bash-completion/completions/bbb2pod-hook

say "An upgrade, under a running receiver"
newer() {
    local deb=$1 name=$2
    dpkg-deb -R "$deb" "$scratch/newer-$name"
    sed -i 's/^Version: .*/&+1/' "$scratch/newer-$name/DEBIAN/control"
    echo "# a newer default" >>"$scratch/newer-$name/etc/bbb2pod/$name.yml"
    dpkg-deb --root-owner-group -b "$scratch/newer-$name" "$root/tmp/newer-$name.deb" >/dev/null
}
newer "$hook_deb" hook
newer "$receiver_deb" receiver
dpkg_ --force-confold -i /tmp/newer-hook.deb /tmp/newer-receiver.deb
check "settings stay" grep -q "127.0.0.1:$port" "$root/etc/bbb2pod/hook.yml"
check "the token stays" [ -s "$root/etc/bbb2pod/token" ]
check "the ledger stays" sh -c "chroot '$root' runuser -u bbb2pod -- bbb2pod-receiver recording show '$record_id' | grep -q archived"
check "rights stay" same "$(owner_within /etc/bbb2pod/receiver.yml)" "root:bbb2pod 640"
kill "$receiver" 2>/dev/null || true
wait "$receiver" 2>/dev/null || true

say "A node of BigBlueButton 2.0"
within useradd --system tomcat7
within chown tomcat7: /var/bigbluebutton/published
dpkg_ --force-confold -i /tmp/newer-hook.deb
check "the services run as tomcat7" grep -q '^User=tomcat7$' "$root/etc/systemd/system/bbb2pod-hook.service.d/bbb-user.conf"
check "tomcat7 may read the token" within sh -c 'id -nG tomcat7 | grep -qw bbb2pod-hook'
within chown bigbluebutton: /var/bigbluebutton/published
within gpasswd -d tomcat7 bbb2pod-hook >/dev/null
within userdel tomcat7

say "Removing and purging"
as bigbluebutton bbb2pod-hook publish -m "$record_id" >/dev/null 2>&1 || true
mkdir -p "$root/var/bigbluebutton/bbb2pod/outbox/waiting-presentation-1"
dpkg_ -P bbb2pod-hook
check "recordings that wait are never purged" said "stays, because recordings wait there"
check "they are there" there /var/bigbluebutton/bbb2pod/outbox/waiting-presentation-1
dpkg_ -i /tmp/hook.deb
rm -rf "$root"/var/bigbluebutton/bbb2pod/outbox/*
dpkg_ -P bbb2pod-hook
rm -rf "$root/var/bigbluebutton/published/presentation" "$root/var/bigbluebutton/recording/raw" "$root/var/bigbluebutton/recording/status"
node_state >"$scratch/after"
check "BigBlueButton is as it was" diff "$scratch/before" "$scratch/after"
dpkg_ -P bbb2pod-receiver
check "the archive outlives the package" there /var/lib/bbb2pod/archive
check "and is named" said "/var/lib/bbb2pod stays"
check "nothing else of it is left" is_not there /etc/bbb2pod

say "The same by Ansible, here and not over ssh"
rm -rf "$root/var/lib/bbb2pod"
mkdir -p "$root/work/target/debian"
cp "$hook_deb" "$receiver_deb" "$root/work/target/debian/"
cp -r packaging "$root/work/"
cat >"$root/work/hosts.yml" <<END
all:
  vars: { ansible_connection: local, ansible_become: false, ansible_python_interpreter: /usr/bin/python3 }
  children:
    bbb2pod_receivers:
      hosts: { this: }
      vars:
        bbb2pod_receiver_config:
          listen: 127.0.0.1:$port
          destination: { kind: directory, directory: /srv/pod/ftp/bbbclaim }
    bbb2pod_nodes:
      hosts: { this: }
      vars:
        bbb2pod_hook_config:
          node: bbb1
          http: { receiver: "http://127.0.0.1:$port", token_file: /etc/bbb2pod/token }
END
playbook() {
    within env HOME=/root ANSIBLE_LOCALHOST_WARNING=false \
        ansible-playbook -i /work/hosts.yml /work/packaging/ansible/site.yml "$@" >"$scratch/said" 2>&1 ||
        { tail -n 30 "$scratch/said"; return 1; }
}
changed() { sed -n 's/^this .*changed=\([0-9]*\).*failed=0.*/\1/p' "$scratch/said"; }
check "what would change can be asked before" playbook --check --diff
check "and nothing has changed then" is_not there /usr/bin/bbb2pod-hook
check "it sets a receiver up, and a node without a token" playbook -e bbb2pod_hook_receiver=
as bbb2pod bbb2pod-receiver serve >>"$scratch/receiver.log" 2>&1 &
receiver=$!
check "that receiver answers" is_up
check "it enrols the node" playbook
check "the token is there" [ -s "$root/etc/bbb2pod/token" ]
check "the receiver knows the node" sh -c "chroot '$root' runuser -u bbb2pod -- bbb2pod-receiver node list | grep -q '^bbb1'"
check "it can be run again" playbook
check "and changes nothing then" same "$(changed)" 0
check "nor does asking again" playbook --check
check "find anything to change" same "$(changed)" 0
kill "$receiver" 2>/dev/null || true
wait "$receiver" 2>/dev/null || true

printf '\n%s passed, %s failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
