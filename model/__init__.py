"""The model: training, calibration, evaluation and prediction. Never imports bentoml."""
