"""Maximum likelihood in the logarithms of positive parameters: L-BFGS, a few Newton steps, Hessian."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from querencia.insight.lifetime.groups import Array

# Mean negative log-likelihood and its gradient, at log-parameters.
type Objective = Callable[[Array], tuple[float, Array]]

STEP = 1e-4  # of the central differences of the gradient, in log-parameters
BOUND = 25.0  # a parameter beyond e^±25 is not known, whatever the optimiser says
PRIOR_SD = 1.5  # of a weak prior in log-parameters: a factor of twenty either way within two deviations
STEEPEST = 1e-9  # a gradient smaller than this is the summit


@dataclass(frozen=True)
class Fit:
    """Log-parameters at the summit, their covariance, the log-likelihood there, and whether the data alone decided."""

    log_parameters: Array
    covariance: Array
    log_likelihood: float
    converged: bool
    identified: bool


def maximise(objective: Objective, *, start: Array, customers: float) -> Fit:
    """Fit by the data alone; where they leave a parameter open, again with a weak prior around ``start``."""
    alone = _climb(objective, start, customers)
    if alone is not None:
        return Fit(*alone, identified=True)

    def with_prior(theta: Array) -> tuple[float, Array]:
        value, gradient = objective(theta)
        away = (theta - start) / PRIOR_SD
        return value + 0.5 * float(away @ away) / customers, gradient + away / PRIOR_SD / customers

    helped = _climb(with_prior, start, customers)
    if helped is None:
        # A prior makes the summit finite; should numbers fail all the same, the prior itself is what is known.
        value, _ = objective(start)
        return Fit(start, np.eye(len(start)) * PRIOR_SD**2, -value * customers, converged=False, identified=False)
    theta, covariance, _, converged = helped
    value, _ = objective(theta)
    return Fit(theta, covariance, -value * customers, converged, identified=False)


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
    curvature = hessian(objective, theta)
    if not np.isfinite(curvature).all() or np.abs(theta).max() > BOUND - 1:
        return None
    spectrum = np.linalg.eigvalsh(curvature)
    # Flatter than one customer in the whole log would make it: nothing to stand on.
    if spectrum.min() * customers < 1 / (2 * PRIOR_SD) ** 2:
        return None
    converged = bool(np.abs(gradient).max() < 1e-5)
    return theta, np.linalg.inv(curvature * customers), -value * customers, converged


def _newton(objective: Objective, theta: Array, gradient: Array) -> Array | None:
    curvature = hessian(objective, theta)
    if not np.isfinite(curvature).all() or np.linalg.eigvalsh(curvature).min() <= 0:
        return None
    step: Array = np.linalg.solve(curvature, gradient)
    return step if np.abs(step).max() < 1 else None


def hessian(objective: Objective, theta: Array) -> Array:
    """Second derivatives by central differences of the analytic gradient, made symmetric."""
    size = len(theta)
    made = np.empty((size, size))
    for place in range(size):
        aside = np.zeros(size)
        aside[place] = STEP
        made[place] = (objective(theta + aside)[1] - objective(theta - aside)[1]) / (2 * STEP)
    return (made + made.T) / 2
