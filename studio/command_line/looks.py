"""Flags that say how a film becomes a picture; `studio render` and `studio merge` share them."""

from __future__ import annotations

import argparse
from pathlib import Path

from studio.command_line import values
from studio.errors import UsageError
from studio.render.finish import Look
from studio.render.output import COMPRESSIONS
from studio.scene import color

_EXR_ONLY = {"compression": "--compression", "float": "--float"}
_VIEWED_ONLY = {"view": "--view", "exposure": "--exposure", "bits": "--bits", "alpha": "--alpha"}


def read_look(args: argparse.Namespace, output: Path) -> Look:
    """The look that the flags ask for. Raises `UsageError` for a wrong value, or a flag that the format ignores."""
    view = color.find_view(args.view) if args.view is not None else color.DEFAULT_VIEW
    compression = "zip" if args.compression is None else args.compression
    if compression not in COMPRESSIONS:
        raise UsageError(f"there is no EXR compression {compression!r}; choose from {', '.join(COMPRESSIONS)}")
    bits = values.whole(args.bits, "--bits", 8, 16) if args.bits is not None else 8
    if bits not in (8, 16):
        raise UsageError(f"--bits must be 8 or 16, not {bits}")
    exposure = values.number(args.exposure, "--exposure", -100, 100) if args.exposure is not None else None
    scale = args.denoise_scale
    scale = values.number(scale, "--denoise-scale", 1e-12, 1e12) if scale is not None else None
    if scale and not args.denoise:
        raise UsageError("--denoise-scale says how to denoise; add --denoise")
    given = {name for name in (*_EXR_ONLY, *_VIEWED_ONLY) if getattr(args, name) not in (None, False)}
    suffix = output.suffix.lower()
    for name, flag in (_VIEWED_ONLY if suffix in (".exr", ".part") else _EXR_ONLY).items():
        if name in given:
            where = "PNG, JPEG and TIFF" if name in _VIEWED_ONLY else "EXR"
            raise UsageError(f"{flag} shapes {where}, not {output.name}; leave it out or write another format")
    if suffix in (".jpg", ".jpeg") and (bits != 8 or args.alpha):
        raise UsageError(
            f"a JPEG has 8 bits a channel and no transparency, so {output.name} cannot; write .png or .tif"
        )
    if suffix == ".part" and given:
        raise UsageError(f"a partial has no look yet; give {'/'.join(sorted(given))} to studio merge")
    return Look(
        view=view,
        exposure_ev=exposure,
        half=not args.float,
        compression=compression,
        bits=bits,
        alpha=args.alpha,
        denoise=args.denoise,
        denoise_scale=scale,
    )
