"""Fit the viewport's linearly transformed cosines anew: `python scripts/make_viewport_tables.py` (about a minute).

Writes studio/viewport/data/ltc.npy; what is in it says studio/viewport/ltc.py. For every node the three numbers of the
matrix minimise the squared Hellinger distance between the normalised GGX lobe and the transformed cosine, which weighs
tails and peak alike and is a plain least-squares problem on samples drawn from the lobe itself. A row is fitted from
the view along the normal outwards, each fit starting from the last, so that all stay in one valley.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from studio.viewport import ltc

SAMPLES = 6000
F64 = NDArray[np.float64]


def samples(alpha: float, mu: float) -> tuple[F64, F64]:
    """Directions (n, 3) of light drawn from the normals that the view sees, and their density per solid angle."""
    wo = np.array([np.sqrt(1.0 - mu * mu), 0.0, mu])
    v = wo * (alpha, alpha, 1.0)
    v /= np.linalg.norm(v)
    k = np.arange(SAMPLES)
    turn = 2.0 * np.pi * ((k * 0.5 * (np.sqrt(5.0) - 1.0)) % 1.0)
    z = (1.0 - (k + 0.5) / SAMPLES) * (1.0 + v[2]) - v[2]
    r = np.sqrt(np.clip(1.0 - z * z, 0.0, 1.0))
    h = (np.stack([r * np.cos(turn), r * np.sin(turn), z], axis=1) + v) * (alpha, alpha, 1.0)
    h /= np.linalg.norm(h, axis=1, keepdims=True)
    wi = 2.0 * (h @ wo)[:, None] * h - wo
    q = ((h[:, :2] / alpha) ** 2).sum(axis=1) + h[:, 2] ** 2
    pdf = 0.5 / (np.pi * alpha**2 * q * q * (mu + np.sqrt(alpha**2 * (1.0 - mu * mu) + mu * mu)))
    above = wi[:, 2] > 1e-7
    return wi[above], pdf[above]


def fitted(alpha: float, mu: float, start: F64) -> F64:
    """log a, log c and b of the best matrix."""
    wi, pdf = samples(alpha, mu)
    lobe = ltc.ggx(alpha, mu, wi)
    lobe /= (lobe / pdf).sum() / SAMPLES
    weight = np.sqrt(lobe / pdf)

    def residual(x: F64) -> F64:
        matrix = (float(np.exp(x[0])), float(x[2]), float(np.exp(x[1])))
        return np.asarray(weight * (np.sqrt(ltc.density(matrix, wi) / lobe) - 1.0))

    bounds = (np.array([-9.0, -9.0, 0.0]), np.array([6.0, 2.0, 2.0 / mu]))
    return np.asarray(least_squares(residual, np.clip(start, bounds[0], bounds[1]), bounds=bounds, x_scale="jac").x)


def main() -> None:
    """Fit, store, and say how good the fits are."""
    out = np.zeros((ltc.SIZE, ltc.SIZE, 3))
    for i in range(ltc.SIZE):
        alpha = ltc.node_alpha(i)
        x = np.array([np.log(2.0 * alpha), np.log(2.0 * alpha), 0.0])
        for j in range(ltc.SIZE):
            mu = ltc.node_mu(j)
            if alpha < 0.3 and j:  # a narrow lobe lies about the mirror direction
                tangent, last = (np.sqrt(1.0 - m * m) / m for m in (mu, ltc.node_mu(j - 1)))
                x = np.array([x[0], x[1], x[2] * tangent / last if j > 1 else tangent])
            x = fitted(alpha, mu, x)
            out[i, j] = np.exp(x[0]) * mu**2 / alpha, np.exp(x[1]) / alpha, x[2] * mu
        print(f"alpha {alpha:.4f}: a {out[i, 0, 0]:.3f} .. {out[i, -1, 0]:.4f}, b {out[i, -1, 2]:.3f}")
    np.save(Path(ltc.__file__).parent / "data" / "ltc.npy", out.astype(np.float32))


if __name__ == "__main__":
    main()
