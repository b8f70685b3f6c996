"""A model of another library fitted on histories in a file; says how long that took, in seconds.

``python fitting.py LIBRARY MODEL FILE.npy``; run by a Python that has the library; imports nothing of ours.
"""

import sys
import time
from typing import Any

import numpy as np

WEEK = 7.0


def by_lifetimes(model: str, table: Any) -> float:
    import lifetimes

    fitter = {"BG/NBD": lifetimes.BetaGeoFitter, "Pareto/NBD": lifetimes.ParetoNBDFitter}[model]()
    begin = time.perf_counter()
    fitter.fit(table[:, 0], table[:, 1] / WEEK, table[:, 2] / WEEK)
    return time.perf_counter() - begin


def by_pymc_marketing(model: str, table: Any) -> float:
    import pandas as pd
    from pymc_marketing import clv

    kind = {"BG/NBD": clv.BetaGeoModel, "Pareto/NBD": clv.ParetoNBDModel}[model]
    names = {"frequency": table[:, 0], "recency": table[:, 1] / WEEK, "T": table[:, 2] / WEEK}
    frame = pd.DataFrame({"customer_id": np.arange(len(table)), **names})
    kind().fit(frame.head(1_000), method="map", progressbar=False)  # so that compiling is not part of the time
    begin = time.perf_counter()
    kind().fit(frame, method="map", progressbar=False)
    return time.perf_counter() - begin


if __name__ == "__main__":
    library, model, path = sys.argv[1:]
    fit = {"lifetimes": by_lifetimes, "pymc-marketing": by_pymc_marketing}[library]
    sys.stdout.write(f"\n{fit(model, np.load(path))}\n")
