"""The head: a portrait studio with a bust that idles alive, and five ways of lighting it, of which one is on.

All of it is made by `studio.figure.bust`; faces are judged under each of the rigs, so all of them are at hand.
"""

from __future__ import annotations

from studio.scene.scene import Scene

WHO = "ada"


def build(identity: str = WHO) -> Scene:
    """The stage with one of `studio.figure.bust.identities.identities()`; raises UsageError for another name."""
    from dataclasses import replace

    from studio.figure.bust import build_bust, build_stage

    return replace(build_stage(build_bust(identity)), name="head")
