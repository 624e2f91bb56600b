"""`studio farm clean`: what no job of a store needs goes, and jobs that are over when they are named."""

from __future__ import annotations

import argparse

from studio.command_line import farm_places as places
from studio.command_line import values
from studio.command_line.console import Console
from studio.farm.jobs import job_ids
from studio.farm.session import find_job
from studio.farm.sweep import LEAST_S, Found, sweep

_DAY_S = 24 * 3600.0
_WHAT = {
    "jobs": "of jobs that were named",
    "remains": "left of jobs that are gone",
    "parts": "rendered twice or given up",
    "bundles": "lists of scenes that no job names",
    "blobs": "files of scenes that no job names",
    "notes": "signs of life of long ago",
}


def clean(args: argparse.Namespace, console: Console) -> int:
    """Clean a store, or say what that would remove; returns the exit code."""
    days = values.number(args.older_than, "--older-than", LEAST_S / _DAY_S, 36500)
    store = places.store_of(args.store)
    there = set(job_ids(store))
    named = [text if text in there else find_job(store, text).spec.id for text in args.jobs]

    def progress(done: int, total: int) -> None:
        console.progress(f"Removed {done} of {total} objects")

    swept = sweep(store, named=named, guard_s=days * _DAY_S, dry=args.dry_run, progress=progress)
    for name, what in _WHAT.items():
        found: list[Found] = getattr(swept, name)
        if found:
            size = sum(each.size for each in found)
            console.result(f"{size / 1e6:12.3f} MB  {len(found):6} objects  {what}")
            console.event("swept", what=name, objects=len(found), bytes=size, keys=[each.key for each in found])
    console.event("cleaned", objects=len(swept.all()), bytes=swept.size, dry=args.dry_run)
    would = "would be removed" if args.dry_run else "removed"
    console.say(f"{swept.size / 1e6:.3f} MB in {len(swept.all())} objects {would}.")
    return 0
