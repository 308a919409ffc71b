#!/usr/bin/env bash
# Shows the whole product on one recording: a BigBlueButton node and a receiver in a scratch folder,
# the post-publish script called as BigBlueButton calls it, and the video in a claim directory.
#
#   tests/demo.sh                                          a sample recording
#   tests/demo.sh /path/to/published/presentation/ID       a real one; it is not changed
set -euo pipefail
cd "$(dirname "$0")/.."

source_recording=${1:-}
cargo=${CARGO:-cargo}
bin="$(realpath -m "${CARGO_TARGET_DIR:-target}")/release"
results="$(dirname "$bin")/demo"
scratch=""
receiver_pid=""

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
# Paths of what goes away again are shown without the scratch folder.
tell() { sed "s|$scratch/||g; s/^/    /"; }
fail() {
    printf '\ndemo: %s\n' "$*" >&2
    for log in "$scratch"/*.log; do
        [ -s "$log" ] && { printf -- '--- %s\n' "$(basename "$log")"; tail -n 30 "$log"; } >&2
    done
    exit 1
}
clean_up() {
    if [ -n "$receiver_pid" ]; then
        kill "$receiver_pid" 2>/dev/null || true
        wait "$receiver_pid" 2>/dev/null || true
    fi
    if [ -n "$scratch" ]; then
        # Folders only: files may be hard links to the recording that was given.
        find "$scratch" -type d ! -perm -u+w -exec chmod u+w {} + 2>/dev/null || true
        rm -rf "$scratch"
    fi
}
trap clean_up EXIT
trap 'exit 130' INT TERM

record_id=""
format=presentation
if [ -n "$source_recording" ]; then
    source_recording=$(realpath "$source_recording") || exit 2
    record_id=$(basename "$source_recording")
    format=$(basename "$(dirname "$source_recording")")
    if [ ! -f "$source_recording/metadata.xml" ]; then
        echo "demo: $source_recording has no metadata.xml; give the folder published/presentation/ID" >&2
        exit 2
    fi
    # A recording that lies by itself, outside of BigBlueButton's layout.
    case "$format" in presentation | video | podcast | screenshare | notes) ;; *) format=presentation ;; esac
fi

say "Building"
$cargo build --release --bin bbb2pod-hook --bin bbb2pod-receiver --bin bbb2pod-samples

scratch=$(mktemp -d "${TMPDIR:-/tmp}/bbb2pod-demo.XXXXXX")
rm -rf "$results"
mkdir -p "$results/claim" "$scratch/etc" "$scratch/receiver"
node="$scratch/node"
var="$node/var/bigbluebutton"

if [ -z "$source_recording" ]; then
    say "A sample recording on a sample node"
    # This afternoon's lecture, so that the claim directory shows a likely date.
    start=$((($(date +%s) - 3600) * 1000))
    record_id=$("$bin/bbb2pod-samples" "$node" --generation 2.4 --seconds 40 --start "$start")
else
    say "The recording $record_id on a sample node"
    "$bin/bbb2pod-samples" "$node" --empty
    mkdir -p "$var/published/$format"
    target="$var/published/$format/$record_id"
    if ! cp -al "$source_recording" "$target" 2>/dev/null; then
        rm -rf "$target"
        cp -a "$source_recording" "$target"
    fi
    # BigBlueButton keeps who was there beside what it published, for some days.
    for events in "$source_recording/../../../recording/raw/$record_id/events.xml" \
        "$source_recording/../../../recording/raw/${record_id%-*}/events.xml"; do
        if [ -f "$events" ]; then
            mkdir -p "$var/recording/raw/$record_id"
            cp -L "$events" "$var/recording/raw/$record_id/events.xml"
            break
        fi
    done
fi
echo "    $record_id, $(du -sh "$var/published/$format/$record_id" | cut -f1) in $(find "$var/published/$format/$record_id" -type f | wc -l) files"

say "A receiver, and a token for the node"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >"$scratch/etc/receiver.yml" <<END
listen: 127.0.0.1:$port
database: "sqlite://$scratch/receiver/ledger.db"
spool_dir: $scratch/receiver/spool
archive_dir: $scratch/receiver/archive
media_dir: $scratch/receiver/media
work_dir: $scratch/receiver/work
upload: { keep_free: 0B }
# Pod sees the claim directory under a short path: it stores no more than 100 characters of it.
destination: { kind: directory, directory: $results/claim, pod_directory: /srv/pod/ftp/bbb }
END
receiver() { "$bin/bbb2pod-receiver" "$@" --config "$scratch/etc/receiver.yml"; }
(umask 077 && receiver node add demo-node >"$scratch/etc/token" 2>/dev/null) || fail "the node could not be added"
cat >"$scratch/etc/hook.yml" <<END
node: demo-node
transport: http
http: { receiver: "http://127.0.0.1:$port", token_file: $scratch/etc/token }
outbox_dir: $var/bbb2pod/outbox
bbb: { bigbluebutton_yml: $node/usr/local/bigbluebutton/core/scripts/bigbluebutton.yml }
END
"$bin/bbb2pod-receiver" serve --config "$scratch/etc/receiver.yml" >"$scratch/receiver.log" 2>&1 &
receiver_pid=$!
for _ in $(seq 200); do
    curl -sf "http://127.0.0.1:$port/healthz" >/dev/null 2>&1 && break
    kill -0 "$receiver_pid" 2>/dev/null || fail "the receiver ended"
    sleep 0.05
done
echo "    http://127.0.0.1:$port $(curl -sf "http://127.0.0.1:$port/healthz")" || fail "the receiver does not answer"

say "BigBlueButton has published it and calls: ruby a0_post_publish_bbb2pod.rb -m $record_id -f $format"
hook_script="$PWD/bigbluebutton/a0_post_publish_bbb2pod.rb"
begin=$(date +%s%N)
(cd "$node/usr/local/bigbluebutton/core/scripts" &&
    BBB2POD_HOOK="$bin/bbb2pod-hook" BBB2POD_HOOK_CONFIG="$scratch/etc/hook.yml" BBB2POD_HOOK_LOG="$scratch/hook.log" \
        ruby "$hook_script" -m "$record_id" -f "$format") || fail "the post-publish script failed"
echo "    back after $((($(date +%s%N) - begin) / 1000000)) ms, ruby included; the worker goes on"
"$bin/bbb2pod-hook" status --config "$scratch/etc/hook.yml" | tell

say "The hook's daemon sends what waits"
"$bin/bbb2pod-hook" send --config "$scratch/etc/hook.yml" 2>&1 | tell || fail "sending failed"

say "The receiver verifies, archives, converts and registers"
begin=$(date +%s)
last=""
while :; do
    kill -0 "$receiver_pid" 2>/dev/null || fail "the receiver ended"
    stage=$(curl -sf -H "Authorization: Bearer $(cat "$scratch/etc/token")" "http://127.0.0.1:$port/api/v1/recordings/$record_id" |
        sed -n 's/.*"stage":"\([a-z]*\)".*/\1/p') || true
    percent=$(receiver recording show "$record_id" 2>/dev/null | sed -n 's/^State.* \([0-9]*\) %.*/\1/p') || true
    line="$stage${percent:+ $percent %}"
    if [ "$line" != "$last" ] && [ -n "$line" ]; then
        echo "    $line"
        last=$line
    fi
    case "$stage" in
    done) break ;;
    failed)
        receiver recording show "$record_id" | tell
        fail "the recording failed"
        ;;
    esac
    [ $(($(date +%s) - begin)) -lt "${DEMO_TIMEOUT:-3600}" ] || fail "nothing came out in time"
    sleep 0.3
done
echo "    $(($(date +%s) - begin)) s"

video=$(find "$results/claim" -name '*.mp4' -print -quit)
[ -n "$video" ] || fail "there is no MP4 in the claim directory"
duration=$(ffprobe -v error -show_entries format=duration -of csv=p=0 "$video")
sheet="$results/frames.png"
# Twelve moments, in the middle of twelve equal parts.
ffmpeg -nostdin -v error -y -i "$video" -frames:v 1 \
    -vf "fps=12/$duration:start_time=0:round=near,scale=480:-2,tile=4x3:padding=6:margin=6:color=white" "$sheet"

say "What happened to the recording (recording show)"
receiver recording show "$record_id" | tell
receiver recording show "$record_id" >"$results/story.txt" 2>&1 || true

say "Done"
ffprobe -v error -show_entries stream=codec_name,width,height,r_frame_rate,sample_rate -of compact=p=0 "$video" | sed 's/^/    /'
echo "    frames  $sheet"
echo "    story   $results/story.txt"
echo "    video   $video"
