"""Commands of the Time menu: playing, going along the timeline, ranges and the frame rate.

What sets keys is in `time_keys`, markers and sound in `time_marks`, clips and strips in `time_strips`.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import msgspec
import numpy as np

from studio.commands.registry import N_, command
from studio.commands.studio import Studio
from studio.errors import UsageError
from studio.scene.entities import Id
from studio.scene.scene import Scene
from studio.scene.timecode import frame_of
from studio.scene.timeline import Timeline

FPS = (23.976, 24.0, 25.0, 29.97, 30.0, 48.0, 50.0, 59.94, 60.0)
_EXACT = {23.976: 24000 / 1001, 29.97: 30000 / 1001, 59.94: 60000 / 1001}
_KEEP = (N_("Keep keys at their seconds"), N_("Keep keys at their frames"), N_("Cancel"))


def retimed(studio: Studio, label: str, change: Callable[[Timeline], Timeline], *, coalesce: str = "") -> None:
    """Change the scene's timeline value as one undoable step."""
    with studio.document.edit(label, coalesce=coalesce) as edit:
        edit.apply(lambda scene: replace(scene, timeline=change(scene.timeline)))


def tracks_of(scene: Scene, ids: Iterable[Id]) -> tuple[str, ...]:
    """Names of the curves of entities and materials; a mesh's materials are not among them."""
    wanted = set(ids)
    return tuple(name for name in scene.tracks if name.rpartition(".")[0] in wanted)


def key_frames(scene: Scene, ids: Iterable[Id]) -> list[float]:
    """Frames at which any of these has a key, each once, rising; of the whole scene where there are none of these."""
    names = tracks_of(scene, ids) or tuple(scene.tracks)
    if not names:
        return []
    found: list[float] = np.unique(np.concatenate([scene.tracks[name].times for name in names])).tolist()
    return found


def _beside(frames: list[float], frame: float, step: int) -> float | None:
    """The next one above (+1) or below (-1) a frame."""
    at = bisect.bisect_right(frames, frame + 1e-6) if step > 0 else bisect.bisect_left(frames, frame - 1e-6) - 1
    return frames[at] if 0 <= at < len(frames) else None


def range_of(studio: Studio) -> tuple[float, float]:
    """The preview range, or the scene's."""
    return studio.scene.timeline.preview or (studio.scene.frame_start, studio.scene.frame_end)


# --- playing ---------------------------------------------------------------------------------------------------------
@command("time.play", N_("Play or pause"), menu="Time", keys="Space", checked=lambda s: s.playing, icon="play")
def play(studio: Studio, *, on: bool | None = None) -> None:
    """Play the preview range, or the scene's; once more stops."""
    studio.playing = not studio.playing if on is None else on


@command("time.go", N_("Go to frame…"), menu="Time")
def go(studio: Studio, *, frame: float | None = None) -> None:
    """Go to a frame, by its number or timecode."""
    if frame is None:
        text = studio.face.ask_text(N_("Which frame?"), f"{studio.frame:g}")
        if not text.strip():
            return
        frame = frame_of(text, studio.scene.fps)
    studio.frame = float(frame)


_GOING: tuple[tuple[str, str, str | tuple[str, ...], str, str], ...] = (
    ("start", N_("To the start"), "Home", N_("Go to the first frame of the range."), "to-start"),
    ("previous_key", N_("Previous key"), "Down", N_("Go to the key before, of what is selected."), "previous-key"),
    ("previous", N_("Previous frame"), "Left", N_("Go one frame back."), "previous-frame"),
    ("next", N_("Next frame"), "Right", N_("Go one frame on."), "next-frame"),
    ("next_key", N_("Next key"), "Up", N_("Go to the next key, of what is selected."), "next-key"),
    ("end", N_("To the end"), "End", N_("Go to the last frame of the range."), "to-end"),
    ("previous_marker", N_("Previous marker"), "[", N_("Go to the marker before."), ""),
    ("next_marker", N_("Next marker"), "]", N_("Go to the next marker."), ""),
)


def _target(studio: Studio, where: str) -> float | None:
    scene, frame = studio.scene, studio.frame
    first, last = range_of(studio)
    if where in ("start", "end"):
        return first if where == "start" else last
    step = 1 if where.startswith("next") else -1
    if where in ("next", "previous"):
        whole = np.floor(frame) + 1.0 if step > 0 else np.ceil(frame) - 1.0
        return float(whole)
    if where.endswith("marker"):
        return _beside([m.frame for m in scene.timeline.markers], frame, step)
    return _beside(key_frames(scene, studio.selection), frame, step)


def _register_going(where: str, title: str, keys: str | tuple[str, ...], told: str, icon: str) -> None:
    @command(f"time.{where}", title, menu="Time/Go", keys=keys, help=told, icon=icon)
    def go_there(studio: Studio) -> None:
        target = _target(studio, where)
        if target is not None:
            studio.frame = target


for _entry in _GOING:
    _register_going(*_entry)


def _register_loop(mode: str, title: str, icon: str) -> None:
    @command(
        f"time.loop_{mode}",
        title,
        menu="Time/Playback",
        checked=lambda s: s.preferences.playback_loop == mode,
        help=N_("What playback does at the end of the range."),
        icon=icon,
        recorded=False,
    )
    def choose(studio: Studio) -> None:
        studio.prefer(playback_loop=mode)


for _mode, _title, _icon in (
    ("loop", N_("Loop"), "loop"),
    ("pingpong", N_("Back and forth"), "pingpong"),
    ("once", N_("Once"), "once"),
):
    _register_loop(_mode, _title, _icon)


@command(
    "time.every_frame",
    N_("Play every frame"),
    menu="Time/Playback",
    group=1,
    checked=lambda s: s.preferences.play_every_frame,
    recorded=False,
)
def every_frame(studio: Studio, *, on: bool | None = None) -> None:
    """Drop no frame when the picture takes longer than its time; there is no sound then."""
    studio.prefer(play_every_frame=not studio.preferences.play_every_frame if on is None else on)


@command(
    "time.timecode",
    N_("Show timecode"),
    menu="Time/Playback",
    group=1,
    checked=lambda s: s.preferences.timecode,
    recorded=False,
)
def show_timecode(studio: Studio, *, on: bool | None = None) -> None:
    """Write frames as hours, minutes, seconds and frames."""
    studio.prefer(timecode=not studio.preferences.timecode if on is None else on)


# --- ranges ----------------------------------------------------------------------------------------------------------
@command("time.set_range", N_("Set range…"), menu="Time/Range")
def set_range(studio: Studio, *, first: float | None = None, last: float | None = None) -> None:
    """Set the first and the last frame of the scene."""
    scene = studio.scene
    if first is None and last is None:
        text = studio.face.ask_text(N_("First and last frame"), f"{scene.frame_start:g} {scene.frame_end:g}")
        if not text.strip():
            return
        parts = text.replace("-", " ", text.count("-") if not text.startswith("-") else 0).replace(",", " ").split()
        if len(parts) != 2:
            raise UsageError("write the first and the last frame, like 1 120")
        first, last = (frame_of(part, scene.fps) for part in parts)
    start = scene.frame_start if first is None else float(first)
    end = scene.frame_end if last is None else float(last)
    if first is not None and last is None:
        end = max(end, start)
    elif last is not None and first is None:
        start = min(start, end)
    if end < start:
        raise UsageError(f"the range ends at {end:g} before it starts at {start:g}")
    studio.edit(N_("Set range"), lambda scene: replace(scene, frame_start=start, frame_end=end))


@command("time.range_of_keys", N_("Range of all keys"), menu="Time/Range", when=lambda s: bool(s.scene.tracks))
def range_of_keys(studio: Studio) -> None:
    """Let the scene last from its first to its last key or strip."""
    frames = key_frames(studio.scene, ())
    ends = [f for strip in studio.scene.strips.values() for f in (strip.start, strip.end)]
    first, last = min([*frames, *ends]), max([*frames, *ends])
    studio.edit(N_("Set range"), lambda scene: replace(scene, frame_start=first, frame_end=max(first, last)))


@command("time.preview", N_("Set preview range"), menu="Time/Range", group=1)
def preview(studio: Studio, *, first: float | None = None, last: float | None = None) -> None:
    """Play over a part only: these frames, else what the selected keys span, else the scene's range."""
    scene = studio.scene
    picked = [float(scene.tracks[name].times[i]) for name, rows in studio.picked.items() for i in rows]
    now = scene.timeline.preview or (
        (min(picked), max(picked)) if len(set(picked)) > 1 else (scene.frame_start, scene.frame_end)
    )
    start = now[0] if first is None else float(first)
    end = now[1] if last is None else float(last)
    if first is not None:
        end = max(end, start)
    start = min(start, end)
    retimed(studio, N_("Set preview range"), lambda t: msgspec.structs.replace(t, preview=(start, end)))


@command(
    "time.preview_from",
    N_("Preview from here"),
    menu="Time/Range",
    group=1,
)
def preview_from(studio: Studio) -> None:
    """Let the preview range begin at the present frame."""
    preview(studio, first=studio.frame)


@command("time.preview_to", N_("Preview up to here"), menu="Time/Range", group=1)
def preview_to(studio: Studio) -> None:
    """Let the preview range end at the present frame."""
    preview(studio, last=studio.frame)


@command(
    "time.clear_preview",
    N_("Clear preview range"),
    menu="Time/Range",
    group=1,
    when=lambda s: s.scene.timeline.preview is not None,
)
def clear_preview(studio: Studio) -> None:
    """Play over the scene's whole range again."""
    retimed(studio, N_("Clear preview range"), lambda t: msgspec.structs.replace(t, preview=None))


# --- the rate --------------------------------------------------------------------------------------------------------
@command("time.set_fps", N_("Set frame rate…"), menu="Time/Range", group=2)
def set_fps(studio: Studio, *, fps: float | None = None, keep: str = "") -> None:
    """Set how many frames a second has. `keep` is "seconds" (what moves keeps its speed) or "frames"."""
    scene = studio.scene
    if fps is None:
        chosen = studio.face.ask(N_("Frames a second"), tuple(f"{rate:g}" for rate in FPS))
        if not chosen:
            return
        fps = float(chosen)
    fps = _EXACT.get(round(float(fps), 3), float(fps))
    if not 1.0 <= fps <= 1000.0:
        raise UsageError(f"a scene has 1 to 1000 frames a second, not {fps:g}")
    if fps == scene.fps:
        return
    if keep not in ("", "seconds", "frames"):
        raise UsageError('keep is "seconds" or "frames"')
    if not keep and (scene.tracks or scene.strips or scene.timeline != Timeline()):
        answer = studio.face.ask(N_("What moves has keys at frames. What should happen to them?"), _KEEP)
        if answer not in _KEEP[:2]:
            return
        keep = "seconds" if answer == _KEEP[0] else "frames"
    rate = fps
    if keep == "seconds" and (scene.tracks or scene.strips or scene.timeline != Timeline() or scene.frame_end > 1):
        at = round(scene.frame_start + (studio.frame - scene.frame_start) * rate / scene.fps)
        studio.edit(N_("Set frame rate"), lambda scene: at_seconds(scene, rate))
        studio.frame = float(at)
    else:
        studio.edit(N_("Set frame rate"), lambda scene: replace(scene, fps=rate))


def at_seconds(scene: Scene, fps: float) -> Scene:
    """The scene at another rate, with everything at the second it was at, counted from the first frame."""
    from studio.scene import keying

    about, times = scene.frame_start, fps / scene.fps

    def moved(frame: float) -> float:
        return about + (frame - about) * times

    picked = {name: tuple(range(len(curve.times))) for name, curve in scene.tracks.items()}
    out = keying.scale_keys(scene, picked, about=about, times=times)[0] if picked else scene
    timeline = scene.timeline
    audio = timeline.audio
    timeline = msgspec.structs.replace(
        timeline,
        markers=tuple(msgspec.structs.replace(m, frame=moved(m.frame)) for m in timeline.markers),
        cuts=tuple(msgspec.structs.replace(c, frame=moved(c.frame)) for c in timeline.cuts),
        audio=msgspec.structs.replace(audio, start=moved(audio.start)) if audio else None,
        preview=(moved(timeline.preview[0]), moved(timeline.preview[1])) if timeline.preview else None,
    )
    strips = {
        id_: msgspec.structs.replace(
            s, start=moved(s.start), speed=s.speed / times, blend_in=s.blend_in * times, blend_out=s.blend_out * times
        )
        for id_, s in scene.strips.items()
    }
    end = moved(scene.frame_end + 1.0) - 1.0 if scene.frame_end > scene.frame_start else scene.frame_end
    return replace(out, fps=fps, timeline=timeline, strips=strips, frame_end=float(round(end)))


def shown_rates() -> Iterator[tuple[str, float]]:
    """The usual frame rates as they are written, with their exact values."""
    for rate in FPS:
        yield f"{rate:g}", _EXACT.get(rate, rate)
