"""From the names that files use to the names of a face: which shape is Apple's, and which joint is the jaw.

Heads come from everywhere, and one shape is called `eyeBlinkLeft`, `Eye_Blink_L`, `AU45_L` or `head.blink.L`. Names
are taken apart into a side and the rest, without case and signs, and looked up: first Apple's own 52 names, then the
action units of FACS (P. Ekman, W. V. Friesen, J. C. Hager, Facial Action Coding System, 2002) by number and by name,
then the words that character makers use. A name that nothing fits stays what it is and becomes a control of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from studio.scene.arkit import ARKIT, INDEX

_SIDED = tuple(dict.fromkeys(re.sub(r"(Left|Right)$", "", n) for n in ARKIT if f"{n[:-4]}Right" in INDEX))
# stems of Apple's names by what else they are called; those that have two sides take the side of the name
_ALIASES: Mapping[str, tuple[str, ...]] = {
    "browInnerUp": ("au1", "au01", "innerbrowraiser", "browraiseinner", "browinnerraise"),
    "browOuterUp": ("au2", "au02", "outerbrowraiser", "browraiseouter", "browouterraise"),
    "browDown": ("au4", "au04", "browlowerer", "browdrop", "browlower"),
    "eyeWide": ("au5", "au05", "upperlidraiser", "eyeswide", "eyewiden"),
    "cheekSquint": ("au6", "au06", "cheekraiser", "cheekraise"),
    "eyeSquint": ("au7", "au07", "lidtightener", "squint"),
    "mouthClose": ("au8", "au08", "lipstoward", "lipstogether", "mouthclosed"),
    "noseSneer": ("au9", "au09", "nosewrinkler", "sneer"),
    "mouthUpperUp": ("au10", "upperlipraiser", "mouthupupper"),
    "mouthSmile": ("au12", "lipcornerpuller", "smile"),
    "mouthDimple": ("au14", "dimpler", "dimple"),
    "mouthFrown": ("au15", "lipcornerdepressor", "frown"),
    "mouthLowerDown": ("au16", "lowerlipdepressor", "mouthdownlower"),
    "mouthShrugLower": ("au17", "chinraiser", "chinraiserlower"),
    "mouthShrugUpper": ("chinraiserupper",),
    "mouthPucker": ("au18", "lippucker", "lippuckerer", "pucker"),
    "tongueOut": ("au19", "tongueshow", "tongueoutside"),
    "mouthStretch": ("au20", "lipstretcher"),
    "mouthFunnel": ("au22", "lipfunneler", "funnel"),
    "mouthPress": ("au24", "lippressor", "lippresser"),
    "jawOpen": ("au26", "au27", "jawdrop", "mouthopen", "openjaw"),
    "mouthRollLower": ("lipsucklower", "lowerlipsuck", "mouthrollinlower"),
    "mouthRollUpper": ("lipsuckupper", "upperlipsuck", "mouthrollinupper"),
    "jawForward": ("au29", "jawthrust"),
    "cheekPuff": ("au34", "puff", "cheekspuff"),
    "eyeBlink": ("au43", "au45", "eyeclosure", "eyesclosed", "eyeclose", "blink"),
    "eyeLookUp": ("au63", "eyesup", "lookup"),
    "eyeLookDown": ("au64", "eyesdown", "lookdown"),
    "eyeLookIn": ("lookin",),
    "eyeLookOut": ("lookout",),
}
_STEMS: Mapping[str, str] = {alias: stem for stem, aliases in _ALIASES.items() for alias in aliases}
_EXACT: Mapping[str, str] = {name.lower(): name for name in ARKIT}
_OWN: Mapping[str, str] = {stem.lower(): stem for stem in _SIDED}
_SIDE = re.compile(r"^(?P<base>.+?)(?:[_.\-\s]+(?P<short>[LlRr])|[_.\-\s]*(?P<long>[Ll]eft|[Rr]ight|LEFT|RIGHT))$")
_SIDE_FIRST = re.compile(r"^(?:(?P<short>[LlRr])[_.\-\s]+|(?P<long>[Ll]eft|[Rr]ight|LEFT|RIGHT)[_.\-\s]*)(?P<base>.+)$")
_SIDE_WORDS = ("l", "r", "left", "right")
_SHORT_LAST = re.compile(r"^(?P<base>.*[a-z0-9])(?P<short>[LR])$")

JOINTS: Mapping[str, tuple[str, ...]] = {
    "head": ("head", "headbone", "jhead", "ccbasehead", "bip01head", "bip001head", "mixamorighead", "defhead"),
    "neck": ("neck", "neck1", "neck01", "jneck", "ccbaseneckt01", "bip01neck", "mixamorigneck", "necklower", "defneck"),
    "jaw": ("jaw", "jawbone", "lowerjaw", "jawroot", "jjaw", "ccbasejawroot", "defjaw", "chin"),
}
_EYES = (
    *("eye", "eyeball", "eyes", "eyebone", "ccbaseeye", "mixamorigeye", "defeye"),
    *("jfaceeye", "jadjfaceeye", "adjfaceeye", "faceeye"),
)


def taken_apart(name: str) -> tuple[str, str]:
    """A name without its side, in small letters and digits, and its side: "Left", "Right" or ""."""
    tail = re.split(r"[|:]", name.strip())[-1]
    found = _SIDE.match(tail) or _SHORT_LAST.match(tail) or _SIDE_FIRST.match(tail)
    if found is None:
        words = re.split(r"[_.\-\s]+", tail)
        sides = [i for i, word in enumerate(words) if word.lower() in _SIDE_WORDS]
        if len(sides) != 1:
            return _plain(tail), ""
        rest = "".join(word for i, word in enumerate(words) if i != sides[0])
        return _plain(rest), "Left" if words[sides[0]][0] in "lL" else "Right"
    said = found.groupdict()
    side = "Left" if (said.get("short") or said.get("long") or "")[:1] in ("l", "L") else "Right"
    return _plain(said["base"]), side


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def arkit_name(name: str, *, aliases: bool = True) -> str:
    """Apple's name of a shape, "" for one that is none of the 52. Without `aliases` only spellings of Apple's own names
    count. A shape for one side of what Apple moves as one (`browInnerUp_L`) has the name of the one."""
    tails = [name, re.split(r"[|:.]", name)[-1], re.split(r"[|:]", name)[-1]]
    for tail in tails:
        if (exact := _EXACT.get(_plain(tail))) is not None:
            return exact
    for tail in dict.fromkeys(tails):
        base, side = taken_apart(tail)
        for start in (base, *(base.removeprefix(word) for word in ("blendshape", "face", "head"))):
            stem = _OWN.get(start) or _EXACT.get(start) or (_STEMS.get(start) if aliases else None)
            if stem is None:
                continue
            if side and stem + side in INDEX:
                return stem + side
            if stem in INDEX:
                return stem
    return ""


def controls_of(names: Iterable[str]) -> dict[str, str]:
    """The control that drives each of these morphs, by its name: one of Apple's 52, or the morph's own. An alias
    counts only where no morph bears the name itself."""
    names = list(dict.fromkeys(names))
    out = {name: found for name in names if (found := arkit_name(name, aliases=False))}
    taken = set(out.values())
    for name in names:
        if name not in out:
            alias = arkit_name(name)
            out[name] = alias if alias and alias not in taken else name
    return out


def joint_of(name: str) -> str:
    """What joint a node is by its name: "head", "neck", "jaw", "left_eye", "right_eye", or ""."""
    base, side = taken_apart(name)
    if side:
        return f"{side.lower()}_eye" if base in _EYES else ""
    return next((joint for joint, names in JOINTS.items() if base in names), "")


# --- materials -------------------------------------------------------------------------------------------------------
_PARTS: tuple[tuple[str, str], ...] = (
    ("lash", "lashes"),
    ("brow", "brows"),
    ("tear", "tear_line"),
    ("lacrimal", "tear_line"),
    ("sclera", "sclera"),
    ("iris", "eye"),
    ("pupil", "eye"),
    ("cornea", "eye"),
    ("eyeball", "eye"),
    ("teeth", "teeth"),
    ("tooth", "teeth"),
    ("gum", "gums"),
    ("tongue", "tongue"),
    ("lip", "lips"),
    ("hair", "hair"),
    ("face", "skin"),
    ("head", "skin"),
    ("skin", "skin"),
    ("neck", "skin"),
    ("ear", "skin"),
    ("body", "skin"),
    ("eye", "eye"),
)


def part_of(name: str) -> str:
    """What part of a head a material or object is by its name: "skin", "sclera", "eye", "teeth", "gums", "tongue",
    "lips", "lashes", "brows", "tear_line", "hair", or "" for one that tells nothing."""
    plain = _plain(name)
    return next((part for word, part in _PARTS if word in plain), "")
