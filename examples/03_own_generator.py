"""Replace the preset's generator with your own.

python examples/03_own_generator.py

A builder takes (image shape, number of classes, length of the latent vector, seed) and
returns a Keras model of (latents, class indices) to images in [-1, 1].
"""

import argparse
from math import prod

import keras
import numpy as np
from keras import layers
from sklearn.datasets import load_digits

from balancegan import ConditionalGANAugmenter, TrainingOptions
from balancegan.pictures import tile_grid, write_png


def build_dense_generator(image_shape, n_classes, latent_dim, seed):
    """Build three dense layers: enough for digits of 8x8 pixels."""
    latent = layers.Input((latent_dim,))
    class_index = layers.Input((), dtype="int32")
    # Give all initial weights a seed, so that training is reproducible
    start = keras.initializers.RandomUniform(seed=seed + 3)
    label = layers.Embedding(n_classes, 16, embeddings_initializer=start)(class_index)
    x = layers.Concatenate()([latent, label])
    for i, units in enumerate((256, 256, prod(image_shape))):
        start = keras.initializers.GlorotUniform(seed=seed + i)
        activation = "leaky_relu" if i < 2 else "tanh"
        x = layers.Dense(units, activation, kernel_initializer=start)(x)
    return keras.Model([latent, class_index], layers.Reshape(image_shape)(x))


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=2000)
options = parser.parse_args()

X, y = load_digits(return_X_y=True)
rows = [np.flatnonzero(y == digit)[: 170 - 15 * digit] for digit in range(10)]
X, y = X[np.concatenate(rows)], y[np.concatenate(rows)]
augmenter = ConditionalGANAugmenter(
    preset=TrainingOptions(generator=build_dense_generator),
    image_shape=(8, 8),
    steps=options.steps,
    random_state=0,
).fit(X, y)
print(augmenter.report_.class_history.tail(10).to_string(index=False))

# Pass the builder when loading: it is not saved with the weights
augmenter.save("digits.balancegan", overwrite=True)
again = ConditionalGANAugmenter.load(
    "digits.balancegan", generator=build_dense_generator
)
to_uint8 = again.model_.image_format.to_uint8
rows = [to_uint8(again.sample(digit, 12)) for digit in range(10)]
write_png("digits.png", tile_grid(rows))
print("wrote digits.balancegan and digits.png")
