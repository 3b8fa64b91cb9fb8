"""`labelbench export`: the files, what they hold, and how they are written."""

import csv
import io
import json
import re
import xml.etree.ElementTree as ET

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from labelbench_ray.api.export import FORMATS, TABLES, export
from labelbench_ray.api.results import results
from labelbench_ray.commands import cli
from labelbench_ray.errors import ConfigError
from labelbench_ray.exports.formats import csv_bytes
from labelbench_ray.exports.latex import escaped, latex
from labelbench_ray.ledger.experiments import write_grid
from labelbench_ray.ledger.records import Grid, Traits
from labelbench_ray.report import build
from labelbench_ray.storage.spreadsheets import guarded

SVG = "{http://www.w3.org/2000/svg}"
TRAITS = Traits()


def test_every_format_has_its_files_flat_in_the_folder(planted, tmp_path):
    written = export(planted(), tmp_path / "out", FORMATS)
    tables = [f"test.grid.{table}.{ending}" for table in TABLES for ending in ("csv", "parquet")]
    expected = {*tables, "test.grid.json", "test.grid.tex", "test.grid.svg", "test.grid.pdf"}
    assert {path.name for path in written} == expected
    assert {path.name for path in (tmp_path / "out").iterdir()} == expected


def test_an_export_is_repeatable_and_leaves_other_files_alone(planted, tmp_path):
    folder = planted(seeds=2)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    contents = []
    for _ in range(2):
        contents.append({path.name: path.read_bytes() for path in export(folder, tmp_path / "out", FORMATS)})
    assert contents[0] == contents[1]
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"


def test_csv_and_parquet_hold_the_tables(planted, tmp_path):
    folder = planted(seeds=2)
    export(folder, tmp_path, ["csv", "parquet"])
    expected = results(folder).savings()
    assert pq.read_table(tmp_path / "test.grid.savings.parquet").equals(expected)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "test.grid.savings.csv").read_text("utf-8"))))
    assert [float(row["final"]) for row in rows] == expected["final"].to_pylist()
    assert rows[0]["final_gain"] == ("" if expected["final_gain"][0].as_py() is None else rows[0]["final_gain"])


@pytest.mark.parametrize("text", ["=1+1", "+x", "-x", "@x", "\tx", "\rx", "'=1", "''-", "plain", "a=b", "'quoted", ""])
def test_no_text_is_a_formula_and_numbers_stay_numbers(text):
    table = pa.table({"=name": [text, "b"], "value": [-1.5, None]})
    (head, first, second) = csv.reader(io.StringIO(csv_bytes(table).decode(), newline=""))
    assert head == ["'=name", "value"]
    assert first == [guarded(text), "-1.5"]
    assert second == ["b", ""]


def test_the_document_holds_verdict_costs_and_tables(planted, tmp_path):
    folder = planted()
    export(folder, tmp_path, ["json"], baseline="entropy")
    found = json.loads((tmp_path / "test.grid.json").read_text("utf-8"), parse_constant=pytest.fail)
    (setting,) = found["settings"]
    assert (setting["headline"], setting["baseline"]) == ("Use margin.", "entropy")
    assert {cost["strategy"] for cost in setting["costs"]} == {"random", "margin", "entropy", "coreset"}
    assert len(found["rounds"]) == 4 * 5 * 5
    assert {row["baseline"] for row in found["savings"]} == {"entropy"}


def environments(text: str) -> list[tuple[str, str]]:
    return re.findall(r"\\(begin|end)\{(\w+)\}", text)


def test_the_latex_table_is_balanced_and_has_as_many_cells_as_columns(planted):
    text = latex(build(planted()))
    assert environments(text) == [("begin", "table"), ("begin", "tabular"), ("end", "tabular"), ("end", "table")]
    bare = re.sub(r"\\[\\{}&%$#_]", "", text)
    assert bare.count("{") == bare.count("}")
    (columns,) = re.findall(r"\\begin\{tabular\}\{(\w+)\}", text)
    lines = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert len(lines) == 1 + 4
    assert {len(re.split(r"(?<!\\)&", line)) for line in lines} == {len(columns)}
    assert r"margin & 92.0 $\pm$" in text
    assert text.isascii()


def test_the_latex_table_without_a_baseline(planted):
    text = latex(build(planted(strategies=("margin", "entropy"))))
    assert "Mean over the curve" in text
    assert "Gain" not in text


def test_any_name_is_escaped_for_latex():
    every = "".join(map(chr, range(32, 127)))
    text = escaped(every)
    assert not re.search(r"(?<!\\)[&%$#_]", text.replace("$-$", ""))
    assert escaped("my_strategy(a=50%, b={1})") == r"my\_strategy(a=50\%, b=\{1\})"
    assert escaped("\\input{x}") == r"\textbackslash{}input\{x\}"


@pytest.mark.parametrize("strategies", [("random", "margin", "entropy"), ("margin", "entropy"), ("random",)])
def test_the_figure_is_a_drawing_with_text_as_text(planted, tmp_path, strategies):
    export(planted(strategies=strategies), tmp_path, ["svg", "pdf"])
    root = ET.fromstring((tmp_path / "test.grid.svg").read_bytes())
    texts = {"".join(each.itertext()) for each in root.iter(f"{SVG}text")}
    assert "number of labels" in texts
    assert {*strategies} <= texts
    assert (tmp_path / "test.grid.pdf").read_bytes().startswith(b"%PDF")


def test_a_figure_of_thirty_strategies_names_each(experiment, tmp_path):
    for number in range(30):
        for seed in range(3):
            name = "random" if number == 0 else f"my_package.strategy_{number:02d}"
            accuracies = [0.5, 0.6 + 0.005 * number + 0.01 * seed, 0.7 + 0.003 * number]
            experiment.add(name, seed, accuracies, rounds=3, traits=TRAITS)
    export(experiment.write(), tmp_path, ["svg"])
    text = (tmp_path / "test.grid.svg").read_text("utf-8")
    assert all(f"my_package.strategy_{number:02d}" in text for number in range(1, 30))


@pytest.mark.parametrize("name", ["$x^", "<script>", "a&b", "_private", "\x1b[31m"])
def test_odd_names_draw(experiment, tmp_path, name):
    experiment.add({"name": "margin", "settings": {"note": name}}, 0, [0.5, 0.6], rounds=2, traits=TRAITS)
    export(experiment.write(), tmp_path, ["svg", "latex", "csv"])
    ET.fromstring((tmp_path / "test.grid.svg").read_bytes())


def test_an_experiment_without_curves_exports_what_there_is(experiment, tmp_path):
    experiment.plan("random", 0)
    assert len(export(experiment.write(), tmp_path, FORMATS)) == 2 * len(TABLES) + 4


def test_what_cannot_be_exported_is_refused_before_anything_is_written(planted, tmp_path):
    folder = planted(seeds=1)
    other = folder.parent / "elsewhere" / "test.grid"
    write_grid(other, Grid(experiment="test.grid", entries=()))
    out = tmp_path / "out"
    with pytest.raises(ConfigError, match="2 experiments have this name"):
        export([folder, other], out, ["csv"])
    with pytest.raises(ConfigError, match="no format called 'tsv'"):
        export(folder, out, ["tsv"])  # type: ignore[list-item]
    with pytest.raises(ConfigError, match="--baseline badge"):
        export(folder, out, ["csv"], baseline="badge")
    write_grid(other, Grid(experiment="../escaped", entries=()))
    with pytest.raises(ConfigError, match="cannot name files"):
        export(other, out, ["csv"])
    assert not out.exists()
    (tmp_path / "file").touch()
    for place in ("file", "file/below"):
        with pytest.raises(ConfigError, match=rf"{tmp_path}/file is a file; give a folder"):
            export(folder, tmp_path / place, ["csv"])


def test_the_command(planted, tmp_path):
    folder = planted(seeds=2)
    done = CliRunner().invoke(cli.app, ["export", str(folder), "--csv", "--latex", "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert f"wrote {tmp_path / 'out' / 'test.grid.tex'}" in done.output
    assert len(done.output.splitlines()) == len(TABLES) + 1
    refused = CliRunner().invoke(cli.app, ["export", str(folder), "--out", str(tmp_path / "out")])
    assert (refused.exit_code, "no format; give at least one of: --csv" in refused.output) == (2, True)
    (tmp_path / "file").touch()
    refused = CliRunner().invoke(cli.app, ["export", str(folder), "--csv", "--out", str(tmp_path / "file")])
    assert (refused.exit_code, "is a file; give a folder" in " ".join(refused.output.split())) == (2, True)
