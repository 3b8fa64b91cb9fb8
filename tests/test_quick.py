"""Experiments without a file: the same trials as a file's, chosen by what the data are, from any folder."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from labelbench_ray import Part, Trial, grid, quick
from labelbench_ray.commands import cli
from labelbench_ray.errors import UserError
from labelbench_ray.planning import experiment
from labelbench_ray.planning.names import python_name
from labelbench_ray.planning.quick import default_budget
from labelbench_ray.planning.quick_file import file_text, save
from labelbench_ray.trial.parts import build


def photos(folder: Path, rows: int = 30) -> None:
    """Three class folders of `rows` images each, small ones, whose brightness differs."""
    rng = np.random.default_rng(0)
    for number, name in enumerate(["cat", "my dog", "Käfer"]):
        (folder / name).mkdir(parents=True)
        for row in range(rows):
            pixels = rng.integers(60 * number, 60 * number + 90, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"photo {row}.png")


def reviews(folder: Path) -> None:
    folder.mkdir(parents=True)
    rows = [f"text {number}" for number in range(40)]
    pq.write_table(pa.table({"text": rows, "stars": [number % 2 for number in range(40)]}), folder / "train.parquet")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with photos in it."""
    photos(tmp_path / "photos")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def command(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run `labelbench ...` there; returns (exit status, what was printed, what went to stderr)."""

    def call(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["labelbench", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return call


def fingerprints(trials: list[Trial]) -> list[str]:
    return [build(trial).fingerprint for trial in trials]


def test_choices_that_are_given_make_the_trials_that_a_file_would(here: Path) -> None:
    strategies = ["random", Part.of("power", coldness=2.0)]
    study = quick("photos", strategies=strategies, encoder=Part.of("pixels", size=8), seeds=2, rounds=3, budget=5)
    base = Trial(
        dataset=study.trials[0].dataset,
        encoder=Part.of("pixels", size=8),
        strategy="random",
        trainer="logistic",
        seed=0,
        rounds=3,
        budget=5,
    )
    assert study.trials == grid(base, strategy=strategies, seed=range(2))
    assert not {"seeds", "rounds", "budget", "encoder", "strategies"} & study.chosen.keys()


def test_what_is_left_out_is_chosen_by_the_data_and_printed(here: Path) -> None:
    study = quick("photos/")
    base = study.trials[0]
    assert base.encoder == Part(name="efficientnet_lite0")
    assert [part.name for part in study.strategies] == ["margin", "badge", "random"]
    assert base.rounds * base.budget <= 45  # half of the pool
    assert study.seeds == 10
    printed = str(study)
    assert "photos: an image folder, read as image_folder(" in printed
    assert "for images with one label a row: --encoder efficientnet_lite0 --proxy linear --trainer logistic" in printed
    assert "rows: --seeds 10 --rounds 10 --budget 3" in printed


def test_few_rows_are_stated(here: Path) -> None:
    assert "few rows: the test split has 18, each is worth 5.6 points" in str(quick("photos"))
    photos(here / "many", 60)
    assert "few rows" not in str(quick("many"))


def test_texts_have_the_encoder_of_texts(here: Path) -> None:
    reviews(here / "reviews")
    study = quick(here / "reviews", label="stars", text="text")
    assert study.trials[0].encoder == Part(name="sentence")
    assert study.trials[0].dataset.settings["label"] == "stars"


def test_sounds_have_the_encoder_of_sounds(here: Path) -> None:
    for name in ("bark", "meow"):
        (here / "calls" / name).mkdir(parents=True)
        for number in range(10):
            (here / "calls" / name / f"{number}.wav").write_bytes(b"RIFF")
    study = quick("calls")
    assert (study.what, study.trials[0].encoder) == ("a sound folder", Part(name="spectra"))


def test_tables_have_the_encoder_of_columns(here: Path) -> None:
    rows = "".join(f"{number / 7:.2f},{number % 5},{'xy'[number % 2]}\n" for number in range(60))
    (here / "wine.csv").write_text("acid,sugar,label\n" + rows)
    study = quick("wine.csv")
    assert study.trials[0].dataset == Part.of("tabular", path="wine.csv")
    assert (study.trials[0].encoder, study.trials[0].trainer) == (Part(name="columns"), Part(name="logistic"))
    assert fingerprints(study.trials)


def test_embeddings_are_taken_as_they_are(here: Path) -> None:
    labels = np.arange(40) % 2
    np.save(here / "vectors.npy", np.random.default_rng(0).normal(labels[:, None], size=(40, 8)).astype(np.float16))
    np.save(here / "vectors.labels.npy", labels)
    study = quick("vectors.npy")
    assert study.trials[0].dataset == Part.of("embeddings", path="vectors.npy")
    assert study.trials[0].encoder == Part(name="precomputed")
    assert study.name == "vectors"
    (here / "folder").mkdir()
    (here / "vectors.npy").rename(here / "folder/embeddings.npy")
    (here / "vectors.labels.npy").rename(here / "folder/labels.npy")
    assert quick("folder").trials[0].dataset == Part.of("embeddings", path="folder")


def test_regression_has_its_own_trainer_and_strategies(here: Path) -> None:
    table = pa.table({"text": [f"{number}" for number in range(40)], "label": [float(number) for number in range(40)]})
    (here / "numbers").mkdir()
    pq.write_table(table, here / "numbers/train.parquet")
    study = quick('parquet(path=numbers, payload=text, label_value="label")', data_root=here)
    assert study.trials[0].trainer == Part(name="ridge")
    assert [part.name for part in study.strategies] == ["coreset", "kmeans", "random"]
    assert fingerprints(study.trials)


@pytest.mark.parametrize(
    ("rows", "classes", "rounds", "budget"),
    [(240, 3, 10, 12), (10, 2, 10, 1), (1_000_000, 10, 10, 100), (1_000_000, 1000, 10, 2000), (2_000, 77, 10, 100)],
)
def test_half_of_a_pool_is_bought_at_most(rows: int, classes: int, rounds: int, budget: int) -> None:
    assert default_budget(rows, classes, rounds) == budget


def test_the_fingerprints_are_the_same_from_any_folder(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"encoder": "pixels", "seeds": 1, "rounds": 1, "budget": 5}
    found = quick("photos", **options)
    assert found.data_root == here
    (here / "other/deep").mkdir(parents=True)
    monkeypatch.chdir(here / "other/deep")
    for dataset, root in (("../../photos", here), (here / "photos", here), ("photos", here), ("../../photos", "data")):
        again = quick(dataset, data_root=root, **options)
        assert (again.data_root, again.name) == (here, "photos")
        assert fingerprints(again.trials) == fingerprints(found.trials)


def test_a_place_below_the_data_root_is_named_relative_to_it(here: Path) -> None:
    photos(here / "data/pets", 5)
    options = {"encoder": "pixels", "seeds": 1, "rounds": 1, "budget": 2}
    for dataset in ("pets", "data/pets", here / "data/pets"):
        study = quick(dataset, **options)
        assert study.data_root == here / "data"
        assert study.trials[0].dataset.settings["path"] == "pets"
    assert "--data-root" not in save(study, here / "pets.py")


def test_folders_of_one_name_in_one_folder_have_experiments_of_their_own(here: Path) -> None:
    photos(here / "a/images", 3)
    photos(here / "b/images", 3)
    names = [quick(f"{folder}/images", budget=1).name for folder in "ab"]
    assert names == ["a.images", "b.images"]


def test_two_places_of_one_name_are_refused(here: Path) -> None:
    photos(here / "data/photos", 3)
    with pytest.raises(UserError, match=r"both .*photos and .*data/photos are there; write \./photos"):
        quick("photos")
    assert quick("./photos").data_root == here
    assert quick("data/photos").data_root == here / "data"


def test_a_data_set_by_name(here: Path) -> None:
    study = quick("digits(max_rows=100)", encoder="pixels")
    assert (study.name, study.trials[0].dataset) == ("digits", Part.of("digits", max_rows=100))
    assert "below the data root" not in str(study)


STRANGE = Part.of("my.strategy", text='it\'s "odd" \\ \n ü', parts=[Part.of("margin"), {"name": "a", "settings": {}}])


@pytest.mark.parametrize(
    "strategies",
    [
        ("random",),
        ("random", Part.of("power", coldness=2.0)),
        (Part.of("partition", strategy=Part.of("power", coldness=0.5), rows=300), "margin"),
        (Part.of("uniform_mixture", arms=[Part.of("margin"), "random"]), "margin"),
        (STRANGE, Part.of("my.other", text='say "hi"', empty=[], on=True, off=None)),
    ],
    ids=str,
)
@pytest.mark.parametrize("root", ["photos", "2024 photos's"])
def test_the_saved_file_makes_the_same_trials_and_is_clean(here: Path, root: str, strategies: tuple) -> None:
    if root != "photos":
        (here / "photos").rename(here / root)
    study = quick(root, strategies=strategies, encoder="pixels", corrupter=Part.of("uniform_noise", fraction=0.1))
    command = save(study, Path("experiments/mine.py"))
    assert command == "labelbench run experiments/mine.py --data-root ."
    loaded = experiment.load(str(here / "experiments/mine.py"))
    assert list(loaded.trials) == study.trials
    assert loaded.name == f"mine.{python_name(study.name)}"
    for check in (["check", "--select=E,F,I,UP,B,SIM,RUF,C4,PT,ANN,D"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *check, "--isolated", "experiments/mine.py"],
            cwd=here,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout


def test_a_saved_file_has_the_reasons_of_what_was_chosen(here: Path) -> None:
    text = file_text(quick("photos", budget=3), "labelbench run mine.py")
    assert 'encoder="efficientnet_lite0",  # chosen for images with one label a row' in text
    assert "rounds=10,  # chosen for a pool of" in text
    assert "budget=3,\n" in text
    assert "# labelbench run mine.py\n" in text


def test_saving_replaces_no_other_file(here: Path) -> None:
    study = quick("photos", encoder="pixels", budget=3)
    (here / "mine.py").write_text("mine = 1\n")
    with pytest.raises(UserError, match="another file is there"):
        save(study, here / "mine.py")
    for name in ("mine.txt", "my-own.py"):
        with pytest.raises(UserError, match="a Python module"):
            save(study, here / name)
    assert (here / "mine.py").read_text() == "mine = 1\n"
    save(study, here / "other.py")
    save(study, here / "other.py")


def test_plan_states_what_was_found_and_chosen_and_starts_nothing(command, here: Path) -> None:
    status, printed, errors = command("plan", "--dataset", "photos/", "--encoder", "pixels", "--save", "mine.py")
    assert (status, errors) == (0, "")
    assert printed.startswith("photos: an image folder, read as image_folder(")
    assert "saved mine.py, which makes the same trials: labelbench run mine.py --data-root ." in printed
    assert "photos: 30 trials, 0 done, 30 to run" in printed
    assert not (here / "runs").exists()


def test_nothing_is_saved_of_trials_that_are_refused(command, here: Path) -> None:
    status, printed, errors = command(
        "plan", "--dataset", "photos", "--encoder", "pixels", "--rounds", "500", "--budget", "1", "--save", "bad.py"
    )
    assert (status, "saved" in printed) == (2, False)
    assert "the pool has" in errors
    assert not (here / "bad.py").exists()


def test_a_row_without_a_label_is_named(here: Path) -> None:
    rows = [f"text {number},{'xy'[number % 2] if number != 7 else ''}" for number in range(100)]
    (here / "reviews.csv").write_text("\n".join(["text,label", *rows]))
    with pytest.raises(UserError, match=r"1 of 100 rows \(the first is 'reviews/00000007'\) of the pool have no label"):
        quick("reviews.csv", encoder="sentence")


def test_run_ends_with_the_answer_and_the_file_finds_it_done(command, here: Path) -> None:
    words = ["--encoder", "pixels", "--strategies", "margin,random", "--executor", "local"]
    status, printed, _ = command(
        "run", "--dataset", "photos", *words, "--seeds", "2", "--rounds", "2", "--save", "m.py"
    )
    assert status == 0
    for expected in ("4 trials done, 0 failed", "labels saved", "report: ", "next: "):
        assert expected in printed, printed
    status, printed, _ = command("run", "m.py", "--data-root", ".", "--executor", "local")
    assert status == 0
    assert "all 4 trials are done; nothing to run" in printed


def test_embed_takes_the_same_options(command, here: Path) -> None:
    status, printed, _ = command("embed", "--dataset", "photos", "--encoder", "pixels", "--executor", "local")
    assert status == 0
    assert "embedded image_folder(" in printed


@pytest.mark.parametrize("verb", ["plan", "embed", "run"])
@pytest.mark.parametrize(
    ("words", "reported"),
    [
        ([], "nothing to run: give an experiment, such as experiments/quickstart.py, or the data, as in --dataset"),
        (["--seeds", "3"], "nothing to run with --seeds"),
        (["mine.py", "--dataset", "photos"], "--dataset: the experiment file mine.py states its data"),
        (["mine.py", "--budget", "3"], "--budget: the experiment file mine.py states its data"),
        (["--dataset", "phots"], "did you mean 'photos'?"),
        (["--dataset", "digit"], "did you mean 'digits'?"),
        (["--dataset", "photos", "--strategies", "margn,random"], "no strategy called 'margn'; did you mean 'margin'?"),
        (["--dataset", "photos", "--strategies", "margin,"], "--strategies: '' does not name one"),
        (["--dataset", "photos", "--strategies", "power(cold=1)"], "no setting of Power called 'cold'"),
        (["--dataset", "photos", "--encoder", "pixel"], "no encoder called 'pixel'; did you mean 'pixels'?"),
        (["--dataset", "photos", "--encoder", "sentence"], "embeds texts, the data set image_folder("),
        (["--dataset", "photos", "--budget", "100"], "the pool has"),
        (["--dataset", "photos", "--classes", "cat,cat"], "--classes 'cat,cat'"),
        (["--dataset", "photos", "--label", "kind"], "--label: "),
        (["--dataset", "digits", "--label", "kind"], "--dataset digits: a data set by name"),
        (["--dataset", "photos", "--name", "a b"], "name: 'a b' cannot name a folder"),
        (["--dataset", "prompts(path=photos)"], "its task is 'response', which needs an experiment file"),
    ],
)
def test_mistakes_are_one_line_with_the_fix(command, here: Path, verb: str, words: list[str], reported: str) -> None:
    (here / "mine.py").write_text("")
    status, _, errors = command(verb, *words)
    assert status == 2
    assert errors.startswith("error: ")
    assert reported in errors
    assert len(errors.strip().splitlines()) == 1
    assert not (here / "runs").exists()
