"""How images are made and what can be wrong with them, in words. No computation."""

GAN, RECOMBINED = "gan", "recombined"
INTERPOLATED, COPIED = "interpolated", "copied"
METHODS = {
    GAN: "by the GAN",
    RECOMBINED: "put together of real images",
    INTERPOLATED: "by the GAN between real images",
    COPIED: "as copies of real images, moved or not",
}

FAULTS = {
    "copy": ("BG201", "copies of training images"),
    "repeated": ("BG202", "images all alike"),
    "unlike": ("BG203", "images unlike any real one"),
    "other_class": ("BG204", "images of other classes"),
}
REASONS = tuple(FAULTS)  # why an image is rejected
