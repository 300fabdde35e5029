"""Write the evaluation report and the model card."""
