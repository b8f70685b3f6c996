"""The chain ladder gives the figures that were published with it."""

import pytest

from querencia.insight import InputError
from querencia.insight.development import chain_ladder, share_between

# Taylor and Ashe (1983), on which Mack (1993) published his standard errors.
TAYLOR_ASHE = [
    [357848, 1124788, 1735330, 2218270, 2745596, 3319994, 3466336, 3606286, 3833515, 3901463],
    [352118, 1236139, 2170033, 3353322, 3799067, 4120063, 4647867, 4914039, 5339085],
    [290507, 1292306, 2218525, 3235179, 3985995, 4132918, 4628910, 4909315],
    [310608, 1418858, 2195047, 3757447, 4029929, 4381982, 4588268],
    [443160, 1136350, 2128333, 2897821, 3402672, 3873311],
    [396132, 1333217, 2180715, 2985752, 3691712],
    [440832, 1288463, 2419861, 3483130],
    [359480, 1421128, 2864498],
    [376686, 1363294],
    [344014],
]


def test_macks_published_standard_errors() -> None:
    found = chain_ladder(TAYLOR_ASHE)
    assert [round(each, 3) for each in found.factors] == [
        *(3.491, 1.747, 1.457, 1.174, 1.104, 1.086, 1.054, 1.077, 1.018)
    ]
    still = [round((each.ultimate - each.latest) / 1_000) for each in found.cohorts]
    assert still == [0, 95, 470, 710, 985, 1419, 2178, 3920, 4279, 4626]
    assert [round(each.error / 1_000) for each in found.cohorts] == [0, 76, 122, 134, 261, 411, 558, 875, 971, 1363]
    assert round(found.total.ultimate - found.total.latest) == 18_680_856
    assert round(found.total.error) == 2_447_095


def test_what_does_not_develop_has_no_error_and_nothing_stays_nothing() -> None:
    found = chain_ladder([[10, 10, 10], [10, 10], [0], [0]])
    assert [(each.ultimate, each.error) for each in found.cohorts] == [(10, 0), (10, 0), (0, 0), (0, 0)]
    assert chain_ladder([[5, 0], [5]]).cohorts[1].ultimate == 0
    assert share_between(0.0, 0.1) == (0.0, 0.0)
    low, high = share_between(0.97, 0.2)
    assert 0 < low < 0.97 < high < 1


@pytest.mark.parametrize("triangle", [[], [[]], [[1], [1, 2]], [[1, 2], []], [[1, -2]]])
def test_what_is_no_triangle_is_refused(triangle: list[list[float]]) -> None:
    with pytest.raises(InputError):
        chain_ladder(triangle)
