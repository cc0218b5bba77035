"""Derives the polynomials of lib/Kernels/Pointwise, and prints their coefficients.

Each is the polynomial of its degree with the least weighted error on its interval, by Lawson's
iteration: least squares, with weights that grow where the error is large. The error that is printed
is that of the rounded coefficients in exact arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable

import mpmath as mp
import numpy as np

mp.mp.dps = 50
Function = Callable[[mp.mpf], mp.mpf]


def fit(f: Function, weight: Function, low: float, high: float, degree: int) -> list[mp.mpf]:
    """Returns the coefficients, lowest degree first."""
    count = 6 * (degree + 1)
    middle, half = mp.mpf(low + high) / 2, mp.mpf(high - low) / 2
    points = [middle + half * mp.cos(mp.pi * (i + 0.5) / count) for i in range(count)]
    rows = [[weight(x) * x**k for k in range(degree + 1)] for x in points]
    wanted = [weight(x) * f(x) for x in points]
    shares = [mp.mpf(1) / count] * count
    for _ in range(25):
        left = mp.matrix(
            [[mp.sqrt(s) * v for v in row] for s, row in zip(shares, rows, strict=True)]
        )
        right = mp.matrix([mp.sqrt(s) * v for s, v in zip(shares, wanted, strict=True)])
        solution = mp.lu_solve(left.T * left, left.T * right)
        errors = [
            abs(sum(v * c for v, c in zip(row, solution, strict=True)) - want)
            for row, want in zip(rows, wanted, strict=True)
        ]
        shares = [s * e for s, e in zip(shares, errors, strict=True)]
        total = sum(shares)
        shares = [s / total for s in shares]
    return list(solution)


def show(
    name: str,
    f: Function,
    weight: Function,
    interval: tuple[float, float],
    degree: int,
    single: bool = True,
) -> None:
    low, high = interval
    rounded = [
        float(np.float32(c)) if single else float(c) for c in fit(f, weight, low, high, degree)
    ]
    worst = mp.mpf(0)
    for i in range(2001):
        x = mp.mpf(low) + (mp.mpf(high) - mp.mpf(low)) * (i + mp.mpf("0.37")) / 2002
        value = sum(mp.mpf(c) * x**k for k, c in enumerate(rounded))
        worst = max(worst, abs(weight(x) * (value - f(x))))
    error = float(mp.log(worst, 2))
    print(f"{name}, weighted error 2^{error:.1f}: " + ", ".join(c.hex() for c in rounded))


def main() -> None:
    tiny = mp.mpf("1e-12")
    ln2 = float(mp.log(2)) / 2
    # The weight is the polynomial's factor in the result, divided by the result.
    show(
        "exp: e^r = 1 + r + r^2 p(r)",
        lambda r: (mp.expm1(r) - r) / r**2 if abs(r) > tiny else mp.mpf(1) / 2,
        lambda r: r**2 / mp.exp(r),
        (-ln2, ln2),
        4,
    )
    show(
        "log: log(1 + f) = f - f^2/2 + f^3 p(f)",
        lambda f: (mp.log1p(f) - f + f * f / 2) / f**3,
        lambda f: f**3 / mp.log1p(f),
        (-0.3334, 0.3334),
        8,
    )
    show(
        "tanh: x + x^3 p(x^2)",
        lambda t: (mp.tanh(mp.sqrt(t)) / mp.sqrt(t) - 1) / t,
        lambda t: t * mp.sqrt(t) / mp.tanh(mp.sqrt(t)),
        (0.0, 0.3601),
        4,
    )
    show(
        "erf: x + x p(x^2)",
        lambda t: mp.erf(mp.sqrt(t)) / mp.sqrt(t) - 1,
        lambda t: mp.sqrt(t) / mp.erf(mp.sqrt(t)),
        (0.0, 0.9026),
        6,
    )
    show(
        "erf: 1 - e^p(x)",
        lambda x: mp.log(mp.erfc(x)),
        lambda x: mp.erfc(x),
        (0.95, 4.0),
        8,
    )
    quarter = float(mp.pi / 4)
    show(
        "sin: r + r^3 p(r^2)",
        lambda t: (mp.sin(mp.sqrt(t)) / mp.sqrt(t) - 1) / t,
        lambda t: t * mp.sqrt(t) / mp.sin(mp.sqrt(t)),
        (0.0, quarter**2),
        3,
    )
    show(
        "cos: 1 - r^2/2 + r^4 p(r^2)",
        lambda t: (mp.cos(mp.sqrt(t)) - 1 + t / 2) / t**2,
        lambda t: t**2 / mp.cos(mp.sqrt(t)),
        (0.0, quarter**2),
        2,
    )
    edge = float(((mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)) ** 2)
    show(
        "log2 in f64: log2((1 + s)/(1 - s)) = s p(s^2)",
        lambda t: 2 * mp.atanh(mp.sqrt(t)) / mp.sqrt(t) / mp.log(2),
        lambda t: mp.sqrt(t) * mp.log(2) / mp.atanh(mp.sqrt(t)) / 2,
        (0.0, edge),
        6,
        single=False,
    )
    show(
        "exp2 in f64: 2^r = p(r)",
        lambda r: mp.power(2, r),
        lambda r: mp.power(2, -r),
        (-0.5, 0.5),
        9,
        single=False,
    )
    half_pi = mp.pi / 2
    print("pi/2 in two parts:", float(half_pi).hex(), float(half_pi - mp.mpf(float(half_pi))).hex())
    log2 = mp.log(2)
    upper = float(np.float32(float(mp.floor(log2 * 2**16) / 2**16)))
    lower = float(np.float32(float(log2 - mp.mpf(upper))))
    print("ln 2 in two parts:", upper.hex(), lower.hex())


if __name__ == "__main__":
    main()
