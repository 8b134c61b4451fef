"""The classifier that is trained afterwards, whom synthetic images shall serve."""
