"""Keep the predictions that were answered, to compare them with the outcomes later."""
