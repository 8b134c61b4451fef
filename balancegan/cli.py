"""The command line: translates options, calls the library, prints, exits.

People read stderr; stdout holds one JSON object with --json and nothing else. Exit
codes: 0 done, 1 the work failed, 2 wrong usage or bad input, 3 done and found worse
where that shall fail, 130 interrupted. Heavy modules are imported in the commands, so
that --help is quick.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from balancegan.edge import (
    PATH,
    CommandGroup,
    InputRefused,
    check_new_file,
    check_parent,
    read_data,
    start_tensorflow,
)
from balancegan.evaluate_command import (
    compare_arms,
    evaluate,
    exit_if_worse,
    refuse_report,
)
from balancegan.options import (
    COMPARISON_PARAMETERS,
    TRAINING_PARAMETERS,
    comparison_options,
    data_options,
    output_options,
    overwrite_option,
    target_options,
    training_options,
)

if TYPE_CHECKING:
    from balancegan.balance import Plan
    from balancegan.datasets import LabelledImages

# Arguments of the augmenter that the comparison sets itself
UNCOMPARED = ("random_state", "log_dir", "tensorboard")


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="balancegan")
def main() -> None:
    """Balance labelled image sets with a conditional GAN.

    \b
    balancegan inspect data.npz
    balancegan balance data.npz --out balanced.npz
    """  # noqa: D301


main.add_command(evaluate)


@main.command()
@click.argument("data", type=PATH)
@data_options
@output_options
def inspect(data: Path, as_json: bool, quiet: bool, **options: Any) -> None:
    """Show the class counts of DATA, and what to look into."""
    from balancegan.display import Display, describe_format
    from balancegan.inspection import inspect_images

    value_range = options.pop("value_range")
    labelled, image_format = read_data(data, value_range, **options)
    inspection = inspect_images(
        labelled.images, labelled.labels, image_format, labelled.name
    )
    Display(quiet=quiet).show_inspection(inspection, labelled.name)
    if as_json:
        facts = {
            "data": str(data),
            "images": describe_format(image_format),
            "imbalance_ratio": inspection.imbalance_ratio,
            "classes": [
                {"label": label, "name": labelled.name(label), "images": n}
                for label, n in inspection.counts.items()
            ],
            "warnings": inspection.warnings,
        }
        click.echo(json.dumps(facts))


@main.command()
@click.argument("data", type=PATH)
@click.option("--out", type=PATH, help="The .npz file to write.")
@target_options
@click.option(
    "--model",
    type=PATH,
    help="Use a saved model instead of training.",
)
@click.option(
    "--picture",
    type=PATH,
    help="Also write a PNG with real beside synthetic images.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Say what would be made, how long it would take and how much memory.",
)
@click.option(
    "--evaluate",
    "evaluated",
    is_flag=True,
    help="Then find out whether it helps, as the command evaluate does.",
)
@comparison_options
@data_options
@training_options
@overwrite_option
@output_options
def balance(
    data: Path,
    out: Path | None,
    targets: tuple[str, ...],
    max_ratio: float | None,
    model: Path | None,
    picture: Path | None,
    dry_run: bool,
    evaluated: bool,
    images_key: str | None,
    labels_key: str | None,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Write a balanced copy of DATA, with synthetic images in its training part."""
    from balancegan.balance import class_counts, parse_strategy, plan_synthesis
    from balancegan.datasets import check_output
    from balancegan.display import Display, describe_format

    # What can be refused is refused before any training
    comparison = {name: options.pop(name) for name in COMPARISON_PARAMETERS}
    fail_if_worse = comparison.pop("fail_if_worse")
    comparison |= {"dry_run": dry_run, "quiet": quiet}
    _refuse_idle_options(with_model=model is not None, evaluated=evaluated)
    refuse_report(comparison["report"], overwrite=overwrite)
    if out is not None:
        check_output(out, data, overwrite=overwrite)
    elif not dry_run:
        raise click.UsageError("Missing option '--out' (or '--dry-run').")
    if picture is not None:
        check_parent(picture)
    labelled, image_format = read_data(
        data, options["value_range"], images_key, labels_key
    )
    strategy = parse_strategy(targets, labelled.find_label)
    plan = plan_synthesis(labelled.labels, strategy, max_ratio)
    display = Display(quiet=quiet)
    display.show_plan(class_counts(labelled.labels), plan, labelled.name)

    settings = {**options, "sampling_strategy": strategy, "max_ratio": max_ratio}
    start_tensorflow()
    from balancegan.jobs import balance_file, estimate_file

    if out is None or dry_run:
        facts = estimate_file(labelled, plan, {**settings, "verbose": 0}, model)
        display.say_estimate(facts, sum(plan.values()))
    else:
        facts = balance_file(
            labelled,
            strategy,
            plan,
            {**settings, "verbose": int(not quiet)},
            model=model,
            out=out,
            picture=picture,
        )
        display.say_cost(out, facts, labelled.aligned_keys)
    result = None
    if evaluated:
        recipe = {k: v for k, v in settings.items() if k not in UNCOMPARED}
        result = compare_arms(labelled, None, recipe, **comparison)
    if as_json:
        report = {
            "data": str(data),
            "out": None if out is None else str(out),
            "dry_run": dry_run,
            "images": describe_format(image_format),
            "classes": _describe_plan(labelled, plan),
            "arrays_not_extended": labelled.aligned_keys,
            **facts,
        }
        if result is not None:
            report["evaluation"] = json.loads(result.to_json())
        click.echo(json.dumps(report))
    exit_if_worse(result, fail_if_worse)


@main.command()
@click.argument("data", type=PATH)
@click.option(
    "--model",
    type=PATH,
    required=True,
    help="The directory to save the model in.",
)
@data_options
@training_options
@overwrite_option
@output_options
def train(
    data: Path,
    model: Path,
    images_key: str | None,
    labels_key: str | None,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Train on DATA and save the model, for balance and generate."""
    from balancegan.display import Display

    labelled, _ = read_data(data, options["value_range"], images_key, labels_key)
    start_tensorflow()
    from balancegan.jobs import train_file
    from balancegan.persistence import check_destination

    check_destination(model, overwrite=overwrite)
    settings = {**options, "verbose": int(not quiet)}
    facts = train_file(labelled, settings, model, overwrite=overwrite)
    Display(quiet=quiet).say(
        f"{model}: {facts['steps']} steps in {facts['training_seconds']:.0f} s, of "
        f"which the state of step {facts['kept_step']} is kept, seed {facts['seed']}"
    )
    if as_json:
        click.echo(json.dumps({"data": str(data), "model": str(model), **facts}))
    if facts["interrupted"]:
        click.echo(f"Interrupted: {model} holds the best state so far.", err=True)
        click.get_current_context().exit(130)


@main.command()
@click.argument("model", type=PATH)
@click.option("--class", "class_name", required=True, help="The class to make.")
@click.option("--n", type=click.IntRange(1), default=20, show_default=True)
@click.option(
    "--first",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Number of the first image: image k of a class is always the same.",
)
@click.option(
    "--out",
    type=PATH,
    required=True,
    help="A .npz file, a .png file (all images in one picture) or a folder of PNGs.",
)
@overwrite_option
@output_options
def generate(
    model: Path,
    class_name: str,
    n: int,
    first: int,
    out: Path,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Make images of one class with a saved MODEL."""
    from balancegan.display import Display

    check_new_file(out, overwrite=overwrite)
    start_tensorflow()
    from balancegan.jobs import generate_files

    facts = generate_files(model, class_name, n, first, out)
    Display(quiet=quiet).say(f"{out}: {n} images of class {class_name}")
    if as_json:
        click.echo(json.dumps({"model": str(model), "n": n, "first": first, **facts}))


@main.command()
@click.option(
    "--out",
    type=PATH,
    default=Path("balancegan-demo"),
    show_default=True,
    help="Folder for the data and the picture.",
)
@training_options
@overwrite_option
@output_options
def demo(
    out: Path,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Do all of it on scikit-learn's handwritten digits, made imbalanced.

    Needs no download and a few minutes.
    """
    from balancegan.datasets import save_demo_digits

    ctx = click.get_current_context()
    check_parent(out)
    out.mkdir(exist_ok=True)
    source = out / "digits-imbalanced.npz"
    save_demo_digits(source)
    ctx.invoke(inspect, data=source, as_json=False, quiet=quiet, value_range=None)
    ctx.invoke(
        balance,
        data=source,
        out=out / "digits-balanced.npz",
        picture=out / "real-and-synthetic.png",
        overwrite=overwrite,
        as_json=as_json,
        quiet=quiet,
        **options,
    )


def _describe_plan(labelled: "LabelledImages", plan: "Plan") -> list[dict[str, Any]]:
    from balancegan.balance import class_counts

    return [
        {
            "label": label,
            "name": labelled.name(label),
            "real": n,
            "synthetic": plan[label],
        }
        for label, n in class_counts(labelled.labels).items()
    ]


def _refuse_idle_options(*, with_model: bool, evaluated: bool) -> None:
    """Refuse options of balance that others leave without effect."""
    if with_model and evaluated:
        raise InputRefused(
            "--evaluate trains generators of its own on each training part; it does "
            "not judge a saved model. Leave out --model, or --evaluate."
        )
    if with_model:
        _refuse(
            TRAINING_PARAMETERS,
            "A saved model is not trained again, so these options have no effect "
            "with --model",
            "leave out --model",
        )
    if not evaluated:
        _refuse(
            COMPARISON_PARAMETERS,
            "Nothing is compared without --evaluate, so these options have no effect",
            "add --evaluate",
        )


def _refuse(parameters: Sequence[str], why: str, or_else: str) -> None:
    ctx = click.get_current_context()
    given = [
        option.opts[0]
        for option in ctx.command.params
        if option.name in parameters
        and ctx.get_parameter_source(str(option.name)) is ParameterSource.COMMANDLINE
    ]
    if given:
        raise InputRefused(f"{why}: {', '.join(given)}. Leave them out, or {or_else}.")
