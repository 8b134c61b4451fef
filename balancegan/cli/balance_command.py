"""Balancing at the command line, and on request the comparison afterwards.

What either would refuse is refused before any training.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from balancegan.cli.edge import (
    PATH,
    InputRefused,
    check_parent,
    read_data,
    start_tensorflow,
)
from balancegan.cli.evaluate_command import (
    exit_if_worse,
    prepare_comparison,
    refuse_report,
    run_comparison,
)
from balancegan.cli.options import (
    COMPARISON_PARAMETERS,
    READING_PARAMETERS,
    TRAINING_PARAMETERS,
    comparison_options,
    data_options,
    format_option,
    output_options,
    overwrite_option,
    take,
    target_options,
    training_options,
)

if TYPE_CHECKING:
    from balancegan.balance import Plan, Strategy
    from balancegan.cli.display import Display
    from balancegan.data.labelled import LabelledImages

# Arguments of the augmenter that the comparison sets itself
UNCOMPARED = ("random_state", "log_dir", "tensorboard", "verbose")


@click.command()
@click.argument("data", type=PATH)
@click.option(
    "--out",
    type=PATH,
    help="What to write: an .npz, .csv or .parquet file, or a folder.",
)
@format_option
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
    format: str | None,
    targets: tuple[str, ...],
    max_ratio: float | None,
    model: Path | None,
    picture: Path | None,
    dry_run: bool,
    evaluated: bool,
    report: Path | None,
    cache: Path | None,
    n_jobs: int,
    fail_if_worse: bool,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Write a balanced copy of DATA, with synthetic images in its training part."""
    from balancegan.balance import class_counts, parse_strategy, plan_synthesis
    from balancegan.cli.display import Display, describe_format
    from balancegan.data.writing import check_output

    # What can be refused is refused before any training
    splitting = take(options, ("seeds", "folds", "group_key"))
    _refuse_idle_options(with_model=model is not None, evaluated=evaluated)
    refuse_report(report, overwrite=overwrite)
    if out is not None:
        check_output(out, data, overwrite=overwrite, format=format)
    elif not dry_run:
        raise click.UsageError("Missing option '--out' (or '--dry-run').")
    if picture is not None:
        check_parent(picture)
    labelled, image_format = read_data(
        data, options["value_range"], **take(options, READING_PARAMETERS)
    )
    strategy = parse_strategy(targets, labelled.find_label)
    plan = plan_synthesis(labelled.labels, strategy, max_ratio)
    display = Display(quiet=quiet)
    display.say_notes(labelled.notes)
    display.show_plan(class_counts(labelled.labels), plan, labelled.name)

    settings = {
        **options,
        "sampling_strategy": strategy,
        "max_ratio": max_ratio,
        "verbose": int(not quiet),
    }
    comparison = None
    if evaluated:
        recipe = {k: v for k, v in settings.items() if k not in UNCOMPARED}
        comparison = prepare_comparison(labelled, None, recipe, **splitting)
    start_tensorflow()
    if out is None or dry_run:
        facts = _estimate(labelled, plan, settings, model, display)
    else:
        where = (out, format)
        facts = _balance(
            labelled, strategy, plan, settings, model, where, picture, display
        )
    result = None
    if comparison is not None:
        how: dict[str, Any] = {"report": report, "cache": cache, "n_jobs": n_jobs}
        result = run_comparison(comparison, dry_run=dry_run, quiet=quiet, **how)
    if as_json:
        printed = {
            "data": str(data),
            "out": None if out is None else str(out),
            "dry_run": dry_run,
            "images": describe_format(image_format),
            **_describe(labelled, plan),
            **facts,
        }
        if result is not None:
            printed["evaluation"] = json.loads(result.to_json())
        click.echo(json.dumps(printed))
    exit_if_worse(result, fail_if_worse)


def _estimate(
    labelled: "LabelledImages",
    plan: "Plan",
    settings: dict[str, Any],
    model: Path | None,
    display: "Display",
) -> dict[str, Any]:
    from balancegan.cli.jobs import estimate_file

    facts = estimate_file(labelled, plan, {**settings, "verbose": 0}, model)
    display.say_estimate(facts, sum(plan.values()))
    return facts


def _balance(
    labelled: "LabelledImages",
    strategy: "Strategy",
    plan: "Plan",
    settings: dict[str, Any],
    model: Path | None,
    out: tuple[Path, str | None],
    picture: Path | None,
    display: "Display",
) -> dict[str, Any]:
    from balancegan.cli.jobs import balance_file

    facts = balance_file(
        labelled,
        strategy,
        plan,
        settings,
        model=model,
        out=out[0],
        format=out[1],
        picture=picture,
    )
    display.say_cost(out[0], facts, labelled.aligned_keys)
    return facts


def _describe(labelled: "LabelledImages", plan: "Plan") -> dict[str, Any]:
    from balancegan.balance import class_counts

    classes = [
        {
            "label": label,
            "name": labelled.name(label),
            "real": n,
            "synthetic": plan[label],
        }
        for label, n in class_counts(labelled.labels).items()
    ]
    return {
        "classes": classes,
        "arrays_not_extended": labelled.aligned_keys,
        "notes": labelled.notes,
    }


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
