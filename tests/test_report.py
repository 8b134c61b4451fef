import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from balancegan.cli.display import Display
from balancegan.errors import DataError
from balancegan.evaluation.report import gather_facts, render_report, write_report
from balancegan.evaluation.result import EvaluationResult

from .test_checks import make_result

EVIL = "<script>alert(1)</script>|*x*"


class Reader(HTMLParser):
    """Checks that elements close in the order in which they open; keeps the text."""

    VOID = ("meta", "link", "img", "br")

    def __init__(self):
        super().__init__()
        self.open, self.names, self.text, self.attributes = [], [], "", []

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def read_html(result):
    reader = Reader()
    reader.feed(render_report(result))
    reader.close()
    assert not reader.open
    return reader


def rename(result, old, new):
    return EvaluationResult.from_json(result.to_json().replace(f'"{old}"', new))


def test_the_first_screen_shows_the_verdict_and_all_methods():
    result = make_result()
    text = render_report(result)
    start = text.index(result.verdict().sentence[:20])
    for method in result.methods:
        assert method in text[start : start + 4000]
    assert "helps" in gather_facts(result)["verdict"]["overall"]


def test_numbers_match_the_result():
    result = make_result()
    text = " ".join(read_html(result).text.split())
    mean = result.summary().loc["ours", "balanced_accuracy"]
    assert f"{100 * mean:.1f} %" in text
    difference = result.verdict().classes["shirt"]["against_best_baseline"]
    assert f"{100 * difference.mean:+.1f} ({100 * difference.low:+.1f} to" in text
    row = next(r for r in gather_facts(result)["classes"] if r["name"] == "shirt")
    recalls = result.frame.query("method == 'ours' and `class` == 'shirt'")["recall"]
    assert row["recalls"]["ours"] == pytest.approx(recalls.mean())
    assert row["ranges"]["ours"] == (recalls.min(), recalls.max())


def test_the_report_loads_and_runs_nothing():
    reader = read_html(make_result())
    assert not {"script", "iframe", "object", "form"} & set(reader.names)
    for name, value in reader.attributes:
        if name in ("src", "href"):
            assert value.startswith("data:")
        assert not name.startswith("on")
    assert "http" not in re.sub("http-equiv", "", render_report(make_result()))


@pytest.mark.parametrize("old", ["shirt", "ours"])
def test_names_are_escaped(old):
    result = rename(make_result(), old, json.dumps(EVIL))
    reader = read_html(result)
    assert "script" not in reader.names
    assert EVIL in reader.text


def test_baselines_alone_get_no_verdict():
    result = make_result()
    for method in result.settings["methods"]:
        method["baseline"] = True
    assert "Of 3 methods ours has the highest" in read_html(result).text


def test_missing_values_are_dashes():
    result = make_result(figures={}, seeds=1)
    reader = read_html(result)
    assert "–" in reader.text
    assert "nan" not in reader.text.lower().split()
    assert "not enough runs to compare with" in reader.text


def test_many_classes_get_a_list_of_confusions():
    result = make_result()
    n = 30
    names = [f"class {k}" for k in range(n)]
    rows = [
        {
            "class": name,
            "n_train": 5,
            "n_added": 0,
            "precision": 1,
            "recall": 1,
            "n_test": 9,
        }
        for name in names
    ]
    confusion = (9 * np.eye(n, dtype=int)).tolist()
    confusion[3][7] = 4
    result.settings |= {"classes": names, "train_counts": [5] * n}
    for run in result.runs:
        run |= {"classes": rows, "confusion": confusion}
    facts = gather_facts(result)["confusions"][0]
    assert facts["pairs"] == [("class 3", "class 7", pytest.approx(4 / 13))]
    assert "predicted" in read_html(result).text


@pytest.mark.parametrize("suffix", ["html", "json"])
def test_reports_are_written(tmp_path, suffix):
    path = tmp_path / f"report.{suffix}"
    result = make_result()
    write_report(result, path)
    text = path.read_text()
    assert text == (result.to_json() if suffix == "json" else render_report(result))


def test_other_kinds_of_file_are_refused(tmp_path):
    with pytest.raises(DataError, match="ends in .html"):
        write_report(make_result(), tmp_path / "report.pdf")
    assert not list(tmp_path.iterdir())


def test_a_class_without_test_images_keeps_the_columns():
    result = make_result()
    for run in result.runs:
        run["classes"][0] |= {"n_test": 0, "recall": None}
    text = render_report(result)
    table = next(t for t in text.split("<table") if ">training images<" in t)
    widths = {row.count("<td") + row.count("<th") for row in table.split("<tr")[1:]}
    assert len(widths) == 1


def test_a_class_that_one_fold_lacks_keeps_its_verdict():
    result = make_result(seeds=4)
    for run in result.runs:
        if run["seed"] == 3:
            run["classes"][1] |= {"n_test": 0, "recall": None}
    assert set(result.verdict().classes) == set(result.settings["classes"])
    assert (
        result.verdict().classes[result.settings["classes"][1]]["against_none"].n_pairs
        == 3
    )


def renderings(result, capsys):
    """The texts that show a comparison: terminal and HTML report."""
    Display(quiet=False).show_comparison(result)
    return [capsys.readouterr().err, read_html(result).text]


@pytest.mark.parametrize("counts", [(900, 40), (90, 40)])
def test_few_shot_recall_is_shown_if_some_classes_are_few_shot(counts, capsys):
    result = make_result()
    for run in result.runs:
        for row, n_train in zip(run["classes"], counts, strict=True):
            row["n_train"] = n_train
    assert ("few_shot" in result.shots) == (counts[0] == 900)
    assert "few_shot" in result.summary()  # code that asks for it works on any data
    for text in renderings(result, capsys):
        assert ("few-shot recall" in text) == (counts[0] == 900)


@pytest.mark.parametrize("seeds", [1, 2, 4])
def test_intervals_are_finite_and_possible_or_called_not_measurable(seeds, capsys):
    result = make_result(accuracy=0.97, seeds=seeds, n_test=30)
    for text in renderings(result, capsys):
        assert seeds > 1 or "not measurable" in text
        assert not re.search(r"\b(nan|inf)\b|∞|-100\.0 to \+100\.0", text)
        bounds = re.findall(r"([-+]\d+\.\d) to ([-+]\d+\.\d)", text)
        assert bounds or seeds == 1
        # "none" is right about two in three
        assert all(-100 < float(x) < 50 for pair in bounds for x in pair)


@pytest.mark.parametrize(("n_splits", "said"), [(1, "over seeds"), (4, "over 4 folds")])
def test_the_report_explains_intervals(n_splits, said, capsys):
    result = make_result()
    result.settings["n_splits"] = n_splits
    for run in result.runs:
        run["split"] = run["seed"] if n_splits > 1 else 0
    for text in renderings(result, capsys):
        assert said in " ".join(text.split())
        assert ("4 folds)" if n_splits > 1 else "4 seeds)") in " ".join(text.split())


def test_the_title_names_the_data_and_the_date():
    result = make_result()
    untitled = render_report(result)
    assert "Does balancing these images help?" in untitled
    result.settings |= {"data_name": "cells.npz", "date": "2020-02-29"}
    text = read_html(result).text
    assert "Does balancing cells.npz help?" in text
    assert "cells.npz: comparison" in text
    assert "2020-02-29" in text
    assert render_report(result) == render_report(result)


def test_the_verdict_is_on_the_first_screen_of_a_phone():
    text = render_report(make_result())
    header = re.findall(r"<th[^>]*>([^<]*)</th>", text)
    assert header[:2] == ["method", "verdict"]
    row = text[text.index('class="on-trial"') :]
    assert re.findall(r"<td[^>]*>([^<]*)</td>", row)[:2] == ["ours", "helps"]


def test_copies_have_pictures():
    result = make_result()
    result.settings["pictures"] = {"0": {"real": "AAAA"}, "1": {"real": "BBBB"}}
    result.runs[2]["pictures"] = {
        "0": {"copied": "CCCC"},
        "1": {"synthetic": "DDDD", "nearest": "EEEE"},
    }
    (gallery,) = gather_facts(result)["galleries"]
    assert gallery["classes"] == [
        {"name": "bag", "strips": [("real", "AAAA"), ("copies", "CCCC")]},
        {
            "name": "shirt",
            "strips": [
                ("real", "BBBB"),
                ("synthetic", "DDDD"),
                ("nearest real", "EEEE"),
            ],
        },
    ]
    html = render_report(result)
    assert 'alt="bag: copies"' in html
    assert html.index("CCCC") < html.index("DDDD") < html.index("EEEE")


def test_numeric_classes_are_quoted():
    result = rename(rename(make_result(n_test=20), "bag", '"0"'), "shirt", '"1"')
    text = read_html(result).text
    assert "class '0'" in text
    assert "class '0': 20, class '1': 20" in text
    assert not re.search(r"(?<!class ')\b[01]: \d", text)


def test_json_is_strict():
    result = make_result(seeds=1)
    result.runs[0]["metrics"]["g_mean"] = float("nan")
    result.settings["leaks"][0]["limit"] = np.float32("inf")
    text = result.to_json()
    facts = json.loads(text, parse_constant=pytest.fail)
    assert facts["runs"][0]["metrics"]["g_mean"] is None
    assert facts["settings"]["leaks"][0]["limit"] is None
    assert EvaluationResult.from_json(text).to_json() == text
