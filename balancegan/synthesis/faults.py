"""How images are made and what can be wrong with them, in words. No computation."""

GAN, RECOMBINED, SHIFTED = "gan", "recombined", "shifted"
INTERPOLATED, TRANSFORMED = "interpolated", "transformed"
METHODS = {
    GAN: "by the GAN",
    RECOMBINED: "put together of real images",
    SHIFTED: "as real images again, moved or not",
    INTERPOLATED: "by the GAN between real images",
    TRANSFORMED: "as copies of real images, moved or not",
}
COPIES = (SHIFTED, TRANSFORMED)
SIMPLER = (INTERPOLATED, TRANSFORMED)  # where the GAN cannot learn a class

FAULTS = {
    "copy": ("BG201", "copies of training images"),
    "repeated": ("BG202", "images all alike"),
    "unlike": ("BG203", "images unlike any real one"),
    "other_class": ("BG204", "images of other classes"),
}
REASONS = tuple(FAULTS)  # why an image is rejected
