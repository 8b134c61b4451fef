"""Plant faults in a folder of photos, and count what `balancegan.inspect` finds.

    python benchmarks/inspection.py PHOTOS --outliers OTHER --out result.json
    python benchmarks/inspection.py PHOTOS --outliers OTHER --cleanvision python

PHOTOS has a folder for each class. A copy of it gets photos that are dark, bright, of
low contrast, grey, blurred, of odd shape or size, copied in several ways, wrongly
labelled, or of another set (OTHER). Recall: flagged photos of those planted. False
alarms: flagged photos that were left as they were; on a set that has faults of its own
some of these are right. `--cleanvision` names a Python that has cleanvision, which is
then asked about the same files.
"""

import argparse
import json
import platform
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

SUFFIXES = (".jpg", ".jpeg", ".png")
QUALITY = 92
# Which checks may name a photo of a kind; cleanvision's columns
OURS = {
    "dark": ["BG115"],
    "bright": ["BG116"],
    "low contrast": ["BG117"],
    "blurred": ["BG118"],
    "odd aspect ratio": ["BG119"],
    "odd size": ["BG120"],
    "grey": ["BG121"],
    "exact copy": ["BG104"],
    "recompressed": ["BG104", "BG107"],
    "resized": ["BG104", "BG107"],
    "brightened copy": ["BG104", "BG107"],
    "mirrored": ["BG104", "BG107"],
    "cropped": ["BG104", "BG107"],
    "outlier": ["BG122"],
    "wrong label": ["BG123"],
}
THEIRS = {
    "dark": ["dark"],
    "bright": ["light"],
    "low contrast": ["low_information"],
    "blurred": ["blurry"],
    "odd aspect ratio": ["odd_aspect_ratio"],
    "odd size": ["odd_size"],
    "grey": ["grayscale"],
    "exact copy": ["exact_duplicates", "near_duplicates"],
    "recompressed": ["exact_duplicates", "near_duplicates"],
    "resized": ["exact_duplicates", "near_duplicates"],
    "brightened copy": ["exact_duplicates", "near_duplicates"],
    "mirrored": ["exact_duplicates", "near_duplicates"],
    "cropped": ["exact_duplicates", "near_duplicates"],
}
ASK_CLEANVISION = """
import json, sys, time, warnings
warnings.simplefilter("ignore")
from cleanvision import Imagelab
start = time.perf_counter()
lab = Imagelab(data_path=sys.argv[1])
lab.find_issues()
seconds = time.perf_counter() - start
issues = lab.issues
flags = [c for c in issues if c.startswith("is_") and c.endswith("_issue")]
found = {c[3:-6]: [str(i) for i in issues.index[issues[c].astype(bool)]] for c in flags}
json.dump({"seconds": seconds, "found": found}, open(sys.argv[2], "w"))
"""


def darken(image, rng):
    factor = rng.uniform(0.05, 0.25)
    return image.point(lambda v: round(v * factor))


def brighten(image, rng):
    factor = rng.uniform(0.02, 0.08)
    return image.point(lambda v: 255 - round((255 - v) * factor))


def flatten(image, rng):
    mean, factor = np.asarray(image).mean(), rng.uniform(0.05, 0.15)
    return image.point(lambda v: round(mean + (v - mean) * factor))


def blur(image, rng):
    radius = rng.uniform(0.02, 0.05) * min(image.size)
    return image.filter(ImageFilter.GaussianBlur(radius))


def cut_strip(image, rng):
    width, height = image.size
    thin = max(8, round(min(image.size) / rng.uniform(3.5, 6)))
    box = (0, 0, width, thin) if rng.random() < 0.5 else (0, 0, thin, height)
    return image.crop(box)


def change_size(image, rng):
    factor = rng.uniform(0.1, 0.25) if rng.random() < 0.5 else rng.uniform(4, 6)
    return image.resize([max(8, round(side * factor)) for side in image.size])


def make_grey(image, rng):
    grey = image.convert("L")
    return grey if rng.random() < 0.5 else grey.convert("RGB")


def scale(image, rng):
    factor = rng.uniform(0.5, 0.8)
    return image.resize([round(side * factor) for side in image.size])


def lighten_a_little(image, rng):
    factor = rng.choice([0.75, 1.25])
    return ImageEnhance.Brightness(image).enhance(factor)


def mirror(image, _):
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def crop(image, rng):
    width, height = image.size
    share = rng.uniform(0.8, 0.95)
    left, top = (rng.uniform(0, 1 - share) * side for side in image.size)
    return image.crop((left, top, left + share * width, top + share * height))


REPLACED = {
    "dark": darken,
    "bright": brighten,
    "low contrast": flatten,
    "blurred": blur,
    "odd aspect ratio": cut_strip,
    "odd size": change_size,
    "grey": make_grey,
}
COPIED = {
    "recompressed": lambda image, _: image,
    "resized": scale,
    "brightened copy": lighten_a_little,
    "mirrored": mirror,
    "cropped": crop,
}


def list_photos(folder):
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)


def plant(folder, others, n, seed):
    """Plant n faults of each kind in a folder; return the files of each kind."""
    rng = np.random.default_rng(seed)
    photos = list_photos(folder)
    is_grey = Image.open(photos[0]).mode == "L"
    replaced = {k: f for k, f in REPLACED.items() if not (is_grey and k == "grey")}
    order = [photos[k] for k in rng.permutation(len(photos))]
    planted = {kind: [] for kind in OURS if kind in replaced or kind not in REPLACED}
    touched = set()

    def take():
        photo = order.pop()
        touched.add(photo)
        return photo

    def save(image, file, quality=QUALITY):
        image.save(file, quality=quality, format="JPEG")

    for kind, change in replaced.items():
        for _ in range(n):
            photo = take()
            save(change(Image.open(photo), rng), photo)
            planted[kind].append(photo)
    for kind, change in COPIED.items():
        for k in range(n):
            photo = take()
            copy = photo.with_name(f"{kind.replace(' ', '_')}_{k}.jpg")
            quality = int(rng.integers(40, 80)) if kind == "recompressed" else QUALITY
            save(change(Image.open(photo), rng), copy, quality)
            planted[kind].append(copy)
    for k in range(n):
        photo = take()
        copy = photo.with_name(f"exact_copy_{k}{photo.suffix}")
        shutil.copy(photo, copy)
        planted["exact copy"].append(copy)
    classes = sorted({photo.parent for photo in photos})
    for k in range(n):
        photo = take()
        wrong = [c for c in classes if c != photo.parent]
        moved = wrong[rng.integers(len(wrong))] / f"moved_{k}{photo.suffix}"
        photo.rename(moved)
        planted["wrong label"].append(moved)
    strangers = list_photos(others)
    for k, row in enumerate(rng.choice(len(strangers), n, replace=False)):
        home = take().parent
        image = Image.open(strangers[row])
        image = image.convert("L" if is_grey else "RGB")
        file = home / f"stranger_{k}.jpg"
        # Told by what it shows, not by its size
        save(image.resize(Image.open(order[-1]).size), file)
        planted["outlier"].append(file)
    return planted, touched


def ask_ours(folder):
    import balancegan

    start = time.perf_counter()
    inspection = balancegan.inspect(folder)
    seconds = time.perf_counter() - start
    frame = inspection.findings
    found = {
        code: {str(folder / file) for file in frame["file"][frame["code"] == code]}
        for code in inspection.checks["code"]
    }
    not_run = inspection.checks[inspection.checks["outcome"] == "not run"]
    return {"seconds": seconds, "found": found, "not_run": list(not_run["code"])}


def ask_cleanvision(python, folder):
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch, "found.json")
        command = [python, "-c", ASK_CLEANVISION, str(folder), str(out)]
        subprocess.run(command, check=True, capture_output=True)
        return json.loads(out.read_text())


def score(answer, table, planted, originals):
    """Return recall and false alarms of each kind that a tool knows."""
    rows = {}
    for kind, names in table.items():
        if kind not in planted:
            continue
        found = set().union(*(answer["found"].get(name, ()) for name in names))
        hit = [str(file) in found for file in planted[kind]]
        missed = [f.name for f, h in zip(planted[kind], hit, strict=True) if not h]
        rows[kind] = {
            "planted": len(hit),
            "found": sum(hit),
            "recall": sum(hit) / len(hit),
            "false_alarms": len(found & originals),
            "missed": missed,
        }
    return rows


def show(result):
    print(f"{'kind':18}" + "".join(f"{tool:>28}" for tool in result["tools"]))
    for kind in OURS:
        line = f"{kind:18}"
        for tool in result["tools"].values():
            row = tool["kinds"].get(kind)
            text = (
                "-"
                if row is None
                else (f"{row['found']}/{row['planted']}, {row['false_alarms']} false")
            )
            line += f"{text:>28}"
        print(line)
    for name, tool in result["tools"].items():
        print(f"{name}: {tool['seconds']:.1f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--outliers", type=Path, required=True)
    parser.add_argument("--n", type=int, default=10, help="faults of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="a folder for the faulty photos")
    parser.add_argument("--cleanvision", help="a Python that has cleanvision")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(options.keep or scratch, options.photos.name).resolve()
        shutil.copytree(options.photos, folder)
        planted, touched = plant(folder, options.outliers, options.n, options.seed)
        every = {file for files in planted.values() for file in files} | touched
        originals = {str(f) for f in list_photos(folder) if f not in every}
        result = {
            "command": f"--n {options.n} --seed {options.seed}",
            "photos": options.photos.name,
            "outliers": options.outliers.name,
            "n_photos": len(list_photos(folder)),
            "n_left_as_they_were": len(originals),
            "python": platform.python_version(),
            "tools": {},
        }
        answers = {"balancegan": (ask_ours(folder), OURS)}
        if options.cleanvision:
            answers["cleanvision"] = (
                ask_cleanvision(options.cleanvision, folder),
                THEIRS,
            )
        for tool, (answer, table) in answers.items():
            kinds = score(answer, table, planted, originals)
            result["tools"][tool] = {"seconds": answer["seconds"], "kinds": kinds}
    show(result)
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
