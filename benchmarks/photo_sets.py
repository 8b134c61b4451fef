"""Photo sets, split into a training folder and held-out files, and their network.

The folder of the data has wbc_folder, magnetic_tile, corn_messy, potato and asl36. The
splits follow from the number of the draw: wbc is cut into four folds (Basophil, with
three files, stays in training and out of all figures); potato and asl36 are thinned to
a long tail; of magnetic_tile and corn a draw changes nothing. Their test parts are
their own: other tiles, another hand.
"""

import functools
import os
import shutil
from concurrent.futures import ThreadPoolExecutor

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from PIL import Image, ImageOps

FOLDERS = {
    "wbc": "wbc_folder",
    "magnetic_tile": "magnetic_tile",
    "corn": "corn_messy",
    "potato": "potato",
    "asl36": "asl36",
}
LEAST = {"potato": 20, "asl36": 4}  # files of the rarest class of a thinned set
N_FOLDS = 4
N_STEPS = {"wbc": 400, "corn": 400, "potato": 400, "magnetic_tile": 600, "asl36": 600}
BLURS = (32, 64)  # pixels to which held-out images are reduced
SUFFIXES = {".jpg", ".jpeg", ".png", ".mpo"}
IMAGE_SIZE = 112
BATCH_SIZE = 32
LAYERS = ((32, 5, 4), (64, 3, 2), (128, 3, 2), (128, 3, 2))  # filters, width, stride


def split(data, name, draw):
    """Return {class: files} of the training part and of the held-out part."""
    folder = data / FOLDERS[name]
    if name == "wbc":
        return split_folds(files_by_class(folder), draw)
    train, test = (files_by_class(folder / part) for part in ("train", "test"))
    if name in LEAST:
        train = thin(train, LEAST[name], draw)
    return train, test


def files_by_class(folder):
    return {
        entry.name: sorted(f for f in entry.iterdir() if f.suffix.lower() in SUFFIXES)
        for entry in sorted(folder.iterdir())
        if entry.is_dir()
    }


def split_folds(files, draw):
    """Hold out one fold of each class; a class too small for folds is all training."""
    train, test = {}, {}
    for name, own in files.items():
        order = np.random.default_rng(0).permutation(len(own))
        held_out = {int(i) for i in order[draw % N_FOLDS :: N_FOLDS]}
        if len(own) < 2 * N_FOLDS:
            held_out = set()
        train[name] = [f for i, f in enumerate(own) if i not in held_out]
        test[name] = [own[i] for i in sorted(held_out)]
    return train, test


def thin(files, least, draw):
    """Keep a long tail: all files of a random class, `least` files of another."""
    rng = np.random.default_rng(draw)
    order = rng.permutation(len(files)).tolist()
    kept = {}
    for number, (name, own) in enumerate(files.items()):
        rank = order.index(number) / (len(files) - 1)
        n = round(len(own) * (least / len(own)) ** rank)
        kept[name] = [own[i] for i in sorted(rng.permutation(len(own))[:n])]
    return kept


def hold_out(files):
    """Split a training part in training and validation; photos of a tile together."""
    train, test = {}, {}
    for name, own in files.items():
        groups = sorted({group(file) for file in own})
        chosen = np.random.default_rng(0).permutation(len(groups))[: len(groups) // 4]
        held_out = {groups[i] for i in chosen}
        train[name] = [f for f in own if group(f) not in held_out]
        test[name] = [f for f in own if group(f) in held_out]
    return train, test


def group(file):
    return file.stem.rpartition("_num_")[2]


def write_folder(files, folder):
    """Copy the files into a folder for each class, to be balanced."""
    if folder.exists():
        return folder
    unfinished = folder.with_name(folder.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    for name, own in files.items():
        (unfinished / name).mkdir(parents=True)
        for file in own:
            shutil.copyfile(file, unfinished / name / file.name)
    unfinished.rename(folder)
    return folder


def repeat_files(files):
    """Repeat the files of each class up to the largest class."""
    largest = max(map(len, files.values()))
    return {
        name: [own[i % len(own)] for i in range(largest)] for name, own in files.items()
    }


def read_photo(file, size=IMAGE_SIZE):
    """Return a photo as (size, size, 3) uint8, as an ordinary loader would."""
    with Image.open(file) as image:
        image.draft("RGB", (2 * size, 2 * size))
        upright = ImageOps.exif_transpose(image).convert("RGB")
    return np.asarray(upright.resize((size, size), Image.Resampling.BICUBIC))


def read_photos(files, size=IMAGE_SIZE):
    """Return images and class numbers of {class: files}; each file is read once."""
    paths = sorted({file for own in files.values() for file in own})
    with ThreadPoolExecutor(2) as pool:
        photos = dict(
            zip(paths, pool.map(lambda f: read_photo(f, size), paths), strict=True)
        )
    images = np.stack([photos[file] for own in files.values() for file in own])
    return images, np.repeat(
        np.arange(len(files)), [len(own) for own in files.values()]
    )


def blur(images, size):
    """Return the images reduced to a size and brought back, both bicubic."""
    full = images.shape[2:0:-1]
    return np.stack(
        [
            np.asarray(
                Image.fromarray(image)
                .resize((size, size), Image.Resampling.BICUBIC)
                .resize(full, Image.Resampling.BICUBIC)
            )
            for image in images
        ]
    )


def train_network(images, y, n_classes, seed, n_steps, augment=False, build=None):
    """Return a network that learned from the rows; `build` makes it.

    With the same seed and number of steps the initial weights, the schedule and the
    shifts and mirrorings of `augment` are the same whatever the rows are. The network
    is the same object for all trainings of a set: use it before the next one.
    """
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(seed)
    build = build or build_network
    network = compiled_network(build, n_classes, n_steps)
    network.set_weights(build(n_classes).get_weights())
    for variable in network.optimizer.variables:
        variable.assign(tf.zeros_like(variable))

    # Rows in an order of their own for each pass
    rng = np.random.default_rng(seed)
    n_passes = -(-n_steps * BATCH_SIZE // len(y))
    rows = np.concatenate([rng.permutation(len(y)) for _ in range(n_passes)])
    rows = rows[: n_steps * BATCH_SIZE].reshape(n_steps, BATCH_SIZE)
    change = shift_and_mirror if augment else lambda batch, _rng: batch
    batches = tf.data.Dataset.from_generator(
        lambda: ((change(images[batch], rng), y[batch]) for batch in rows),
        output_signature=(
            tf.TensorSpec((BATCH_SIZE, *images.shape[1:]), tf.uint8),
            tf.TensorSpec((BATCH_SIZE,), tf.int64),
        ),
    ).prefetch(4)
    history = network.fit(
        batches, steps_per_epoch=n_steps // 10, epochs=10, verbose=0, shuffle=False
    )
    network.loss_by_tenth = history.history["loss"]
    return network


def shift_and_mirror(images, rng):
    """Shift by a fourteenth of the side at most, edges repeated; mirror half."""
    reach = IMAGE_SIZE // 14
    padded = np.pad(images, ((0, 0), (reach, reach), (reach, reach), (0, 0)), "edge")
    tops, lefts = rng.integers(0, 2 * reach + 1, (2, len(images)))
    changed = [
        image[top : top + IMAGE_SIZE, left : left + IMAGE_SIZE][:, ::direction]
        for image, top, left, direction in zip(
            padded, tops, lefts, rng.choice([-1, 1], len(images)), strict=True
        )
    ]
    return np.stack(changed)


@functools.cache
def compiled_network(build, n_classes, n_steps):
    import keras

    network = build(n_classes)
    schedule = keras.optimizers.schedules.CosineDecay(2e-3, n_steps)
    network.compile(
        keras.optimizers.AdamW(schedule, weight_decay=1e-2),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    network.optimizer.build(network.trainable_variables)
    return network


def build_network(n_classes):
    import keras

    layers = [keras.Input((IMAGE_SIZE, IMAGE_SIZE, 3)), keras.layers.Rescaling(1 / 255)]
    for filters, width, stride in LAYERS:
        layers += [
            keras.layers.Conv2D(filters, width, stride, padding="same", use_bias=False),
            keras.layers.BatchNormalization(momentum=0.9),
            keras.layers.ReLU(),
        ]
    layers += [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(n_classes)]
    return keras.Sequential(layers)


def recall_by_class(network, images, y, n_classes):
    """Return the recall of each class, NaN of those without images."""
    predicted = network.predict(images, batch_size=256, verbose=0).argmax(axis=1)
    return np.array(
        [
            (predicted[y == c] == c).mean() if (y == c).any() else np.nan
            for c in range(n_classes)
        ]
    )


def look(network, x, y, counts):
    """Return the recall of each class, of sharp and blurred images, and means of it.

    Frequent classes have at least half of the training files of the largest.
    """
    n_classes, frequent = len(counts), np.asarray(counts) >= max(counts) / 2
    recall = {"sharp": recall_by_class(network, x, y, n_classes)}
    for size in BLURS:
        blurred = blur(x, size)
        recall[f"{size} px"] = recall_by_class(network, blurred, y, n_classes)
    return {
        "balanced_accuracy": round(float(np.nanmean(recall["sharp"])), 4),
        "frequent": {
            name: round(float(values[frequent].mean()), 4)
            for name, values in recall.items()
        },
        "recall": {
            name: [None if value != value else round(value, 4) for value in values]
            for name, values in recall.items()
        },
    }
