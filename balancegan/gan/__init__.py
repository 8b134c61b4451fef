"""The conditional GAN: networks, losses, training, watching, and the trained model.

Images are float32 in [-1, 1] here, labels are class indices; who asks, and in which
layout and range, is `augmenter`'s business. Start with ``conditional_gan`` (the
training step) and ``training`` (the parts put together).
"""
