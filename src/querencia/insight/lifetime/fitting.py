"""Maximum likelihood in the logarithms of positive parameters: L-BFGS, a few Newton steps, Hessian."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from querencia.insight.lifetime.groups import Array

# Mean negative log-likelihood and its gradient, at log-parameters.
type Objective = Callable[[Array], tuple[float, Array]]

STEP = 1e-4  # of the central differences of the gradient, in log-parameters
BOUND = 16.0  # a parameter beyond e^±15 is not known, whatever the optimiser says
PRIOR_SD = 1.5  # of a weak prior in log-parameters: a factor of twenty either way within two deviations
STEEPEST = 1e-9  # a gradient smaller than this is the summit
LED_STEEPEST = 1e-7  # the same where an outline leads: parameters then stand to six digits
LED_MAX = 12


@dataclass(frozen=True)
class Fit:
    """Log-parameters at the summit, their covariance, the log-likelihood there, and whether the data alone decided."""

    log_parameters: Array
    covariance: Array
    log_likelihood: float
    converged: bool
    identified: bool


def maximise(
    objective: Objective,
    *,
    start: Array,
    customers: float,
    outline: Objective | None = None,
    around: Array | None = None,
) -> Fit:
    """Fit by the data alone; where they leave a parameter open, again with a weak prior ``around`` a guess (``start``
    if none is given).

    ``outline``: an objective of nearly the same shape that costs little. Its summit and curvature then lead to the
    summit of the other in a handful of evaluations; only the covariance is the outline's.
    """
    alone = _led(objective, outline, start, customers) if outline else None
    alone = alone or _climb(objective, start, customers)
    if alone is not None:
        return Fit(*alone, identified=True)

    guess = start if around is None else around

    def with_prior(theta: Array) -> tuple[float, Array]:
        value, gradient = objective(theta)
        away = (theta - guess) / PRIOR_SD
        return value + 0.5 * float(away @ away) / customers, gradient + away / PRIOR_SD / customers

    helped = _climb(with_prior, start, customers)
    if helped is None:
        # A prior makes the summit finite; should numbers fail all the same, the prior itself is what is known.
        value, _ = objective(guess)
        return Fit(guess, np.eye(len(guess)) * PRIOR_SD**2, -value * customers, converged=False, identified=False)
    theta, covariance, _, converged = helped
    value, _ = objective(theta)
    return Fit(theta, covariance, -value * customers, converged, identified=False)


def _led(
    objective: Objective, outline: Objective, start: Array, customers: float
) -> tuple[Array, Array, float, bool] | None:
    """The summit by Newton's steps with the curvature of the outline; None when they do not lead there."""
    found = _climb(outline, start, customers)
    if found is None:
        return None
    theta, covariance = found[0], found[1]
    for _ in range(LED_MAX):
        value, gradient = objective(theta)
        if not np.isfinite(gradient).all() or np.abs(theta - found[0]).max() > 1:
            return None
        if np.abs(gradient).max() < LED_STEEPEST:
            return _settled(theta, hessian(objective, theta, gradient), -value * customers, customers, True)
        theta = theta - covariance @ gradient * customers
    return None


def _climb(objective: Objective, start: Array, customers: float) -> tuple[Array, Array, float, bool] | None:
    """Summit, covariance, log-likelihood, converged; None when there is no summit within bounds."""
    found = minimize(
        objective,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=[(-BOUND, BOUND)] * len(start),
        options={"maxiter": 500, "ftol": 1e-14, "gtol": 1e-8},
    )
    theta = np.asarray(found.x, dtype=np.float64)
    value, gradient = objective(theta)
    for _ in range(4):
        if np.abs(gradient).max() < STEEPEST:
            break
        step = _newton(objective, theta, gradient)
        if step is None:
            break
        ahead, slope = objective(theta - step)
        if not ahead <= value + 1e-12:
            break
        theta, value, gradient = theta - step, ahead, slope
    converged = bool(np.abs(gradient).max() < 1e-5)
    return _settled(theta, hessian(objective, theta), -value * customers, customers, converged)


def _settled(
    theta: Array, curvature: Array, log_likelihood: float, customers: float, converged: bool
) -> tuple[Array, Array, float, bool] | None:
    """None where the summit is out of bounds, or flatter than one customer in the whole log would make it."""
    if not np.isfinite(curvature).all() or np.abs(theta).max() > BOUND - 1:
        return None
    if np.linalg.eigvalsh(curvature).min() * customers < 1 / (2 * PRIOR_SD) ** 2:
        return None
    return theta, np.linalg.inv(curvature * customers), log_likelihood, converged


def _newton(objective: Objective, theta: Array, gradient: Array) -> Array | None:
    curvature = hessian(objective, theta)
    if not np.isfinite(curvature).all() or np.linalg.eigvalsh(curvature).min() <= 0:
        return None
    step: Array = np.linalg.solve(curvature, gradient)
    return step if np.abs(step).max() < 1 else None


def hessian(objective: Objective, theta: Array, gradient: Array | None = None) -> Array:
    """Second derivatives by differences of the analytic gradient, made symmetric: central ones, or from ``gradient`` at
    ``theta`` forward, which costs half as much."""
    size = len(theta)
    made = np.empty((size, size))
    for place in range(size):
        aside = np.zeros(size)
        aside[place] = STEP
        before = objective(theta - aside)[1] if gradient is None else gradient
        made[place] = (objective(theta + aside)[1] - before) / (2 * STEP if gradient is None else STEP)
    return (made + made.T) / 2
