"""Plays the part of a device: a take, or a performance made by code, as the very packets that a device would send.

A network may be simulated with it: `Weather` says how unevenly, incompletely or out of order packets arrive, by a seed,
so that a test or a demonstration happens the same way each time.
"""

from __future__ import annotations

import math
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from studio.errors import Unsupported, UsageError
from studio.figure.capture import ifacial_mocap, live_link, vmc
from studio.figure.capture.frames import COUNT, F64, FaceFrame, Take, make_take
from studio.figure.capture.sources import IFACIAL, IFACIAL_TCP, LIVE_LINK, LOOPBACK, PORTS, VMC, address
from studio.scene.arkit import INDEX

BUILDERS: dict[str, Callable[[FaceFrame], bytes]] = {
    LIVE_LINK: live_link.build,
    IFACIAL: ifacial_mocap.build,
    IFACIAL_TCP: lambda frame: ifacial_mocap.build(frame) + ifacial_mocap.END,
    VMC: vmc.build,
}


@dataclass(frozen=True, slots=True)
class Weather:
    """What a network does to packets: each is up to `jitter_s` later, the share `loss` never arrives, `reorder` changes
    places with the one after it, `twice` arrives again."""

    jitter_s: float = 0.0
    loss: float = 0.0
    reorder: float = 0.0
    twice: float = 0.0
    seed: int = 0


def schedule(take: Take, kind: str, *, speed: float = 1.0, weather: Weather | None = None) -> list[tuple[float, bytes]]:
    """The packets of a take with the seconds at which each is sent, in the order in which they are sent.

    At another speed they come faster, or slower; what the device's clock says stays as it was recorded. Raises
    UsageError for a kind that there is not, or a speed that is not above 0.
    """
    build = BUILDERS.get(kind)
    if build is None:
        raise UsageError(f"no device is called {kind[:40]!r}; choose from {', '.join(BUILDERS)}")
    if not (math.isfinite(speed) and speed > 0.0):
        raise UsageError(f"a take cannot be sent at the speed {speed:g}; choose one above 0")
    first, last = take.inside
    rows = np.flatnonzero((take.times >= first - 1e-9) & (take.times <= last + 1e-9)).tolist()
    packets = [((float(take.times[row]) - first) / speed, build(take.frame(row))) for row in rows]
    return _weathered(packets, weather) if weather is not None else packets


def _weathered(packets: list[tuple[float, bytes]], weather: Weather) -> list[tuple[float, bytes]]:
    rng = np.random.default_rng(weather.seed)
    out: list[tuple[float, bytes]] = []
    luck = rng.random((len(packets), 4))
    for i, (at, data) in enumerate(packets):
        jitter, lost, swapped, again = luck[i].tolist()
        if lost < weather.loss:
            continue
        late = at + jitter * weather.jitter_s
        if swapped < weather.reorder and i + 1 < len(packets):
            late = max(late, packets[i + 1][0] + weather.jitter_s + 1e-6)
        out.append((late, data))
        if again < weather.twice:
            out.append((late, data))
    return sorted(out, key=lambda packet: packet[0])


def send(
    packets: list[tuple[float, bytes]],
    kind: str,
    *,
    host: str = LOOPBACK,
    port: int | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Send packets when they are due, and come back when all are sent; gives how many. The port is the usual one of
    the kind, or another. Unsupported in a sentence when nobody can be reached there."""
    peer = (address(host), PORTS[kind] if port is None else port)
    family = socket.AF_INET6 if ":" in peer[0] else socket.AF_INET
    sent = 0
    with socket.socket(family, socket.SOCK_STREAM if kind == IFACIAL_TCP else socket.SOCK_DGRAM) as out:
        try:
            out.connect(peer)
            begun = clock()
            for at, data in packets:
                wait = begun + at - clock()
                if wait > 0.0:
                    sleep(wait)
                try:
                    out.sendall(data)
                    sent += 1
                except ConnectionRefusedError:
                    if kind == IFACIAL_TCP:
                        raise
        except OSError as fault:
            raise Unsupported(
                f"Nothing can be sent to {peer[0]}, port {peer[1]} ({fault.strerror or fault}); is the studio "
                "listening there?"
            ) from None
    return sent


# --- a performance made by code --------------------------------------------------------------------------------------
_VISEMES: tuple[dict[str, float], ...] = (
    {"jawOpen": 0.55, "mouthLowerDownLeft": 0.25, "mouthLowerDownRight": 0.25},
    {"jawOpen": 0.2, "mouthStretchLeft": 0.45, "mouthStretchRight": 0.45},
    {"jawOpen": 0.25, "mouthPucker": 0.6, "mouthFunnel": 0.35},
    {"jawOpen": 0.12, "mouthClose": 0.1, "mouthPressLeft": 0.35, "mouthPressRight": 0.35},
    {"jawOpen": 0.15, "mouthRollLower": 0.4, "mouthUpperUpLeft": 0.15, "mouthUpperUpRight": 0.15},
)


def performance(seconds: float = 12.0, *, fps: float = 60.0, seed: int = 0, noise: float = 0.004) -> Take:
    """Somebody who talks, looks about, blinks, raises the brows and smiles in between: a take made by code, the same
    for the same seed, with the tremble that a tracker has."""
    k = max(round(seconds * fps), 1)
    t = np.arange(k) / fps
    rng = np.random.default_rng(seed)
    w = np.zeros((k, COUNT))
    for at, viseme in _syllables(seconds, rng):
        bump = _bump(t, at, 0.13)
        for name, value in viseme.items():
            w[:, INDEX[name]] = np.maximum(w[:, INDEX[name]], value * bump)
    for at in np.arange(1.1, seconds, 2.7) + rng.uniform(-0.4, 0.4, len(np.arange(1.1, seconds, 2.7))):
        for side in ("Left", "Right"):
            w[:, INDEX[f"eyeBlink{side}"]] += _bump(t, float(at), 0.09)
    smile = sum((_plateau(t, at, 1.6) for at in np.arange(2.5, seconds, 5.0).tolist()), np.zeros(k))
    for name, share in (("mouthSmile", 0.8), ("cheekSquint", 0.5), ("eyeSquint", 0.3)):
        for side, tilt in (("Left", 1.0), ("Right", 0.92)):
            w[:, INDEX[f"{name}{side}"]] += tilt * share * smile
    brows = sum((_plateau(t, at, 0.7) for at in np.arange(1.4, seconds, 3.9).tolist()), np.zeros(k))
    for name, share in (("browInnerUp", 0.6), ("browOuterUpLeft", 0.5), ("browOuterUpRight", 0.45)):
        w[:, INDEX[name]] += share * brows
    eyes = _gaze(t, w, rng)
    sway = [np.sin(t * f + p) for f, p in ((1.3, 0.2), (0.9, 1.0), (0.7, 2.1))]
    head = np.zeros((k, 6))
    head[:, :3] = np.stack([4.0 * sway[0] + 2.0 * brows, 9.0 * sway[1], 3.0 * sway[2]], axis=1)
    head[:, 3:] = 0.004 * np.stack(sway, axis=1)
    w = np.clip(w + noise * rng.standard_normal(w.shape), 0.0, 1.0)
    head[:, :3] += 25.0 * noise * rng.standard_normal((k, 3))
    return make_take("performance", t, np.float32(w), head=np.float32(head), eyes=np.float32(eyes), fps=fps,
                     start="10:00:00:00.000", subject="Myriad", source="simulator")  # fmt: skip


def _syllables(seconds: float, rng: np.random.Generator) -> Iterator[tuple[float, dict[str, float]]]:
    """Moments of syllables, about five a second, with pauses between phrases."""
    at = 0.4
    while at < seconds:
        for _ in range(int(rng.integers(4, 11))):
            yield at, _VISEMES[int(rng.integers(len(_VISEMES)))]
            at += float(rng.uniform(0.14, 0.26))
        at += float(rng.uniform(0.4, 1.0))


def _gaze(t: F64, w: F64, rng: np.random.Generator) -> F64:
    """Eyes (k, 6) that leap from place to place, and the weights of those looks."""
    leaps = np.cumsum(rng.uniform(0.4, 1.8, len(t) // 20 + 4))
    places = rng.normal(0.0, (4.0, 9.0), (len(leaps) + 1, 2)).clip(-20.0, 20.0)
    where = np.searchsorted(leaps, t)
    share = np.clip((t - np.append(0.0, leaps)[where]) / 0.04, 0.0, 1.0)[:, None]
    pitch, yaw = (places[np.maximum(where - 1, 0)] * (1.0 - share) + places[where] * share).T
    for side, outward in (("Left", yaw), ("Right", -yaw)):
        w[:, INDEX[f"eyeLookOut{side}"]] = np.maximum(outward, 0.0) / 38.0
        w[:, INDEX[f"eyeLookIn{side}"]] = np.maximum(-outward, 0.0) / 32.0
        w[:, INDEX[f"eyeLookUp{side}"]] = np.maximum(-pitch, 0.0) / 28.0
        w[:, INDEX[f"eyeLookDown{side}"]] = np.maximum(pitch, 0.0) / 30.0
    still = np.zeros_like(yaw)
    return np.stack([pitch, yaw, still, pitch, yaw, still], axis=1)


def _bump(t: F64, at: float, half: float) -> F64:
    """1 at a moment, and gone `half` seconds before and after it."""
    u = np.clip(1.0 - np.abs(t - at) / half, 0.0, 1.0)
    return np.asarray(u * u * (3.0 - 2.0 * u))


def _plateau(t: F64, at: float, length: float) -> F64:
    """1 for a while from a moment on, with soft ends of a quarter of a second."""
    rise, fall = np.clip((t - at) / 0.25, 0.0, 1.0), np.clip((at + length - t) / 0.25, 0.0, 1.0)
    u = np.minimum(rise, fall)
    return np.asarray(u * u * (3.0 - 2.0 * u))
