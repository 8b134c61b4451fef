"""What can be wrong with synthetic images, by its code and in words. No computation."""

FAULTS = {
    "copy": ("BG201", "copies of training images"),
    "repeated": ("BG202", "images all alike"),
    "unlike": ("BG203", "images unlike any real one"),
    "other_class": ("BG204", "images of other classes"),
}
REASONS = tuple(FAULTS)  # why an image is rejected
