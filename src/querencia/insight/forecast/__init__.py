"""What each customer will buy: the model is chosen on the log itself, and says by how much it beat the simple rules."""

from querencia.insight.forecast.backtest import CANDIDATES, Backtest, Trial
from querencia.insight.forecast.prediction import Forecast, predict, prepare
from querencia.insight.forecast.spending import SpendTrial

__all__ = ["CANDIDATES", "Backtest", "Forecast", "SpendTrial", "Trial", "predict", "prepare"]
