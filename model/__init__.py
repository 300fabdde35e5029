"""Train, evaluate and run the delay model. Nothing here imports bentoml."""
