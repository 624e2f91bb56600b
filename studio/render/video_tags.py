"""What a movie says of its colours, and whether this installation can write one.

A movie without tags is guessed at by every player in its own way; ours say what the OCIO display made: primaries,
transfer, matrix (code points of ITU-T H.273) and that the range is the limited one of video. They stand in the stream
and in the container (`colr`), as players read one or the other.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import cache

from studio.scene import color

EXTRA = 'movies need PyAV, which is not installed; install it by pip install "myriad-studio[video]"'
_LINEAR, _UNSPECIFIED = 8, 2
LIMITED = 1  # FFmpeg's name for it is MPEG


@dataclass(frozen=True, slots=True)
class Tags:
    """Code points of ITU-T H.273: primaries, transfer characteristics, matrix."""

    primaries: int
    transfer: int
    matrix: int


_TAGS = {
    color.DISPLAY: Tags(1, 13, 1),  # BT.709 primaries and matrix, the transfer of IEC 61966-2-1
    "Rec.1886 Rec.709 - Display": Tags(1, 1, 1),
    "Gamma 2.2 Rec.709 - Display": Tags(1, 4, 1),
    "Display P3 - Display": Tags(12, 13, 1),
    "Display P3 HDR - Display": Tags(12, 13, 1),
    "P3-D65 - Display": Tags(12, _UNSPECIFIED, 1),  # a gamma of 2.6 has no code point
    "Rec.2100-PQ - Display": Tags(9, 16, 9),
    "ST2084-P3-D65 - Display": Tags(12, 16, 9),
}


def tags_of(display: str, view: str) -> Tags:
    """What a movie of this display and view says of itself."""
    tags = _TAGS.get(display, Tags(_UNSPECIFIED, _UNSPECIFIED, 1))
    return Tags(1, _LINEAR, tags.matrix) if view == "Raw" else tags


def is_hdr(display: str) -> bool:
    """Whether a display shows more than 8 bits can carry."""
    return _TAGS.get(display, Tags(1, 1, 1)).transfer == 16


@cache
def video_missing(codec: str = "") -> str:
    """A sentence when movies, or those of an encoder, cannot be written here; else nothing."""
    if importlib.util.find_spec("av") is None:
        return f"{EXTRA[:1].upper()}{EXTRA[1:]}."
    if codec:
        import av

        if codec not in av.codecs_available:
            return f"This build of PyAV has no encoder {codec}; install the wheel of PyPI, or choose another format."
    return ""
