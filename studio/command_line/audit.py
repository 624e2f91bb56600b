"""`studio audit`: what a quick render finds about the lights of a frame."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from studio.command_line import values
from studio.command_line.console import Console
from studio.command_line.interrupts import Interrupts
from studio.errors import Cancelled
from studio.render.audit_render import run_audit
from studio.render.light_audit import Finding
from studio.render.settings import MOST_SAMPLES
from studio.scene import color
from studio.scene.entities import Id
from studio.scene.scene import Scene

_MOST_NAMES = 6
_SENTENCES = {
    "nothing": "brings nothing that can be seen",
    "weak": "unseen together",
    "link": "brings nothing to {objects} of the objects seen, {part:.0%} of the picture's surfaces",
    "cost": "takes more samples than most",
    "hotspot": "burns out {part:.2%} of the picture; {stops:.1f} stops less would do",
    "leak": "{part:.0%} of its light comes through what stands between",
}


def run(args: argparse.Namespace, console: Console) -> int:
    """Audit; returns the exit code."""
    size = values.size(args.size)
    samples = values.whole(args.samples, "--samples", 2, MOST_SAMPLES)
    view = color.find_view(args.view) if args.view is not None else color.DEFAULT_VIEW
    frame = None if args.frame is None else values.number(args.frame, "--frame", -1e6, 1e6)
    with Interrupts() as interrupts:
        from studio.assets.load import load_scene

        scene, report = load_scene(args.scene, variant=args.variant, strict=args.strict)
        for sentence in (*report.dropped, *report.warnings):
            console.say(sentence)
        try:
            auditor, found = run_audit(
                scene,
                scene.frame_start if frame is None else frame,
                camera=args.camera,
                size=size,
                view=view,
                samples=samples,
                device=args.device,
                stop=lambda: bool(interrupts.reason()),
                progress=lambda share: console.progress(f"audit {share:.0%}"),
            )
        except Cancelled:
            return interrupts.exit_code
    console.result(f"{'gain':>7} {'light':>7} {'samples':>7}  {'error':>7} {'levels':>6}  finding")
    for finding in found:
        console.result(line_of(finding, scene))
        console.event("finding", **_facts(finding, scene))
    for id_ in auditor.shot.ids:
        share, taken = auditor.share((id_,)), auditor.cost((id_,))
        console.event("light", id=id_, name=_name(scene, id_), share=share, samples=taken)
    if not found:
        console.result("nothing was found: every light earns its keep")
    return 0


def line_of(finding: Finding, scene: Scene) -> str:
    """A finding as a line of the table; `error` is what the proposal changes."""
    names = ", ".join(_name(scene, id_) for id_ in finding.ids[:_MOST_NAMES])
    more = f" and {len(finding.ids) - _MOST_NAMES} more" if len(finding.ids) > _MOST_NAMES else ""
    sentence = _SENTENCES[finding.kind].format(objects=len(finding.objects), part=finding.part, stops=finding.stops)
    where = f", inside {_name(scene, finding.inside)}" if finding.inside else ""
    error = f"{finding.error.rms:7.2%} {finding.error.levels:6.1f}" if finding.act else f"{'-':>7} {'-':>6}"
    proposal = f" [{finding.act}]" if finding.act else ""
    numbers = f"{finding.gain:7.2%} {finding.share:7.2%} {finding.cost:7.2%}"
    return f"{numbers}  {error}  {names}{more}: {sentence}{where}{proposal}"


def _facts(finding: Finding, scene: Scene) -> dict[str, object]:
    error = finding.error
    return {
        "found": finding.kind,
        "ids": _listed(finding.ids),
        "lights": [_name(scene, id_) for id_ in finding.ids],
        "proposal": finding.act,
        "share": finding.share,
        "samples": finding.cost,
        "gain": finding.gain,
        "error": {"rms": error.rms, "noise": error.noise, "levels": error.levels, "stops": error.stops},
        "objects": _listed(finding.objects),
        "dim_stops": finding.stops,
        "part": finding.part,
        "inside": finding.inside,
    }


def _listed(ids: Sequence[Id]) -> list[str]:
    return [str(id_) for id_ in ids]


def _name(scene: Scene, id_: Id) -> str:
    entity = scene.entities.get(id_)
    return (entity.name if entity is not None else "") or id_
