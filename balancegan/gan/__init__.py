"""The conditional GAN: networks, losses, training, evaluation, and the trained model.

Images are float32 in [-1, 1] here, and labels are class indices; `samplers` converts
the user's images and labels. Start with ``conditional_gan`` (the training step) and
``training`` (a whole training).
"""
