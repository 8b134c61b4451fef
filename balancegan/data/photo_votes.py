"""What the other training photos say of a photo: its likely class, how unusual it is.

Photos are compared by the features of `photo_measures`, in the directions in which
training photos differ most. Half of the votes for a class come from the most similar
photos, half from a linear classifier: they err on different photos. Neither has seen
the photo that it votes on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from balancegan.quality.likeness import NTH

N_NEIGHBOURS, N_DIRECTIONS = 7, 64  # photos that vote, and where they are sought
N_LINEAR, N_FOLDS, INVERSE_PENALTY = 256, 5, 0.01  # of the linear classifier
LEAST_RECOGNISED = 0.6  # of the photos, mean over classes; with fewer nothing is said
LEAST_SUPPORT = 0.4  # mean share of the votes that the photos of a class need
CLEARLY_ANOTHER = 0.8  # lead in votes of another class over the label
LEAST_OF_CLASS = 10


@dataclass(frozen=True, eq=False)
class PhotoVotes:
    """Comparison of the photos of each part with the training photos."""

    classes: list  # labels of the training part
    votes: list[np.ndarray]  # (n, n_classes); each row sums to 1
    # (n,), distance to the tenth-nearest photo of the class (the median one of small
    # classes) in interquartile ranges beyond the upper quartile; NaN of few photos
    strangeness: list[np.ndarray]


@dataclass(frozen=True, eq=False)
class LabelDoubts:
    """Labels of a part that the other training photos contradict."""

    recognised: float  # share whose class gets most votes, mean over classes, or NaN
    unclear: list[int]  # positions of classes that are small, or get too few votes
    flags: np.ndarray  # (n,), bool: doubted labels
    likelier: np.ndarray  # (n,): position of the other class with most votes


def doubt_labels(labels: list, votes: np.ndarray, classes: list) -> LabelDoubts:
    """Return which labels the votes for `classes` contradict."""
    given = _number_labels(labels, classes)
    others, rows = votes.copy(), np.arange(len(given))
    own = np.where(given < 0, 1.0, votes[rows, given])
    others[rows, given] = -1
    most, likelier = others.max(axis=1), others.argmax(axis=1)
    shares, unclear = [], []
    for k in range(len(classes)):
        of_class = given == k
        if of_class.any():
            shares.append((own > most)[of_class].mean())
            support = own[of_class].mean()
            if support < LEAST_SUPPORT or of_class.sum() < LEAST_OF_CLASS:
                unclear.append(k)
    recognised = float(np.mean(shares)) if shares else np.nan
    flags = (most - own > CLEARLY_ANOTHER) & ~np.isin(given, [-1, *unclear])
    return LabelDoubts(
        recognised, unclear, flags & (recognised >= LEAST_RECOGNISED), likelier
    )


@threadpool_limits.wrap(limits=1)  # small matrices: more threads wait for each other
def compare_photos(
    features: Sequence[np.ndarray],
    labels: Sequence[list[Any]],
    known: np.ndarray,
    seed: int,
) -> PhotoVotes:
    """Compare photos by colours and shapes with the training photos.

    `features` and `labels` are those of each part, the training part first; `known` are
    the training rows to compare with.
    """
    # Scale the features, and turn them into principal components
    scaler = StandardScaler().fit(features[0][known])
    n_directions = min(N_LINEAR, len(known) - 1)
    reducer = PCA(n_directions, svd_solver="randomized", random_state=seed)
    reducer.fit(scaler.transform(features[0][known]))
    turned = [
        reducer.transform(scaler.transform(values)).astype(np.float32)
        for values in features
    ]
    places = [values[:, :N_DIRECTIONS] for values in turned]

    # Average the votes of neighbours and of a linear classifier
    classes = sorted(set(labels[0]), key=str)
    class_indices = [_number_labels(own, classes) for own in labels]
    known_classes = class_indices[0][known]
    linear = _classify(turned, known, known_classes, len(classes), seed)
    votes = [
        (_vote(places[0][known], known_classes, len(classes), place, own) + answers) / 2
        for place, own, answers in zip(places, (known, None), linear, strict=False)
    ]
    strangeness = _measure_strangeness(places, class_indices, known, len(classes))
    return PhotoVotes(classes, votes, strangeness)


def _number_labels(labels: list, classes: list) -> np.ndarray:
    """Return the position of each label among the classes; -1 of other labels."""
    index_of = {label: k for k, label in enumerate(classes)}
    return np.array([index_of.get(label, -1) for label in labels])


def _vote(
    known: np.ndarray,
    labels: np.ndarray,
    n_classes: int,
    places: np.ndarray,
    own_rows: np.ndarray | None,
) -> np.ndarray:
    """Return the votes of the seven nearest known photos, never of the photo itself."""
    search = NearestNeighbors(n_neighbors=N_NEIGHBOURS + 1).fit(known)
    distances, found = search.kneighbors(places)
    if own_rows is None:
        distances, found = distances[:, :-1], found[:, :-1]
    else:
        # Move the photo itself to the end, and cut it off
        is_own = own_rows[found] == np.arange(len(places))[:, None]
        order = np.argsort(is_own, axis=1, kind="stable")
        found, distances = (
            np.take_along_axis(values, order, axis=1)[:, :-1]
            for values in (found, distances)
        )
    # The offset keeps a copy from outvoting all others
    weights = 1 / (distances + 0.1 * np.median(distances) + 1e-9)
    votes = np.zeros((len(places), n_classes))
    np.add.at(votes, (np.arange(len(places))[:, None], labels[found]), weights)
    return votes / votes.sum(axis=1, keepdims=True)


def _classify(
    places: list[np.ndarray],
    known: np.ndarray,
    labels: np.ndarray,
    n_classes: int,
    seed: int,
) -> list[np.ndarray]:
    """Return class probabilities by linear classifiers, cross-fitted for training."""
    # Deal the photos of each class to the folds in turn
    order = np.random.default_rng(seed).permutation(len(known))
    order = order[np.argsort(labels[order], kind="stable")]
    folds = np.zeros(len(places[0]), dtype=int)
    folds[known[order]] = np.arange(len(known)) % N_FOLDS

    answers = [np.zeros((len(values), n_classes)) for values in places]
    for fold in range(N_FOLDS):
        used, asked = folds[known] != fold, np.flatnonzero(folds == fold)
        answers[0][asked] = _train_linear(
            places[0][known[used]], labels[used], n_classes, places[0][asked]
        )
    for number, values in enumerate(places[1:], 1):
        answers[number] = _train_linear(places[0][known], labels, n_classes, values)
    return answers


def _train_linear(
    places: np.ndarray, labels: np.ndarray, n_classes: int, asked: np.ndarray
) -> np.ndarray:
    shown = np.unique(labels)
    answers = np.zeros((len(asked), n_classes))
    if len(shown) == 1 or not len(asked):
        answers[:, shown] = 1
        return answers
    model = LogisticRegression(C=INVERSE_PENALTY, max_iter=300).fit(places, labels)
    answers[:, shown] = model.predict_proba(asked)
    return answers


def _measure_strangeness(
    places: list[np.ndarray],
    class_indices: list[np.ndarray],
    known: np.ndarray,
    n_classes: int,
) -> list[np.ndarray]:
    """Return how unusual each photo is in its class, see `PhotoVotes`."""
    distances = [np.full(len(place), np.nan) for place in places]
    for k in range(n_classes):
        of_class = known[class_indices[0][known] == k]
        if len(of_class) < LEAST_OF_CLASS:
            continue
        nth = min(NTH, len(of_class) // 2)
        search = NearestNeighbors(n_neighbors=nth + 1).fit(places[0][of_class])
        usual = np.median(search.kneighbors(places[0][of_class])[0][:, nth])
        for number, (place, own) in enumerate(zip(places, class_indices, strict=True)):
            rows = np.flatnonzero(own == k)
            if len(rows):
                column = nth - (number > 0)  # a training photo finds itself first
                far = search.kneighbors(place[rows])[0][:, column]
                distances[number][rows] = far / max(usual, 1e-9)
    logs = [np.log(np.maximum(values, 1e-9)) for values in distances]
    known_logs = logs[0][np.isfinite(logs[0])]
    low, high = np.percentile(known_logs, [25, 75]) if len(known_logs) else (0, 0)
    return [(values - high) / max(high - low, 1e-3) for values in logs]
