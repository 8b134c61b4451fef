"""The tutorials' own training loop, as the baseline in speed and in quality.

Networks, settings and order of work are those of the conditional GAN that Keras
tutorials train on MNIST, with Keras as a tutorial uses it: two compiled models that
share the discriminator, and per step one ``predict`` and three ``train_on_batch``.
Written for comparison only; nothing in the package uses it.
"""

import keras
import numpy as np
from keras import layers

LATENT_DIM, N_CLASSES, BATCH_SIZE = 50, 10, 128


def build_discriminator():
    label = layers.Input((1,))
    label_channel = layers.Embedding(N_CLASSES, 50)(label)
    label_channel = layers.Dense(28 * 28)(label_channel)
    label_channel = layers.Reshape((28, 28, 1))(label_channel)
    image = layers.Input((28, 28, 1))
    x = layers.Concatenate()([image, label_channel])
    for _ in range(2):
        x = layers.Conv2D(128, 3, strides=2, padding="same")(x)
        x = layers.LeakyReLU(0.2)(x)
    x = layers.Dropout(0.4)(layers.Flatten()(x))
    model = keras.Model([image, label], layers.Dense(1, activation="sigmoid")(x))
    model.compile(loss="binary_crossentropy", optimizer=adam(), metrics=["accuracy"])
    return model


def build_generator():
    label = layers.Input((1,))
    label_channel = layers.Embedding(N_CLASSES, 50)(label)
    label_channel = layers.Dense(7 * 7)(label_channel)
    label_channel = layers.Reshape((7, 7, 1))(label_channel)
    latent = layers.Input((LATENT_DIM,))
    x = layers.LeakyReLU(0.2)(layers.Dense(7 * 7 * 128)(latent))
    x = layers.Concatenate()([layers.Reshape((7, 7, 128))(x), label_channel])
    for _ in range(2):
        x = layers.Conv2DTranspose(128, 4, strides=2, padding="same")(x)
        x = layers.BatchNormalization()(layers.LeakyReLU(0.2)(x))
    image = layers.Conv2D(1, 7, padding="same", activation="tanh")(x)
    return keras.Model([latent, label], image)


def build_stack(generator, discriminator):
    """The generator with a frozen discriminator on top."""
    discriminator.trainable = False
    latent, label = generator.input
    verdict = discriminator([generator.output, label])
    model = keras.Model([latent, label], verdict)
    model.compile(loss="binary_crossentropy", optimizer=adam())
    return model


def adam():
    return keras.optimizers.Adam(learning_rate=2e-4, beta_1=0.5)


class TutorialLoop:
    """The two models and one step of the loop.

    `images` are float32 of shape (n, 28, 28, 1) in [-1, 1].
    """

    def __init__(self, images, labels, seed):
        self.images, self.labels = images, labels
        self.rng = np.random.default_rng(seed)
        keras.utils.set_random_seed(seed)
        self.discriminator = build_discriminator()
        self.generator = build_generator()
        self.stack = build_stack(self.generator, self.discriminator)

    def step(self):
        half = BATCH_SIZE // 2
        rows = self.rng.integers(len(self.images), size=half)
        self.discriminator.train_on_batch(
            [self.images[rows], self.labels[rows, None]], np.ones((half, 1))
        )
        latents, classes = self.latents_and_classes(half)
        fakes = self.generator.predict([latents, classes], verbose=0)
        self.discriminator.train_on_batch([fakes, classes], np.zeros((half, 1)))
        latents, classes = self.latents_and_classes(BATCH_SIZE)
        self.stack.train_on_batch([latents, classes], np.ones((BATCH_SIZE, 1)))

    def latents_and_classes(self, n):
        latents = self.rng.standard_normal((n, LATENT_DIM)).astype("float32")
        return latents, self.rng.integers(N_CLASSES, size=(n, 1))
