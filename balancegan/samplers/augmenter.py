"""The class that users hold: an over-sampler that makes images with a GAN.

It orchestrates and contains no mathematics: ``balance`` decides how many images are
made, ``training`` learns, ``model`` makes them, ``persistence`` keeps. What may be
handed in and what comes back is ``sampler``'s.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from numbers import Integral
from typing import Self

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from balancegan.attributes import Labels
from balancegan.balance import VALIDATED, Strategy
from balancegan.errors import SavedModelError
from balancegan.gan.devices import (
    AUTO,
    BFLOAT16,
    FLOAT32,
    MULTI_WORKER,
    Distribution,
    DistributionStrategy,
)
from balancegan.gan.history import History
from balancegan.gan.model import draw_seed
from balancegan.gan.presets import (
    MOST_STEPS,
    PRESETS,
    DiscriminatorBuilder,
    GeneratorBuilder,
)
from balancegan.samplers.model_sampler import ABOVE_ZERO, ModelSampler
from balancegan.samplers.recipe import (
    gather_workers,
    plan_training,
    prepare_run,
    say_untrained,
    train,
)

STEP_COUNT = Interval(Integral, 1, MOST_STEPS, closed="both")


class ConditionalGANAugmenter(ModelSampler):
    """Over-sample images with copies and with a conditional GAN trained on the set.

    A sampler of imbalanced-learn and a step of its pipelines, for images. Whether
    the synthetic ones help is a question for real held-out images; ask it before you
    rely on them.

    `fit` trains a GAN only if an image has to be generated: not if `gan_share` is 0, if
    classes that need images have fewer than 8, or if combinations can be recombined.
    `resample` then works; `sample`, `save` and other targets may raise an error.

    Parameters
    ----------
    sampling_strategy : str, float, dict or callable, default="auto"
        How many images of each class; see :func:`balancegan.balance.plan_synthesis`.
        "auto" raises every class to the size of the largest. 2 raises all, the largest
        too, to twice that: every class then has the same share of shifted and generated
        images, so these do not identify a class. "combinations" also raises those of
        values that no image has together. "validated" tries several amounts on a
        held-out 10 % and adds nothing if none clearly helps; see `validated_`. It needs
        room for the balanced set twice.
    balance_on : str or list of str, default=None
        Of several attributes, those whose values make the classes that
        `sampling_strategy` speaks of: a value of one, a tuple of the values of
        several. The others are drawn as often as the training images have them together
        with those. None: all; every combination that the data have is a class.
    max_ratio : float, default=None
        At most so many synthetic images per real one of a class. None: no cap.
    gan_share : float, default=0.1
        Largest share of a class that may be generated; the rest is filled with copies.
        With a larger share, classifiers learn GAN artefacts instead of the class. 1: no
        limit. 0: copies only, and no GAN is trained.
    moves : str or list of str, default="shift"
        How copies may be moved: "shift" (half of them, by a fourteenth of the sides at
        most), "mirror", "half-turn", "quarter-turn", or a list of these. "auto":
        "shift" and those that keep the class, as judges of the real images find out in
        minutes; see `moves_`. "none": not at all, better if your training augments.
    reject : bool, default=True
        Look at the GAN's images, by judges trained on the real ones (about a minute),
        and reject copies, repetitions and those of other classes or unlike any; see
        :mod:`balancegan.quality.screening`.
    best_of : int, default=1
        Check so many images for each one that is taken, and take those that the judges
        are surest of. More give plainer, less varied images. 1: the first that are not
        rejected. Without `reject` it is 1.
    truncation : float, default=None
        Draw latents from a normal distribution cut off at so many standard deviations:
        1 gives typical images and little variety. None: a whole one.
    gan_only : bool, default=False
        Whether the GAN makes all images, whatever `gan_share` is; `fit` then always
        trains one. False: attributes with pixels of their own are recombined; a class
        of fewer than 8 images, or with less than a fifth accepted, gets copies of real
        ones. `method_` says so.
    validation_minutes : float, default=10
        With "validated", trying amounts ends then. Little time tries few, or adds none.
    image_shape : tuple of int, default=None
        (height, width[, channels]) of flat or channels-first images. None: as in `X`.
    value_range : tuple of float, default=None
        Black and white. None: by dtype, see :func:`balancegan.images.find_format`.
    preset : {"default", "tutorial"}, default="default"
        Networks and recipe. "default" is for small imbalanced sets. "tutorial" is
        the conditional GAN of the MNIST tutorials: slower, and poor at rare classes.
    steps : int or "auto", default=None
        Training steps. More make better images, with less and less gain. "auto": until
        those of the few-shot classes become no better, at most 20,000 or as many as
        `max_minutes` allows. None: no limit where `max_minutes` is given, else the
        preset's own number (3,000; for "tutorial" 30 passes over the data).
    max_minutes : float, default=None
        Training ends after so many minutes. None: when the steps are done.
    batch_size : int, default=None
        Images per step; may exceed the number of images. None: the preset's (64;
        for "tutorial" 128).
    learning_rate : float, default=None
        Adam's, for both networks. None: the preset's (1e-3, falling to 0 over the
        last 40 % of the budget; for "tutorial" 2e-4).
    strategy : {"auto", "multi-worker"} or tf.distribute.Strategy, default="auto"
        Who trains together. "auto": the GPUs of this machine where it has several.
        "multi-worker": the processes that TF_CONFIG names, one of which this is; all
        call `fit` alike, before they use TensorFlow for anything else, and all have the
        model afterwards. A step is of `batch_size` images in all, and what is learned
        does not depend on how many share them, but for rounding and dropout.
    precision : {"float32", "auto", "mixed_bfloat16"}, default="float32"
        What the preset's networks compute in; weights and images are float32 in any
        case. "auto": bfloat16 where the hardware has units for it (GPUs from Ampere on,
        TPUs), else float32. What it gains there has not been measured yet.
    generator, discriminator : callable, default=None
        Builders of networks of your own, called as
        :func:`balancegan.gan.networks.build_projection_generator` and
        :func:`balancegan.gan.networks.build_projection_discriminator` are, with Keras's
        default settings (float32, channels last). Of several attributes they get the
        number of all combinations, and the networks their index. They are not saved:
        `load` asks for the generator's again. Name their layers: Keras's own names
        depend on what else was built, and bits on them. None: the preset's networks.
    log_dir : path-like, default=None
        Every `fit` makes a folder `run-1`, `run-2`, ... in it and writes there, as
        training goes on, `history.jsonl` and grids of images. None: nothing is written.
    tensorboard : bool, default=False
        Write TensorBoard's event files there too. Needs the package tensorboard.
    random_state : int, RandomState or None, default=None
        With an int, the same data and settings give the same images bit for bit, on
        one machine with the same versions of the libraries and as many threads; not
        where `max_minutes` ends training by the clock. None: other ones at every `fit`.
    verbose : int, default=1
        0 is silent; 1 shows progress on stderr.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted; of several attributes the combinations of those in
        `balance_on` that training images have, as tuples.
    class_counts_ : dict
        How many images of each class the model was trained on.
    sampling_strategy_ : dict
        Images to make per class, without zeros. A loaded model has none.
    n_to_generate_ : dict
        How many images the last resampling made of each class, zeros included.
    is_synthetic_ : ndarray of shape (n_resampled,), bool
        Which rows of the last resampling are synthetic.
    method_ : ndarray of shape (n_resampled,), str
        How each row of the last resampling came about: "real", "gan", "copied",
        "recombined" or "interpolated".
    sample_weight_ : ndarray of shape (n_resampled,)
        For `sample_weight` of `fit`: 1, less where judges are less sure than of real.
    quality_ : DataFrame
        What was found of each synthetic image of the last resampling, in order; see
        :class:`balancegan.samplers.choice.Laddered`.
    quality_summary_ : DataFrame
        The same for each class; see :func:`balancegan.samplers.summary.summarize`.
    moves_ : FoundMoves or None
        With `moves="auto"`, what the last resampling found, if it needed copies; see
        :class:`balancegan.samplers.move_finder.FoundMoves`.
    validated_ : ValidatedAmounts or None
        With "validated", the amounts that `fit` tried, what each gained, and which it
        chose; see :class:`balancegan.downstream.amounts.ValidatedAmounts`. A loaded
        model has none.
    fit_seconds_ : float
        What training took, with all that it prepares. A loaded model has none.
    model_ : TrainedModel
        The generator with its settings, seed, image format and cost. Its `generator`
        is None, and `n_steps` 0, if no generated image was needed.
    history_ : DataFrame
        Training as it went: step, seconds, mean losses since the record before, and,
        where the images were looked at, agreement, diversity and distance, the means
        over the few-shot classes (see :class:`~balancegan.gan.quality.QualityMeter`),
        and the seconds that looking took.
    class_history_ : DataFrame
        The same figures for each few-shot class: one row a look and class. Of several
        attributes the rarest combinations of at least 5 images, at most 20; "agreement"
        is the mean over the attributes, and "agreement_NAME" that of each.

    References
    ----------
    Conditional GANs: Mirza and Osindero 2014, https://arxiv.org/abs/1411.1784.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.integers(0, 256, size=(30, 8, 8), dtype=np.uint8)
    >>> y = np.repeat(["bag", "shirt"], [22, 8])
    >>> augmenter = ConditionalGANAugmenter(steps=2, random_state=0, verbose=0)
    >>> X_bal, y_bal = augmenter.fit(X, y).resample({"shirt": 12})
    >>> X_bal.shape, X_bal.dtype, int(augmenter.is_synthetic_.sum())
    ((34, 8, 8), dtype('uint8'), 4)
    >>> augmenter.sample("shirt", 3).shape
    (3, 8, 8)

    Two attributes, balanced on the first of them:

    >>> y = np.stack([y, np.resize(["light", "dark"], 30)], axis=1)
    >>> augmenter = augmenter.set_params(balance_on="0").fit(X, y)
    >>> augmenter.resample({"shirt": 10})[1][30:, 0].tolist()
    ['shirt', 'shirt']
    >>> augmenter.sample({"0": "shirt", "1": "dark"}, 3).shape
    (3, 8, 8)
    """

    _parameter_constraints: dict = ModelSampler._parameter_constraints | {
        "image_shape": [tuple, list, None],
        "value_range": [tuple, list, None],
        "preset": [StrOptions(set(PRESETS))],
        "steps": [STEP_COUNT, StrOptions({"auto"}), None],
        "max_minutes": [ABOVE_ZERO, None],
        "batch_size": [Interval(Integral, 2, None, closed="left"), None],
        "learning_rate": [ABOVE_ZERO, None],
        "strategy": [StrOptions({AUTO, MULTI_WORKER}), DistributionStrategy],
        "precision": [StrOptions({AUTO, FLOAT32, BFLOAT16})],
        "generator": [callable, None],
        "discriminator": [callable, None],
        "log_dir": [str, os.PathLike, None],
        "tensorboard": ["boolean"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        *,
        sampling_strategy: Strategy = "auto",
        balance_on: str | Sequence[str] | None = None,
        max_ratio: float | None = None,
        reject: bool = True,
        best_of: int = 1,
        truncation: float | None = None,
        gan_only: bool = False,
        gan_share: float = 0.1,
        moves: str | Sequence[str] = "shift",
        validation_minutes: float = 10,
        image_shape: tuple[int, ...] | None = None,
        value_range: tuple[float, float] | None = None,
        preset: str = "default",
        steps: int | str | None = None,
        max_minutes: float | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        strategy: Distribution = AUTO,
        precision: str = FLOAT32,
        generator: GeneratorBuilder | None = None,
        discriminator: DiscriminatorBuilder | None = None,
        log_dir: str | os.PathLike[str] | None = None,
        tensorboard: bool = False,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 1,
    ) -> None:
        super().__init__(sampling_strategy=sampling_strategy)
        self.balance_on = balance_on
        self.max_ratio = max_ratio
        self.reject = reject
        self.best_of = best_of
        self.truncation = truncation
        self.gan_only = gan_only
        self.gan_share = gan_share
        self.moves = moves
        self.validation_minutes = validation_minutes
        self.image_shape = image_shape
        self.value_range = value_range
        self.preset = preset
        self.steps = steps
        self.max_minutes = max_minutes
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.strategy = strategy
        self.precision = precision
        self.generator = generator
        self.discriminator = discriminator
        self.log_dir = log_dir
        self.tensorboard = tensorboard
        self.random_state = random_state
        self.verbose = verbose

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Save the trained model as a directory of weights and JSON.

        Parameters
        ----------
        path : path-like
            The directory to make.
        overwrite : bool, default=False
            Replace a saved model that is already there.

        Raises
        ------
        SavedModelError
            If `path` cannot be written, or a parameter cannot be kept as JSON.
        DataError
            If `fit` needed no generated image and trained no GAN.
        """
        check_is_fitted(self, "model_")
        self.model_.check_generates()
        from balancegan.gan.saving import save_model  # imports TensorFlow

        save_model(path, self.model_, self.get_params(), overwrite=overwrite)

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        generator: GeneratorBuilder | None = None,
    ) -> Self:
        """Load a saved model. It samples at once; `resample` needs the data again.

        Parameters
        ----------
        path : path-like
            A directory that `save` made.
        generator : callable, default=None
            The builder that the model was trained with, where that was your own.

        Returns
        -------
        augmenter : ConditionalGANAugmenter

        Raises
        ------
        SavedModelError
            If there is no model, or it is damaged or of another format version.
        """
        from balancegan.gan.saving import load_model  # imports TensorFlow

        model, parameters = load_model(path, generator)
        parameters["generator"] = generator
        try:
            augmenter = cls(**parameters)
            augmenter._validate_params()
        except (TypeError, ValueError) as error:
            raise SavedModelError(
                f"The parameters of the model in {path} are damaged: {error!r}"
            ) from error
        augmenter._adopt(model, History())
        return augmenter

    def _train(
        self,
        images: np.ndarray,
        labels: Labels,
        checkpoint_dir: str | os.PathLike[str] | None,
    ) -> None:
        """Learn everything that sampling needs from checked arrays."""
        # What can be refused is refused before any training
        planned = plan_training(self, images, labels)
        plan, model = planned.plan, planned.model
        parameters, needs_gan = self.get_params(deep=False), planned.needs_gan
        validated = self.sampling_strategy == VALIDATED
        seed, checkpoints, workers = draw_seed(self.random_state), None, None
        if needs_gan or self.strategy == MULTI_WORKER:
            given = None if self.random_state is None else seed
            folder = checkpoint_dir if needs_gan else None
            workers, checkpoints, seed = gather_workers(self.strategy, folder, given)
        held_out = np.zeros(len(images), dtype=bool)
        if validated:
            from balancegan.downstream.amounts import hold_out  # imports TensorFlow

            if workers is not None:
                workers.check_alone(f"sampling_strategy={VALIDATED!r}")
            held_out = hold_out(planned.class_indices, seed)
        if needs_gan:
            seen = images[~held_out] if held_out.any() else images
            labels_seen = labels.take(~held_out)
            run = prepare_run(parameters, seen, labels_seen, model, seed, workers)
            train(run, parameters, checkpoints, partial(self._adopt, plan=plan))
        else:
            self._adopt(replace(model, seed=seed), History(), plan)
            if self.verbose:
                say_untrained(parameters)
        if validated:  # or interrupted: at most so many would have been added
            self._choose_amounts(images, labels, held_out)
            plan = self._validated_plan(labels.joined(self._balanced_attributes()[0]))
            self.sampling_strategy_ = {label: n for label, n in plan.items() if n}
