"""The conditional GAN: two networks and the step that trains them.

It sees images in [-1, 1] and class indices, never labels, files or targets. ``batches``
draws what a step sees, ``losses`` has what it minimises, ``callbacks`` does everything
periodic. There is one final class for alternating updates and one for updates in a
shared pass; :func:`build_gan` chooses by the preset.
"""

from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from numpy.typing import ArrayLike

from balancegan.gan.checkpoint import State
from balancegan.gan.devices import FLOAT32
from balancegan.gan.distribution import gradients, mean_over_replicas, rows_of_replica
from balancegan.gan.keras_compat import Adam, fresh_layer_names
from balancegan.gan.layers import RandomShift
from balancegan.gan.losses import LOSSES, gradient_penalty
from balancegan.gan.networks import (
    DISCRIMINATORS,
    GENERATORS,
    check_discriminator,
    check_generator,
)
from balancegan.gan.presets import (
    DiscriminatorBuilder,
    GeneratorBuilder,
    ImageShape,
    Preset,
)
from balancegan.gan.settings import computing_in

if keras.backend.backend() != "tensorflow":
    raise ImportError(
        "balancegan trains with TensorFlow, but Keras is set to another backend. "
        f"Received: keras.backend.backend()={keras.backend.backend()!r}. "
        "Set the environment variable KERAS_BACKEND=tensorflow before Keras is "
        "imported."
    )

Tensor = Any
Batch = tuple[Tensor, Tensor]
STEPS_PER_CALL = 10  # steps between two returns to Python


class ConditionalGAN(keras.Model):
    """Generator, discriminator and the moving average of the generator.

    Parameters
    ----------
    image_shape : tuple of int
        (height, width, channels).
    class_counts : array-like of shape (n_values of each attribute), int
        Real images of each class; one axis per attribute, (n_classes,) for one label.
        Classes without images are not trained.
    preset : Preset
        Networks, loss and optimiser settings.
    seed : int
        Seed of the initial weights, of the latents and of the dropout.
    generator, discriminator : callable or None, default=None
        Builders of the networks, with the arguments and results of those in
        ``networks``; `n_classes` is the number of all classes. None: the preset's.
    features : keras.Model or None, default=None
        What the preset's discriminator sees in addition to the pixels; see
        :func:`balancegan.gan.networks.build_projection_discriminator`. None: nothing.
    label_losses : callable or None, default=None
        (images, class indices) to the loss of each generated image; see
        :attr:`balancegan.gan.presets.Preset.label_weight`. None: not used.
    """

    def __init__(
        self,
        image_shape: ImageShape,
        class_counts: ArrayLike,
        preset: Preset,
        seed: int,
        generator: GeneratorBuilder | None = None,
        discriminator: DiscriminatorBuilder | None = None,
        features: keras.Model | None = None,
        label_losses: Callable[[Tensor, Tensor], Tensor] | None = None,
    ) -> None:
        super().__init__(name="conditional_gan")
        self.preset = preset
        self.label_losses = label_losses
        counts = np.asarray(class_counts)
        self.classes_with_images = np.flatnonzero(counts).astype("int32")
        weights_seed, latent_seed, shift_seed = (
            int(s) for s in np.random.SeedSequence(seed).generate_state(3) // 2
        )
        fresh, kind = fresh_layer_names(), preset.networks
        build_generator = generator or fresh(GENERATORS[kind])
        build_discriminator = discriminator or fresh(DISCRIMINATORS[kind])
        self.build_generator = lambda: check_generator(
            build_generator(
                image_shape,
                counts.shape if generator is None else counts.size,
                preset.latent_dim,
                weights_seed,
            ),
            image_shape,
            preset.latent_dim,
        )
        own = generator is not None, discriminator is not None
        policies = [FLOAT32 if is_own else preset.precision for is_own in own]
        with computing_in(policies[0]):
            self.generator = self.build_generator()
        self.averaged_generator = self.build_generator()
        seen = {} if features is None else {"features": features}
        with computing_in(policies[1]):
            self.discriminator = check_discriminator(
                build_discriminator(
                    image_shape,
                    counts.shape if discriminator is None else counts.size,
                    weights_seed + 1_000,
                    **seen,
                ),
                image_shape,
            )
        self.random_shift: RandomShift | None = None
        if preset.shift:
            self.random_shift = RandomShift(
                max(1, round(preset.shift * min(image_shape[:2]))),
                preset.shift_probabilities(counts.ravel().tolist()),
                shift_seed,
            )
        self.averaged_generator.set_weights(self.generator.get_weights())
        self.averaged_generator.trainable = False
        self.seed_generator = keras.random.SeedGenerator(latent_seed)
        self.step = self.add_weight(
            shape=(), initializer="zeros", dtype="int64", trainable=False, name="step"
        )
        # Of the discriminator and the generator, over n_summed steps
        self.loss_sums, self.n_summed = (
            self.add_weight(shape=n, initializer="zeros", trainable=False)
            for n in ((2,), ())
        )
        self.adversarial_loss = LOSSES[preset.loss]
        self.compile_for_training()
        self.built = True

    @fresh_layer_names()
    def compile_for_training(self) -> None:
        """Create the optimizers; compile several steps into one call."""
        settings = {
            "learning_rate": self.preset.learning_rate,
            "beta_1": self.preset.beta_1,
            "beta_2": self.preset.beta_2,
        }
        self.generator_optimizer = Adam(**settings)
        self.generator_optimizer.build(self.generator.trainable_variables)
        self.discriminator_optimizer = Adam(**settings)
        self.discriminator_optimizer.build(self.discriminator.trainable_variables)
        # XLA is slower than oneDNN for these convolutions on CPUs
        self.compile(
            optimizer=self.generator_optimizer,
            jit_compile=False,
            steps_per_execution=STEPS_PER_CALL,
        )

    @property
    def steps_done(self) -> int:
        """Number of training steps taken."""
        return int(self.step.numpy())

    def reset_losses(self) -> None:
        """Restart the means of the losses."""
        self.loss_sums.assign((0.0, 0.0))
        self.n_summed.assign(0.0)

    @property
    def sampling_generator(self) -> keras.Model:
        """The generator to sample from: the averaged one, if the preset keeps it."""
        if self.preset.ema_half_life is None:
            return self.generator
        return self.averaged_generator

    def state(self) -> State:
        """Return everything the next step depends on, random states included."""
        arrays = {str(i): v.numpy() for i, v in enumerate(self._changing())}
        return State({}, arrays)

    def restore(self, state: State) -> None:
        """Restore networks, optimizers and random states."""
        for i, variable in enumerate(self._changing()):
            array = state.arrays[str(i)]
            if array.shape != variable.shape:
                raise ValueError(f"shape {array.shape} in place of {variable.shape}")
            variable.assign(array)

    def _changing(self) -> list[keras.Variable]:
        others = (self.generator_optimizer, self.discriminator_optimizer)
        found = [*self.variables, *(v for one in others for v in one.variables)]
        return list({id(variable): variable for variable in found}.values())

    @abstractmethod
    def train_step(self, data: Batch) -> dict[str, Tensor]:
        """Update both networks once."""

    def latents(self, n: int, groups: int = 1) -> Tensor:
        """Draw `n` latents for a whole batch; return those of this replica's rows."""
        shape = (n, self.preset.latent_dim)
        drawn = keras.random.normal(shape, seed=self.seed_generator)
        return rows_of_replica(drawn, groups)

    def criticise(
        self, batch: Batch, *, groups: int = 1, training: bool = True
    ) -> Tensor:
        """Return the discriminator's logits, of randomly shifted images if so set."""
        images, classes = batch
        if self.random_shift is not None:
            images = self.random_shift(images, classes, groups=groups)
        return self.discriminator([images, classes], training=training)

    def set_learning_rate(self, rate: float) -> None:
        """Set the rate of both networks from the next call on."""
        self.generator_optimizer.learning_rate = rate
        self.discriminator_optimizer.learning_rate = rate

    def finish_step(self, d_loss: Tensor, g_loss: Tensor) -> dict[str, Tensor]:
        """Average the generator, count the step, report the losses."""
        if self.preset.ema_half_life is not None:
            self.update_average(self.preset.ema_half_life)
        self.step.assign_add(1)
        self.loss_sums.assign_add(mean_over_replicas(ops.stack([d_loss, g_loss])))
        self.n_summed.assign_add(1.0)
        d_mean, g_mean = ops.unstack(self.loss_sums / self.n_summed)
        return {"discriminator_loss": d_mean, "generator_loss": g_mean}

    def update_average(self, half_life: int) -> None:
        """Move the averaged weights towards the generator's.

        Karras et al. 2018, https://arxiv.org/abs/1710.10196, section 3; the average
        is short at first, so that the initial weights are soon forgotten.
        """
        step = ops.cast(self.step, self.variable_dtype)
        longest = 0.5 ** (self.preset.batch_size / half_life)
        decay = ops.minimum(longest, (1.0 + step) / (10.0 + step))
        for average, weight in zip(
            self.averaged_generator.weights, self.generator.weights, strict=True
        ):
            if keras.backend.is_float_dtype(weight.dtype):
                average.assign(weight + decay * (average - weight))


class AlternatingGAN(ConditionalGAN):
    """The updates of the MNIST tutorials: discriminator twice, then generator. Final.

    The discriminator is updated on a half batch of real and one of generated images.
    Classes of generated images are drawn uniformly. One pass of the generator serves
    both networks: the discriminator sees half of the batch that the generator is then
    updated on.
    """

    def train_step(self, data: Batch) -> dict[str, Tensor]:
        """Update the discriminator on each half batch, then the generator."""
        real_images, real_classes = data
        full, half = self.preset.batch_size, ops.shape(real_images)[0]
        latents = self.latents(full, groups=2)
        classes = self.uniform_classes(full, groups=2)

        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([v.value for v in self.generator.trainable_variables])
            images = self.generator([latents, classes], training=True)
            with tape.stop_recording():
                real_loss = self.update_discriminator(
                    real_images, real_classes, is_real=True
                )
                fake_loss = self.update_discriminator(
                    images[:half], classes[:half], is_real=False
                )
            logits = self.criticise((images, classes), groups=2)
            _, losses = self.adversarial_loss(logits, logits)
            g_loss = ops.mean(losses)
        variables = self.generator.trainable_variables
        self.generator_optimizer.apply(gradients(tape, g_loss, variables), variables)

        return self.finish_step((real_loss + fake_loss) / 2, g_loss)

    def update_discriminator(
        self, images: Tensor, classes: Tensor, *, is_real: bool
    ) -> Tensor:
        """Take one step on images that are all real or all generated."""
        with tf.GradientTape() as tape:
            logits = self.criticise((images, classes))
            # With real or generated images alone, the discriminator's cross-entropy is
            # the generator's of logits with the sign that matches the label
            _, losses = self.adversarial_loss(logits, logits if is_real else -logits)
            loss = ops.mean(losses)
        variables = self.discriminator.trainable_variables
        self.discriminator_optimizer.apply(gradients(tape, loss, variables), variables)
        return loss

    def uniform_classes(self, n: int, groups: int = 1) -> Tensor:
        """Draw `n` class indices, every class that has images equally likely."""
        classes = self.classes_with_images
        drawn = keras.random.randint(
            (n,), 0, len(classes), dtype="int32", seed=self.seed_generator
        )
        drawn = rows_of_replica(drawn, groups)
        return tf.gather(tf.constant(classes), drawn)


class SharedPassGAN(ConditionalGAN):
    """Updates both networks from one pass of the generator. Final.

    Each generated image has the class of the real image that it is paired with.
    """

    def train_step(self, data: Batch) -> dict[str, Tensor]:
        """Update both networks from the same logits."""
        real_images, classes = data
        latents = self.latents(self.preset.batch_size)
        penalised = ops.equal(self.step % self.preset.penalty_interval, 0)

        with tf.GradientTape(persistent=True) as tape:
            fake_images = self.generator([latents, classes], training=True)
            real_logits = self.criticise((real_images, classes))
            fake_logits = self.criticise((fake_images, classes))
            d_losses, g_losses = self.adversarial_loss(real_logits, fake_logits)
            d_loss, g_loss = ops.mean(d_losses), ops.mean(g_losses)
            if self.label_losses is not None:
                wrongness = self.label_losses(fake_images, classes)
                g_loss += self.preset.label_weight * ops.mean(wrongness)
        d_variables = self.discriminator.trainable_variables
        g_variables = self.generator.trainable_variables
        d_gradients = gradients(tape, d_loss, d_variables)
        g_gradients = gradients(tape, g_loss, g_variables)
        del tape

        # Lazy regularisation: Karras et al. 2020, https://arxiv.org/abs/1912.04958
        if self.preset.penalty_weight:
            d_gradients = tf.cond(
                penalised,
                lambda: self.add_penalty(
                    d_gradients, real_images, fake_images, classes
                ),
                lambda: d_gradients,
            )
        self.discriminator_optimizer.apply(d_gradients, d_variables)
        self.generator_optimizer.apply(g_gradients, g_variables)
        return self.finish_step(d_loss, g_loss)

    # Not inlined: TensorFlow's memory optimiser would put temporary variables for large
    # sums into the branch, and never remove them on steps that do not take it
    # (https://github.com/tensorflow/tensorflow/issues/23780)
    @tf.function(experimental_attributes={"_noinline": True})
    def add_penalty(
        self,
        d_gradients: list[Tensor],
        real_images: Tensor,
        fake_images: Tensor,
        classes: Tensor,
    ) -> list[Tensor]:
        """Add the gradients of R1 and R2, scaled for the steps without them."""
        images = ops.concatenate([real_images, tf.stop_gradient(fake_images)])
        classes = ops.concatenate([classes, classes])
        with tf.GradientTape() as tape:
            critic = partial(self.criticise, groups=2)
            penalties = gradient_penalty(critic, images, classes)
            # The sum of two means over half of the rows each
            penalty = 2 * ops.mean(penalties)
            penalty *= self.preset.penalty_for(*images.shape[1:3])
            penalty *= self.preset.penalty_interval
        extra = gradients(tape, penalty, self.discriminator.trainable_variables)
        return [g + e for g, e in zip(d_gradients, extra, strict=True)]


def build_gan(
    image_shape: ImageShape,
    class_counts: ArrayLike,
    preset: Preset,
    seed: int,
    **parts: Any,
) -> ConditionalGAN:
    """Build the GAN of a preset, untrained.

    Parameters are those of :class:`ConditionalGAN`.

    Raises
    ------
    DataError
        If a user's builder returns a network that cannot be trained.
    """
    kind = AlternatingGAN if preset.alternating else SharedPassGAN
    return kind(image_shape, class_counts, preset, seed, **parts)
