"""How many synthetic images of each class help: tried on images held out for it.

The classifier is trained on real images with and without so many synthetic ones, and
asked about real images that neither it nor the generator has seen. What helps beyond
the doubt that so few images leave is chosen; where nothing does, zero.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from balancegan.downstream.classifiers import TrainingRows, train_network
from balancegan.downstream.gains import Gain, mean_of_classes, measure_gain
from balancegan.progress import ProgressDisplay, show_progress

HELD_OUT = 0.1  # of the images of each class, rounded down, but at least one
FEWEST_IMAGES = 4  # of a class that one is held out of
RATIOS = (1.0, 2.0, 5.0, 10.0, np.inf)  # synthetic images per real one
N_SEEDS = 3
FEWEST_SEEDS = 2  # that amounts are chosen by where time is short
N_STEPS = 300  # of the classifier
FINALISTS = 2
SEED_OFFSET = 32_452_843  # these draws are not those of the training

Part = tuple[np.ndarray, np.ndarray]  # images and their class indices


def hold_out(class_indices: np.ndarray, seed: int) -> np.ndarray:
    """Return which images are kept for validation: a tenth of each class.

    Parameters
    ----------
    class_indices : ndarray of shape (n,), int
        Their classes.
    seed : int
        Seed.

    Returns
    -------
    held_out : ndarray of shape (n,), bool
        One of classes of four to nineteen, none of smaller ones.

    Examples
    --------
    >>> held_out = hold_out(np.repeat([0, 1, 2], [25, 4, 3]), seed=0)
    >>> held_out[:25].sum(), held_out[25:29].sum(), held_out[29:].sum()
    (np.int64(2), np.int64(1), np.int64(0))
    """
    held_out = np.zeros(len(class_indices), dtype=bool)
    rng = np.random.default_rng([seed, SEED_OFFSET])
    for index in np.unique(class_indices):
        rows = rng.permutation(np.flatnonzero(class_indices == index))
        if len(rows) >= FEWEST_IMAGES:
            held_out[rows[: max(1, int(HELD_OUT * len(rows)))]] = True
    return held_out


@dataclass(eq=False)
class Candidate:
    """Amounts that are tried.

    Attributes
    ----------
    name : str
        What they are called.
    ratios : ndarray of shape (n_classes,)
        At most so many synthetic images per real one of each class; infinite: as many
        as there are.
    n_looks : int
        In how many ways the images held out were looked at to find it.
    probability : dict of int to ndarray of shape (n_held_out,)
        By seed, what the classifier gave the right class of each image held out.
    right : dict of int to ndarray of shape (n_held_out,), bool
        By seed, for which of them it gave no other class more.
    """

    name: str
    ratios: np.ndarray
    n_looks: int = 1
    probability: dict[int, np.ndarray] = field(default_factory=dict)
    right: dict[int, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class ValidatedAmounts:
    """What was tried, and what was chosen.

    Attributes
    ----------
    ratios : ndarray of shape (n_classes,)
        Synthetic images per real one of each class that were chosen; 0: none.
    tried : DataFrame
        A row for each candidate, the first of which is to add nothing: "candidate",
        "synthetic" (how many images), "runs" of the classifier, "balanced_accuracy" on
        the images held out and "accuracy_gain" on adding nothing; "gain" of the
        probability that the right class is given, the mean over classes, and
        "gain_at_least" (one-sided, 90 %); "chosen".
    sentence : str
        What was chosen, and why.
    """

    ratios: np.ndarray
    tried: pd.DataFrame
    sentence: str


class AmountSearch:
    """Tries amounts on images held out, within a budget of time.

    First every ratio once; then the best two, as often as adding nothing, three times;
    then any other that now looks better than they do; at last the best without the
    classes that it does no good. Where time is short, fewer ratios, the best of them,
    and twice at least. Each run trains the network of
    :func:`balancegan.downstream.classifiers.train_network` for 300 steps.

    Parameters
    ----------
    training, held_out : tuple of ndarray
        Real images and their class indices. The generator has seen the former only.
    synthetic : tuple of ndarray
        Images and class indices, those of each class in the order in which they would
        be taken.
    class_names : sequence of str
        What the classes are called.
    to_model_range : callable
        Turns rows of images into float32 in [-1, 1].
    seed : int
        Seed of the runs.
    max_seconds : float
        No run is begun that would not end in time.
    """

    def __init__(
        self,
        training: Part,
        held_out: Part,
        synthetic: Part,
        class_names: Sequence[str],
        to_model_range: Callable[[np.ndarray], np.ndarray],
        seed: int,
        max_seconds: float,
    ) -> None:
        self.training, self.held_out, self.synthetic = training, held_out, synthetic
        self.class_names, self.to_model_range = list(class_names), to_model_range
        self.seed, self.max_seconds = seed + SEED_OFFSET, max_seconds
        n = len(self.class_names)
        self.counts = np.bincount(training[1], minlength=n)
        self.n_held_out = np.bincount(held_out[1], minlength=n)
        self.n_synthetic = np.bincount(synthetic[1], minlength=n)
        self.longest, self.n_done = 0.0, 0  # seconds of a run, and how many are done

    def search(self, *, show: bool = False) -> ValidatedAmounts:
        """Try amounts and choose some.

        Parameters
        ----------
        show : bool, default=False
            Whether to show progress on stderr.
        """
        self.ends = time.monotonic() + self.max_seconds
        none = Candidate("none", np.zeros(len(self.class_names)))
        candidates = self._first_candidates()
        with show_progress(
            "Trying amounts", unit="runs", visible=show, seconds=self.max_seconds
        ) as bar:
            if candidates:
                self._run([none], [0], bar)
                candidates, n_finalists = self._afford(candidates)
                self._run(candidates, [0], bar)
            tried = [candidate for candidate in candidates if candidate.right]
            if none.right and tried:
                tried.sort(key=lambda one: self.gain(one, none).mean, reverse=True)
                self._run([none, *tried[:n_finalists]], range(N_SEEDS), bar)
                best = self._try_the_best(tried, none, bar)
                spared = self._spared(best, none)
                self._run(spared, range(N_SEEDS), bar)
                candidates += spared
            found = self._conclude(none, [one for one in candidates if one.right])
            bar.say(found.sentence)
        return found

    def gain(
        self, candidate: Candidate, none: Candidate, alike: Sequence[Candidate] = ()
    ) -> Gain:
        """Return what the right class gains in probability.

        The mean over classes. Not whether it is right or wrong: of the ten images held
        out of a rare class that would tell less. Images are paired, and so are seeds.

        Parameters
        ----------
        candidate, none : Candidate
            Amounts, and adding nothing.
        alike : sequence of Candidate
            All that were tried more than once.
        """
        better, *others = (
            _paired(one.probability, none.probability) for one in (candidate, *alike)
        )
        return measure_gain(better, self.held_out[1], others, candidate.n_looks)

    def _first_candidates(self) -> list[Candidate]:
        """Return a candidate for each ratio that makes a difference."""
        candidates: list[Candidate] = []
        amounts = {0}
        for ratio in RATIOS:
            # A class that nothing was held out of would be filled without evidence
            ratios = np.where(self.n_held_out > 0, ratio, 0.0)
            n = int(self._numbers(ratios).sum())
            if n not in amounts:
                name = "all" if np.isinf(ratio) else f"{ratio:g} per real one"
                candidates.append(Candidate(name, ratios))
            amounts.add(n)
        return candidates

    def _afford(self, candidates: list[Candidate]) -> tuple[list[Candidate], int]:
        """Return what time is left to try once, and how many of it more than once."""
        if not self.longest:
            return candidates, FINALISTS
        left = int((self.ends - time.monotonic()) / self.longest)
        again = N_SEEDS - 1
        n_finalists = FINALISTS
        if left < len(candidates) + again * (1 + n_finalists):
            n_finalists = 1
        if left < 1 + again * (1 + n_finalists):
            again = FEWEST_SEEDS - 1
        n = min(max(1, left - again * (1 + n_finalists)), len(candidates))
        places = (np.arange(n) + 0.5) / n * len(candidates)
        return [candidates[int(place)] for place in places], n_finalists

    def _try_the_best(
        self, tried: Sequence[Candidate], none: Candidate, bar: ProgressDisplay
    ) -> Candidate:
        """Return the candidate that is best when it is tried as often as is needed."""
        while True:  # what was best at first may be worse than others now
            best = max(tried, key=lambda one: self.gain(one, none).mean)
            n_done = self.n_done
            self._run([best], range(N_SEEDS), bar)
            if self.n_done == n_done:
                return best

    def _spared(self, best: Candidate, none: Candidate) -> list[Candidate]:
        """Return the best candidate without the classes that it seems to harm, if any.

        So judged by the images that it was found by, each class being harmed or not.
        """
        better = _paired(best.probability, none.probability).mean(axis=0)
        of_class = pd.Series(better).groupby(self.held_out[1]).mean()
        filled = np.flatnonzero(self._numbers(best.ratios) * self.n_held_out).tolist()
        harmed = [c for c in filled if of_class[c] < 0]
        if not harmed or harmed == filled:
            return []
        ratios = best.ratios.copy()
        ratios[harmed] = 0
        names = ", ".join(self.class_names[c] for c in harmed)
        return [Candidate(f"{best.name}, none of {names}", ratios, len(filled))]

    def _numbers(self, ratios: np.ndarray) -> np.ndarray:
        """Return how many images of each class ratios stand for."""
        return count_images(ratios, self.counts, self.n_synthetic)

    def _run(
        self,
        candidates: Sequence[Candidate],
        seeds: Sequence[int],
        bar: ProgressDisplay,
    ) -> None:
        """Train the classifier for each candidate and seed that time is left for."""
        for seed in seeds:
            for candidate in candidates:
                if seed in candidate.right:
                    continue
                started = time.monotonic()
                if started + self.longest > self.ends:
                    return
                seen, truth = self._ask(candidate.ratios, seed), self.held_out[1]
                candidate.probability[seed] = seen[np.arange(len(truth)), truth]
                candidate.right[seed] = seen.argmax(axis=1) == truth
                self.longest = max(self.longest, time.monotonic() - started)
                self.n_done += 1
                bar.update(self.n_done)

    def _ask(self, ratios: np.ndarray, seed: int) -> np.ndarray:
        """Return what a classifier that learns from so many sees in those held out."""
        images, class_indices = self.synthetic
        taken = [
            np.flatnonzero(class_indices == c)[:n]
            for c, n in enumerate(self._numbers(ratios).tolist())
        ]
        rows = np.concatenate(taken)
        training = TrainingRows(
            np.concatenate([self.training[0], images[rows]]),
            np.concatenate([self.training[1], class_indices[rows]]),
            len(self.class_names),
            self.to_model_range,
        )
        return train_network(
            None, training, self.held_out[0], self.seed + seed, n_steps=N_STEPS
        )

    def _conclude(
        self, none: Candidate, candidates: Sequence[Candidate]
    ) -> ValidatedAmounts:
        """Choose what gains most at least, if it gains and is not less often right."""
        enough = [one for one in candidates if len(one.right) >= FEWEST_SEEDS]
        rows, bounds = [], []
        for candidate in [none, *candidates]:
            gain, accuracy_gain = Gain(0.0, 0.0), 0.0
            if candidate is not none:
                alike = enough if candidate in enough else ()
                gain = self.gain(candidate, none, alike)
                better = _paired(candidate.right, none.right)
                accuracy_gain = float(mean_of_classes(better, self.held_out[1]).mean())
            may_be = candidate in enough and accuracy_gain >= 0
            bounds.append(gain.at_least if may_be else -np.inf)
            rows.append(
                {
                    "candidate": candidate.name,
                    "synthetic": int(self._numbers(candidate.ratios).sum()),
                    "runs": len(candidate.right),
                    "balanced_accuracy": self._balanced_accuracy(candidate),
                    "accuracy_gain": accuracy_gain,
                    "gain": gain.mean,
                    "gain_at_least": gain.at_least,
                }
            )
        bounds[0] = 0.0
        best = int(np.argmax(bounds))
        chosen = [none, *candidates][best]
        tried = pd.DataFrame(rows)
        tried["chosen"] = np.arange(len(tried)) == best
        return ValidatedAmounts(chosen.ratios, tried, self._explain(tried, none))

    def _balanced_accuracy(self, candidate: Candidate) -> float:
        if not candidate.right:
            return float("nan")
        right = np.stack(list(candidate.right.values()))
        return float(mean_of_classes(right, self.held_out[1]).mean())

    def _explain(self, tried: pd.DataFrame, none: Candidate) -> str:
        if len(tried) == 1:
            if not len(self.held_out[1]):
                return "No class has images enough to hold some out: none are added."
            return "There was nothing to add, or no time to try it: none are added."
        best = tried[tried["chosen"]].iloc[0]
        is_gain = best["candidate"] != none.name
        if not is_gain:
            best = tried.iloc[1:].sort_values("gain", ascending=False).iloc[0]
        n = len(tried) - 1
        n_tried = (
            f"{n} {'amounts were' if n > 1 else 'amount was'} tried on "
            f"{len(self.held_out[1])} images"
        )
        if best["runs"] < FEWEST_SEEDS:
            return f"{n_tried}, then the time was over: none are added."
        figures = (
            f"{100 * best['gain']:+.1f} points of probability of the right class, at "
            f"least {100 * best['gain_at_least']:+.1f}, balanced accuracy "
            f"{100 * best['accuracy_gain']:+.1f}"
        )
        if is_gain:
            return f"{n_tried}: {best['candidate']} gains ({figures})."
        return (
            f"{n_tried}, and none helps for certain ({best['candidate']}: {figures}): "
            "none are added."
        )


def _paired(of: dict[int, np.ndarray], than: dict[int, np.ndarray]) -> np.ndarray:
    """Return the differences of images by the seeds that both were tried with."""
    seeds = sorted(of.keys() & than.keys())
    return np.stack([of[seed].astype(float) - than[seed] for seed in seeds])


def count_images(
    ratios: np.ndarray, counts: np.ndarray, most: np.ndarray
) -> np.ndarray:
    """Return how many synthetic images ratios stand for, class by class.

    Parameters
    ----------
    ratios : ndarray of shape (n_classes,)
        Synthetic images per real one.
    counts : ndarray of shape (n_classes,), int
        Real images.
    most : ndarray of shape (n_classes,), int
        Synthetic images at most.

    Examples
    --------
    >>> ratios = np.array([0, 2, np.inf])
    >>> count_images(ratios, np.array([9, 4, 3]), np.array([0, 5, 6])).tolist()
    [0, 5, 6]
    """
    wanted = np.where(np.isinf(ratios), most, ratios * counts)
    return np.minimum(wanted, most).astype(int)
