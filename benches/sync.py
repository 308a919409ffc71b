#!/usr/bin/env python3
"""How far apart picture and sound of a long film are.

    benches/sync.py [--hours 3] [--converter PATH] [--keep FOLDER] [-- OPTIONS FOR convert]

Makes a recording in which the webcams flash and the sound beeps once a minute, with a hole of
twenty seconds in the sound of every hour, converts it, and measures in the film when each flash is
seen and each beep is heard. Fails when one of them is off by more than 40 ms.
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent.parent
ALLOWED = 0.040


def main():
    own, options = sys.argv[1:], []
    if "--" in own:
        options = own[own.index("--") + 1 :]
        own = own[: own.index("--")]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--hours", type=float, default=3)
    parser.add_argument("--converter", default=str(HERE / "target/release/bbb2pod-receiver"))
    parser.add_argument("--keep", type=pathlib.Path, help="where the recording is made and kept")
    arguments = parser.parse_args(own)
    with tempfile.TemporaryDirectory(prefix="bench-sync-") as scratch:
        folder = arguments.keep or pathlib.Path(scratch)
        seconds = int(arguments.hours * 3600)
        recording = folder / f"recording-{seconds}"
        if not (recording / "metadata.xml").exists():
            make(recording, seconds)
        film = folder / "film.mp4"
        command = [arguments.converter, "convert", recording, "-o", film, "--size", "64x64", *options]
        subprocess.run(command, check=True)
        judge(film, seconds)


def make(recording, seconds):
    (recording / "video").mkdir(parents=True, exist_ok=True)
    on = "lt(mod(t\\,60)\\,1)"
    # The hole lies between two beeps.
    heard = "not(between(mod(t\\,3600)\\,1810\\,1830))"
    ffmpeg(
        "-f", "lavfi", "-i", f"color=black:s=32x24:r=15:d={seconds},drawbox=c=white:t=fill:enable='{on}'",
        "-f", "lavfi", "-i", f"aevalsrc=if({on}\\,0.5*sin(2*PI*1000*t)\\,0):s=8000:d={seconds},aselect='{heard}'",
        "-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "20k", "-g", "150",
        "-c:a", "libopus", "-b:a", "16k", "-compression_level", "0",
        recording / "video/webcams.webm",
    )  # fmt: skip
    (recording / "metadata.xml").write_text(
        "<recording><id>sync</id><playback><format>presentation</format>"
        f"<duration>{seconds * 1000}</duration></playback></recording>"
    )


def judge(film, seconds):
    wanted = [minute * 60 for minute in range(1, seconds // 60)]
    flashes, beeps = seen(film), audible(film)
    worst = {"flash": 0.0, "beep": 0.0, "apart": 0.0}
    for at in wanted:
        flash = min(flashes, key=lambda t: abs(t - at))
        beep = min(beeps, key=lambda t: abs(t - at))
        for name, off in (("flash", flash - at), ("beep", beep - at), ("apart", beep - flash)):
            worst[name] = max(worst[name], abs(off), key=abs)
    milliseconds = {name: round(off * 1000, 1) for name, off in worst.items()}
    print(json.dumps({"film": film.name, "seconds": seconds, "marks": len(wanted), "worst_ms": milliseconds}))
    sys.exit(any(off > ALLOWED for off in worst.values()))


def seen(film):
    """When the picture turns white."""
    times = subprocess.run(
        ["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "packet=pts_time", "-of", "csv=p=0", film],
        check=True, capture_output=True, text=True,
    ).stdout.split()  # fmt: skip
    grey = ffmpeg("-i", film, "-map", "0:v", "-vsync", "passthrough", "-vf", "scale=1:1,format=gray", "-f", "rawvideo", "-")
    light = [value > 128 for value in grey]
    return [float(times[n].strip(",")) for n in range(1, len(light)) if light[n] and not light[n - 1]]


def audible(film):
    """When silence ends."""
    told = ffmpeg("-i", film, "-map", "0:a", "-af", "silencedetect=n=-26dB:d=0.5", "-f", "null", "-", level="info", err=True)
    return [float(t) for t in re.findall(r"silence_end: ([0-9.]+)", told.decode())]


def ffmpeg(*arguments, level="error", err=False):
    command = ["ffmpeg", "-hide_banner", "-nostats", "-nostdin", "-y", "-v", level, *map(str, arguments)]
    done = subprocess.run(command, check=True, capture_output=True)
    return done.stderr if err else done.stdout


if __name__ == "__main__":
    main()
