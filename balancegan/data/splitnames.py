"""Which split a folder is by its name: "train", "Test_Set", "1_val", "trainset".

Whether such a folder of a tree is a split, and not a class, is `folderlayout`'s
business.
"""

import re
from collections.abc import Collection, Sequence

from balancegan.data.labelled import SPLIT_NAMES, TEST, TRAIN

SPLIT_WORDS = {
    **SPLIT_NAMES,
    "trn": TRAIN,
    "trainval": TRAIN,
    "tst": TEST,
    "eval": TEST,
    "evaluation": TEST,
    "holdout": TEST,
}
# Other words in the name of a split folder
FILLERS = {
    *("set", "sets", "dataset", "data", "split", "part", "folder", "dir", "files"),
    *("image", "images", "img", "imgs", "photo", "photos", "picture", "pictures"),
    *("sample", "samples", "class", "classes"),
}


def split_of(name: str) -> str | None:
    """Return the split that a folder is by its name, or None.

    Examples
    --------
    >>> [split_of(name) for name in ("Training_Set", "1_test", "seg_train", "trainset")]
    ['train', 'test', None, 'train']
    """
    split, rest = read_name(name)
    return split if FILLERS.issuperset(rest) else None


def find_split_level(paths: Collection[Sequence[str]]) -> int | None:
    """Return which folder of each path is its split: 0 for the first; None for none.

    Where some are of the training part and some of another one, that is the level, even
    if others say no split.

    Examples
    --------
    >>> find_split_level([("set", "train", "cat"), ("set", "test", "cat")])
    1
    >>> find_split_level([("train", "cat"), ("bus", "cat")])
    """
    for level, names in enumerate(zip(*paths, strict=False)):
        found = {split_of(name) for name in set(names)}
        if len(found - {None}) > 1 and (TRAIN in found or None not in found):
            return level
    return None


def read_name(name: str) -> tuple[str | None, tuple[str, ...]]:
    """Return the split that a name has a word of, and its other words.

    Examples
    --------
    >>> read_name("seg_train"), read_name("testSet"), read_name("cat")
    (('train', ('seg',)), ('test', ('set',)), (None, ('cat',)))
    """
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).replace("hold_out", "holdout")
    words = []
    for word in re.findall(r"[^\W\d_]+", spaced):
        begin = next((w for w in _by_length(SPLIT_WORDS) if _is_joined(word, w)), None)
        words += [begin, word.lower()[len(begin) :]] if begin else [word.lower()]
    splits = {SPLIT_WORDS[word] for word in words if word in SPLIT_WORDS}
    rest = tuple(word for word in words if word not in SPLIT_WORDS)
    return (splits.pop() if len(splits) == 1 else None), rest


def _by_length(words: dict[str, str]) -> list[str]:
    return sorted(words, key=len, reverse=True)


def _is_joined(word: str, split: str) -> bool:
    """Return whether a word is one of a split and a filler, such as "trainset"."""
    word = word.lower()
    return word.startswith(split) and word[len(split) :] in FILLERS
