"""Labelled images on disk: reading, writing, and what an image set holds."""
