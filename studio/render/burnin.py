"""Burn-ins and slates: texts on the picture that is shown, for whoever reviews it.

Texts stand at six places with tokens of the frame: its number, timecode, camera, lens. The slate is a card before the
first frame that says what follows. Both are drawn by Pillow on display values; an EXR is data and gets neither.

The size follows the picture's height and never falls below what can be read; a text too long for its place gets
smaller, then loses its end to an ellipsis. Chinese, Japanese and Korean need a font that has them: the usual ones of
the systems are looked for, and where there is none a finding says so before anything is rendered.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.render.export import CORNERS, ExportSettings, exact_rate
from studio.render.export_names import Names, find_camera
from studio.render.naming import TEXT_TOKENS, expand_text
from studio.scene.keyed_edit import posed
from studio.scene.scene import Scene
from studio.scene.timecode import timecode

LACKING_CJK = (
    "No font with Chinese, Japanese or Korean was found, so such texts will be empty boxes;"
    " install Noto Sans CJK, or write them in Latin letters."
)
PQ_WHITE = 0.58  # of a signal of SMPTE ST 2084: the 203 nits of graphics white (ITU-R BT.2408)
_LATIN = (
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
    "/usr/share/fonts/dejavu-sans-fonts/DejaVuSans.ttf",
    "/usr/share/fonts/TTF/DejaVuSans.ttf",
    "/usr/share/fonts/truetype/liberation/LiberationSans-Regular.ttf",
    "/usr/share/fonts/truetype/noto/NotoSans-Regular.ttf",
    "/System/Library/Fonts/Helvetica.ttc",
    "/System/Library/Fonts/Supplemental/Arial.ttf",
    r"%WINDIR%\Fonts\segoeui.ttf",
    r"%WINDIR%\Fonts\arial.ttf",
)
_CJK = (
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/google-noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc",
    "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf",
    "/usr/share/fonts/truetype/arphic/uming.ttc",
    "/System/Library/Fonts/PingFang.ttc",
    "/System/Library/Fonts/Hiragino Sans GB.ttc",
    "/System/Library/Fonts/STHeiti Light.ttc",
    r"%WINDIR%\Fonts\msyh.ttc",
    r"%WINDIR%\Fonts\simsun.ttc",
    r"%WINDIR%\Fonts\meiryo.ttc",
    r"%WINDIR%\Fonts\malgun.ttf",
)
_BOX = 0.55  # how much of the picture behind a text is taken away
_SMALLEST_PX = 8
_MOST_TEXT = 400
_NUMBERS = ("frame", "version", "width", "height", "samples", "first", "last")
_BLANK = "\u2013"


@dataclass(frozen=True, slots=True)
class Stamp:
    """Texts of one frame at the places of `CORNERS`, empty where there is none."""

    texts: tuple[str, ...]
    white: float = 1.0

    def draw(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """The texts on display values (h, w, 3 or 4), floats in 0..1 or whole numbers, as a new array."""
        out = pixels.copy()
        height, width = out.shape[:2]
        edge = max(2, round(height * 0.022))
        for row, places in enumerate(((0, 1, 2), (3, 4, 5))):
            texts = [self.texts[i] if i < len(self.texts) else "" for i in places]
            if not any(texts):
                continue
            room = (width - 4 * edge) // (3 if texts[1] else max(1, sum(1 for text in texts if text)))
            for column, text in enumerate(texts):
                if text:
                    mask = text_mask(text, size_px(height), room)
                    left = (edge, (width - mask.shape[1]) // 2, width - edge - mask.shape[1])[column]
                    top = edge if row == 0 else height - edge - mask.shape[0]
                    _put(out, mask, left, top, self.white)
        return out


def size_px(height: int) -> int:
    """Height of burn-in letters in pixels for a picture's height."""
    return max(11, round(height * 0.026))


def text_values(scene: Scene, settings: ExportSettings, names: Names, frame: int) -> dict[str, str | int | float]:
    """What the tokens of texts stand for at a frame, read from the scene as it is posed there."""
    camera = find_camera(settings, posed(scene, frame), frame)
    before = [marker.name for marker in scene.timeline.markers if marker.frame <= frame]
    values: dict[str, str | int | float] = {
        **names,
        "frame": frame,
        "frames": f"{names['first']}-{names['last']}",
        "timecode": timecode(frame, float(exact_rate(scene.fps))),
        "size": f"{settings.width}x{settings.height}",
        "marker": before[-1] if before else "",
        "notes": scene.notes,
        **dict.fromkeys(("lens", "focal", "fstop", "focus"), _BLANK),
    }
    if camera is not None:
        values["camera"] = camera.name or camera.id
        values["focal"] = f"{camera.focal_length_mm:.4g} mm"
        values["fstop"] = f"f/{camera.f_stop:.3g}" if camera.f_stop > 0 else "pinhole"
        values["focus"] = f"{camera.focus_distance_m:.4g} m" if camera.f_stop > 0 else _BLANK
        flat = camera.projection == "orthographic"
        values["lens"] = "orthographic" if flat else f"{values['focal']} {values['fstop']}"
    return values


def stamp_of(scene: Scene, settings: ExportSettings, names: Names, frame: int, *, white: float = 1.0) -> Stamp | None:
    """The burn-ins of a frame; None when nobody asked for any."""
    if not any(text.strip() for text in settings.burn_ins):
        return None
    values = text_values(scene, settings, names, frame)
    texts = tuple(expand_text(text, values, frame=frame)[:_MOST_TEXT] for text in settings.burn_ins)
    return Stamp(texts, white)


def check_texts(settings: ExportSettings) -> None:
    """Raise `UsageError` for a text whose tokens make no sense, before anything is rendered."""
    values: Names = {name: 1 if name in _NUMBERS else "" for name in TEXT_TOKENS}
    for text in (*settings.burn_ins, *settings.slate_texts):
        expand_text(text, values, frame=1)


def slate_rows(scene: Scene, settings: ExportSettings, names: Names, frame: int) -> list[tuple[str, str]]:
    """What a slate says, as pairs of label and value; the artist's own lines have no label."""
    values = text_values(scene, settings, names, frame)
    rows = [
        ("Scene", str(values["scene"])),
        ("Version", f"v{int(values['version']):03d}"),
        ("Camera", f"{values['camera']}  {values['lens']}"),
        ("Frames", f"{values['frames']} at {float(values['fps']):g} fps"),
        ("Picture", f"{values['size']}, {settings.samples} samples, {settings.view}"),
        ("Artist", str(values["artist"])),
        ("Date", f"{str(values['date'])[:4]}-{str(values['date'])[4:6]}-{str(values['date'])[6:]}"),
    ]
    rows += [("", expand_text(text, values, frame=frame)) for text in settings.slate_texts if text.strip()]
    rows += [("Notes", line) for line in scene.notes.splitlines()[:3] if line.strip()]
    return [(label, value[:_MOST_TEXT]) for label, value in rows]


def slate_card(
    scene: Scene, settings: ExportSettings, names: Names, frame: int, *, white: float = 1.0
) -> NDArray[np.float32]:
    """The slate as display values (height, width, 3) in 0..1."""
    width, height = settings.width, settings.height
    card = np.full((height, width, 3), 0.11 * white, np.float32)
    edge = max(3, round(min(width, height) * 0.06))
    rows = slate_rows(scene, settings, names, frame)
    title = str(names["project"])
    wedge = max(4, round(height * 0.07))
    room = height - 2 * edge - wedge
    line = room / (len(rows) + 2.6)
    letter = max(_SMALLEST_PX, min(round(line * 0.66), round(height * 0.045)))
    heading = text_mask(title, max(_SMALLEST_PX, min(round(letter * 1.7), round(line * 1.6))), width - 2 * edge)
    _put(card, heading, edge, edge, white, box=False)
    labels = round((width - 2 * edge) * 0.18)
    top = edge + line * 2.2
    for label, value in rows:
        if top + letter > height - edge - wedge:
            break  # a small picture has room for the first lines alone
        if label:
            _put(card, text_mask(label, letter, labels), edge, round(top), 0.62 * white, box=False)
        if value:
            mask = text_mask(value, letter, width - 2 * edge - labels)
            _put(card, mask, edge + labels, round(top), white, box=False)
        top += line
    steps = np.repeat(np.linspace(0.0, 1.0, 11, dtype=np.float32), -(-width // 11))[:width]
    card[height - wedge :] = (steps * white)[None, :, None]  # a grey wedge, to see whether a player clips
    return card


# --- letters ---------------------------------------------------------------------------------------------------------
def text_mask(text: str, size: int, room: int) -> NDArray[np.float32]:
    """How much of each pixel a line of text covers (h, w) in 0..1, no wider than `room` pixels where that can be."""
    text = " ".join(text.split())
    font = _font(has_cjk(text), size)
    smallest = max(_SMALLEST_PX, round(size * 0.7))
    while _length(font, text) > room and size > smallest:
        size -= 1
        font = _font(has_cjk(text), size)
    if _length(font, text) > room:
        text = _shortened(text, font, room)
    return _drawn(text, font, size)


def _drawn(text: str, font: Any, size: int) -> NDArray[np.float32]:
    from PIL import Image, ImageDraw

    left, _, right, _ = font.getbbox(text)
    pad = max(1, size // 4)
    ascent, descent = font.getmetrics() if hasattr(font, "getmetrics") else (size, size // 4)
    image = Image.new("L", (max(1, round(right - left)) + 2 * pad, ascent + descent + pad))
    ImageDraw.Draw(image).text((pad - left, pad // 2), text, fill=255, font=font)
    return np.asarray(image, np.float32) / np.float32(255)


def _shortened(text: str, font: Any, room: int) -> str:
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _length(font, text[:middle] + "\u2026") <= room else (low, middle - 1)
    return text[:low].rstrip() + "\u2026"


def _length(font: Any, text: str) -> float:
    return float(font.getlength(text) + max(1, font.size // 4) * 2)


def _put(out: NDArray[Any], mask: NDArray[np.float32], left: int, top: int, white: float, *, box: bool = True) -> None:
    """Draw a mask in white over its darkened place, as far as it lies within the picture."""
    height, width = out.shape[:2]
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + mask.shape[1], width), min(top + mask.shape[0], height)
    if x0 >= x1 or y0 >= y1:
        return
    full = float(np.iinfo(out.dtype).max) if out.dtype.kind == "u" else 1.0
    cover = mask[y0 - top : y1 - top, x0 - left : x1 - left, None]
    under = out[y0:y1, x0:x1, :3].astype(np.float32) * (1.0 - _BOX if box else 1.0)
    mixed = under * (1.0 - cover) + full * white * cover
    out[y0:y1, x0:x1, :3] = np.rint(mixed) if full > 1 else mixed
    if out.shape[2] == 4:  # what is read must be seen where the picture is transparent
        there = out[y0:y1, x0:x1, 3:].astype(np.float32)
        seen = np.maximum(there, full * np.maximum(cover, _BOX))
        out[y0:y1, x0:x1, 3:] = np.rint(seen) if full > 1 else seen


def has_cjk(text: str) -> bool:
    """Whether a text has letters that Latin fonts lack: CJK and its punctuation, kana, hangul, full-width forms."""
    spans = ((0x1100, 0x11FF), (0x2E80, 0x9FFF), (0xAC00, 0xD7FF), (0xF900, 0xFAFF), (0xFE30, 0xFE4F), (0xFF00, 0xFFEF))
    return any(low <= ord(c) <= high for c in text for low, high in spans) or any(
        0x20000 <= ord(c) <= 0x3FFFF for c in text
    )


def has_cjk_font() -> bool:
    """Whether a font with Chinese was found."""
    return _found(_CJK) is not None


@cache
def _found(paths: Sequence[str]) -> str | None:
    for path in paths:
        whole = os.path.expandvars(path.replace("%WINDIR%", os.environ.get("WINDIR", r"C:\Windows")))
        if Path(whole).is_file():
            return whole
    return None


@cache
def _font(cjk: bool, size: int) -> Any:
    from PIL import ImageFont

    path = (_found(_CJK) if cjk else None) or _found(_LATIN)
    if path is not None:
        try:
            return ImageFont.truetype(path, size)
        except OSError:  # a font file that is broken is as good as none
            return ImageFont.load_default(size)
    return ImageFont.load_default(size)


def places(texts: Mapping[str, str]) -> tuple[str, ...]:
    """Burn-ins by the names of their places, as `ExportSettings` wants them."""
    return tuple(texts.get(corner, "") for corner in CORNERS)
