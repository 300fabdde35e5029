"""Write the results of all attempts as a document with plots."""
