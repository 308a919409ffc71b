#!/usr/bin/env python3
"""How fast a recording is converted, beside a plain ffmpeg pipeline of the same inputs.

    benches/convert.py [RECORDING...] [--rounds N] [--converter PATH] [-- OPTIONS FOR convert]

Both take turns in every round, so that what else happens on the machine hits both. The plain
pipeline puts the webcams beside a still slide, the screen share in the slide's place, and encodes
picture and sound with the same preset; it draws nothing. Printed are the factor of real time, CPU
seconds per recorded minute, and the peak memory (proportional set size) of all processes together.
Without a recording a small one is made.
"""

import argparse
import json
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree as xml

HERE = pathlib.Path(__file__).resolve().parent.parent


def main():
    arguments = parse()
    with tempfile.TemporaryDirectory(prefix="bench-convert-") as scratch:
        scratch = pathlib.Path(scratch)
        for recording in arguments.recording or [sample(scratch)]:
            bench(pathlib.Path(recording), arguments, scratch)


def parse():
    own, options = sys.argv[1:], []
    if "--" in own:
        options = own[own.index("--") + 1 :]
        own = own[: own.index("--")]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("recording", nargs="*", help="folders of published presentations")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--converter", default=str(HERE / "target/release/bbb2pod-receiver"))
    parser.add_argument("--no-plain", action="store_true", help="ours only")
    arguments = parser.parse_args(own)
    arguments.options = options
    return arguments


def bench(recording, arguments, scratch):
    # A folder that holds one recording is as good as the recording.
    if not (recording / "metadata.xml").exists():
        inside = [p.parent for p in recording.glob("*/metadata.xml")]
        recording = inside[0] if inside else recording
    minutes = duration(recording) / 60
    print(f"{recording.name}: {minutes:.1f} min, load {os.getloadavg()[0]:.1f}")
    ours, plain = [], []
    film = scratch / "film.mp4"
    for _ in range(arguments.rounds):
        command = [arguments.converter, "convert", str(recording), "-o", str(film), *arguments.options]
        ours.append(measure(command))
        tell("ours ", ours[-1], minutes, film)
        if not arguments.no_plain:
            plain.append(measure(plain_pipeline(recording, preset(arguments.options), film)))
            tell("plain", plain[-1], minutes, film)
    best = min(ours, key=lambda run: run["wall"])
    summary = {
        "recording": recording.name,
        "minutes": round(minutes, 2),
        "times_real_time": round(minutes * 60 / best["wall"], 1),
        "cpu_seconds_per_minute": round(min(r["cpu"] for r in ours) / minutes, 2),
        "peak_memory_mb": round(max(r["memory"] for r in ours) / 1e6),
    }
    if plain:
        summary["ratio_to_plain"] = round(min(r["wall"] for r in plain) / best["wall"], 2)
    print(json.dumps(summary))


def tell(name, run, minutes, film):
    print(
        f"  {name} {minutes * 60 / run['wall']:6.1f} x   {run['cpu'] / minutes:5.2f} CPU s/min   "
        f"{run['memory'] / 1e6:4.0f} MB   {film.stat().st_size / 1e6:5.1f} MB file",
        flush=True,
    )


def duration(recording):
    text = xml.parse(recording / "metadata.xml").findtext("playback/duration")
    return int(text) / 1000


def preset(options):
    return options[options.index("--preset") + 1] if "--preset" in options else "screen"


def coding(preset):
    """The same settings of the encoder as ours."""
    if preset == "screen":
        tools = "cabac=1:8x8dct=1:partitions=i8x8,i4x4"
        return ["-preset", "ultrafast", "-x264-params", tools, "-crf", "26"]
    return ["-preset", preset, "-crf", "26"]


def measure(command):
    """Runs a command; wall and CPU seconds, and peak memory of it and all its descendants."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    peak, over = [0], threading.Event()

    def watch():
        while not over.wait(0.2):
            peak[0] = max(peak[0], sum(memory(pid) for pid in family(process.pid)))

    watcher = threading.Thread(target=watch)
    watcher.start()
    errors = process.stderr.read().decode(errors="replace")
    status = process.wait()
    wall = time.monotonic() - began
    over.set()
    watcher.join()
    if status != 0:
        sys.exit(f"{command[0]} failed ({status}):\n{errors[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall": wall, "cpu": cpu, "memory": peak[0]}


def family(root):
    parents = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
    members = {root}
    grown = True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in members} - members
        members |= more
        grown = bool(more)
    return members


def memory(pid):
    try:
        text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return int(re.search(r"^Pss:\s+(\d+)", text, re.M).group(1)) * 1024


def plain_pipeline(recording, preset, film):
    """One ffmpeg filter graph at 1280x720 and 15 frames a second."""
    seconds = duration(recording)
    slide = next(iter(sorted(recording.glob("presentation/*/slide-1.png"))), None)
    inputs, graph = [], []
    if slide:
        inputs += ["-i", str(slide)]
    else:
        inputs += ["-f", "lavfi", "-i", "color=white:s=1600x1200:d=0.04"]
    webcams = next(iter(recording.glob("video/webcams.*")), None)
    share = next(iter(recording.glob("deskshare/deskshare.*")), None)
    spans = shares(recording) if share else []
    width = 960 if webcams else 1280
    fit = f"scale={width}:720:force_original_aspect_ratio=decrease"
    graph.append(
        f"[0:v]{fit},pad=1280:720:({width}-iw)/2:(oh-ih)/2:0xf3f6f9,format=yuv420p,"
        f"loop=loop=-1:size=1,setpts=N/15/TB,fps=15[p0]"
    )
    last, number = "p0", 1
    if spans:
        inputs += ["-i", str(share)]
        when = "+".join(f"between(t,{start},{stop})" for start, stop in spans)
        graph.append(f"[{number}:v]{fit}[share]")
        graph.append(f"[{last}][share]overlay=({width}-w)/2:(H-h)/2:enable='{when}'[p1]")
        last, number = "p1", number + 1
    sound = webcams or next(iter(sorted(recording.glob("audio/audio.*"), reverse=True)), None)
    if sound:
        inputs += ["-i", str(sound)]
    else:
        inputs += ["-f", "lavfi", "-i", "anullsrc=r=48000:cl=mono"]
    if webcams:
        graph.append(f"[{number}:v]scale=320:240[cams];[{last}][cams]overlay=960:0[p2]")
        last = "p2"
    return [
        *["ffmpeg", "-v", "error", "-nostdin", "-y", *inputs],
        *["-filter_complex", ";".join(graph), "-map", f"[{last}]", "-map", f"{number}:a:0"],
        *["-r", "15", "-t", str(seconds), "-c:v", "libx264", *coding(preset)],
        *["-c:a", "aac", "-movflags", "+faststart", str(film)],
    ]


def shares(recording):
    if not (recording / "deskshare.xml").exists():
        return []
    events = xml.parse(recording / "deskshare.xml").iter("event")
    return [(float(e.get("start_timestamp")), float(e.get("stop_timestamp"))) for e in events]


def sample(scratch):
    """A two-minute lecture: moving webcams, one screen share, a slide every 20 seconds."""
    recording = scratch / "sample"
    (recording / "video").mkdir(parents=True)
    (recording / "deskshare").mkdir()
    (recording / "presentation/p").mkdir(parents=True)
    make = lambda *rest: subprocess.run(["ffmpeg", "-v", "error", "-nostdin", *rest], check=True)
    fast = ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-row-mt", "1"]
    make(
        *["-f", "lavfi", "-i", "testsrc2=s=640x480:r=15:d=120", "-f", "lavfi", "-i", "sine=300:d=120"],
        *[*fast, "-c:a", "libopus", str(recording / "video/webcams.webm")],
    )
    make(
        *["-f", "lavfi", "-i", "testsrc=s=1280x720:r=5:d=120", *fast],
        str(recording / "deskshare/deskshare.webm"),
    )
    images = ""
    for n in range(6):
        name = f"presentation/p/slide-{n + 1}.png"
        make("-f", "lavfi", "-i", "testsrc2=s=1600x1200", "-frames:v", "1", str(recording / name))
        images += f'<image id="image{n}" class="slide" in="{n * 20}.0" out="{n * 20 + 20}.0" '
        images += f'xlink:href="{name}" width="1600" height="1200" x="0" y="0"/>'
    spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    (recording / "shapes.svg").write_text(f"<svg {spaces}>{images}</svg>")
    (recording / "deskshare.xml").write_text(
        '<recording id="deskshare_events"><event start_timestamp="50.0" stop_timestamp="70.0" '
        'video_width="720" video_height="405"/></recording>'
    )
    points = "".join(
        f'<event timestamp="{n / 10}"><cursor>{n % 97 / 97} {n % 61 / 61}</cursor></event>'
        for n in range(1200)
    )
    (recording / "cursor.xml").write_text(f'<recording id="cursor_events">{points}</recording>')
    (recording / "metadata.xml").write_text(
        "<recording><id>sample</id><playback><format>presentation</format>"
        "<duration>120000</duration></playback></recording>"
    )
    return recording


if __name__ == "__main__":
    if not shutil.which("ffmpeg"):
        sys.exit("ffmpeg is needed: install the package ffmpeg")
    main()
