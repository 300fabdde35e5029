"""Fakes of gcloud, docker and make that record their calls and keep state."""
