"""What each customer will buy: the model is chosen on the log itself, and says by how much it beat the simple rules."""

from querencia.insight.forecast.backtest import CANDIDATES, Backtest, Trial
from querencia.insight.forecast.prediction import Forecast, predict, prepare

__all__ = ["CANDIDATES", "Backtest", "Forecast", "Trial", "predict", "prepare"]
