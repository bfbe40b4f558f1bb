"""The report's tables as files: the same numbers, as values for programs and as text for papers."""

import json
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest

from resray.errors import InputError
from resray.export.formats import TABLE_FORMATS, written_sheet
from resray.export.latex import escaped, latex
from resray.export.sheets import Shown, load, report_tables
from resray.export.tables import all_sheets, export_table
from tests.command_line import Resray, assert_refused
from tests.report_builder import trial, write_results

ROOT = Path(__file__).parent.parent
STUDY = ROOT / "benchmarks" / "depth-family.yaml"
SAMPLE = ROOT / "reports" / "sample" / "depth-family"
"""Real results of an older schema version."""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [trial(name, seed, epochs=3) for name in ("resnet18", "resnet50") for seed in (0, 1, 2)]
    rows.append(trial("resnet34", epochs=3, status="failed", error_message="a|b & $c_d$",
                      error_class="OutOfMemory", epochs_done=1))  # fmt: skip
    return write_results(tmp_path_factory.mktemp("tables") / "r", rows, study=STUDY)


def test_csv_holds_numbers_in_full_and_beside_them_what_the_report_shows(
    results: Path, tmp_path: Path
) -> None:
    frame = pd.read_csv(export_table(results, tmp_path / "means.csv", table="means"))
    rows = frame.set_index("Configuration").loc["resnet50"]
    accuracies = [trial("resnet50", seed, epochs=3)["test_accuracy"] for seed in (0, 1, 2)]
    assert rows["Test accuracy, %"] == pytest.approx(sum(accuracies) / 3, rel=1e-11)
    assert rows["Test accuracy, % (as shown)"].startswith(f"{sum(accuracies) / 3:.2f} ± ")
    # 23.52 M is the number in short, so no second column repeats it.
    assert rows["Parameters"] == 23_520_842
    assert "Parameters (as shown)" not in frame
    assert frame["n"].tolist() == [3, 0, 3]


def test_json_has_the_columns_of_the_csv(results: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(export_table(results, tmp_path / "means.csv", table="means"))
    rows = json.loads(export_table(results, tmp_path / "means.json", table="means").read_text())
    assert [list(row) for row in rows] == [list(frame.columns)] * 3
    assert rows[1]["Configuration"] == "resnet34"
    assert rows[1]["Test accuracy, %"] is None


def test_markdown_and_latex_hold_what_the_report_shows(results: Path, tmp_path: Path) -> None:
    markdown = export_table(results, tmp_path / "means.md", table="means").read_text()
    titles, rule, *rows = markdown.splitlines()
    assert titles.startswith("| Configuration | n | Test accuracy, % |")
    assert rule.startswith("| --- | ---: | ---: |")
    assert "±" in rows[0]
    tex = export_table(results, tmp_path / "means.tex", table="means").read_text()
    assert tex.startswith(r"% \usepackage{booktabs")
    assert r"\label{tab:means}" in tex
    assert r"~$\pm$~" in tex
    assert tex.count(r" \\" + "\n") == 1 + 3


@pytest.mark.parametrize("study", ["depth-family", "resnet10-speed"])
def test_every_table_of_a_real_report_is_written_in_every_format(study: str) -> None:
    found = load([SAMPLE.parent / study])
    sheets = all_sheets(found)
    assert {"epochs", "means", "trials", "environment", "stored-events"} < set(sheets)
    for name, table in report_tables(found).items():
        text = {format: written_sheet(sheets[name], format) for format in TABLE_FORMATS}
        assert len(pd.read_csv(StringIO(text["csv"]))) == len(table.rows)
        assert len(json.loads(text["json"])) == len(table.rows)
        lines = text["markdown"].splitlines()
        assert len(lines) == 2 + len(table.rows)
        cells = {line.replace("\\|", "").count(" | ") for line in lines}
        assert cells == {len(table.columns) - 1}
        assert text["latex"].count(r" \\" + "\n") >= 1 + len(table.rows)


def test_stored_tables_are_written_whole(results: Path, tmp_path: Path) -> None:
    path = export_table(results, tmp_path / "all.json", table="stored-trials", select=["*50"])
    rows = json.loads(path.read_text())
    assert [row["seed"] for row in sorted(rows, key=lambda row: row["seed"])] == [0, 1, 2]
    assert {row["trial_id"].split("-")[0] for row in rows} == {"resnet50"}
    assert rows[0]["started"] == "2026-03-01T09:00:00+00:00"


def test_stored_evaluations_of_trials_and_of_ensembles_are_written(tmp_path: Path) -> None:
    folder = SAMPLE.with_name("basicblock-depth")
    path = export_table(folder, tmp_path / "e.csv", table="stored-evaluations")
    members = pd.read_csv(path)["members"]
    assert (len(members), members.notna().sum()) == (1334, 8)


def test_some_trials_make_a_report_of_their_own(results: Path, tmp_path: Path) -> None:
    path = export_table(results, tmp_path / "m.csv", table="means", select=["resnet50"])
    assert pd.read_csv(path)["Configuration"].tolist() == ["resnet50"]
    with pytest.raises(InputError, match="--select: 'vgg' is not known"):
        export_table(results, tmp_path / "m.csv", table="means", select=["vgg"])


def test_rows_of_several_folders_name_theirs(results: Path, tmp_path: Path) -> None:
    other = write_results(tmp_path / "other", [trial("resnet18", epochs=2)], study=STUDY)
    frame = pd.read_csv(export_table([results, other], tmp_path / "e.csv"))
    assert list(frame.columns)[:2] == ["model", "epoch"]
    assert frame["source"].value_counts().to_dict() == {"r": 6 * 3 + 1, "other": 2}
    stored = pd.read_csv(export_table([results, other], tmp_path / "s.csv", table="stored-trials"))
    assert stored["source"].value_counts().to_dict() == {"r": 7, "other": 1}
    with pytest.raises(InputError, match="--select: only for the results of a single folder"):
        export_table([results, other], tmp_path / "e.csv", select=["resnet18"])


HOSTILE = '=cmd|"x"!A1\n<script>&_%$#{}~^\\ [a] --x'


def test_hostile_names_stay_text_in_every_format(tmp_path: Path) -> None:
    rows = [trial(HOSTILE, seed, epochs=2, model="resnet18") for seed in (0, 1)]
    folder = write_results(tmp_path / "r", rows)
    csv = pd.read_csv(export_table(folder, tmp_path / "m.csv", table="means"))
    assert csv["Configuration"].tolist() == [f"'{HOSTILE}"]
    markdown = export_table(folder, tmp_path / "m.md", table="means").read_text()
    assert "<script>" not in markdown
    tex = export_table(folder, tmp_path / "m.tex", table="means").read_text()
    assert (r"=cmd\textbar{}''x''!A1 \textless{}script\textgreater{}\&\_\%\$\#\{\}"
            r"\textasciitilde{}\textasciicircum{}\textbackslash{} [a] -{}-x") in tex  # fmt: skip


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("93.12\u00a0± 0.15", r"93.12~$\pm$ 0.15"),
        ("−0.35", "$-$0.35"),
        ("---", "-{}-{}-"),
        ("3×3 α ≤ β", r"3$\times$3 $\alpha$ $\le$ $\beta$"),
        ("Zürich, Łódź", "Zürich, Łódź"),
        ("½ ﬁ 中 \x07", "½ fi ? ?"),
        (" a \n b ", "a b"),
    ],
)
def test_latex_sets_a_text_as_it_stands(text: str, written: str) -> None:
    assert escaped(text) == written


def test_a_latex_row_is_no_option_of_the_row_before() -> None:
    tex = latex(Shown(("*a", "b"), (False, True), [["[x]", "1"]]), "50 %", "t")
    assert "{}*a & b" in tex
    assert "{}[x] & 1" in tex
    assert r"\caption{50 \%}" in tex


def test_a_latex_table_that_fills_more_than_a_page_is_a_long_one() -> None:
    rows = [[f"trial {number}", "1"] for number in range(60)]
    tex = latex(Shown(("trial", "n"), (False, True), rows), "All", "all")
    assert tex.startswith("% \\usepackage{booktabs,longtable}\n")
    assert r"\begin{longtable}{lr}" in tex
    assert tex.count("trial & n") == 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("table", "--name", "mean", "--output", "a.csv"),
         "--name: 'mean' is not known; did you mean 'means'"),
        (("table", "--name", "curves", "--output", "a.csv"),
         "--name: 'curves' is a figure, which `resray export figure` writes"),
        (("table", "--name", "means", "--output", "a.png"),
         "a table is not written as png; choose csv"),
        (("table", "--output", "a.csv", "--format", "latex"),
         "--format latex: .* ends as csv; leave out"),
        (("table", "--output", "a.csv", "--format", "cvs"),
         "--format: 'cvs' is not known; did you mean"),
        (("table", "--output", "a.xlsx"),
         "a.xlsx: .xlsx is no form .* end it in .csv, .json, .tex, .md"),
        (("figure", "--name", "curves", "--output", "a.pdf"), "end it in .png, .svg, .json, .csv"),
        (("figure", "--name", "means", "--output", "a.csv"),
         "--name: 'means' is a table, which `resray export table` writes"),
        (("table", "--output", "-"), "--output -: must be a file"),
        (("all", "--output", "a.csv"), "--output a.csv: `export all` writes a folder"),
        (("all", "--output", "a.zip"), "name one"),
        (("all", "--output", "-"), "name one"),
        (("all", "--output", "no/where"), "--output no/where: must be a folder, in a folder"),
        (("model",), "export model: type one of --output DIR and --hub OWNER/NAME"),
        (("tables",), "export: 'tables' is not known; did you mean 'table'"),
    ],
)  # fmt: skip
def test_mistakes_are_told_and_nothing_is_written(
    resray: Resray, tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    kind, *options = arguments
    assert_refused(resray("export", kind, str(SAMPLE), *options), 2, says)
    assert list(tmp_path.iterdir()) == []


def test_a_name_without_a_suffix_and_a_format_in_short_are_taken(
    resray: Resray, tmp_path: Path
) -> None:
    for name, typed, begins in [
        ("plain", (), "model,epoch"),
        ("a.txt", ("--format", "md"), "| model | epoch"),
        ("b.md", ("--format", "md"), "| model | epoch"),
        ("c", ("--format", "tex"), "% \\usepackage"),
    ]:
        answer = resray("export", "table", str(SAMPLE), "--output", name, *typed)
        assert (answer.code, answer.out) == (0, f"{name}\n"), answer.err
        assert (tmp_path / name).read_text().startswith(begins)
    answer = resray("export", "all", str(SAMPLE), "--output", "files.v1", "--format", "md")
    assert answer.code == 0, answer.err
    assert (tmp_path / "files.v1" / "tables" / "means.md").is_file()


def test_folders_are_called_as_they_are_named(resray: Resray, tmp_path: Path) -> None:
    write_results(tmp_path / "a", [trial(epochs=2)])
    write_results(tmp_path / "b", [trial(epochs=2)])
    answer = resray("export", "table", "a", "NEW=b", "--output", "e.csv")
    assert answer.code == 0, answer.err
    assert set(pd.read_csv(tmp_path / "e.csv")["source"]) == {"a", "NEW"}
    figure = resray("export", "figure", "a", "NEW=b", "--name", "curves", "--output", "c.csv")
    assert figure.code == 0, figure.err
    assert "NEW" in (tmp_path / "c.csv").read_text()
    assert resray("export", "list", "a", "NEW=b").code == 0
    assert_refused(resray("export", "list", "a", "=b"), 2, "expected NAME=PATH")


def test_tables_and_figures_are_listed(resray: Resray) -> None:
    answer = resray("export", "list", str(SAMPLE))
    assert answer.code == 0, answer.err
    assert "  means                Means over finished trials" in answer.out
    assert "  curves               Learning curves" in answer.out
    assert "--view 'quantity=accuracy | error | loss'" in answer.out


def test_everything_is_one_folder_with_its_captions(resray: Resray, tmp_path: Path) -> None:
    answer = resray("export", "all", str(SAMPLE), "--output", "files", "--format", "json")
    assert (answer.code, answer.out) == (0, "files\n"), answer.err
    tables = {path.stem for path in (tmp_path / "files" / "tables").glob("*.csv")}
    expected = set(report_tables(load([SAMPLE])))
    # JSON is a format of both, so the tables are JSON as well.
    assert tables == set()
    assert {path.stem for path in (tmp_path / "files" / "tables").glob("*.json")} == {
        "epochs", *expected}  # fmt: skip
    assert (tmp_path / "files" / "figures" / "curves.json").is_file()
    contents = (tmp_path / "files" / "contents.md").read_text()
    assert "- figures/curves.json: Learning curves. Reduced runs." in contents
    again = resray("export", "all", str(SAMPLE), "--output", "files", "--format", "csv")
    assert again.code == 0, again.err
    assert (tmp_path / "files" / "figures" / "curves.csv").is_file()
