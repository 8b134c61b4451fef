"""What the other training photos say of a photo: of which class, how unusual.

Photos are compared by the features of `measures`, in the directions in which training
photos differ most. Half of the votes for a class are those of the most similar photos,
half those of a linear classifier: they err on different photos. Neither has seen the
photo that it votes on.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from balancegan.data.evidence import Evidence
from balancegan.quality.likeness import NTH

# Nearest photos that a label is compared with, and directions that they are sought in
N_NEIGHBOURS, N_DIRECTIONS = 7, 64
# Of the linear classifier: directions, folds, and the inverse of its regularisation
N_LINEAR, N_FOLDS, INVERSE_PENALTY = 256, 5, 0.01
LEAST_RECOGNISED = 0.6  # of the photos, as a mean over classes, or nothing is said
LEAST_SUPPORT = 0.4  # for the photos of a class by their neighbours on average
CLEARLY_ANOTHER = 0.8  # more of the votes than for the own label
LEAST_OF_CLASS = 10


@dataclass(frozen=True, eq=False)
class Neighbours:
    """What the other training photos say of the photos of each part.

    Attributes
    ----------
    classes : list
        The labels of the training part.
    votes : list of ndarray of shape (n, n_classes)
        Of the seven nearest others, weighted by their nearness, and of a linear
        classifier trained on others; each row adds up to 1.
    strangeness : list of ndarray of shape (n,)
        How far the tenth-nearest photo of the own class is (of small classes, half of
        the class away), in interquartile ranges of the training part beyond the upper
        quartile; NaN for classes of less than ten photos.
    """

    classes: list
    votes: list[np.ndarray]
    strangeness: list[np.ndarray]


@dataclass(frozen=True, eq=False)
class Doubt:
    """Which labels of a part the other training photos contradict.

    Attributes
    ----------
    recognised : float
        Share of the photos whose own class gets most votes, as a mean over classes;
        NaN without any.
    unclear : list of int
        Positions of classes that are too small, or get too few votes.
    flags : ndarray of shape (n,), bool
        Whose label is doubted.
    likelier : ndarray of shape (n,), int
        Position of the other class with most votes.
    """

    recognised: float
    unclear: list[int]
    flags: np.ndarray
    likelier: np.ndarray


def doubt_labels(labels: list, votes: np.ndarray, classes: list) -> Doubt:
    """Return whose label the votes for `classes` contradict."""
    index_of = {label: k for k, label in enumerate(classes)}
    given = np.array([index_of.get(label, -1) for label in labels])
    others, rows = votes.copy(), np.arange(len(given))
    own = np.where(given < 0, 1.0, votes[rows, given])
    others[rows, given] = -1
    rivals, likelier = others.max(axis=1), others.argmax(axis=1)
    shares, unclear = [], []
    for k in range(len(classes)):
        of_class = given == k
        if of_class.any():
            shares.append((own > rivals)[of_class].mean())
            support = own[of_class].mean()
            if support < LEAST_SUPPORT or of_class.sum() < LEAST_OF_CLASS:
                unclear.append(k)
    recognised = float(np.mean(shares)) if shares else np.nan
    flags = (rivals - own > CLEARLY_ANOTHER) & ~np.isin(given, [-1, *unclear])
    return Doubt(
        recognised, unclear, flags & (recognised >= LEAST_RECOGNISED), likelier
    )


@threadpool_limits.wrap(limits=1)
def find_neighbours(evidence: Evidence) -> Neighbours:
    """Compare photos by colours and shapes with the training photos.

    On one thread: the matrices are small, and threads wait for each other for minutes
    where other programs use the cores.
    """
    train = evidence.train
    features = [measures.features for measures in evidence.measures]
    known = train.sound
    scaler = StandardScaler().fit(features[0][known])
    n_directions = min(N_LINEAR, len(known) - 1)
    reducer = PCA(n_directions, svd_solver="randomized", random_state=evidence.seed)
    reducer.fit(scaler.transform(features[0][known]))
    turned = [
        reducer.transform(scaler.transform(values)).astype(np.float32)
        for values in features
    ]
    places = [values[:, :N_DIRECTIONS] for values in turned]
    classes = sorted(set(train.labels), key=str)
    index_of = {label: k for k, label in enumerate(classes)}
    labels = np.array([index_of[label] for label in train.labels])[known]
    votes = [
        (_vote(places[0][known], labels, len(classes), place, own) + linear) / 2
        for place, own, linear in zip(
            places,
            (known, None),
            _classify(turned, known, labels, len(classes), evidence.seed),
            strict=False,
        )
    ]
    own_index = [
        np.array([index_of.get(label, -1) for label in part.labels])
        for part in evidence.parts
    ]
    distances = [np.full(len(place), np.nan) for place in places]
    for k in range(len(classes)):
        of_class = known[labels == k]
        if len(of_class) < LEAST_OF_CLASS:
            continue
        nth = min(NTH, len(of_class) // 2)
        search = NearestNeighbors(n_neighbors=nth + 1).fit(places[0][of_class])
        usual = np.median(search.kneighbors(places[0][of_class])[0][:, nth])
        for number, (place, own) in enumerate(zip(places, own_index, strict=True)):
            rows = np.flatnonzero(own == k)
            if len(rows):
                column = nth - (number > 0)  # the first is a training photo itself
                far = search.kneighbors(place[rows])[0][:, column]
                distances[number][rows] = far / max(usual, 1e-9)
    logs = [np.log(np.maximum(values, 1e-9)) for values in distances]
    known_logs = logs[0][np.isfinite(logs[0])]
    low, high = np.percentile(known_logs, [25, 75]) if len(known_logs) else (0, 0)
    strangeness = [(values - high) / max(high - low, 1e-3) for values in logs]
    return Neighbours(classes, votes, strangeness)


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
        is_own = own_rows[found] == np.arange(len(places))[:, None]
        # The photo itself goes last and is cut off, or else the farthest is
        order = np.argsort(is_own, axis=1, kind="stable")
        found, distances = (
            np.take_along_axis(values, order, axis=1)[:, :-1]
            for values in (found, distances)
        )
    # A copy does not outvote all others
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
    """Return the probabilities of classes by linear classifiers, for each part.

    Those of training photos come from classifiers that were trained on other folds.
    """
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
