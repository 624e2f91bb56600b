"""What the benchmarks measure by: the error of a picture, the load of the machine, and how a result is printed.

**relMSE.** Of luminance-like means over the three channels, a of the picture and r of the reference: the mean over
pixels of (a - r)^2 / (r^2 + (0.02 m)^2), where m is the median of r. Pixels with r >= 8 m see a lamp, whose constant
brightness says nothing of the estimator, and are left out; so is the worst thousandth of the rest, which is reported
apart, because a few fireflies would otherwise be all that is measured.

**Cost.** Seconds times relMSE. Variance falls as the inverse of the samples and time grows with them, so the product
does not depend on how many there were; half the cost is the same picture in half the time. On a machine that does
other things too, seconds of processor time divided by the number of threads are steadier than those of the wall
clock; both costs are given.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

EPSILON, BRIGHT, WORST = 0.02, 8.0, 1000
Row = dict[str, Any]


def relative_error(picture: ArrayLike, reference: ArrayLike) -> tuple[float, float]:
    """relMSE of a picture (h, w, 3) without its worst thousandth, and the mean over that thousandth."""
    a, r = (np.asarray(x, np.float64).mean(axis=-1).reshape(-1) for x in (picture, reference))
    if a.shape != r.shape:
        raise ValueError(f"a picture of {a.size} pixels cannot be compared with a reference of {r.size}")
    median = float(np.median(r))
    counted = r < BRIGHT * median
    error = np.sort((a - r)[counted] ** 2 / (r[counted] ** 2 + (EPSILON * median) ** 2))
    if not len(error):
        raise ValueError("the reference is black or full of lamps: no pixel is left to measure on")
    worst = max(1, len(error) // WORST)
    kept = error[:-worst] if len(error) > worst else error
    return float(kept.mean()), float(error[-worst:].mean())


def mean_ratio(picture: ArrayLike, reference: ArrayLike) -> float:
    """Mean of a picture over the mean of its reference."""
    return float(np.mean(picture, dtype=np.float64) / np.mean(reference, dtype=np.float64))


def machine() -> Row:
    """What the figures were measured on, and how busy it was."""
    load = os.getloadavg() if hasattr(os, "getloadavg") else (0.0, 0.0, 0.0)
    name = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo", errors="replace") as file:
            name = next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), name)
    return {"processor": name, "cores": os.cpu_count(), "load_average": [round(x, 2) for x in load]}


# --- printing --------------------------------------------------------------------------------------------------------
def shown(value: Any, spec: str = "") -> str:
    """A value in a table: three significant digits of a number unless `spec` formats it, "-" for none."""
    if value is None:
        return "-"
    if spec:
        return format(value, spec)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 1000 else f"{value:#.3g}".rstrip(".") if value else "0"
    return str(value)


def table(rows: Sequence[Row], columns: Mapping[str, str], *, markdown: bool) -> str:
    """Rows as text; `columns` maps a row's key to the column's title."""
    cells = [[shown(row.get(key), FORMATS.get(key, "")) for key in columns] for row in rows]
    titles = list(columns.values())
    if markdown:
        lines = [titles, ["---"] * len(titles), *cells]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)
    widths = [max(len(line[k]) for line in [titles, *cells]) for k in range(len(titles))]
    return "\n".join(
        "  ".join(x.ljust(w) if k < 2 else x.rjust(w) for k, (x, w) in enumerate(zip(line, widths, strict=True)))
        for line in [titles, *cells]
    )


def report(rows: Iterable[Row], columns: Mapping[str, str], *, as_json: bool, markdown: bool, command: str) -> None:
    """Print rows: one JSON object a line, or a table under the command that made it and the state of the machine."""
    listed = list(rows)
    if as_json:
        for row in listed:
            print(json.dumps(row))
        return
    state = machine()
    where = f"{state['processor']}, {state['cores']} cores, load {' '.join(map(str, state['load_average']))}"
    print(f"`{command}` on {where}\n" if markdown else f"{command}\n{where}\n")
    print(table(listed, columns, markdown=markdown))


def options(doc: str | None) -> argparse.ArgumentParser:
    """The options that every script of benchmarks has; its first line says what it measures."""
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    parser.add_argument("--markdown", action="store_true", help="print a Markdown table")
    return parser


def tell(rows: Iterable[Row], columns: Mapping[str, str], args: argparse.Namespace) -> None:
    """`report` of the script that runs, as its `options` ask for it."""
    command = " ".join([f"python benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]])
    report(rows, columns, as_json=args.json, markdown=args.markdown, command=command)


def say(text: str) -> None:
    """Tell whoever waits what is going on, beside the results."""
    print(text, file=sys.stderr, flush=True)


def targets(row: Row, *, what: str, value: float, target: float, unit: str = "") -> Row:
    """A row of a table of targets: at most `target` is wanted."""
    return {"what": what, "value": value, "target": target, "unit": unit, "met": value <= target} | row


FORMATS = {"mean": ".4f"}  # of columns in which three digits say too little
TARGET_COLUMNS = {"what": "what", "unit": "unit", "value": "measured", "target": "at most", "met": "met"}
