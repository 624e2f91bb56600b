"""`studio app`: open the window. Qt is imported here and nowhere else on the command line."""

from __future__ import annotations

import argparse
import re

from studio.command_line.console import Console
from studio.errors import Unsupported, UsageError

_SIZE = re.compile(r"(\d{2,5})[xX](\d{2,5})")


def run(args: argparse.Namespace, console: Console) -> int:
    """Open the studio; gives its exit code."""
    size = None
    if args.size:
        found = _SIZE.fullmatch(args.size)
        if found is None:
            raise UsageError(f"--size {args.size}: a window's size looks like 1440x900")
        size = (int(found[1]), int(found[2]))
    try:
        from studio.ui import app
    except ImportError as fault:
        raise Unsupported(f"the window cannot be opened here ({fault}); studio doctor names what is missing") from fault
    return app.run(app.Options(args.scene, args.script, args.screenshot, size, args.layout))
