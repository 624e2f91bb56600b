"""The command line: `studio COMMAND`. What each command does lives in `studio.command_line`, imported when it runs.

Results go to standard output, progress to standard error. Exit codes: 0 done, 2 usage, 10 bad scene or asset,
11 unsupported here, 12 device fault, 13 out of device memory, 14 cannot write, 124 time limit, 130 and 143
interrupted. Whatever goes wrong ends in one sentence; MYRIAD_DEBUG=1 shows where it came from instead.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from studio import __version__
from studio.command_line.farm_flags import add_credentials, add_farm
from studio.errors import StudioError, UsageError

if TYPE_CHECKING:
    from studio.command_line.console import Console

COMMANDS = (
    *("render", "merge", "info", "audit", "convert", "demo", "doctor", "bench", "app", "playblast", "queue"),
    *("capture", "farm"),
)
_BROKEN_PIPE = 141  # as a shell reports SIGPIPE


class _Parser(argparse.ArgumentParser):
    """A parser that tells what is wrong in a sentence, as everything else does."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see {self.prog} --help")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="studio", description="Light scenes with hundreds of lights and render final frames.")
    parser.add_argument("--version", action="version", version=f"Myriad {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def add(name: str, summary: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=summary, description=summary, allow_abbrev=False)

    _add_render(add("render", "Render a scene to a picture or an image sequence."))
    _add_playblast(add("playblast", "Draw a scene as the viewport shows it, to pictures or a film."))
    _add_queue(add("queue", "Render jobs one after another in the background."))
    _add_capture(add("capture", "Hear, send, look at and bake performances of faces."))
    add_farm(add("farm", "Render on many machines, and on this one as if it were many."), _add_render, _add_look)
    merge = add("merge", "Merge partial renders into a picture or a larger partial.")
    merge.add_argument("parts", nargs="+", metavar="PART", help="partial renders (.part), or a pattern with * of them")
    merge.add_argument("-o", "--output", required=True, metavar="OUT", help="picture or .part; #### is the frame")
    merge.add_argument("--allow-gaps", action="store_true", help="merge although tiles or samples are missing")
    _add_look(merge)
    info = add("info", "Say what a scene or a partial render holds.")
    info.add_argument(
        "scene", metavar="SCENE", help=".glb, .gltf, .obj, a project, a .part; or a picture, for its makers"
    )
    _add_audit(add("audit", "Say which lights a frame could do without, and which go wrong."))
    convert = add("convert", "Convert a scene to .glb, .gltf or a project.")
    convert.add_argument("scene", metavar="IN", help=".glb, .gltf, .obj or a project")
    convert.add_argument("output", metavar="OUT", help=".glb, .gltf or a project folder NAME.studio")
    demo = add("demo", "Write a demo scene that is made by code.")
    demo.add_argument("name", metavar="NAME", help="hall, rooms, dome, rig, practicals or head")
    demo.add_argument("--identity", default="", metavar="NAME", help="who the head is (default: ada)")
    demo.add_argument("-o", "--output", required=True, metavar="FILE|DIR", help=".glb, .gltf or a project folder")
    for command in (info, convert, demo):
        command.add_argument("--json", action="store_true", help="print JSON, one object a line")
    for command in (info, convert):
        _add_reading(command)
    doctor = add("doctor", "Look at devices and libraries, and compile the renderer's kernels.")
    doctor.add_argument("--device", default="auto", metavar="NAME", help="auto, cuda, metal, vulkan or cpu")
    doctor.add_argument("--json", action="store_true", help="print JSON, one object a line")
    bench = add("bench", "Measure the renderer.")
    bench.add_argument("name", nargs="?", default="", metavar="NAME", help="one benchmark (default: all)")
    bench.add_argument("--json", action="store_true", help="print JSON, one object a line")
    app = add("app", "Open the studio.")
    app.add_argument("scene", nargs="?", default="", metavar="PROJECT|SCENE")
    app.add_argument("--script", default="", metavar="FILE.py", help="run this Python file with the studio as `studio`")
    app.add_argument("--screenshot", default="", metavar="OUT.png", help="write a picture of the window, and leave")
    app.add_argument("--size", default="", metavar="WxH", help="size of the window (default 1440x900)")
    app.add_argument("--layout", default="", metavar="NAME", help="open with this layout of the panels")
    return parser


def _add_reading(command: argparse.ArgumentParser) -> None:
    command.add_argument("--variant", default="", metavar="NAME", help="material variant of a glTF")
    command.add_argument("--strict", action="store_true", help="refuse missing textures instead of drawing magenta")


def _add_render(render: argparse.ArgumentParser, *, writes: bool = True) -> None:
    add = render.add_argument
    add("scene", metavar="SCENE", help=".glb, .gltf, .obj or a project")
    what = "picture, pattern with #### for the frame, or .mp4, .mov"
    add("-o", "--output", required=writes, default="frame.####.exr", metavar="OUT", help=what)
    add("--frames", metavar="RANGE", help="like 1-24,30-40x2 (default: the first, or all for a pattern)")
    add("--camera", default="", metavar="NAME", help="render through this camera")
    add("--size", default="1280x720", metavar="WxH", help="pixels (default 1280x720)")
    add("--samples", metavar="N", help="samples a pixel (default 256); with --error the most")
    add("--depth", default="8", metavar="N", help="path segments, a lamp seen directly is 1 (default 8)")
    add("--filter", default="blackman-harris", metavar="NAME", help="blackman-harris (default) or box")
    add("--filter-width", metavar="PX", help="full width of the Blackman-Harris filter (default 3)")
    add("--crop", metavar="x0,y0,x1,y1", help="render these pixels only, from the top left")
    add("--sample-range", metavar="A:B", help="render these samples only; A+N for N from A")
    add("--seed", default="0", metavar="N", help="another pattern of noise")
    add("--clamp-indirect", metavar="NITS", help="clamp what arrives over a bounce (biased; default: not at all)")
    add("--device", default="auto", metavar="NAME", help="auto (default), cuda, metal, vulkan or cpu")
    add("--threads", metavar="N", help="processor cores to use (default: all)")
    add("--error", metavar="E", help="stop where the relative error is below this, like 0.02")
    add("--time-limit", metavar="S", help="stop after so many seconds, with a checkpoint and exit code 124")
    add("--aov", action="append", default=[], metavar="NAME", help="add a layer to the EXR; may be repeated")
    add("--light-groups", action="store_true", help="add a layer for each light group")
    add("--light-layers", action="store_true", help="also write OUT.lights.exr, with a layer for every light")
    add("--cryptomatte", action="store_true", help="add mattes of objects and materials")
    add("--partial", action="store_true", help="write a .part for studio merge instead of a picture")
    add("--resume", action="store_true", help="go on from a checkpoint; finished frames are kept")
    add("--skip-existing", action="store_true", help="leave frames alone whose file is there")
    add("--codec", metavar="NAME", help="of a movie: h264 (.mp4), h264-10, h265, h265-10, prores-422hq (.mov), ...")
    add("--report", metavar="NAME", help="openjd: also tell a farm's manager how far it is, on standard output")
    if writes:
        add_credentials(render)
    _add_reading(render)
    _add_look(render)


def _add_audit(audit: argparse.ArgumentParser) -> None:
    add = audit.add_argument
    add("scene", metavar="SCENE", help=".glb, .gltf, .obj or a project")
    add("--frame", metavar="N", help="the frame (default: the first)")
    add("--camera", default="", metavar="NAME", help="look through this camera")
    add("--size", default="1280x720", metavar="WxH", help="the final picture's shape (default 1280x720)")
    add("--samples", default="32", metavar="N", help="samples a pixel of the quick render (default 32)")
    add("--view", metavar="NAME", help="OCIO view through which light is judged (default ACES 2.0 SDR)")
    add("--device", default="auto", metavar="NAME", help="auto (default), cuda, metal, vulkan or cpu")
    add("--json", action="store_true", help="print JSON, one object a line")
    _add_reading(audit)


def _add_playblast(playblast: argparse.ArgumentParser) -> None:
    add = playblast.add_argument
    add("scene", metavar="SCENE", help=".glb, .gltf, .obj or a project")
    add("-o", "--output", required=True, metavar="PATTERN", help=".png, with #### for the frame; .mp4, .mov or .webm")
    add("--frames", metavar="RANGE", help="like 1-24,30-40x2 (default: the first, or all for a pattern or a film)")
    add("--camera", default="", metavar="NAME", help="look through this camera")
    add("--size", default="1280x720", metavar="WxH", help="pixels (default 1280x720)")
    add("--samples", default="1", metavar="N", help="pictures to smooth a frame's edges with (default 1)")
    add("--mode", default="lit", metavar="NAME", help="lit (default), clay, albedo, wireframe, normals, ...")
    add("--view", metavar="NAME", help="OCIO view (default ACES 2.0 SDR)")
    add("--exposure", metavar="EV", help="stops (default: the camera's)")
    add("--ambient-occlusion", action="store_true", help="darken corners")
    add("--bloom", action="store_true", help="let bright things glow")
    add("--device", default="egl", metavar="NAME", help="egl (default) or x11")
    _add_reading(playblast)
    add("--json", action="store_true", help="print JSON, one object a line")


def _add_queue(queue: argparse.ArgumentParser) -> None:
    actions = queue.add_subparsers(dest="action", metavar="ACTION", required=True)

    def action(name: str, summary: str) -> argparse.ArgumentParser:
        made = actions.add_parser(name, help=summary, description=summary, allow_abbrev=False)
        made.add_argument("--queue", metavar="FILE", help="database of another queue (default: the user's)")
        made.add_argument("--json", action="store_true", help="print JSON, one object a line")
        return made

    listed = action("list", "List the jobs, or the frames of some.")
    listed.add_argument("jobs", nargs="*", metavar="JOB", help="jobs whose frames to list (default: all jobs)")
    _add_export(action("add", "Add a job: a scene as it is now, and what to make of it."))
    run = action("run", "Render what waits in the queue, and end when nothing does.")
    run.add_argument("--linger", default="0", metavar="S", help="wait so long for another job (default 0)")
    run.add_argument("--checkpoint", default="30", metavar="S", help="keep a frame's samples this often (default 30)")
    for name, summary in (
        ("pause", "Pause jobs; the frame at work is kept."),
        ("resume", "Go on with jobs that were paused, cancelled or failed."),
        ("cancel", "Give jobs up; what is rendered stays."),
        ("retry", "Render once more what failed."),
        ("remove", "Take jobs off the list; their pictures stay."),
    ):
        chosen = action(name, summary)
        chosen.add_argument("jobs", nargs="*", metavar="JOB", help="numbers of jobs")
        chosen.add_argument("--all", action="store_true", help="all jobs that it makes sense for")
        if name == "retry":
            chosen.add_argument("--frames", metavar="RANGE", help="render these frames again, even if they are done")
    moved = action("move", "Move a job in the list.")
    moved.add_argument("job", metavar="JOB", help="number of the job")
    moved.add_argument("position", metavar="PLACE", help="its place; 1 is rendered first")
    log = action("log", "Show what was said of a job.")
    log.add_argument("job", metavar="JOB", help="number of the job")


def _add_capture(capture: argparse.ArgumentParser) -> None:
    actions = capture.add_subparsers(dest="action", metavar="ACTION", required=True)
    kinds = "live_link, ifacial_mocap, ifacial_mocap_tcp or vmc"

    def action(name: str, summary: str) -> argparse.ArgumentParser:
        made = actions.add_parser(name, help=summary, description=summary, allow_abbrev=False)
        made.add_argument("--json", action="store_true", help="print JSON, one object a line")
        return made

    listen = action("listen", "Listen to a device and tell what it sends.")
    listen.add_argument("kind", metavar="KIND", help=kinds)
    listen.add_argument("--peer", default="", metavar="ADDRESS", help="the device, where it must be asked to send")
    listen.add_argument("--seconds", default="0", metavar="S", help="stop after so long (default: with Ctrl+C)")
    send = action("send", "Play the part of a device: send a performance as its packets.")
    send.add_argument("file", nargs="?", default="", metavar="FILE", help=".take, or .csv of Live Link Face")
    send.add_argument("--demo", action="store_true", help="send a performance that is made by code")
    send.add_argument("--to", default="live_link", metavar="KIND", help=f"{kinds} (default live_link)")
    send.add_argument("--speed", default="1", metavar="F", help="times as fast as it was (default 1)")
    send.add_argument("--repeat", default="1", metavar="N", help="send it so often (default 1)")
    send.add_argument("--jitter", default="0", metavar="MS", help="make packets up to so much later")
    send.add_argument("--loss", default="0", metavar="F", help="leave out this share of packets, 0 to 1")
    send.add_argument("--reorder", default="0", metavar="F", help="swap this share of packets with the next")
    send.add_argument("--twice", default="0", metavar="F", help="send this share of packets twice")
    send.add_argument("--seed", default="0", metavar="N", help="another accident")
    for command in (listen, send):
        command.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="the interface (default: loopback)")
        command.add_argument("--port", metavar="N", help="another port than the usual one")
    info = action("info", "Say what a performance holds.")
    info.add_argument("file", metavar="FILE", help=".take, or .csv of Live Link Face")
    bake = action("bake", "Put a performance on a figure of a project, as keys.")
    bake.add_argument("file", metavar="FILE", help=".take, or .csv of Live Link Face")
    bake.add_argument("project", metavar="PROJECT", help="a project folder NAME.studio, which is saved")
    bake.add_argument("--figure", default="", metavar="NAME", help="the figure (default: the only one)")
    bake.add_argument("--start", metavar="FRAME", help="where it begins (default: the scene's first frame)")
    bake.add_argument("--clip", action="store_true", help="as a clip with a strip instead of keys")
    bake.add_argument("--profile", default="", metavar="FILE.json", help="filter and retarget by this profile")
    bake.add_argument("--tolerance", metavar="W", help="of weights, for fewer keys (default 0.004)")


def _add_export(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("scene", metavar="SCENE", help=".glb, .gltf, .obj or a project")
    add("-o", "--output", metavar="OUT", help="file or pattern with tokens, like {scene}_{camera}_{version}.####.exr")
    add("--settings", metavar="FILE.json", help="settings of an export; flags change them")
    add("--name", default="", metavar="NAME", help="of the job (default: the scene's)")
    add("--run", action="store_true", help="start rendering in the background")
    add("--format", metavar="NAME", help="exr, png8, png16, jpeg, tiff8, tiff16, h264, h265-10, prores-422hq, ...")
    add("--frames", metavar="RANGE", help="like 1-24,30-40x2 (default: the scene's)")
    add("--camera", metavar="NAME", help="render through this camera")
    add("--size", metavar="WxH", help="pixels (default 1920x1080)")
    add("--samples", metavar="N", help="samples a pixel (default 256); with --error the most")
    add("--error", metavar="E", help="stop where the relative error is below this, like 0.02")
    add("--time-limit", metavar="S", help="seconds for a frame, which is then written with what it has")
    add("--depth", metavar="N", help="path segments, a lamp seen directly is 1 (default 8)")
    add("--seed", metavar="N", help="another pattern of noise")
    add("--aov", action="append", default=[], metavar="NAME", help="add a layer to the EXR; may be repeated")
    add("--light-groups", action="store_true", help="add a layer for each light group")
    add("--light-layers", action="store_true", help="also write OUT.lights.exr, with a layer for every light")
    add("--cryptomatte", action="store_true", help="add mattes of objects and materials")
    add("--denoise", action="store_true", help="denoise (Open Image Denoise)")
    add("--view", metavar="NAME", help="OCIO view of pictures and movies (default ACES 2.0 SDR)")
    add("--display", metavar="NAME", help="OCIO display (default sRGB); Rec.1886, P3, Rec.2100-PQ, ...")
    add("--exposure", metavar="EV", help="stops (default: the camera's)")
    add("--compression", metavar="NAME", help="of EXR: zip (default), piz, dwaa, none, ...")
    add("--dwa-level", metavar="N", help="of DWAA and DWAB (default 45); more is smaller and worse")
    add("--float", action="store_true", help="write EXR colours as 32-bit floats")
    add("--one-part", action="store_true", help="write all layers of an EXR as channels of one part")
    add("--quality", metavar="N", help="of JPEG, H.264 and H.265, 1 to 100 (default 90)")
    add("--bitrate", metavar="MBPS", help="of H.264 and H.265, in Mbit/s, instead of --quality")
    add("--alpha", action="store_true", help="keep transparency, in PNG, TIFF and ProRes 4444")
    add("--burn-in", action="append", default=[], metavar="PLACE=TEXT", help="like 'bottom left={frame}'; not in EXR")
    add("--slate", action="store_true", help="a card before the first frame; not in EXR")
    add("--slate-text", action="append", default=[], metavar="TEXT", help="a line of the slate; may be repeated")
    add("--artist", metavar="NAME", help="for {artist} and the slate")
    add("--no-audio", action="store_true", help="leave the scene's sound out of a movie")
    add("--overwrite", metavar="HOW", help="files that are there: ask (default: refuse), skip or replace")
    add("--device", metavar="NAME", help="auto (default), cuda, metal, vulkan or cpu")
    add("--threads", metavar="N", help="processor cores to use (default: all)")
    _add_reading(command)


def _add_look(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--denoise", action="store_true", help="denoise (Open Image Denoise)")
    add("--denoise-scale", metavar="F", help="what brings the picture to 1 for the denoiser (default: the exposure)")
    add("--view", metavar="NAME", help="OCIO view of PNG, JPEG and TIFF (default ACES 2.0 SDR)")
    add("--exposure", metavar="EV", help="stops, for PNG, JPEG and TIFF (default: the camera's)")
    add("--bits", metavar="N", help="8 (default) or 16 bits a channel, for PNG and TIFF")
    add("--alpha", action="store_true", help="keep transparency, for PNG and TIFF")
    add("--compression", metavar="NAME", help="of EXR: zip (default), piz, dwaa, none, ...")
    add("--float", action="store_true", help="write EXR colours as 32-bit floats")
    add("--json", action="store_true", help="print JSON, one object a line")


_HOMES = {"info": "scenes", "convert": "scenes", "demo": "scenes"}


def _with_command(arguments: list[str]) -> list[str]:
    """`studio`, `studio SCENE` and `studio PROJECT` open the app."""
    if not arguments:
        return ["app"]
    word = arguments[0]
    if word not in COMMANDS and not word.startswith("-") and os.path.exists(word):
        return ["app", *arguments]
    return arguments


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line (default: the program's own); returns the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    json = "--json" in given
    try:
        args = _parser().parse_args(_with_command(given))
        return _run(args)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        _drop_output()
        return _BROKEN_PIPE
    except Exception as fault:
        if os.environ.get("MYRIAD_DEBUG", "0") not in ("", "0"):
            raise
        if isinstance(fault, StudioError):
            _tell(str(fault), fault.code, json)
            return fault.code
        # nobody foresaw this: still one sentence, with what to send along
        _tell(f"an unforeseen fault: {type(fault).__name__}: {fault}; MYRIAD_DEBUG=1 shows where", 1, json)
        return 1


def _drop_output() -> None:
    """Standard output takes no more; what is left in its buffer must not complain at exit."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (AttributeError, OSError, ValueError):
        return  # there is no such stream, or none with a file behind it


def _run(args: argparse.Namespace) -> int:
    from studio.command_line.console import Console

    if args.command != "render":
        return _give(args, Console(json=getattr(args, "json", False)))
    from studio.render import spawn

    spawn.spawn_ahead()  # it imports while we do
    try:
        return _give(args, Console(json=args.json))
    finally:
        spawn.discard()


def _give(args: argparse.Namespace, console: Console) -> int:
    module = importlib.import_module(f"studio.command_line.{_HOMES.get(args.command, args.command)}")
    code: int = module.run(args, console)
    return code


def _tell(sentence: str, code: int, json: bool) -> None:
    from studio.command_line.console import Console

    one_line = " ".join(sentence.split())
    console = Console(json=json)
    console.patient = True
    console.event("error", code=code, message=one_line)
    console.say(f"studio: {one_line}")
    if console.fault is not None:
        _drop_output()


if __name__ == "__main__":
    sys.exit(main())
