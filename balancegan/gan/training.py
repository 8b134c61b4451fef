"""A training run: from images and labels to a trained model.

Connects the GAN (``conditional_gan``), its batches, the judge and the callbacks.
"""

import os
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any

import keras
import numpy as np

from balancegan.attributes import Attributes, Labels
from balancegan.errors import DataError, TrainingWarning
from balancegan.gan.batches import BalancedBatches
from balancegan.gan.budget import Budget, LinearDecay
from balancegan.gan.callbacks import (
    CheckpointMonitor,
    Diverged,
    LossMonitor,
    QualityMonitor,
)
from balancegan.gan.checkpoint import (
    SEED,
    CheckpointFolder,
    State,
    Stateful,
    deferred_signals,
    describe_builder,
    describe_run,
    restore_parts,
)
from balancegan.gan.conditional_gan import ConditionalGAN, build_gan
from balancegan.gan.devices import FLOAT32
from balancegan.gan.distribution import WorkerGroup
from balancegan.gan.history import History, RunLog, describe_quality
from balancegan.gan.judge import Judge
from balancegan.gan.model import TrainedModel, draw_seed
from balancegan.gan.presets import (
    UNBOUNDED_STEPS,
    DiscriminatorBuilder,
    GeneratorBuilder,
    ImageShape,
    Preset,
)
from balancegan.gan.quality import QualityMeter
from balancegan.gan.settings import standard_settings
from balancegan.images import ImageFormat
from balancegan.memory import check_available
from balancegan.phases import spending
from balancegan.progress import show_progress

MOST_ROLLBACKS = 3
# Measured on images of 8x8 to 128x128x3, in addition to TensorFlow itself
FIXED_BYTES = 250_000_000
BYTES_FACTOR = 1.2  # of the layers' outputs, for gradients and convolutions
ADDRESSES = 650_000_000  # of threads, most without memory behind them


class TrainingRun:
    """One training of a conditional GAN, which can be interrupted at any step.

    Parameters
    ----------
    images : ndarray of shape (n, ...)
        In the user's layout and range.
    labels : Labels
        The user's labels.
    image_format : ImageFormat
        Layout and range of the images.
    preset : Preset
        The recipe.
    seed : int
        Seed of weights, batches, latents and dropout.
    max_seconds : float or None, default=None
        Training ends after this many seconds. None: after the preset's steps.
    generator, discriminator : callable or None, default=None
        The user's builders. None: the preset's networks.
    workers : WorkerGroup or None, default=None
        The processes and devices that train together. None: one device.

    Raises
    ------
    DataError
        If the user's networks cannot be used, or the batch cannot be divided.
    """

    @spending("Preparing")
    @standard_settings()
    def __init__(
        self,
        images: np.ndarray,
        labels: Labels,
        image_format: ImageFormat,
        preset: Preset,
        seed: int,
        *,
        max_seconds: float | None = None,
        generator: GeneratorBuilder | None = None,
        discriminator: DiscriminatorBuilder | None = None,
        workers: WorkerGroup | None = None,
    ) -> None:
        attributes, class_indices = Attributes.learn(labels)
        self.labels = labels
        n_halves = 2 if preset.alternating else 1
        self.workers = (workers or WorkerGroup()).for_batch(preset.batch_size, n_halves)
        self.builders = {"generator": generator, "discriminator": discriminator}
        counts = np.bincount(class_indices, minlength=attributes.n_classes)
        counts = counts.reshape(attributes.sizes)
        shape, to_model_range = image_format.image_shape, image_format.to_model_range
        sampler = self._build_networks(counts, shape, to_model_range, preset, seed)
        self.batches = BalancedBatches(
            images,
            class_indices,
            to_model_range,
            # With alternating updates a step takes half a batch of real images
            batch_size=preset.batch_size // n_halves,
            n_steps=preset.n_steps(len(images)),
            class_power=preset.class_power,
            seed=seed,
        )
        self.model = TrainedModel(
            generator=sampler,
            own_generator=generator is not None,
            preset=preset,
            image_format=image_format,
            attributes=attributes,
            class_names=None,
            counts=counts,
            seed=seed,
            n_steps=0,
            kept_step=0,
            seconds=0.0,
        )
        self.history = History()
        self.budget = Budget(
            len(self.batches),
            max_seconds,
            may_end_before=preset.until_flat,
            limits_steps=preset.steps != UNBOUNDED_STEPS,
            size=f"{shape[0]}x{shape[1]}",
        )
        self.losses = LossMonitor(self.history, self.budget)
        self.schedule = LinearDecay(
            self.budget, preset.learning_rate, preset.decay_from
        )
        self.quality = QualityMonitor(
            QualityMeter(images, class_indices, self.model),
            self.history,
            self.budget,
            sampler=sampler,
            until_flat_at=preset.decay_from if preset.until_flat else None,
            from_chief=self.workers.from_chief,
        )

    def _build_networks(
        self,
        counts: np.ndarray,
        shape: ImageShape,
        to_model_range: Callable[[np.ndarray], np.ndarray],
        preset: Preset,
        seed: int,
    ) -> keras.Model:
        """Build the judge and the GAN; return the generator to sample from.

        Under a strategy, networks that all workers train are built in its scope; those
        that a process calls or trains alone are built outside.
        """
        own_discriminator = self.builders["discriminator"] is not None
        judges: list[Judge | None] = [None, None]
        label_losses = None
        with self.workers.scope():
            if preset.judge_features and not own_discriminator:
                judge = Judge(shape, counts.shape, to_model_range, seed)
                judges = [judge, judge]
                if counts.ndim > 1 and preset.label_weight:
                    label_losses = judge.label_losses
            self.gan = build_gan(
                shape,
                counts,
                preset,
                seed,
                **self.builders,
                features=judges[0] and judges[0].feature_network,
                label_losses=label_losses,
            )
        sampler = self.gan.sampling_generator
        is_distributed = self.workers.strategy is not None
        if is_distributed or preset.precision != FLOAT32:
            sampler = self.gan.build_generator()
        if is_distributed and judges[0] is not None:
            judges[1] = Judge(shape, counts.shape, to_model_range, seed)
        self.judge, self.own_judge = judges
        return sampler

    @standard_settings()
    def fit(
        self,
        *,
        show: bool = False,
        log_dir: str | os.PathLike[str] | None = None,
        tensorboard: bool = False,
        checkpoints: CheckpointFolder | None = None,
    ) -> None:
        """Train until the budget is used up.

        Shows progress on stderr if `show`; writes history and sample grids to a folder
        in `log_dir`, TensorBoard's event files, too, if `tensorboard`; writes
        `checkpoints` and resumes from them.

        Raises
        ------
        TrainingFailed
            If training diverges, after rollbacks at lower rates as well.
        DataError
            If `log_dir` cannot be used, or is missing.
        SavedModelError
            If the checkpoints are of another run, or damaged.
        MemoryError
            If there is less memory than a training step needs.
        """
        if tensorboard and log_dir is None:
            raise DataError(
                "tensorboard=True writes to log_dir. Received: log_dir=None. Give a "
                "folder."
            )
        check_available("Training", training_bytes(self.gan), ADDRESSES)
        log = None
        if log_dir is not None:
            log = RunLog(log_dir, self.model, tensorboard=tensorboard)
            self.history.listeners.append(log)
        try:
            with show_progress("Preparing", visible=show) as display:
                self.history.listeners.append(
                    lambda event: display.say(describe_quality(event))
                )
                self.losses.display = display
                if checkpoints is None and self.workers.n_processes == 1:
                    self._train()
                else:
                    self._train_with_checkpoints(checkpoints)
        finally:
            if log is not None:
                log.close()

    def _train(self, found: State | None = None, *more: CheckpointMonitor) -> None:
        """Train from the start, or from a state that has been restored."""
        callbacks: list[keras.callbacks.Callback]
        callbacks = [self.losses, self.quality, self.schedule, *more]
        if found is None:
            self.budget.start()
            self._train_judge()
        self.workers.agree_on_time(self.budget)
        step = self.batches.first_step = self.gan.steps_done
        if found is not None and self.budget.is_used_up(step):
            for callback in callbacks:
                callback.set_model(self.gan)
                callback.on_train_end()
            return
        if self.losses.display is not None:  # until the losses show the first call
            self.losses.display.begin("Compiling")
        while True:
            try:
                self.workers.fit(self.gan, self.batches, callbacks, self.budget)
                return
            except Diverged as error:
                self._roll_back(error)

    def _train_judge(self) -> None:
        """Train the judge that the GAN uses; all processes use the chief's."""
        if self.judge is None or self.own_judge is None:
            return
        self.own_judge.train(self.batches.images, self.batches.class_indices)
        if self.own_judge is not self.judge:
            weights = self.own_judge.network.get_weights()
            self.judge.network.set_weights([*map(self.workers.from_chief, weights)])

    def _roll_back(self, error: Diverged) -> None:
        """Restore the last good state and lower the rate, a few times at most."""
        good = self.losses.last_good
        if good is None or self.schedule.times_lowered >= MOST_ROLLBACKS:
            raise error
        self.gan.restore(good)
        self.schedule.lower()
        step = self.batches.first_step = self.gan.steps_done
        self.gan.set_learning_rate(self.schedule.rate(step))
        warnings.warn(
            f"{error} Rolling back to step {step} at a quarter of the rate.",
            TrainingWarning,
            stacklevel=2,
        )

    def _train_with_checkpoints(self, checkpoints: CheckpointFolder | None) -> None:
        """Train from the chief's last checkpoint; the chief writes more of them."""
        parts: dict[str, Stateful] = {
            "gan": self.gan,
            "losses": self.losses,
            "quality": self.quality,
            "history": self.history,
            "budget": self.budget,
            "schedule": self.schedule,
        }
        if self.judge is not None:
            parts["judge"] = self.judge
        if checkpoints is None:
            found = self.workers.state_from_chief(None)
            if found is not None:
                restore_parts(parts, found)
            self._train(found)
            return
        run = describe_run(self.batches.images, self.labels, self._settings())
        with deferred_signals() as signals:
            monitor = CheckpointMonitor(checkpoints, run, parts, self.budget, signals)
            found = checkpoints.latest()
            if found is not None:
                monitor.restore(found)
            self.workers.state_from_chief(found)
            self._train(found, monitor)

    def _settings(self) -> dict[str, Any]:
        """Return everything the model depends on except the data."""
        return {
            **asdict(self.model.preset),
            **asdict(self.model.image_format),
            **{kind: describe_builder(own) for kind, own in self.builders.items()},
            "max_seconds": self.budget.max_seconds,
            SEED: self.model.seed,
        }

    @property
    def has_learned(self) -> bool:
        """Whether a training step was taken."""
        return self.gan.steps_done > 0

    @standard_settings()
    def result(self) -> TrainedModel:
        """Return the model in its best state so far, or the last, by the preset."""
        last_step = self.gan.steps_done
        self.quality.refresh_sampler()
        keep_best = self.model.preset.keep_best
        return replace(
            self.model,
            n_steps=last_step,
            kept_step=self.quality.restore_best() if keep_best else last_step,
            seconds=self.losses.seconds,
        )


def open_checkpoints(
    checkpoint_dir: str | os.PathLike[str] | None,
    random_state: int | np.random.RandomState | None,
    workers: WorkerGroup,
) -> tuple[CheckpointFolder | None, int]:
    """Return the checkpoint folder of this process, and the seed of all of them.

    Only the chief of several processes has a folder. Without a `random_state`, a
    training that is resumed keeps its seed.
    """
    checkpoints, seed = None, draw_seed(random_state)
    if checkpoint_dir is not None and workers.is_chief:
        checkpoints = CheckpointFolder(checkpoint_dir)
        saved_seed = checkpoints.seed() if random_state is None else None
        seed = seed if saved_seed is None else saved_seed
    return checkpoints, int(workers.from_chief(np.array(seed)))


def training_bytes(gan: ConditionalGAN) -> int:
    """Return about how many bytes training takes, beyond TensorFlow itself.

    Counts the outputs of all layers: the generator's for a batch, the discriminator's
    for one of real and one of generated images.
    """
    values = _n_values(gan.generator) + 2 * _n_values(gan.discriminator)
    held = 4 * gan.preset.batch_size * values  # float32
    return int(FIXED_BYTES + BYTES_FACTOR * held)


def _n_values(network: keras.Model) -> int:
    """Return how many numbers all layers of a network output for one image."""
    total = 0
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            total += _n_values(layer)
            continue
        with suppress(AttributeError, ValueError):  # users' layers may have no output
            for output in keras.tree.flatten(layer.output):
                total += int(np.prod(output.shape[1:], dtype=float))
    return total
