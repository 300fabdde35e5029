"""Every attempt at a better model, declared, run on the protocol's folds and written down."""
