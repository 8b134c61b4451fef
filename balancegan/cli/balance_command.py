"""Balancing at the command line, and on request the comparison afterwards.

What either would refuse is refused before any training.
"""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from balancegan.cli.edge import (
    OUTPUT,
    PATH,
    InputRefused,
    load_tensorflow,
    read_data,
    refuse_given,
    refuse_idle_settings,
)
from balancegan.cli.evaluate_command import (
    estimate_comparison,
    exit_if_worse,
    find_issues,
    prepare_comparison,
    refuse_report,
    run_comparison,
)
from balancegan.cli.option_types import NumberType
from balancegan.cli.options import (
    COMPARISON_PARAMETERS,
    READING_PARAMETERS,
    TRAINING_PARAMETERS,
    attributes_option,
    balance_on_option,
    comparison_options,
    data_options,
    format_option,
    output_options,
    overwrite_option,
    resume_option,
    take,
    target_options,
    training_options,
)
from balancegan.cli.places import (
    check_apart,
    check_new,
    check_picture,
    refuse_sources,
)

if TYPE_CHECKING:
    from balancegan.balance import Plan
    from balancegan.cli.display import Display
    from balancegan.cli.tasks import Output, Task
    from balancegan.data.holdout import Holdout
    from balancegan.data.labelled import LabelledImages

# Arguments of the augmenter that the comparison sets itself
NAMES = ("attributes", "balance_on")
WRITING = ("picture", "save_model")
COMPARING = ("report", "cache", "n_jobs")
SPLITTING = ("seeds", "folds", "group_key")


@click.command()
@click.argument("data", type=PATH)
@click.option(
    "--out",
    type=OUTPUT,
    help="What to write: an .npz, .csv or .parquet file, or a folder.",
)
@format_option
@target_options
@balance_on_option
@attributes_option
@click.option(
    "--model",
    type=PATH,
    help="Use a saved model instead of training.",
)
@click.option(
    "--save-model",
    type=OUTPUT,
    help="Keep the model that is trained: it makes the same images again.",
)
@click.option(
    "--picture",
    type=OUTPUT,
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
@click.option(
    "--holdout",
    type=NumberType(0, 1, min_open=True, max_open=True),
    help="Set this share of each class aside as a test part before anything is "
    "learned. Images of one group (--group-key) and copies stay on one side.",
)
@comparison_options
@data_options
@training_options
@resume_option
@overwrite_option
@output_options
def balance(
    data: Path,
    out: Path | None,
    format: str | None,
    targets: tuple[str, ...],
    model: Path | None,
    dry_run: bool,
    evaluated: bool,
    holdout: float | None,
    fail_if_worse: bool,
    resume: bool,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Write a balanced copy of DATA, with synthetic images in its training part."""
    from balancegan.cli.display import Display
    from balancegan.cli.facts import echo_json, find_faults
    from balancegan.cli.tasks import choose_largest_side, describe_task, plan_task
    from balancegan.phases import describe_times, recording_times

    times = click.get_current_context().with_resource(recording_times())
    # What can be refused is refused before any training
    _refuse_idle_options(model=model, evaluated=evaluated, holdout=holdout)
    reading, names, writing, comparing, splitting = (
        take(options, parameters)
        for parameters in (READING_PARAMETERS, NAMES, WRITING, COMPARING, SPLITTING)
    )
    display = Display(quiet=quiet)
    if out is None and not dry_run:
        raise click.UsageError("Missing option '--out' (or '--dry-run').")
    if out is not None and model is None and not dry_run:
        overwrite |= _find_begun(out, display, resume=resume, anew=overwrite)
    report, folders = comparing["report"], (options["log_dir"], comparing["cache"])
    output = _check_output(data, out, format, overwrite, report, folders, **writing)
    reading["largest_side"] = choose_largest_side(options, quiet=quiet)
    how = {"value_range": options["value_range"], "quiet": quiet, **reading}
    how["holdout"] = _choose_holdout(holdout, options["random_state"], splitting)
    labelled, of_images = _read(data, model, output, **how)
    told = labelled.format_settings(options["value_range"])
    refuse_sources(labelled, [report, writing["picture"]])
    settings = {**options, **told, "verbose": int(not quiet)}
    task = plan_task(labelled, targets, settings, model=model, **of_images, **names)
    task = _check_task(task, output, display, options["gan_share"])
    comparison = (
        prepare_comparison(task, None, quiet=quiet, **splitting) if evaluated else None
    )
    facts = _run(task, output, display, dry_run=dry_run, resume=resume)
    result = None
    if comparison is not None and not dry_run:
        result = run_comparison(comparison, quiet=quiet, **comparing)
    elif comparison is not None:
        facts["comparison"] = estimate_comparison(
            comparison, comparing["n_jobs"], quiet=quiet
        )
    display.say(describe_times(times.read()))
    if as_json:
        asked = {"data": data, "out": out, "dry_run": dry_run, "report": report}
        found = find_faults(facts.get("quality", []), task.classes.name)
        found += facts.pop("findings", []) + find_issues(result)
        facts = asked | describe_task(task, facts, result)
        echo_json(facts, times, notes=task.labelled.notes, findings=found)
    exit_if_worse(result, fail_if_worse)


def _choose_holdout(
    share: float | None, seed: int | None, splitting: dict[str, Any]
) -> "Holdout | None":
    """Return how a test part is set aside, which a comparison then uses.

    Its groups are no longer those of folds, unless folds are asked for.
    """
    from balancegan.data.holdout import Holdout

    if share is None:
        return None
    group_key = splitting["group_key"]
    if splitting["folds"] is None:
        splitting["group_key"] = None
    return Holdout(share, seed or 0, group_key)


def _check_output(
    data: Path,
    out: Path | None,
    format: str | None,
    overwrite: bool,
    report: Path | None,
    folders: Iterable[str | Path | None],
    *,
    picture: Path | None,
    save_model: Path | None,
) -> "Output | None":
    """Return what shall be written, after refusing what cannot be.

    `folders` are added to: a log, a cache. What lies in a place of its own is written
    whatever `out` is.
    """
    from balancegan.cli.tasks import Output
    from balancegan.data.outputs import check_output, output_paths

    taken: list[Path] = []
    if out is not None:
        check_output(out, data, overwrite=overwrite, format=format, with_card=True)
        taken += output_paths(out, format, with_card=True)
    if picture is not None:
        check_picture(picture, data, taken, overwrite=overwrite)
        taken.append(picture)
    if save_model is not None:  # who saves it looks at what it may replace
        check_new(save_model, overwrite=True, data=data, others=taken, is_folder=True)
        taken.append(save_model)
    refuse_report(report, data, taken, overwrite=overwrite)
    for folder in folders:
        if folder is not None:
            check_apart(Path(folder), data, [*taken, *filter(None, [report])])
    if out is None:
        return None
    return Output(out, format, picture, save_model, overwrite)


def _read(
    data: Path,
    model: Path | None,
    output: "Output | None",
    *,
    value_range: tuple[float, float] | None,
    quiet: bool,
    **how: Any,
) -> "tuple[LabelledImages, dict[str, Any]]":
    """Return labelled images, their format, and what a saved model can be asked for."""
    from balancegan.data.filewriting import note_pixels
    from balancegan.progress import show_progress

    is_trained = model is not None
    with show_progress("Reading", visible=not quiet, says_end=True):
        labelled, image_format = read_data(
            data, value_range, may_be_dim=is_trained, **how
        )
    known: tuple[str, ...] = ()
    if model is not None:
        load_tensorflow(quiet=quiet)
        from balancegan.cli.balancing import read_model

        is_given = value_range is not None
        known, image_format = read_model(model, labelled, is_range_given=is_given)
    if output is not None and output.is_files:
        notes = [*labelled.notes, *note_pixels(image_format)]
        labelled = replace(labelled, notes=notes)
    return labelled, {"known": known, "image_format": image_format}


def _check_task(
    task: "Task",
    output: "Output | None",
    display: "Display",
    share: float | None,
) -> "Task":
    """Show what shall be added, after refusing what cannot be written.

    Unless the user has asked for a `share`, no blurred images are generated.
    """
    from balancegan.cli.tasks import check_writing, note_files, without_blurred

    if output is None or output.is_files:
        is_asked = share is not None or task.model is not None
        task = without_blurred(task, is_asked=is_asked)
        task = note_files(task)
    display.say_notes(task.labelled.notes)
    check_writing(task, output)
    _show_plan(task, task.plan, display)
    return task


def _run(
    task: "Task",
    output: "Output | None",
    display: "Display",
    *,
    dry_run: bool,
    resume: bool,
) -> dict[str, Any]:
    """Balance, or estimate what it would cost; say so, and return the facts."""
    from balancegan.cli.balancing import balance_file, estimate_file
    from balancegan.cli.resuming import written_down

    is_estimated = output is None or dry_run
    finds_moves = task.settings["moves"] == "auto" and any(task.plan.values())
    judges_moves = finds_moves and not is_estimated
    if task.model is not None or task.needs_gan or judges_moves:
        load_tensorflow(quiet=not task.settings["verbose"])
    if output is None or dry_run:
        facts = estimate_file(task)
        display.say_estimate(
            facts,
            sum(task.plan.values()),
            can_recombine=bool(task.labelled.attributes),
            finds_moves=finds_moves,
        )
        return facts
    if task.model is not None or not task.needs_gan:  # nothing begun is given up
        facts = balance_file(task, output, None)
    else:
        with written_down(output.path, anew=not resume) as checkpoints:
            facts = balance_file(task, output, checkpoints)
    if facts.get("moves", {}).get("sentence"):
        display.say(facts["moves"]["sentence"])
    if facts.get("quality"):
        display.show_quality(facts["quality"], task.classes.name)
    n_real, has_test = len(task.labelled.labels), "test" in task.labelled.parts
    display.say_written(output.path, facts, n_real=n_real, has_test=has_test)
    display.warn_of_arrays(task.labelled.aligned_keys)
    wanted = {"picture": output.picture, "saved_model": output.save_model}
    written = {what: str(path) for what, path in wanted.items() if path}
    if output.picture is not None and not any(facts["plan"].values()):
        display.say(f"{output.picture} was not written: no image was added")
        del written["picture"]
    if output.save_model is not None and not facts.get("steps"):
        display.say(
            f"{output.save_model} was not written: no GAN was trained; the command "
            "train always trains one"
        )
        del written["saved_model"]
    return {**dict.fromkeys(wanted), **facts, **written}


def _find_begun(out: Path, display: "Display", **how: bool) -> bool:
    from balancegan.cli.resuming import find_begun

    return find_begun(out, display.say, **how)


def _show_plan(task: "Task", plan: "Plan", display: "Display") -> None:
    from balancegan.balance import class_counts

    counts = class_counts(task.classes.of_images)
    display.show_plan(counts, plan, task.classes.name)


def _refuse_idle_options(
    *, model: Path | None, evaluated: bool, holdout: float | None
) -> None:
    """Refuse options of balance that others leave without effect."""
    refuse_idle_settings()
    if model is not None and holdout is not None:
        raise InputRefused(
            "--holdout sets images aside before training, and a saved model may have "
            "been trained on them. Leave out --model, or --holdout."
        )
    if model is not None and evaluated:
        raise InputRefused(
            "--evaluate trains generators of its own on each training part; it does "
            "not judge a saved model. Leave out --model, or --evaluate."
        )
    if model is not None:
        refuse_given(
            (*TRAINING_PARAMETERS, "save_model", "resume"),
            "A saved model is not trained again, so these options have no effect "
            "with --model",
            "leave out --model",
        )
    if not evaluated:
        idle = set(COMPARISON_PARAMETERS)
        if holdout is not None:
            idle.discard("group_key")
        refuse_given(
            tuple(idle),
            "Nothing is compared without --evaluate, so these options have no effect",
            "add --evaluate",
        )
