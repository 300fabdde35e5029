"""Write measurements as documents and plots."""
