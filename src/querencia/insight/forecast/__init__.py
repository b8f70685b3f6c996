"""What each customer will buy: the model is chosen on the log itself, and says by how much it beat the simple rules."""

from querencia.insight.forecast.backtest import CANDIDATES, Backtest, Trial
from querencia.insight.forecast.prediction import Forecast, predict, prepare
from querencia.insight.forecast.rounds import Round
from querencia.insight.forecast.spending import SpendTrial
from querencia.insight.forecast.totals import total

__all__ = ["CANDIDATES", "Backtest", "Forecast", "Round", "SpendTrial", "Trial", "predict", "prepare", "total"]
