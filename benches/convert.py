#!/usr/bin/env python3
"""How fast a recording is converted, beside a plain ffmpeg pipeline of the same inputs.

    benches/convert.py [RECORDING...] [--lecture MINUTES] [--times N,N...] [--rounds N]
                       [--seconds N] [--converter PATH] [--no-plain] [-- OPTIONS FOR convert]

Both take turns in every round, so that what else happens on the machine hits both. The plain
pipeline puts the webcams beside a still slide, the screen share in the slide's place, and encodes
picture and sound with the same preset; it draws nothing. Printed are the factor of real time, CPU
seconds per recorded minute, and the peak memory (proportional set size) of all processes together.

--lecture makes an ordinary lecture without webcams: a slide a minute, and twice a second a stroke
grows or the cursor moves. --times converts each recording that many times over as one long one
(3, 6 and 18 times ten minutes are half an hour, one hour and three), which shows whether cost
grows with length alone. --seconds takes only the beginning, for a quick look. Without any
recording a small one is made.

    benches/convert.py ../shared/recordings/bench-10min --times 1,3,6,18 --rounds 1
    benches/convert.py --lecture 10
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
        recordings = [folder_of(pathlib.Path(given)) for given in arguments.recording]
        if arguments.lecture:
            recordings.append(lecture(scratch, arguments.lecture))
        summaries = []
        for recording in recordings or [sample(scratch)]:
            for times in arguments.times:
                longer = repeated(recording, times, scratch) if times > 1 else recording
                summaries.append(bench(longer, arguments, scratch))
                if longer != recording:
                    shutil.rmtree(longer)
        table(summaries)


def parse():
    own, options = sys.argv[1:], []
    if "--" in own:
        options = own[own.index("--") + 1 :]
        own = own[: own.index("--")]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("recording", nargs="*", help="folders of published presentations")
    parser.add_argument("--lecture", type=int, metavar="MINUTES", help="also a generated lecture")
    parser.add_argument("--times", default="1", help="how often each recording is repeated, as 1,3,6,18")
    parser.add_argument("--seconds", type=float, help="only the first so many seconds")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--converter", default=str(HERE / "target/release/bbb2pod-receiver"))
    parser.add_argument("--no-plain", action="store_true", help="ours only")
    arguments = parser.parse_args(own)
    arguments.options = options
    arguments.times = [int(times) for times in arguments.times.split(",")]
    return arguments


def folder_of(given):
    """A folder that holds one recording is as good as the recording."""
    if (given / "metadata.xml").exists():
        return given
    inside = [path.parent for path in given.glob("*/metadata.xml")]
    return inside[0] if inside else given


def bench(recording, arguments, scratch):
    seconds = min(duration(recording), arguments.seconds or float("inf"))
    minutes = seconds / 60
    print(f"{recording.name}: {minutes:.1f} min, load {os.getloadavg()[0]:.1f}")
    ours, plain = [], []
    film = scratch / "film.mp4"
    for _ in range(arguments.rounds):
        command = [arguments.converter, "convert", str(recording), "-o", str(film), *arguments.options]
        command += ["--end", str(seconds)] if arguments.seconds else []
        ours.append(measure(command))
        tell("ours ", ours[-1], minutes, film)
        if not arguments.no_plain:
            plain.append(measure(plain_pipeline(recording, seconds, preset(arguments.options), film)))
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
    print(json.dumps(summary), flush=True)
    return summary


def table(summaries):
    print(f"{'recording':>44} {'minutes':>8} {'x':>7} {'to plain':>9} {'CPU s/min':>10} {'MB':>5}")
    for s in summaries:
        print(
            f"{s['recording'][-44:]:>44} {s['minutes']:>8} {s['times_real_time']:>7} "
            f"{s.get('ratio_to_plain', '-'):>9} {s['cpu_seconds_per_minute']:>10} {s['peak_memory_mb']:>5}"
        )


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


def plain_pipeline(recording, seconds, preset, film):
    """One ffmpeg filter graph at 1280x720 and 15 frames a second."""
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


def repeated(recording, times, scratch):
    """The recording, so many times over, as one: every timed file and every film."""
    longer = scratch / f"{recording.name}-x{times}"
    longer.mkdir()
    if (recording / "presentation").is_dir():
        shutil.copytree(recording / "presentation", longer / "presentation")
    seconds = duration(recording)
    text = (recording / "metadata.xml").read_text()
    ms = re.search(r"<duration>(\d+)</duration>", text).group(1)
    longer.joinpath("metadata.xml").write_text(
        text.replace(f"<duration>{ms}</duration>", f"<duration>{int(ms) * times}</duration>")
    )
    for name in ["shapes.svg", "panzooms.xml", "cursor.xml", "deskshare.xml"]:
        if (recording / name).exists():
            text = (recording / name).read_text()
            start = text.index(">", re.search(r"<(svg|recording)\b", text).start()) + 1
            if text[start - 2] == "/":
                longer.joinpath(name).write_text(text)
                continue
            end = text.rindex("</")
            with open(longer / name, "w") as out:
                out.write(text[:start])
                for turn in range(times):
                    out.write(moved(text[start:end], turn, seconds))
                out.write(text[end:])
    for film in [*recording.glob("video/*"), *recording.glob("deskshare/*"), *recording.glob("audio/*.webm")]:
        target = longer / film.parent.name / film.name
        target.parent.mkdir(exist_ok=True)
        subprocess.run(
            ["ffmpeg", "-v", "error", "-nostdin", "-stream_loop", str(times - 1), "-i", str(film)]
            + ["-map", "0", "-c", "copy", str(target)],
            check=True,
        )
    return longer


def moved(text, turn, seconds):
    """The same events so many lengths of the recording later, on slides of their own."""
    slides = max((int(n) for n in re.findall(r'id="image(\d+)"', text)), default=0) + 1

    def later(found):
        value = float(found.group(2))
        if value >= 0:
            value = min(value, seconds) + turn * seconds
        return f'{found.group(1)}="{value:.1f}"'

    text = re.sub(r"\b(image|canvas)(\d+)", lambda f: f"{f[1]}{int(f[2]) + turn * slides}", text)
    times = "timestamp|undo|in|out|start_timestamp|stop_timestamp"
    return re.sub(rf'\b({times})="(-?[\d.]+)"', later, text)


def lecture(scratch, minutes):
    """Slides, strokes that grow, a cursor that moves now and then, and a voice."""
    recording = scratch / f"lecture-{minutes}min"
    (recording / "audio").mkdir(parents=True)
    (recording / "presentation/p").mkdir(parents=True)
    make = lambda *rest: subprocess.run(["ffmpeg", "-v", "error", "-nostdin", *rest], check=True)
    # As costly to code as speech, which pure tones are not.
    voice = "anoisesrc=c=pink:a=0.4:r=48000,lowpass=f=4000,tremolo=f=4:d=0.9"
    make(
        *["-f", "lavfi", "-i", voice, "-t", str(minutes * 60), "-c:a", "libopus", "-b:a", "32k"],
        str(recording / "audio/audio.webm"),
    )
    shapes, cursor = [], []
    for slide in range(1, minutes + 1):
        name = f"presentation/p/slide-{slide}.png"
        lines = ",".join(
            f"drawbox=x=120:y={y}:w={500 + (slide * y) % 800}:h=26:color=0x303848:t=fill"
            for y in range(160, 1080, 90)
        )
        make(
            *["-f", "lavfi", "-i", f"color=white:s=1600x1200,{lines}"],
            *["-frames:v", "1", str(recording / name)],
        )
        start = (slide - 1) * 60
        shapes.append(
            f'<image id="image{slide}" class="slide" in="{start}.0" out="{start + 60}.0" '
            f'xlink:href="{name}" width="1600" height="1200" x="0" y="0"/>'
            f'<g class="canvas" id="canvas{slide}" image="image{slide}" display="none">'
        )
        for second in range(60):
            stroke, step = divmod(second, 8)
            points = " ".join(
                f"L{200 + stroke * 160 + n * 9} {300 + (n * 37 + stroke * 90) % 500}" for n in range(1, step * 6 + 7)
            )
            shapes.append(
                f'<g class="shape" id="image{slide}-draw{second}" timestamp="{start + second}.0" undo="-1" '
                f'shape="image{slide}-pencil{stroke}" style="stroke:#c02020;stroke-linecap:round;'
                f'stroke-linejoin:round;stroke-width:5;visibility:hidden;fill:none">'
                f'<path d="M{200 + stroke * 160} 300{points}"/></g>'
            )
            x, y = (second * 17 % 97) / 97, (second * 11 % 61) / 61
            cursor.append(f'<event timestamp="{start + second}.5"><cursor>{x:.4f} {y:.4f}</cursor></event>')
        shapes.append("</g>")
    write_presentation(recording, "".join(shapes), "".join(cursor), minutes * 60)
    return recording


def write_presentation(recording, shapes, cursor, seconds):
    spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    (recording / "shapes.svg").write_text(f"<svg {spaces}>{shapes}</svg>")
    (recording / "cursor.xml").write_text(f'<recording id="cursor_events">{cursor}</recording>')
    (recording / "metadata.xml").write_text(
        f"<recording><id>{recording.name}</id><playback><format>presentation</format>"
        f"<duration>{seconds * 1000}</duration></playback></recording>"
    )


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
    (recording / "deskshare.xml").write_text(
        '<recording id="deskshare_events"><event start_timestamp="50.0" stop_timestamp="70.0" '
        'video_width="720" video_height="405"/></recording>'
    )
    points = "".join(
        f'<event timestamp="{n / 10}"><cursor>{n % 97 / 97} {n % 61 / 61}</cursor></event>'
        for n in range(1200)
    )
    write_presentation(recording, images, points, 120)
    return recording


if __name__ == "__main__":
    if not shutil.which("ffmpeg"):
        sys.exit("ffmpeg is needed: install the package ffmpeg")
    main()
