"""From images and class indices to a trained model: the parts put together.

``gan`` has the step, ``batches`` what a step sees, ``monitor`` what is watched; here
they meet. Nothing is learned that is not in the result.
"""

import os
import warnings
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import keras
import numpy as np

from balancegan.allocator import keeping_freed_memory
from balancegan.attributes import Attributes, Labels
from balancegan.errors import DataError, TrainingWarning
from balancegan.gan.batches import BalancedBatches
from balancegan.gan.budget import Budget
from balancegan.gan.builders import (
    DiscriminatorBuilder,
    GeneratorBuilder,
    ImageShape,
    describe_builder,
)
from balancegan.gan.checkpoint import SEED, CheckpointFolder, describe_run
from balancegan.gan.conditional_gan import build_gan
from balancegan.gan.footprint import ADDRESSES, training_bytes
from balancegan.gan.history import History, describe_quality
from balancegan.gan.interrupts import Interrupts
from balancegan.gan.judge import Judge
from balancegan.gan.model import TrainedModel, draw_seed
from balancegan.gan.monitor import (
    CheckpointMonitor,
    Diverged,
    LossMonitor,
    QualityMonitor,
    restore_parts,
)
from balancegan.gan.precision import FLOAT32
from balancegan.gan.presets import UNBOUNDED_STEPS, Preset
from balancegan.gan.quality import QualityMeter
from balancegan.gan.runlog import RunLog
from balancegan.gan.schedule import LinearDecay
from balancegan.gan.settings import standard_settings
from balancegan.gan.workers import Workers
from balancegan.images import ImageFormat
from balancegan.memory import check_available
from balancegan.phases import spending
from balancegan.progress import show_progress
from balancegan.state import State, Stateful

MOST_ROLLBACKS = 3


class TrainingRun:
    """One training of a conditional GAN; a usable model at any moment of it.

    Parameters
    ----------
    images : ndarray of shape (n, ...)
        In the user's layout and range.
    labels : Labels
        The user's labels.
    image_format : ImageFormat
        What layout and range those are.
    preset : Preset
        The recipe.
    seed : int
        Seed of weights, batches, latents and dropout.
    max_seconds : float or None, default=None
        Training ends after so many seconds. None: when the steps are done.
    generator, discriminator : callable or None, default=None
        Builders of the user's own. None: the preset's networks.
    workers : Workers or None, default=None
        Who trains together. None: this process, on one device.

    Raises
    ------
    DataError
        If the user's own networks cannot be used, or the batch cannot be dealt out.
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
        workers: Workers | None = None,
    ) -> None:
        attributes, class_indices = Attributes.learn(labels)
        self.labels = labels
        n_halves = 2 if preset.alternating else 1
        self.workers = (workers or Workers()).for_batch(preset.batch_size, n_halves)
        self.builders = {"generator": generator, "discriminator": discriminator}
        counts = np.bincount(class_indices, minlength=attributes.n_classes)
        counts = counts.reshape(attributes.sizes)
        shape, to_model_range = image_format.image_shape, image_format.to_model_range
        sampler = self._build_networks(counts, shape, to_model_range, preset, seed)
        self.batches = BalancedBatches(
            images,
            class_indices,
            to_model_range,
            # Taking turns, a step shows the discriminator half a batch of real images
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
        """Build the judge and the GAN; return the generator that images are taken from.

        Where several train together, theirs are built within the strategy, and what
        each process asks or trains alone is built outside.
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
        together = self.workers.strategy is not None
        if together or preset.precision != FLOAT32:
            sampler = self.gan.build_generator()
        if together and judges[0] is not None:
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

        Parameters
        ----------
        show : bool, default=False
            Whether to show progress on stderr.
        log_dir : path-like or None, default=None
            Where a folder with history and sample grids is made. None: nowhere.
        tensorboard : bool, default=False
            Whether TensorBoard's event files are written there too.
        checkpoints : CheckpointFolder or None, default=None
            Where training is written down, and gone on with if there is something of
            this run. None: nowhere.

        Raises
        ------
        TrainingFailed
            If the losses cease to be numbers, at lower rates as well.
        DataError
            If `log_dir` cannot be used, or is missing.
        SavedModelError
            If the checkpoints are of another run, or damaged.
        MemoryError
            If there is less memory than a step takes.
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
                    self._train_written_down(checkpoints)
        finally:
            if log is not None:
                log.close()

    @keeping_freed_memory()
    def _train(self, found: State | None = None, *more: CheckpointMonitor) -> None:
        """Train from the start, or from what was found and is restored already."""
        callbacks: list[keras.callbacks.Callback] = [
            self.losses,
            self.quality,
            self.schedule,
            *more,
        ]
        if found is None:
            self.budget.start()
            self._teach_judge()
        self.workers.agree_on_time(self.budget)
        step = self.batches.first_step = self.gan.steps_done
        if found is not None and self.budget.is_used_up(step):
            for callback in callbacks:
                callback.set_model(self.gan)
                callback.on_train_end()
            return
        self._show_compiling()
        while True:
            try:
                self.workers.fit(self.gan, self.batches, callbacks, self.budget)
                return
            except Diverged as error:
                self._roll_back(error)

    def _show_compiling(self) -> None:
        """Show that the first call compiles; the losses say when it is done."""
        if self.losses.display is not None:
            self.losses.display.begin("Compiling")

    def _teach_judge(self) -> None:
        """Train the judge that the GAN asks; all processes ask the chief's."""
        if self.judge is None or self.own_judge is None:
            return
        self.own_judge.train(self.batches.images, self.batches.class_indices)
        if self.own_judge is not self.judge:
            weights = self.own_judge.network.get_weights()
            self.judge.network.set_weights([*map(self.workers.from_chief, weights)])

    def _roll_back(self, error: Diverged) -> None:
        """Go back to the last good state, at a lower rate, a few times at most."""
        good = self.losses.last_good
        if good is None or self.schedule.times_lowered >= MOST_ROLLBACKS:
            raise error
        self.gan.restore(good)
        self.schedule.lower()
        step = self.batches.first_step = self.gan.steps_done
        self.gan.set_learning_rate(self.schedule.rate(step))
        warnings.warn(
            f"{error} Going back to step {step}, at a quarter of the rate.",
            TrainingWarning,
            stacklevel=2,
        )

    def _train_written_down(self, checkpoints: CheckpointFolder | None) -> None:
        """Train from the chief's last checkpoint on, writing more of them if it is."""
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
        with Interrupts() as interrupts:
            monitor = CheckpointMonitor(
                checkpoints, run, parts, self.budget, interrupts
            )
            found = checkpoints.latest()
            if found is not None:
                monitor.restore(found)
            self.workers.state_from_chief(found)
            self._train(found, monitor)

    def _settings(self) -> dict[str, Any]:
        """Return what the model depends on beside the data."""
        return {
            **asdict(self.model.preset),
            **asdict(self.model.image_format),
            **{kind: describe_builder(own) for kind, own in self.builders.items()},
            "max_seconds": self.budget.max_seconds,
            SEED: self.model.seed,
        }

    @property
    def has_learned(self) -> bool:
        """Whether a step of training was taken."""
        return self.gan.steps_done > 0

    @standard_settings()
    def result(self) -> TrainedModel:
        """Return the model in the best state so far, or the last as the preset says."""
        last_step = self.gan.steps_done
        self.quality.refresh_sampler()
        keep_best = self.model.preset.keep_best
        return replace(
            self.model,
            n_steps=last_step,
            kept_step=self.quality.restore_best() if keep_best else last_step,
            seconds=self.losses.seconds,
        )


def begin(
    checkpoint_dir: str | os.PathLike[str] | None,
    random_state: int | np.random.RandomState | None,
    workers: Workers,
) -> tuple[CheckpointFolder | None, int]:
    """Return where training is written down, and the seed that all train with.

    The chief of several processes writes: the others have no folder, and its seed.
    Without a `random_state` a training that was begun goes on with its own.
    """
    checkpoints, seed = None, draw_seed(random_state)
    if checkpoint_dir is not None and workers.is_chief:
        checkpoints = CheckpointFolder(checkpoint_dir)
        begun_with = checkpoints.seed() if random_state is None else None
        seed = seed if begun_with is None else begun_with
    return checkpoints, int(workers.from_chief(np.array(seed)))
