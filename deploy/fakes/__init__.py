"""Stand-ins for gcloud, docker and make, which record what they are asked and keep state."""
