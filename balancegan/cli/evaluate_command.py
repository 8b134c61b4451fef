"""``balancegan evaluate``: the comparison of methods on held-out images."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from balancegan.cli.checks import (
    check_apart,
    check_new,
    read_data,
    refuse_ineffective_settings,
    refuse_sources,
)
from balancegan.cli.command import EVALUATION, OUTPUT, Command
from balancegan.cli.edge import load_tensorflow, start_tensorflow
from balancegan.cli.options import (
    AUGMENTER_SETTINGS,
    GENERAL_OPTIONS,
    NETWORK_SETTINGS,
    OUTPUT_PATH,
    PATH,
    READING,
    READING_SETTINGS,
    option,
    options,
    settings,
    take,
)

if TYPE_CHECKING:
    from balancegan.cli.comparing import Comparison
    from balancegan.cli.tasks import Task
    from balancegan.evaluation.result import EvaluationResult

EXIT_WORSE = 3
OF_GAN = (*NETWORK_SETTINGS, "steps", "max-minutes", "gan-share", "moves")


@click.command(
    cls=Command,
    examples=(
        "balancegan evaluate data.npz --report report.html",
        "balancegan evaluate photos/ --methods none,smote,cgan --seeds 5 --cache runs/",
        "balancegan evaluate cells.csv --folds 5 --group-key patient --dry-run",
    ),
)
@click.argument("data", type=PATH)
@option(
    "--report",
    heading=OUTPUT,
    type=OUTPUT_PATH,
    help="Write the comparison to a .html or .json file.",
)
@options("overwrite")
@option(
    "--dry-run",
    heading=OUTPUT,
    is_flag=True,
    help="Estimate how long the comparison takes, and stop.",
)
@options("target")
@settings("balance-on", "gan-share", "moves", *AUGMENTER_SETTINGS)
@option(
    "--methods",
    heading=EVALUATION,
    metavar="NAME,NAME,...",
    help="Methods to compare.  [default: none, class_weight, oversample, "
    "oversample+augment, oversample+augment+mixup, smote, cgan, cgan+augment]",
)
@options("seeds", "folds", "cache", "fail-if-worse")
@option(
    "--classifier",
    heading=EVALUATION,
    metavar="[network|residual|linear|PATH]",
    help="Classifier to train on each method's images; PATH is a trained Keras model "
    "(.keras) whose last layer learns.  [default: network, a small convolutional one; "
    "residual for images of more than 64 pixels]",
)
@settings("jobs", "fine-tune", "classifier-steps")
@options("group-key", "images-key", "labels-key", "attributes")
@settings("size", "on-error", *READING_SETTINGS)
@options("max-minutes")
@settings("steps", *NETWORK_SETTINGS)
@options(*GENERAL_OPTIONS)
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
    overwrite: bool,
    as_json: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Measure on held-out images of DATA whether added images improve a classifier.

    With --attributes, accuracy is the mean over the combinations of attributes and
    label, and the baselines balance these combinations, too.
    """
    from balancegan.cli.display import Display, echo_json
    from balancegan.cli.tasks import choose_largest_side, plan_task
    from balancegan.data.fitting import SHOWN_SIDE
    from balancegan.phases import describe_times, recording_times
    from balancegan.progress import show_progress

    times = click.get_current_context().with_resource(recording_times())
    display = Display(quiet=quiet)

    # Refuse wrong options and output
    _check_report(report, data, overwrite=overwrite)
    if cache is not None:
        check_apart(cache, data, () if report is None else [report])
    refuse_ineffective_settings()

    # Read, and plan what is generated
    value_range = given.pop("value_range")
    reading = take(given, READING)
    gan_side = None if reading["size"] else choose_largest_side(given, quiet=quiet)
    with show_progress("Reading", visible=not quiet, says_end=True):
        labelled, image_format = read_data(
            data, value_range, **reading, largest_side=SHOWN_SIDE
        )
    refuse_sources(labelled, [report])
    task = plan_task(
        labelled,
        targets,
        take(given, (*OF_GAN, *AUGMENTER_SETTINGS))
        | labelled.format_settings(value_range),
        model=None,
        known=(),
        attributes=attributes,
        balance_on=balance_on,
        image_format=image_format,
    )
    names = None if methods is None else [name.strip() for name in methods.split(",")]
    is_asked = click.get_current_context().params["gan_share"] is not None
    task, gan_size = _reduce(task, gan_side, names, is_asked=is_asked)
    display.say_notes(task.labelled.notes)

    # Compare, or estimate how long it takes
    comparison = _prepare(task, names, gan_size, quiet=quiet, **given)
    display.say_notes(comparison.notes)
    notes = task.labelled.notes + comparison.notes
    if dry_run or not quiet:
        facts = _estimate(comparison, n_jobs, quiet=quiet)
        if dry_run and as_json:
            echo_json({"data": data, "dry_run": True} | facts, times, notes=notes)
        if dry_run:
            return
    result = _run(comparison, report, cache, n_jobs, quiet=quiet)
    display.say(describe_times(times.read()))
    if as_json:
        found = {"data": data, "report": report, **json.loads(result.to_json())}
        echo_json(found, times, notes=notes, findings=_list_checks(result))
    if fail_if_worse:
        _exit_if_worse(result)


def _check_report(report: Path | None, data: Path, *, overwrite: bool) -> None:
    """Refuse a report that could not be written."""
    if report is not None:
        from balancegan.evaluation.report import check_report_path

        check_report_path(report)
        check_new(report, overwrite=overwrite, data=data)


def _reduce(
    task: "Task", gan_side: int | None, methods: list[str] | None, *, is_asked: bool
) -> tuple["Task", tuple[int, int] | None]:
    """Return what balancing files would generate, and at which size.

    Parameters
    ----------
    task : Task
        With images as classifiers see them.
    gan_side : int or None
        Longest side of the images that the GAN learns from. None: the images' size.
    methods : list of str or None
        What is compared.
    is_asked : bool
        Whether the user requested generated images.

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
    uses_gan = methods is None or any("cgan" in name for name in methods)
    if not are_files or not uses_gan:
        return task, None
    size = shape[:2]
    if gan_side is not None:
        size = choose_size([Header(*shape)], gan_side)
    reduced = replace(task.image_format, image_shape=(*size, shape[2]))
    task = without_blurred(replace(task, image_format=reduced), is_asked=is_asked)
    return task, None if size == shape[:2] else size


def _prepare(
    task: "Task",
    methods: list[str] | None,
    gan_size: tuple[int, int] | None,
    *,
    quiet: bool,
    group_key: str | None,
    classifier: str | None,
    fine_tune: bool,
    **splitting: Any,
) -> "Comparison":
    """Return the comparison, after refusing what cannot be compared."""
    groups = None if group_key is None else task.labelled.groups(group_key)
    load_tensorflow(quiet=quiet)
    from balancegan.cli.comparing import Comparison
    from balancegan.evaluation.classifiers import choose_classifier

    return Comparison(
        task,
        methods,
        gan_size=gan_size,
        groups=groups,
        classifier=choose_classifier(classifier, fine_tune=fine_tune),
        **splitting,
    )


def _estimate(
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


def _run(
    comparison: "Comparison",
    report: Path | None,
    cache: Path | None,
    n_jobs: int,
    *,
    quiet: bool,
) -> "EvaluationResult":
    """Compare; show and write the result."""
    import joblib

    from balancegan.cli.display import Display
    from balancegan.evaluation.report import write_report

    display = Display(quiet=quiet)
    try:
        with joblib.parallel_config(
            "loky", n_jobs=n_jobs, initializer=start_tensorflow
        ):
            result = comparison.run(cache_dir=cache, verbose=int(not quiet))
    except KeyboardInterrupt:
        if cache is not None:
            display.say(
                f"\nFinished runs are kept in {cache}: the same command resumes."
            )
        raise
    display.show_comparison(result)
    if report is not None:
        write_report(result, report)
        display.say(f"wrote {report}")
    return result


def _list_checks(result: "EvaluationResult") -> list[dict[str, Any]]:
    from balancegan.evaluation.checks import run_checks

    return [asdict(check) for check in run_checks(result)]


def _exit_if_worse(result: "EvaluationResult") -> None:
    """Exit with 3 if the best method that is not a baseline harms."""
    if len(result.baselines) == len(result.methods):
        return
    if result.verdict().overall == "harms":
        click.get_current_context().exit(EXIT_WORSE)
