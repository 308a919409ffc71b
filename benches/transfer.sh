#!/usr/bin/env bash
# How fast and how light the hook is, held against its peers in the same run:
#   publish      as a whole process, with nobody listening at the receiver's address
#   send         one recording over loopback to the real receiver, against `curl -T` of the same
#                bytes to a plain sink (which leaves them in memory, or keeps them on disk before it
#                answers, as the receiver does), and against rsync in daemon mode (whole file, no compression)
#   memory       peak of `send`
#
# Usage: benches/transfer.sh [MEGABYTES]     default 2048
# HOOK, RECEIVER and SINK name other programs than those in target/release.
set -euo pipefail
cd "$(dirname "$0")/.."
megabytes=${1:-2048}
bin=${CARGO_TARGET_DIR:-target}/release
hook=${HOOK:-$bin/bbb2pod-hook}
receiver=${RECEIVER:-$bin/bbb2pod-receiver}
sink=${SINK:-$bin/examples/sink}
rounds=${ROUNDS:-3}

work=$(mktemp -d)
pids=()
cleanup() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT
now() { date +%s.%N; }
since() { awk -v a="$1" -v b="$(now)" 'BEGIN { printf "%.3f", b - a }'; }
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
# Lowest of the numbers on standard input: the run least disturbed by others.
least() { sort -g | head -n 1; }
median() { sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

# A node with one recording of that size in three files, and forty small ones.
id=183f0bf3a0982a127bdb8161e0c44eb696b3e75c-1554230749920
folder=$work/var/published/presentation/$id
mkdir -p "$folder"/{video,deskshare,audio,presentation/d2d9a672/{svgs,thumbnails,textfiles}} "$work/var/recording/raw"
cat > "$folder/metadata.xml" <<XML
<recording><id>$id</id><state>published</state><published>true</published><meta><meetingName>Bench</meetingName></meta>
<playback><format>presentation</format><duration>3600000</duration></playback></recording>
XML
for n in $(seq 40); do echo "slide $n" > "$folder/presentation/d2d9a672/svgs/slide$n.svg"; done
head -c "$((megabytes * 3 / 4))M" /dev/urandom > "$folder/video/webcams.webm"
head -c "$((megabytes * 1 / 4))M" /dev/urandom > "$folder/deskshare/deskshare.webm"
cat > "$work/bigbluebutton.yml" <<YML
published_dir: $work/var/published
recording_dir: $work/var/recording
YML

port=$(free_port)
mkdir -p "$work/receiver" "$work/claim"
cat > "$work/receiver.yml" <<YML
listen: 127.0.0.1:$port
database: "sqlite://$work/receiver/ledger.db"
spool_dir: $work/receiver/spool
archive_dir: $work/receiver/archive
media_dir: $work/receiver/media
work_dir: $work/receiver/work
upload: { max_size: 64GiB, keep_free: 1GiB }
destination: { kind: directory, directory: $work/claim }
YML
cat > "$work/hook.yml" <<YML
node: bench
http: { receiver: "http://127.0.0.1:$port", token_file: $work/token }
bbb: { bigbluebutton_yml: $work/bigbluebutton.yml }
YML
export BBB2POD_HOOK_CONFIG=$work/hook.yml

for n in $(seq 21); do
    rm -rf "$work/var/bbb2pod"
    begun=$(now)
    "$hook" publish -m "$id" 2>/dev/null
    since "$begun"
    echo
done | median > "$work/publish"

start_receiver() {
    rm -rf "$work/receiver" && mkdir -p "$work/receiver"
    "$receiver" node add bench --config "$work/receiver.yml" > "$work/token"
    "$receiver" serve --config "$work/receiver.yml" > "$work/receiver.log" 2>&1 &
    receiver_pid=$!
    pids+=("$receiver_pid")
    until curl -sf "http://127.0.0.1:$port/healthz" > /dev/null; do sleep 0.1; done
}
start_sink() {
    "$sink" "$work/sunk" > "$work/sink.port" &
    pids+=($!)
    until [ -s "$work/sink.port" ]; do sleep 0.05; done
}
start_rsyncd() {
    rsync_port=$(free_port)
    mkdir -p "$work/rsynced"
    cat > "$work/rsyncd.conf" <<CONF
use chroot = no
pid file = $work/rsyncd.pid
[in]
path = $work/rsynced
read only = no
uid = $(id -u)
gid = $(id -g)
CONF
    rsync --daemon --no-detach --port="$rsync_port" --config="$work/rsyncd.conf" &
    pids+=($!)
    sleep 0.5
}
start_sink
start_rsyncd

# The same bytes for the peers: the package as one file.
(cd "$work/var/published" && tar cf "$work/package.tar" "presentation/$id")
bytes=$(stat -c %s "$work/package.tar")

for _ in $(seq "$rounds"); do
    rm -f "$work/sunk"
    begun=$(now)
    curl -sf -T "$work/package.tar" "http://127.0.0.1:$(cat "$work/sink.port")/package.tar"
    since "$begun" >> "$work/curl"
    echo >> "$work/curl"

    rm -f "$work/sunk"
    begun=$(now)
    curl -sf -T "$work/package.tar" "http://127.0.0.1:$(cat "$work/sink.port")/kept/package.tar"
    since "$begun" >> "$work/kept"
    echo >> "$work/kept"

    rm -rf "$work/rsynced"/*
    begun=$(now)
    rsync --whole-file --no-compress "$work/package.tar" "rsync://127.0.0.1:$rsync_port/in/"
    since "$begun" >> "$work/rsync"
    echo >> "$work/rsync"

    start_receiver
    rm -rf "$work/var/bbb2pod"
    "$hook" publish -m "$id" 2>/dev/null
    begun=$(now)
    # --wait 0: what import does afterwards is no part of the transfer.
    /usr/bin/env python3 - "$hook" send --wait 0 --log-format json > "$work/peak" 2> "$work/send.log" <<'PY' || true
import os, resource, subprocess, sys
subprocess.run(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
PY
    since "$begun" >> "$work/send"
    echo >> "$work/send"
    grep -o '"elapsed_ms":[0-9]*' "$work/send.log" | grep -o '[0-9]*' >> "$work/delivered"
    cat "$work/peak" >> "$work/peaks"
    kill "$receiver_pid" && wait "$receiver_pid" 2>/dev/null || true
done

awk -v bytes="$bytes" \
    -v publish="$(cat "$work/publish")" \
    -v curl="$(least < "$work/curl")" -v kept="$(least < "$work/kept")" -v rsync="$(least < "$work/rsync")" \
    -v send="$(least < "$work/send")" -v ms="$(least < "$work/delivered")" \
    -v peak="$(sort -g < "$work/peaks" | tail -n 1)" '
BEGIN {
    mb = bytes / 1e6
    printf "publish, whole process:   median %.1f ms\n", publish * 1000
    printf "bytes:                    %.0f MB\n", mb
    printf "curl -T to a plain sink:  %.2f s  %.0f MB/s\n", curl, mb / curl
    printf "the same, kept on disk:   %.2f s  %.0f MB/s\n", kept, mb / kept
    printf "rsync daemon, whole file: %.2f s  %.0f MB/s\n", rsync, mb / rsync
    printf "send, upload:             %.2f s  %.0f MB/s\n", ms / 1000, mb / ms * 1000
    printf "send, with packing:       %.2f s  %.0f MB/s\n", send, mb / send
    printf "upload against curl:      %.0f %%\n", 100 * curl / (ms / 1000)
    printf "  kept on disk by both:   %.0f %%\n", 100 * kept / (ms / 1000)
    printf "upload against rsync:     %.0f %%\n", 100 * rsync / (ms / 1000)
    printf "peak memory of send:      %.1f MB\n", peak / 1024
}'
