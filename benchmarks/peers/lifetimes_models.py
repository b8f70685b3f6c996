"""Models of the library lifetimes: histories come in by standard input (JSON), forecasts go out as JSON.

Run by a Python that has lifetimes; imports nothing of ours.
"""

import json
import sys

WEEK = 7.0


def main() -> None:
    # What the library prints must not end up among the answers.
    answer, sys.stdout = sys.stdout, sys.stderr
    import lifetimes
    import numpy as np

    given = json.load(sys.stdin)
    frequency, recency, age = (np.array(given[name], dtype=float) for name in ("frequency", "recency", "age"))
    recency, age, ahead = recency / WEEK, age / WEEK, given["days"] / WEEK
    answers = {}
    for name, kind in (
        ("BG/NBD", lifetimes.BetaGeoFitter),
        ("MBG/NBD", lifetimes.ModifiedBetaGeoFitter),
        ("Pareto/NBD", lifetimes.ParetoNBDFitter),
    ):
        try:
            model = kind()
            model.fit(frequency, recency, age)
            said = model.conditional_expected_number_of_purchases_up_to_time(ahead, frequency, recency, age)
            alive = model.conditional_probability_alive(frequency, recency, age)
        except Exception as error:  # what it cannot do is a result too
            answers[name] = {"failed": str(error)[:200]}
            continue
        answers[name] = {"expected": np.asarray(said).tolist(), "alive": np.asarray(alive).tolist()}
    json.dump(answers, answer)


if __name__ == "__main__":
    main()
