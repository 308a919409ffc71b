#!/usr/bin/env bash
# Installs, upgrades, removes and purges the two packages of `make deb` in a fresh Debian, takes
# recordings all the way through, and sets the same up by Ansible. Needs root and Debian's packages.
#
#   tests/packages.sh              Debian 12
#   tests/packages.sh bullseye     another one
set -euo pipefail
cd "$(dirname "$0")/.."

suite=${1:-bookworm}
bin="$(realpath -m "${CARGO_TARGET_DIR:-target}")/release"
base="$PWD/target/package-base-$suite"
hook_deb=$(echo target/debian/bbb2pod-hook_*.deb)
receiver_deb=$(echo target/debian/bbb2pod-receiver_*.deb)

say() { printf '\n== %s\n' "$*"; }
stop() {
    echo "packages: $*" >&2
    exit 2
}

if [ -z "${IN_NAMESPACE:-}" ]; then
    [ "$(id -u)" -eq 0 ] || stop "needs root"
    for deb in "$hook_deb" "$receiver_deb"; do
        [ -f "$deb" ] || stop "$deb is not there; make deb"
    done
    [ -x "$bin/bbb2pod-samples" ] || stop "$bin/bbb2pod-samples is not there; make build"
    if [ ! -d "$base" ]; then
        say "A fresh Debian ($suite)"
        log=$(mktemp)
        rm -rf "$base.new"
        {
            debootstrap --variant=minbase "$suite" "$base.new" &&
                chroot "$base.new" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive \
                    apt-get install -y --no-install-recommends adduser ffmpeg fonts-liberation fonts-dejavu-core \
                    ruby nginx-light curl ansible-core python3-apt &&
                chroot "$base.new" apt-get clean
        } >"$log" 2>&1 || { tail -n 20 "$log"; rm -f "$log"; stop "no Debian to install into"; }
        rm -f "$log"
        mv "$base.new" "$base"
    fi
    # Mounts, processes and the network of the chroot end with this script, whatever happens; what
    # listens there is in nobody's way.
    IN_NAMESPACE=1 exec unshare --mount --pid --mount-proc --net --fork --kill-child "$0" "$@"
fi

passed=0
failed=0
ip link set lo up
scratch=$(mktemp -d "${TMPDIR:-/tmp}/bbb2pod-packages.XXXXXX")
root="$scratch/root"
clean_up() {
    umount -l "$root/proc" "$root/dev" 2>/dev/null || true
    rm -rf --one-file-system "$scratch"
}
trap clean_up EXIT

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
within() { chroot "$root" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"; }
# The same, its words in a file that is shown when it fails.
within_log() {
    local log="$scratch/$1"
    shift
    within "$@" >"$log" 2>&1 || { cat "$log"; return 1; }
}
as() {
    local user=$1
    shift
    within runuser -u "$user" -- "$@"
}
said() { grep -qF -- "$1" "$scratch/said"; }
# dpkg's words are kept for `said`; a failure ends everything.
dpkg_() {
    within dpkg "$@" >"$scratch/said" 2>&1 || { cat "$scratch/said"; stop "dpkg $* failed"; }
}
is_not() { ! "$@"; }
quietly() { "$@" >/dev/null 2>&1; }
same() { [ "$1" = "$2" ] || { printf '      %q is not %q\n' "$1" "$2"; false; }; }
less() { awk "BEGIN { exit !(${1:-999999} < $2) }" || { echo "      $1 is not less than $2"; false; }; }
there() { [ -e "$root$1" ] || [ -L "$root$1" ]; }
owner() { within stat -c '%U:%G %a' "$1"; }
# Tries for half a minute, or until the second given before --.
until_() {
    local end=$((SECONDS + 30))
    while ! "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.1
    done
}
answers() { curl -sf http://127.0.0.1:8085/healthz >/dev/null; }
state_of() { as bbb2pod bbb2pod-receiver recording list --json | grep -F "$1" | sed -n 's/.*"state":"\([a-z]*\)".*/\1/p'; }
is_settled() { case "$(state_of "$1")" in done | failed | review) ;; *) false ;; esac }
# The state that a recording ends in, within two minutes.
ends_in() {
    local _ # tries
    for _ in 1 2 3 4; do until_ is_settled "$1" && break; done
    state_of "$1" || tail -n 5 "$root/run/"bbb2pod-*.log >&2
}
resident() { sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$1/status"; }
pid_in() { cat "$root/run/$1.service.pid"; }
lines_of() { wc -l <"$scratch/said"; }

say "The packages themselves"
check "the hook's is smaller than 6 MB" less "$(stat -c %s "$hook_deb")" 6000000
check "the receiver's is smaller than 25 MB" less "$(stat -c %s "$receiver_deb")" 25000000
for deb in "$hook_deb" "$receiver_deb"; do
    # control.tar.gz: the dpkg of Ubuntu 14.04 takes no other.
    check "an old dpkg can read $(basename "$deb")" same "$(ar t "$deb" | tr '\n' ' ')" "debian-binary control.tar.gz data.tar.xz "
    check "and its files" is_not sh -c "ar p '$deb' data.tar.xz | xz -dc | tar -t --format=posix -v 2>&1 | grep -i pax"
done
check "lintian finds no error" lintian --allow-root --fail-on error "$hook_deb" "$receiver_deb"
for unit in packaging/hook/*.service packaging/receiver/*.service; do
    exposure=$(systemd-analyze security --offline=true --no-pager "$unit" | sed -n 's/.*Overall exposure level.*: \([0-9.]*\).*/\1/p')
    check "$(basename "$unit") is exposed by $exposure" less "$exposure" 3.0
done

cp -a "$base" "$root"
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
# No systemd runs there; this one does what the packages ask for, and writes it down.
cp tests/packages/systemctl "$root/usr/bin/systemctl"
mkdir -p "$root/run/systemd/system"
: >"$root/run/systemctl.asked"
cp "$hook_deb" "$root/tmp/hook.deb"
cp "$receiver_deb" "$root/tmp/receiver.deb"

# What BigBlueButton brings, as far as it matters here.
fake="$scratch/bbb-record-core"
mkdir -p "$fake/DEBIAN" "$fake/usr/local/bigbluebutton/core/scripts/post_publish" "$fake/lib/systemd/system"
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
printf '[Service]\nExecStart=/bin/true\n' >"$fake/lib/systemd/system/bbb-rap-resque-worker.service"
dpkg-deb --root-owner-group -b "$fake" "$root/tmp/bbb.deb" >/dev/null
scripts=/usr/local/bigbluebutton/core/scripts
script=$scripts/post_publish/a0_post_publish_bbb2pod.rb

say "The hook before BigBlueButton, and the other way round"
dpkg_ -i /tmp/hook.deb
check "it says that there is no BigBlueButton yet" said "no BigBlueButton here yet"
dpkg_ -i /tmp/bbb.deb
check "the script comes when BigBlueButton does" there "$script"
check "it is the one of the package" cmp -s "$root$script" bigbluebutton/a0_post_publish_bbb2pod.rb
check "BigBlueButton's user may read the token" within sh -c 'id -nG bigbluebutton | grep -qw bbb2pod-hook'
check "the outbox belongs to it" same "$(owner /var/bigbluebutton/bbb2pod)" "bigbluebutton:bigbluebutton 750"
check "and so does the log" same "$(owner /var/log/bbb2pod-hook/bbb2pod-hook.log)" "bigbluebutton:adm 640"
check "timers run" within systemctl is-active bbb2pod-hook-sweep.timer
check "deleting is not switched on" is_not quietly within systemctl is-enabled bbb2pod-hook-prune.timer
rm "$root$script"
dpkg_ -i /tmp/bbb.deb
check "the script comes back after an upgrade of BigBlueButton" there "$script"
dpkg_ -r bbb2pod-hook
check "removing takes it away" is_not there "$script"
check "and stops the timers" is_not quietly within systemctl is-active bbb2pod-hook-sweep.timer
check "settings stay" there /etc/bbb2pod/hook.yml
dpkg_ -i /tmp/hook.deb
check "installed again, all of it is back" within systemctl is-active bbb2pod-hook-sweep.timer
dpkg_ -P bbb2pod-hook
# BigBlueButton, and the system as far as the hook touches it, without the hook.
node_state() {
    (cd "$root" && find usr/local/bigbluebutton var/bigbluebutton etc lib/systemd var/log usr/share/bash-completion -printf '%p %m %U %G\n' |
        grep -Ev '^var/log/(dpkg|nginx)|^etc/(nginx|ssl|hosts|bigbluebutton|(group|gshadow|passwd|shadow|subuid|subgid)-?) ?' | sort)
    grep -h -E '^(bigbluebutton|bbb2pod-hook):' "$root/etc/group" "$root/etc/passwd"
}
node_state >"$scratch/before"

say "Both packages, two commands, the first recording"
begin=$SECONDS
dpkg_ -i /tmp/hook.deb /tmp/receiver.deb
check "the receiver has a user of its own" quietly within id bbb2pod
check "its state is its own" same "$(owner /var/lib/bbb2pod)" "bbb2pod:bbb2pod 750"
check "its settings are not for everybody" same "$(owner /etc/bbb2pod/receiver.yml)" "root:bbb2pod 640"
check "the receiver answers" until_ answers
# A claim directory that is mounted there, and what is published: the site's, not commands.
install -d "$root/srv/pod/ftp/bbbclaim"
within chown bbb2pod: /srv/pod/ftp/bbbclaim
record_id=$("$bin/bbb2pod-samples" "$root" --generation 2.4 --seconds 20)
# It names its folders as they are seen from outside of the chroot.
sed -i "s|$root||g" "$root$scripts/bigbluebutton.yml"
within chown -R bigbluebutton:bigbluebutton /var/bigbluebutton
command=$(as bbb2pod bbb2pod-receiver node enroll bbb1 2>/dev/null)
# shellcheck disable=SC2086
check "enrolled, and everything checked" within_log enrolled $command
check "the token is for the group" same "$(owner /etc/bbb2pod/token)" "root:bbb2pod-hook 640"
check "which BigBlueButton's user is in" as bigbluebutton test -r /etc/bbb2pod/token
check "and nobody else" is_not as nobody test -r /etc/bbb2pod/token
check "sending has begun" until_ within systemctl is-active bbb2pod-hook
# As BigBlueButton's worker calls it.
check "the script hands a recording over" as bigbluebutton sh -c "cd $scripts && ruby post_publish/${script##*/} -m '$record_id' -f presentation"
check "the recording is done" same "$(ends_in "$record_id")" "done"
check "its video is in the claim directory" sh -c "ls '$root'/srv/pod/ftp/bbbclaim/*.mp4 >/dev/null"
took=$((SECONDS - begin))
check "all of this took $took s, less than five minutes" less "$took" 300
nothing_waits() { as bigbluebutton bbb2pod-hook status >/dev/null && is_not sh -c "ls -d '$root'/var/bigbluebutton/bbb2pod/outbox/*-presentation*" >/dev/null 2>&1; }
check "the outbox is empty" until_ nothing_waits
check "check finds nothing wrong at the receiver" within_log said runuser -u bbb2pod -- bbb2pod-receiver check
check "man pages are there" less 12 "$(find "$root/usr/share/man/man1" -name 'bbb2pod-*.1.gz' | wc -l)"
check "completions are there" there /usr/share/bash-completion/completions/bbb2pod-hook
within /usr/share/bbb2pod-hook/as-bbb sweep
check "cron's way of calling works and writes to the log" grep -q "looked for what was missed" "$root/var/log/bbb2pod-hook/bbb2pod-hook.log"

say "Through nginx, over TLS"
hook_idle=$(resident "$(pid_in bbb2pod-hook)")
check "the hook's service has $hook_idle KB resident" less "$hook_idle" 12288
authority="$root/etc/bbb2pod/ca"
site="$root/etc/ssl/private/bbb2pod.univ.example.key"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "/CN=an authority" \
    -keyout "$authority.key" -out "$authority.pem" 2>/dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=bbb2pod.univ.example \
    -keyout "$site" -out "$scratch/request" 2>/dev/null
openssl x509 -req -in "$scratch/request" -days 2 -CA "$authority.pem" -CAkey "$authority.key" -CAcreateserial \
    -extfile <(echo subjectAltName=DNS:bbb2pod.univ.example) -out "$root/etc/ssl/certs/bbb2pod.univ.example.pem" 2>/dev/null
echo "127.0.0.1 localhost bbb2pod.univ.example" >"$root/etc/hosts"
cp packaging/nginx/bbb2pod-receiver.conf "$root/etc/nginx/sites-available/bbb2pod"
rm -f "$root/etc/nginx/sites-enabled/default"
ln -s ../sites-available/bbb2pod "$root/etc/nginx/sites-enabled/bbb2pod"
# What came with each request.
echo 'log_format sizes "$request_method $status $request_length"; access_log /var/log/nginx/sizes.log sizes;' >"$root/etc/nginx/conf.d/sizes.conf"
check "nginx takes the example as it is" within nginx -t -q
within nginx
# Before the service starts anew: for a moment the sample names folders as seen from outside.
second=$("$bin/bbb2pod-samples" "$root" --generation 2.4 --seconds 20 --seed 2 --padding 8000000)
sed -i "s|$root||g" "$root$scripts/bigbluebutton.yml"
within chown -R bigbluebutton:bigbluebutton /var/bigbluebutton
command=$(as bbb2pod bbb2pod-receiver node enroll bbb1 --again --url https://bbb2pod.univ.example 2>/dev/null)
# shellcheck disable=SC2086
check "a node is enrolled through it" within_log enrolled $command --ca-file /etc/bbb2pod/ca.pem
as bigbluebutton bbb2pod-hook publish -m "$second" -f presentation >"$scratch/published" 2>&1 || cat "$scratch/published"
check "a recording goes through it" same "$(ends_in "$second")" "done"
largest=$(sort -k 3 -n "$root/var/log/nginx/sizes.log" | awk '$1 == "PATCH" && $2 < 300 { size = $3 } END { print size + 0 }')
check "in requests of $largest bytes, more than nginx lets through by itself" less 1048576 "$largest"
check "numbers are not for those outside" same "$(curl -s -o /dev/null -w '%{http_code}' --interface 127.0.0.2 --resolve bbb2pod.univ.example:443:127.0.0.1 -k https://bbb2pod.univ.example/metrics)" 403

say "An upgrade, under running services"
newer() {
    local deb=$1 name=$2
    dpkg-deb -R "$deb" "$scratch/newer-$name"
    sed -i 's/^Version: .*/&+1/' "$scratch/newer-$name/DEBIAN/control"
    echo "# a newer default" >>"$scratch/newer-$name/etc/bbb2pod/$name.yml"
    dpkg-deb --root-owner-group -b "$scratch/newer-$name" "$root/tmp/newer-$name.deb" >/dev/null
}
newer "$hook_deb" hook
newer "$receiver_deb" receiver
echo "# ours" >>"$root/etc/bbb2pod/receiver.yml"
was=$(pid_in bbb2pod-receiver)
dpkg_ --force-confold -i /tmp/newer-hook.deb /tmp/newer-receiver.deb
check "the receiver has been restarted" [ "$(pid_in bbb2pod-receiver)" != "$was" ]
check "it answers" until_ answers
check "the node's settings stay" grep -q "https://bbb2pod.univ.example" "$root/etc/bbb2pod/hook.yml"
check "the receiver's settings stay" grep -q "^# ours" "$root/etc/bbb2pod/receiver.yml"
check "the token stays" [ -s "$root/etc/bbb2pod/token" ]
check "the ledger stays" same "$(state_of "$record_id")" "done"
check "rights stay" same "$(owner /etc/bbb2pod/receiver.yml)" "root:bbb2pod 640"
idle=$(resident "$(pid_in bbb2pod-receiver)")
check "the idle receiver has $idle KB resident" less "$idle" 40960
dpkg_ --force-confold -i /tmp/newer-receiver.deb
within systemctl stop bbb2pod-receiver bbb2pod-hook

# The tables that the first version of the ledger had, with a node and nothing else.
rm -rf "$root/var/lib/bbb2pod.now"
mv "$root/var/lib/bbb2pod" "$root/var/lib/bbb2pod.now"
within install -d -o bbb2pod -g bbb2pod -m 0750 /var/lib/bbb2pod
python3 - "$root/var/lib/bbb2pod/ledger.db" receiver/migrations/0001_*.sql <<'END'
import hashlib, sqlite3, sys
ledger = sqlite3.connect(sys.argv[1])
text = open(sys.argv[2]).read()
ledger.executescript(text)
ledger.execute("""CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL,
    installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, success BOOLEAN NOT NULL,
    checksum BLOB NOT NULL, execution_time BIGINT NOT NULL)""")
ledger.execute("INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (1, 'ledger', 1, ?, 1)",
               (hashlib.sha384(text.encode()).digest(),))
ledger.execute("INSERT INTO nodes (name, token_hash, added_at) VALUES ('from-0.1', ?, 1)", ("00" * 32,))
ledger.commit()
END
within chown bbb2pod: /var/lib/bbb2pod/ledger.db
within systemctl start bbb2pod-receiver
check "a receiver on a ledger of 0.1 starts" until_ answers
check "what 0.1 knew is known" sh -c "chroot '$root' runuser -u bbb2pod -- bbb2pod-receiver node list | grep -q from-0.1"
copies() { find "$root/var/lib/bbb2pod" -name 'ledger.db.before-*' | wc -l; }
check "there is a copy from before" same "$(copies)" 1
check "with the tables of then" same "$(python3 -c 'import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute("SELECT count(*) FROM _sqlx_migrations").fetchone()[0])' "$root"/var/lib/bbb2pod/ledger.db.before-*)" 1
changes() { python3 -c 'import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute("SELECT group_concat(version || installed_on) FROM _sqlx_migrations").fetchone()[0])' "$root/var/lib/bbb2pod/ledger.db"; }
were=$(changes)
within systemctl restart bbb2pod-receiver
check "it starts again" until_ answers
check "and changes its tables only once" same "$(changes)" "$were"
check "with one copy" same "$(copies)" 1
within systemctl stop bbb2pod-receiver
rm -rf "$root/var/lib/bbb2pod"
mv "$root/var/lib/bbb2pod.now" "$root/var/lib/bbb2pod"

say "Settings of another version"
refuses() {
    local program=$1 file=$2 line=$3 status=0
    shift 3
    cp -p "$file" "$scratch/settings"
    echo "$line" >>"$file"
    "$@" >"$scratch/said" 2>&1 || status=$?
    cat "$scratch/settings" >"$file"
    [ "$status" -eq 2 ] && [ "$(lines_of)" -eq 1 ] || { echo "      $program: $status"; cat "$scratch/said"; false; }
}
check "the receiver refuses a key that it does not know, in one line" \
    refuses receiver "$root/etc/bbb2pod/receiver.yml" "media_folder: /srv" as bbb2pod bbb2pod-receiver serve
check "and says where, and what it may have been called" said "media_dir"
check "so does the hook" refuses hook "$root/etc/bbb2pod/hook.yml" "outbox_folder: /srv" as bigbluebutton bbb2pod-hook send
check "with the same words" said "outbox_dir"

say "A node of BigBlueButton 2.0"
within useradd --system tomcat7
within chown tomcat7: /var/bigbluebutton/published
dpkg_ --force-confold -i /tmp/newer-hook.deb
check "the services run as tomcat7" grep -q '^User=tomcat7$' "$root/etc/systemd/system/bbb2pod-hook.service.d/bbb-user.conf"
check "tomcat7 may read the token" as tomcat7 test -r /etc/bbb2pod/token
within chown bigbluebutton: /var/bigbluebutton/published
within gpasswd -d tomcat7 bbb2pod-hook >/dev/null
within userdel tomcat7

say "Removing and purging"
mkdir -p "$root/var/bigbluebutton/bbb2pod/outbox/waiting-presentation-1"
dpkg_ -P bbb2pod-hook
check "recordings that wait are never purged" said "stays, because recordings wait there"
check "they are there" there /var/bigbluebutton/bbb2pod/outbox/waiting-presentation-1
dpkg_ -i /tmp/hook.deb
rm -rf "$root"/var/bigbluebutton/bbb2pod/outbox/*
dpkg_ -P bbb2pod-hook
rm -rf "$root/var/bigbluebutton/published/presentation" "$root/var/bigbluebutton/recording/raw" "$root/var/bigbluebutton/recording/status"
dpkg_ -P bbb2pod-receiver
check "the archive outlives the package" there /var/lib/bbb2pod/archive
check "and is named" said "/var/lib/bbb2pod stays"
rm -rf "$authority".*
rmdir "$root/etc/bbb2pod"
node_state >"$scratch/after"
check "BigBlueButton is as it was, and so is the system" diff "$scratch/before" "$scratch/after"
check "nothing of BigBlueButton was started, stopped or restarted" is_not grep -v bbb2pod- <(grep -v daemon-reload "$root/run/systemctl.asked")

. tests/packages/ansible.sh

printf '\n%s passed, %s failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
