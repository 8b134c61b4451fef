"""Train the conditional GAN of the MNIST tutorials and generate fives and eights.

    python examples/01_tutorial.py mnist.npz            # 30 epochs: over an hour
    python examples/01_tutorial.py mnist.npz --steps 1500

mnist.npz contains x_train and y_train; keras.datasets.mnist.load_data() downloads it.
"""

import argparse

import numpy as np

from balancegan import ConditionalGANAugmenter
from balancegan.pictures import tile_grid, write_png

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("source")
parser.add_argument("--steps", type=int, help="instead of 30 epochs")
parser.add_argument("--out", default="fives-and-eights.png")
options = parser.parse_args()

with np.load(options.source, allow_pickle=False) as file:
    images, digits = file["x_train"], file["y_train"]

# Use the tutorial's networks and settings: a label embedding of width 50 as a further
# channel, binary cross-entropy, Adam at 2e-4. The training loop is compiled.
augmenter = ConditionalGANAugmenter(
    preset="tutorial", steps=options.steps, gan_share=1, random_state=0
)
augmenter.fit(images, digits)
print(f"{augmenter.model_.n_steps} steps in {augmenter.model_.seconds:.0f} s")

# Save the generator, load it, and generate two digits
augmenter.save("mnist-tutorial.balancegan", overwrite=True)
augmenter = ConditionalGANAugmenter.load("mnist-tutorial.balancegan")
fives, eights = augmenter.sample(5, 20), augmenter.sample(8, 20)

# Write a picture: two rows of fives, two rows of eights
rows = [fives[:10], fives[10:], eights[:10], eights[10:]]
write_png(options.out, tile_grid([row[..., None] for row in rows]))
print(f"wrote {options.out}")

# Add generated fives to a data set with few of them
few = np.concatenate([np.flatnonzero(digits != 5), np.flatnonzero(digits == 5)[:50]])
X_bal, y_bal = augmenter.resample({5: 100}, images[few], digits[few])
print(f"fives: 50 real ones, {int(augmenter.is_synthetic_.sum())} added")
