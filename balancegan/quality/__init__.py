"""What images are worth: judges, likeness, and which generated images are rejected."""
