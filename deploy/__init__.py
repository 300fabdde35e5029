"""From a commit to Cloud Run: the steps, their checks, proofs without a cloud."""
