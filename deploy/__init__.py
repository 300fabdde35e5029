"""Deploy a commit to Cloud Run: pipeline steps, checks, and a dry run without a cloud."""
