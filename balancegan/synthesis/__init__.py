"""What synthetic images are worth: judged, rejected, never copies.

Judges learn from the user's training part alone; nothing else is ever looked at.
"""
