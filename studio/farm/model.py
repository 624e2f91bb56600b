"""What the farm speaks of: jobs, pieces, units, attempts, nodes and what they report. Records only.

A *job* is a set of *pieces*, each a frame or a crop of one with all its samples. A piece is handed out in *units*,
ranges of its samples [first, last), which are cut when a node asks, so their size suits the node and shrinks towards
the end. Who works at a unit does so in an *attempt*, a number that is never given twice; whatever an older attempt
still sends is told from the present one by it. A unit is done when its verified partial is in the store.

Everything here is plain data that goes through JSON, so a coordinator can be rebuilt from what was written down.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from studio.render.film import Crop

JobId = str
NodeId = str
Range = tuple[int, int]  # [first, last) of global sample indices


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A record of the farm; members that this version does not know are ignored."""


class Piece(Record, frozen=True):
    """A frame of a job, or a crop of it, with samples `first` (nearly always 0) to `samples`."""

    frame: float
    samples: int
    crop: Crop | None = None
    cost: float = 1.0  # of one sample, against the other pieces of the job: 2 takes twice as long
    first: int = 0  # the samples before it are somebody else's

    @property
    def name(self) -> str:
        """What the piece is called in keys of the store and in logs: "f24", "f24-x0-y0-x640-y360" or "f24-s16"."""
        frame = f"f{self.frame:g}".replace(".", "_").replace("-", "m")
        crop = "" if self.crop is None else "".join(f"-{a}{v}" for a, v in zip("xyxy", self.crop, strict=True))
        return frame + crop + (f"-s{self.first}" if self.first else "")

    @property
    def count(self) -> int:
        """How many samples it has."""
        return self.samples - self.first


class Round(Record, frozen=True):
    """What is asked of a piece by now, where it is sampled adaptively: samples up to `samples`, the last of them of a
    `share` of its pixels, those of `blocks` ("": of all). With `more` it is decided what comes after, once they are
    there."""

    samples: int
    blocks: str = ""
    share: float = 1.0
    more: bool = False


class Needs(Record, frozen=True):
    """What a node must have to work at a job. `device` is a class of devices within which results have the same bits;
    "" lets the first node that begins choose it for the job."""

    memory_bytes: int = 0
    device_memory_bytes: int = 0
    backend: str = ""
    device: str = ""
    build: str = ""
    trust: int = 0  # the least trusted kind of node that may see it: 0 own machine, 1 studio, 2 contracted, 3 public


class JobSpec(Record, frozen=True):
    """A job as it was submitted. Money is in millionths of a currency unit."""

    id: JobId
    name: str
    bundle: str  # content hash of what a node fetches
    pieces: tuple[Piece, ...]
    needs: Needs = Needs()
    priority: int = 50  # 0 to 100
    owner: str = ""
    weight: float = 1.0  # of the owner's share beside others
    cap_micros: int = 0  # 0: none
    expected_s: float = 0.0  # of one sample of cost 1 on a node of score 1, from the pilot; 0 when nobody knows
    retries: int = 5  # of one unit, for faults that may pass
    live: bool = False  # somebody waits before a picture: short units, and nodes are asked over from other jobs
    yields: bool = True  # its nodes may be asked over to a live job
    submitted_at: float = 0.0


class NodeInfo(Record, frozen=True):
    """A machine, or one device of it, that asks for work."""

    id: NodeId
    name: str = ""
    backend: str = "cpu"
    device: str = ""  # class of device
    build: str = ""  # of the renderer
    cores: int = 1
    memory_bytes: int = 0
    device_memory_bytes: int = 0
    score: float = 1.0  # of `studio bench`: how fast against the reference
    trust: int = 0
    price: str = ""  # the row of the price list


def maker_of(node: NodeId) -> str:
    """Whose a node is, for trust: the devices of one machine are called "machine/device"."""
    return node.partition("/")[0]


class Lease(Record, frozen=True):
    """A unit in the hands of a node. It holds until `expires` and longer with every report."""

    job: JobId
    piece: int  # index of JobSpec.pieces
    range: Range
    attempt: int
    node: NodeId
    begun: float
    expires: float
    copy_of: int = 0  # the attempt beside which it runs; 0: none
    report_s: float = 0.0  # how often its node is to report; 0: as it is used to
    checkpoint_s: float = 0.0  # how much of rendering it hands in at the least, short of the end; 0: as it is used to
    blocks: str = ""  # of pixels that it is of (`studio.farm.rounds`); "": all


class Report(Record, frozen=True):
    """What a node says of its unit now and then: samples done in order from the first, of which `kept` are in a
    checkpoint in the store."""

    done: int = 0
    kept: int = 0
    phase: Literal["fetch", "load", "render", "write"] = "render"


class NodeRow(Record, frozen=True):
    """How a node stands, for whoever watches. `score` is what its bench promised and `speed` what it shows at its job,
    both against the reference; `unit` is "job piece first-last" of what it works at, "" of none."""

    id: NodeId
    name: str = ""
    backend: str = ""
    device: str = ""
    cores: int = 0
    score: float = 1.0
    speed: float = 1.0
    unit: str = ""
    done: float = 0.0  # share of the unit
    samples_s: float = 0.0  # 0 while nobody knows
    state: Literal["idle", "working", "draining", "distrusted"] = "idle"
    trust: int = 0


class NodeRows(Record, frozen=True):
    """The nodes of a coordinator, as it writes them into its store with every beat (`nodes/<generation>.json`). `at` is
    when, in seconds since 1970 by the clock of the store."""

    generation: int
    at: float
    rows: tuple[NodeRow, ...] = ()


class Usage(Record, frozen=True):
    """What an attempt took, in seconds of the node."""

    core_s: float = 0.0
    device_s: float = 0.0
    load_s: float = 0.0
    render_s: float = 0.0


class Result(Record, frozen=True):
    """The partial of a unit, as its node wrote it to the store."""

    range: Range
    key: str  # where it lies in the store
    digest: str  # BLAKE3 of its bytes
    usage: Usage = Usage()
    signature: dict[str, Any] | None = None  # the node's `signing.Statement` on it, of a node that has a key
    node: NodeId = ""  # who made it, as the coordinator knows
    blocks: str = ""  # of pixels that it is of, as the coordinator knows; "": all


def attempt_of(result: Result) -> int:
    """The attempt in which a result was made, by its key; 0 for a key of another kind."""
    number = result.key.removesuffix(".part").rpartition(".")[2]
    return int(number) if number.isdecimal() and len(number) < 16 else 0


# What a node is told: go on, or stop at a sample and deliver what is there, or give it up altogether.
Order = tuple[Literal["go", "stop", "drop"], int]

# Exit codes of the renderer, by what is to be done about them.
RETRY = "retry"  # somewhere else, at the unit's expense
BIGGER = "bigger"  # where there is more memory
OTHER_KIND = "other"  # on another kind of node; this one cannot
DELAY = "delay"  # later, at nobody's expense
REFUSED = "refused"  # never: the job itself is at fault
FREE = "free"  # as if it had not happened: the node was told to stop
ENDS: dict[int, str] = {
    2: REFUSED,
    10: REFUSED,
    11: OTHER_KIND,
    12: RETRY,
    13: BIGGER,
    14: RETRY,
    15: RETRY,
    20: DELAY,
    33: BIGGER,
    124: FREE,
    130: FREE,
    143: FREE,
}

JobState = Literal["waiting", "running", "paused", "draining", "done", "failed", "cancelled", "capped"]


class Event(Record, frozen=True):
    """Something that happened, for the log, the ledger and whoever watches. `number` counts up without gaps.

    "checked" is a look at what a node delivered, beyond what every partial goes through: its text is "sound" or why it
    is not. "retracted" takes back what was delivered under the key in its text. Of adaptive pieces "extended" asks more
    samples for what is still noisy, "sufficed" says that nothing is, and "rewound" that this is decided anew, for
    samples before were taken back.
    """

    number: int
    at: float
    kind: str
    job: JobId = ""
    node: NodeId = ""
    piece: int = -1
    range: Range | None = None
    attempt: int = 0
    text: str = ""
    by: str = ""  # who asked for it, when a person did
