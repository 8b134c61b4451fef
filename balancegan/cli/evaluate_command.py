"""The comparison at the command line, on its own or after balancing.

``evaluate`` is the command; ``balance --evaluate`` prepares before it balances, and
runs afterwards.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from balancegan.cli.edge import (
    PATH,
    load_tensorflow,
    read_data,
    refuse_idle_settings,
    start_tensorflow,
)
from balancegan.cli.option_types import IntegerType
from balancegan.cli.options import (
    METHOD_PARAMETERS,
    READING_PARAMETERS,
    RECIPE_PARAMETERS,
    SCREENING_PARAMETERS,
    attributes_option,
    balance_on_option,
    comparison_options,
    data_options,
    output_options,
    overwrite_option,
    recipe_options,
    take,
    target_options,
)
from balancegan.cli.places import check_apart, check_new, refuse_sources

if TYPE_CHECKING:
    from balancegan.cli.comparing import Comparison
    from balancegan.cli.tasks import Task
    from balancegan.evaluation.result import EvaluationResult

EXIT_WORSE = 3


SETTINGS = (*RECIPE_PARAMETERS, *SCREENING_PARAMETERS, *METHOD_PARAMETERS)


@click.command()
@click.argument("data", type=PATH)
@click.option(
    "--methods",
    metavar="NAME,NAME,...",
    help="Methods to compare.  [default: none, class_weight, oversample, "
    "oversample+augment, oversample+augment+mixup, smote, cgan, cgan+augment]",
)
@comparison_options
@click.option(
    "--classifier",
    metavar="[network|residual|linear|PATH]",
    help="Classifier to train on each method's images; PATH is a trained Keras model "
    "(.keras), of which the last layer learns.  [default: network, a small "
    "convolutional one; for images of more than 64 pixels residual]",
)
@click.option(
    "--fine-tune", is_flag=True, help="Train all layers of the Keras model at PATH."
)
@click.option(
    "--classifier-steps",
    type=IntegerType(1),
    help="Training steps of the classifier: of 128 images each, or of 32 images of "
    "more than 64 pixels.  [default: 1000]",
)
@click.option("--dry-run", is_flag=True, help="Say how long it would take, and stop.")
@target_options
@balance_on_option
@attributes_option
@data_options
@recipe_options
@overwrite_option
@output_options
def evaluate(
    data: Path,
    methods: str | None,
    report: Path | None,
    fail_if_worse: bool,
    cache: Path | None,
    n_jobs: int,
    dry_run: bool,
    targets: tuple[str, ...],
    balance_on: tuple[str, ...] | None,
    attributes: tuple[str, ...],
    max_ratio: float | None,
    value_range: tuple[float, float] | None,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Measure on held-out images of DATA whether added images improve a classifier.

    With --attributes, accuracy is the mean over the combinations of attributes and
    label, and baselines balance these combinations, too.
    """
    from balancegan.cli.display import Display
    from balancegan.cli.facts import echo_json
    from balancegan.cli.tasks import choose_largest_side, plan_task
    from balancegan.data.fitting import SHOWN_SIDE
    from balancegan.phases import describe_times, recording_times
    from balancegan.progress import show_progress

    times = click.get_current_context().with_resource(recording_times())
    refuse_report(report, data, overwrite=overwrite)
    if cache is not None:
        check_apart(cache, data)
    refuse_idle_settings()
    reading = take(options, READING_PARAMETERS) | {"largest_side": SHOWN_SIDE}
    gan_side = None if reading["size"] else choose_largest_side(options, quiet=quiet)
    with show_progress("Reading", visible=not quiet, says_end=True):
        labelled, image_format = read_data(data, value_range, **reading)
    refuse_sources(labelled, [report])
    display = Display(quiet=quiet)
    settings = {
        **take(options, SETTINGS),
        "max_ratio": max_ratio,
        **labelled.format_settings(value_range),
    }
    is_asked = settings["gan_share"] is not None
    task = plan_task(
        labelled,
        targets,
        settings,
        model=None,
        known=(),
        attributes=attributes,
        balance_on=balance_on,
        image_format=image_format,
    )
    names = None if methods is None else [name.strip() for name in methods.split(",")]
    task, gan_size = _reduce(task, gan_side, names, is_asked)
    display.say_notes(task.labelled.notes)
    comparison = prepare_comparison(
        task, names, quiet=quiet, gan_size=gan_size, are_shown=True, **options
    )
    notes = task.labelled.notes + comparison.notes
    if dry_run:
        facts = estimate_comparison(comparison, n_jobs, quiet=quiet)
        if as_json:
            asked_for = {"data": str(data), "dry_run": True}
            echo_json(asked_for | facts, times, notes=notes)
        return
    result = run_comparison(
        comparison, report=report, cache=cache, n_jobs=n_jobs, quiet=quiet
    )
    display.say(describe_times(times.read()))
    if as_json:
        echo_json(
            {"data": data, "report": report, **json.loads(result.to_json())},
            times,
            notes=notes,
            findings=find_issues(result),
        )
    exit_if_worse(result, fail_if_worse)


def _reduce(
    task: "Task", gan_side: int | None, methods: list[str] | None, is_asked: bool
) -> tuple["Task", tuple[int, int] | None]:
    """Return what balancing files would generate, and at which size.

    Parameters
    ----------
    task : Task
        With images as classifiers see them.
    gan_side : int or None
        Pixels of the longer side that the GAN learns from, at most. None: as they are.
    methods : list of str or None
        What is compared.
    is_asked : bool
        Whether the user wants generated images.

    Returns
    -------
    task : Task
        Without generated images if `balance` would generate none.
    gan_size : tuple of int or None
        Height and width. None: those of the images.
    """
    from balancegan.cli.tasks import without_blurred
    from balancegan.data.fitting import Header, choose_size
    from balancegan.data.reading import find_kind

    labelled, shape = task.labelled, task.image_format.image_shape
    are_files = labelled.fit is not None or find_kind(labelled.path) == "shards"
    if not are_files or not (
        methods is None or any("cgan" in name for name in methods)
    ):
        return task, None
    size = shape[:2]
    if gan_side is not None:
        size = choose_size([Header(*shape)], gan_side)
    reduced = replace(task.image_format, image_shape=(*size, shape[2]))
    task = without_blurred(replace(task, image_format=reduced), is_asked=is_asked)
    return task, None if size == shape[:2] else size


def prepare_comparison(
    task: "Task",
    methods: list[str] | None,
    *,
    quiet: bool,
    seeds: int,
    folds: int | None,
    group_key: str | None,
    gan_size: tuple[int, int] | None = None,
    are_shown: bool = False,
    classifier: str | None = None,
    fine_tune: bool = False,
    classifier_steps: int | None = None,
) -> "Comparison":
    """Return a comparison, or refuse it: all that can be refused is refused here.

    `are_shown` says that photos were read at the size at which they are compared, of
    which the GAN learns from smaller ones if `gan_size` says so.
    """
    from balancegan.cli.display import Display

    groups = None if group_key is None else task.labelled.groups(group_key)
    load_tensorflow(quiet=quiet)
    from balancegan.cli.comparing import Comparison, show_photos
    from balancegan.evaluation.classifiers import choose_classifier

    if not are_shown:
        task, gan_size = show_photos(task)
    comparison = Comparison(
        task,
        methods,
        gan_size=gan_size,
        folds=folds,
        groups=groups,
        seeds=seeds,
        classifier=choose_classifier(classifier, fine_tune=fine_tune),
        classifier_steps=classifier_steps,
    )
    Display(quiet=quiet).say_notes(comparison.notes)
    return comparison


def find_issues(result: "EvaluationResult | None") -> list[dict[str, Any]]:
    """Return how each check of a comparison ended, for JSON; none without one."""
    if result is None:
        return []
    from balancegan.evaluation.checks import run_checks

    return [asdict(check) for check in run_checks(result)]


def estimate_comparison(
    comparison: "Comparison", n_jobs: int, *, quiet: bool
) -> dict[str, float]:
    """Say how long a comparison takes, and return the facts."""
    from balancegan.cli.display import Display
    from balancegan.cli.estimate import LIMIT_SECONDS
    from balancegan.progress import show_progress

    with show_progress("Measuring", visible=not quiet, seconds=LIMIT_SECONDS):
        facts = comparison.estimate()
    Display(quiet=quiet).say_duration(facts, n_jobs)
    return facts


def run_comparison(
    comparison: "Comparison",
    *,
    report: Path | None,
    cache: Path | None,
    n_jobs: int,
    quiet: bool,
) -> "EvaluationResult":
    """Say how long it takes, compare, show and write what came of it."""
    import joblib

    from balancegan.cli.display import Display
    from balancegan.evaluation.report import write_report

    display = Display(quiet=quiet)
    if not quiet:
        estimate_comparison(comparison, n_jobs, quiet=quiet)
    try:
        with joblib.parallel_config(
            "loky", n_jobs=n_jobs, initializer=start_tensorflow
        ):
            result = comparison.run(cache_dir=cache, verbose=int(not quiet))
    except KeyboardInterrupt:
        if cache is not None:
            display.say(
                f"\nFinished runs are kept in {cache}: the same command goes on."
            )
        raise
    display.show_comparison(result)
    if report is not None:
        write_report(result, report)
        display.say(f"wrote {report}")
    return result


def refuse_report(
    report: Path | None,
    data: Path,
    others: Iterable[Path] = (),
    *,
    overwrite: bool,
) -> None:
    """Refuse a report that could not be written, before hours are spent on it."""
    if report is not None:
        from balancegan.evaluation.report import check_report_path

        check_report_path(report)
        check_new(report, overwrite=overwrite, data=data, others=others)


def exit_if_worse(result: "EvaluationResult | None", fail_if_worse: bool) -> None:
    """Exit with 3 if that is asked for and the best method on trial harms."""
    if (
        not fail_if_worse
        or result is None
        or len(result.baselines) == len(result.methods)
    ):
        return
    if result.verdict().overall == "harms":
        click.get_current_context().exit(EXIT_WORSE)
