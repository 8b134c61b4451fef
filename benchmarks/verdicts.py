"""How often verdicts are wrong where nothing differs, and how often an effect is found.

    python benchmarks/verdicts.py

Simulated runs, judged by the comparison's own `paired_difference`. Folds: differences
vary between folds (correlated, as overlapping training parts make them) and between
seeds; "seeds as pairs" is what averaging the seeds of a fold prevents. Classes: recalls
of two methods and five baselines that do not differ. One test part: two methods that
are equally good, each better on images of its own. Writes results/verdicts.json.
"""

import itertools
import json
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed

from balancegan.evaluation.verdicts import join_verdicts, paired_difference

RESULT = Path(__file__).parent / "results" / "verdicts.json"
N_FOLDS_RUNS, N_OTHERS = 5_000, 1_000
FOLDS = ((5, 1), (5, 3), (5, 10), (3, 3), (10, 2))
RATIOS = (0.3, 1, 3)  # standard deviation between folds over that between seeds
N_BASELINES = 5


def judge_folds(n_folds, n_seeds, ratio, correlation, effect):
    """Return shares of verdicts; the effect is in deviations of a fold's mean."""
    rng = np.random.default_rng([n_folds, n_seeds])
    shape = (N_FOLDS_RUNS, n_folds, 1)
    shared = rng.normal(size=(N_FOLDS_RUNS, 1, 1)) * np.sqrt(correlation)
    of_folds = shared + rng.normal(size=shape) * np.sqrt(1 - correlation)
    of_seeds = rng.normal(size=(N_FOLDS_RUNS, n_folds, n_seeds))
    spread = np.sqrt(ratio**2 + 1 / n_seeds)
    runs = 0.5 + 0.01 * (ratio * of_folds + of_seeds + effect * spread)
    runs = runs.reshape(N_FOLDS_RUNS, -1)
    others = np.full(runs.shape[1], 0.5)
    averaged = np.repeat(np.arange(n_folds), n_seeds)
    shares = {}
    for name, splits in (("folds", averaged), ("seeds as pairs", None)):
        verdicts = [
            paired_difference(
                values, others, splits=splits, test_share=1 / (n_folds - 1)
            ).verdict
            for values in runs
        ]
        shares[name] = {v: verdicts.count(v) / len(verdicts) for v in set(verdicts)}
    setting = {"folds": n_folds, "seeds": n_seeds, "ratio": ratio}
    setting |= {"correlation": correlation, "effect": effect}
    return {**setting, "verdicts": shares}


def judge_classes(n_classes, n_seeds, n_chosen_from):
    """Return how often any class has a verdict where no method differs."""
    rng = np.random.default_rng([n_classes, n_seeds])
    wrong = 0
    for _ in range(N_OTHERS):
        recalls = 0.8 + 0.01 * rng.normal(size=(N_BASELINES + 1, n_seeds, n_classes))
        best = int(recalls[:-1].mean(axis=(1, 2)).argmax())
        wrong += any(
            join_verdicts(
                paired_difference(
                    recalls[-1, :, k],
                    recalls[0, :, k],
                    n_verdicts=n_classes,
                    resolution=0.001,
                ),
                paired_difference(
                    recalls[-1, :, k],
                    recalls[best, :, k],
                    n_verdicts=n_classes,
                    n_chosen_from=n_chosen_from,
                    resolution=0.001,
                ),
            )
            in ("helps", "harms")
            for k in range(n_classes)
        )
    setting = {"classes": n_classes, "seeds": n_seeds, "chosen_from": n_chosen_from}
    return {**setting, "wrong": wrong / N_OTHERS}


def judge_one_test_part(n_images, n_seeds, spread):
    """Return how often the interval leaves out 0; the spread is in logits."""
    rng = np.random.default_rng([n_images, n_seeds])
    outside = 0
    for _ in range(N_OTHERS // 2):
        easy = rng.normal(2, 2, size=n_images)
        logits = easy + spread * rng.normal(size=(2, n_images))
        right = rng.random((2, n_seeds, n_images)) < 1 / (1 + np.exp(-logits))[:, None]
        verdict = paired_difference(*right.mean(-1), resolution=1 / n_images).verdict
        outside += verdict != "no evidence"
    setting = {"test_images": n_images, "seeds": n_seeds, "spread": spread}
    return {**setting, "leaves_out_0": outside / (N_OTHERS // 2)}


def main():
    """Simulate all settings and write the result."""
    folds = [
        (*counts, ratio, correlation, 0)
        for counts, ratio in itertools.product(FOLDS, RATIOS)
        for correlation in (0, 1 / counts[0])
    ]
    effects = [
        (*counts, ratio, 1 / counts[0], effect)
        for counts, ratio, effect in itertools.product(FOLDS, (0.3, 3), (2, 3))
    ]
    run = Parallel(n_jobs=2)
    result = {
        "comparisons": {"folds": N_FOLDS_RUNS, "others": N_OTHERS},
        "folds": run(delayed(judge_folds)(*each) for each in folds + effects),
        "classes": run(
            delayed(judge_classes)(*each)
            for each in itertools.product((2, 3, 10), (3, 10), (1, N_BASELINES))
        ),
        "one_test_part": run(
            delayed(judge_one_test_part)(*each)
            for each in itertools.product((200, 1_000, 10_000), (3, 10), (0.5, 1.0))
        ),
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
