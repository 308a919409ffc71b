#!/usr/bin/env bash
# How much memory the receiver needs when many send at once: uploads of one package each, all at the
# same time, imported while others still come in. Prints the rate and the receiver's peak, and fails
# when the peak is above the limit.
#
# Usage: benches/uploads.sh [UPLOADS] [MEGABYTES] [LIMIT_MB]     default 100 50 128
# RECEIVER names another program than the one in target/release. Needs about twice
# UPLOADS x MEGABYTES on the disk of TMPDIR.
set -euo pipefail
cd "$(dirname "$0")/.."
uploads=${1:-100}
megabytes=${2:-50}
limit=${3:-128}
receiver=${RECEIVER:-${CARGO_TARGET_DIR:-target}/release/bbb2pod-receiver}

work=$(mktemp -d)
pid=
cleanup() {
    [ -z "$pid" ] || kill "$pid" 2>/dev/null || true
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
mkdir -p "$work/claim"
cat > "$work/receiver.yml" <<YML
listen: 127.0.0.1:$port
database: "sqlite://$work/ledger.db"
spool_dir: $work/spool
archive_dir: $work/archive
media_dir: $work/media
work_dir: $work/work
upload: { keep_free: 0B }
destination: { kind: directory, directory: $work/claim }
YML
token=$("$receiver" node add bbb1 --config "$work/receiver.yml" 2>/dev/null)
"$receiver" serve --config "$work/receiver.yml" > "$work/log" 2>&1 &
pid=$!
until curl -sf "http://127.0.0.1:$port/healthz" > /dev/null; do sleep 0.1; done

# A recording in a format that needs no video, packed as Scalelite's script does.
id=183f0bf3a0982a127bdb8161e0c44eb696b3e75c-1554230749920
mkdir -p "$work/published/notes/$id"
echo "<recording><id>$id</id></recording>" > "$work/published/notes/$id/metadata.xml"
head -c "${megabytes}M" /dev/urandom > "$work/published/notes/$id/content"
tar --create --file "$work/package.tar" --directory "$work/published" "notes/$id"
length=$(stat -c %s "$work/package.tar")
rm -r "$work/published"

begun=$(date +%s.%N)
senders=()
for n in $(seq "$uploads"); do
    curl -sf -o /dev/null -X POST -H "Authorization: Bearer $token" -H 'Tus-Resumable: 1.0.0' \
        -H "Upload-Length: $length" -H 'Content-Type: application/offset+octet-stream' -H 'Expect:' \
        -T "$work/package.tar" "http://127.0.0.1:$port/files" &
    senders+=($!)
done
for sender in "${senders[@]}"; do
    wait "$sender" || { echo "an upload failed; the receiver says:"; tail -n 5 "$work/log"; exit 1; }
done
seconds=$(awk -v a="$begun" -v b="$(date +%s.%N)" 'BEGIN { printf "%.1f", b - a }')
until [ -z "$(find "$work/spool" -name '*.tar' -print -quit)" ]; do sleep 0.5; done
peak=$(awk '/VmHWM/ { printf "%.0f", $2 / 1024 }' "/proc/$pid/status")
awk -v n="$uploads" -v mb="$megabytes" -v s="$seconds" -v peak="$peak" -v limit="$limit" 'BEGIN {
    printf "%d uploads of %d MB at once: %s s, %.0f MB/s; peak of the receiver %d MB, limit %d MB\n", n, mb, s, n * mb / s, peak, limit
    exit peak > limit
}'
