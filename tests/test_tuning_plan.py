"""What a newcomer's mistakes about full models get at `labelbench plan`: one line with the value and the fix."""

import pytest
import torch

from labelbench_ray.api.plan_words import describe
from labelbench_ray.config import FineTune, Part, Trial, grid, vary
from labelbench_ray.errors import ConfigError, NotProvidedError
from labelbench_ray.ledger.trials import Failure, write_failure
from labelbench_ray.planning.experiment import Experiment
from labelbench_ray.planning.finetunes import _check_network, check_full_models
from labelbench_ray.planning.plan import Plan, plan
from labelbench_ray.proxies import Classifier, Proxy
from labelbench_ray.trainers import EmbeddedInputs, FitData, Trainer
from labelbench_ray.trial import parts
from tests.full_trials import LIGHT, TRAINER, finetune, make_home, make_store
from tests.small_models import make_clip
from tests.test_cli import command, experiment  # noqa: F401  the first is a fixture
from tests.tiny_encoder import Tiny

TINY = {"name": "tests.tiny_encoder"}
FULL = {"name": "full_model"}
SMALL = {"name": "supervised", "settings": {"batch_size": 5}}
FIELDS = {"dataset": "digits", "encoder": TINY, "trainer": SMALL, "rounds": 2, "budget": 10}
TUNE = {"trainer": SMALL}


class Whole(Trainer):
    """A user's own trainer, which knows nothing of gradient descent."""

    def fit(self, proxy: Proxy, data: FitData[EmbeddedInputs], seed: int) -> Classifier:
        raise NotImplementedError


def head(name: str, **settings: object) -> dict[str, object]:
    return {"name": "full_model", "settings": {"head": {"name": name, "settings": settings}}}


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"finetune": TUNE | {"budgets": [30]}}, "a fine-tune on 30 labels is asked for, 2 rounds of 10 buy 20; lower"),
        ({"finetune": TUNE | {"budgets": [4]}}, "the fine-tune has 4 labels, fewer than a batch of 5; lower"),
        ({"finetune": {}}, "the fine-tune has 20 labels, fewer than a batch of 32; lower the trainer's `batch_size`"),
        ({"finetune": TUNE | {"budgets": [0]}}, "finetune.budgets.0: Input should be greater than 0 (was 0)"),
        ({"proxy": FULL, "trainer": "supervised"}, "round 0 has 10 labels, fewer than a batch of 500; lower"),
        (
            {"proxy": FULL, "trainer": {"name": "warm_start", "settings": {"trainer": "supervised"}}},
            "round 0 has 10 labels, fewer than a batch of 500; lower",
        ),
        ({"finetune": TUNE | {"model": "linear"}}, "finetune: linear is a light proxy, which trains no encoder; use"),
        ({"finetune": TUNE | {"model": "ful_model"}}, "did you mean 'full_model'?"),
        ({"finetune": {"trainer": "logistic"}}, "trainer logistic: does not train by gradient descent, so it cannot"),
        ({"proxy": FULL, "trainer": "logistic"}, "trainer logistic: does not train by gradient descent, so it cannot"),
        ({"proxy": FULL, "trainer": "tests.test_tuning_plan"}, "does not train by gradient descent"),
        ({"encoder": "pixels", "finetune": TUNE}, "this one has none to train; use the proxy 'linear' or 'shallow'"),
        ({"encoder": "pixels", "proxy": FULL}, "this one has none to train; use the proxy 'linear' or 'shallow'"),
        ({"proxy": head("from_proxy")}, "head from_proxy: no light proxy is trained before this model"),
        (
            {"proxy": "shallow", "finetune": TUNE | {"model": head("from_proxy")}},
            "head from_proxy: the proxy 'shallow' is not one affine layer",
        ),
        (
            {"finetune": TUNE | {"model": head("from_proxy"), "budgets": [7, 20]}},
            "a fine-tune on 7 labels is asked for, and the first proxy is trained on 10: head from_proxy",
        ),
        ({"proxy": head("zero_shot")}, "has no text tower that was trained with its images; use an open_clip"),
        ({"proxy": head("zero_shot", templates=["a photo of a dog."])}, "template 'a photo of a dog.' has no {}"),
        ({"proxy": head("zero_shot", templates="mine.txt")}, "templates 'mine.txt' is neither one of openai_imagenet"),
        (
            {"proxy": {"name": "full_model", "settings": {"augmentation": "words"}}},
            "the augmentation words of a full model changes texts, the encoder takes images; choose one that fits",
        ),
        ({"proxy": {"name": "full_model", "settings": {"precision": "half"}}}, "precision: Input should be 'float32'"),
        (
            {"trainer": {"name": "flexmatch", "settings": {"augmentation": "words"}}},
            "the augmentation 'words' changes texts, the encoder tests.tiny_encoder embeds images; choose one that",
        ),
        ({"finetune": {"budget": 3}}, "no setting of FineTune called 'budget'; did you mean 'budgets'?"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(command, tmp_path, fields: dict, says: str):  # noqa: F811
    status, _, errors = command("plan", experiment(tmp_path, **FIELDS | fields))
    assert status == 2
    assert says in " ".join(errors.split())
    assert errors.startswith("error: ")
    assert len(errors.strip().splitlines()) == 1, errors


def test_a_text_encoder_has_nothing_to_train_and_its_views_are_of_words():
    texts = {"dataset": Part(name="banking77"), "encoder": Part(name="sentence")}
    with pytest.raises(ConfigError, match="this one has none to train"):
        parts.build(vary(LIGHT, **texts, finetune=finetune()))
    with pytest.raises(ConfigError, match=r'changes images, .* embeds texts; .*augmentation="words"'):
        parts.build(vary(LIGHT, **texts, trainer=Part(name="flexmatch")))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    make_clip(folder)
    return folder


def clip_part(folder, pretrained: str = "weights.pt") -> dict[str, object]:
    settings = {"model": str(folder / "labelbench-small-vit.json"), "pretrained": str(folder / pretrained)}
    return {"name": "open_clip", "settings": settings}


@pytest.mark.parametrize("damage", ["another model's", "cut", "noise"])
@pytest.mark.parametrize("fields", [{"proxy": FULL}, {"finetune": TUNE}])
def test_weights_that_do_not_fit_are_refused_with_their_file(command, tmp_path, clip, damage, fields):  # noqa: F811
    whole = (clip / "weights.pt").read_bytes()
    if damage == "another model's":
        state = torch.load(clip / "weights.pt", weights_only=True)
        torch.save(
            {name: torch.zeros(7) if name == "visual.proj" else each for name, each in state.items()}, clip / "b.pt"
        )
    else:
        (clip / "b.pt").write_bytes(whole[: len(whole) // 2] if damage == "cut" else b"noise")
    encoder = clip_part(clip, "b.pt")
    status, _, errors = command("plan", experiment(tmp_path, **FIELDS | fields | {"encoder": encoder}))
    assert status == 2
    assert errors.startswith(f"error: {clip / 'b.pt'}: not the weights of the open_clip model")
    assert "give the file that belongs" in errors
    assert len(errors.strip().splitlines()) == 1
    assert len(errors) < 600


def test_weights_that_are_not_here_are_reported_by_the_plan(command, tmp_path, clip):  # noqa: F811
    path = experiment(tmp_path, **FIELDS | {"encoder": clip_part(clip, "nowhere.pt"), "finetune": TUNE})
    status, printed, _ = command("plan", path)
    assert status == 0
    assert "to be provided: pretrained: there is no file" in printed


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"class_names": ["zero", "one"]}, "class_names has 2 names, the data set 10 classes (0, 1, 2, ...); give one"),
        ({"class_names": [*"012345678", " "]}, "the name of class 9 ('9') is empty"),
    ],
)
def test_class_names_that_do_not_match_the_labels_are_refused(command, tmp_path, clip, settings, says):  # noqa: F811
    tune = TUNE | {"model": head("zero_shot", **settings)}
    status, _, errors = command("plan", experiment(tmp_path, **FIELDS | {"encoder": clip_part(clip), "finetune": tune}))
    assert status == 2
    assert says in errors


def test_a_small_open_clip_model_is_fine_tuned_from_its_zero_shot_head(tmp_path, clip, monkeypatch):
    """Through plan, fit and point; the templates' file is gone when the worker comes, which stands elsewhere."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.txt").write_text("a drawing of the number {}.\n{} in ink\n")
    zero_shot = Part.of("zero_shot", templates="mine.txt", class_names=[f"number {digit}" for digit in range(10)])
    model = Part.of("full_model", head=zero_shot, augmentation=Part.of("images", flip=False), validation_rows=10)
    base = vary(
        LIGHT,
        dataset=Part.of("digits", max_rows=60),
        encoder=Part.model_validate(clip_part(clip)),
        rounds=2,
        budget=10,
    )
    still, moving = (
        finetune(20, model=model, trainer=Part.of("supervised", epochs=1, batch_size=10, learning_rate=rate))
        for rate in (1e-30, 1e-3)
    )
    make_store(base, tmp_path / "store", tmp_path)
    home = make_home(tmp_path, tmp_path / "store")
    trials = (vary(base, finetune=still), vary(base, finetune=moving))
    home.run(trials[0])
    planned = plan(Experiment("tests.grid", trials), home.environment)
    assert [tuning.missing for tuning in planned.tunings] == [(20,), (20,)]
    (tmp_path / "mine.txt").unlink()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    found = [home.tune(tuning.parts.trial)[20] for tuning in planned.tunings]
    assert found[0].model != found[1].model
    # What open_clip says of the test images by its own zero-shot classifier.
    import open_clip

    built = planned.tunings[0].parts
    whole = open_clip.create_model("labelbench-small-vit", pretrained=str(clip / "weights.pt"), weights_only=True)
    tokenizer = open_clip.get_tokenizer("ViT-B-32", context_length=24)
    templates = [lambda name: f"a drawing of the number {name}.", lambda name: f"{name} in ink"]
    with torch.inference_mode():
        weight = open_clip.build_zero_shot_classifier(
            whole.eval(), tokenizer, [f"number {digit}" for digit in range(10)], templates
        )
        test = built.dataset.open(tmp_path).splits["test"]
        network = built.encoder.load("cpu")
        records = test.read(0, len(test))
        images = network.embed([built.encoder.decode(payload) for payload in records.payloads])
        said = (torch.nn.functional.normalize(torch.from_numpy(images), dim=-1) @ weight).argmax(1).numpy()
    right = (said == records.labels_B).mean()
    assert found[0].metrics["Test Accuracy"] == pytest.approx(right, abs=1.5 / len(said))


def planned_with(folder, *trials: Trial) -> Plan:
    home = make_home(folder, folder / "store")
    return plan(Experiment("tests.grid", trials), home.environment)


def test_every_fine_tune_of_a_trial_is_checked_not_the_first_alone(tmp_path):
    with pytest.raises(ConfigError, match="a fine-tune on 99 labels"):
        planned_with(tmp_path, *grid(LIGHT, finetune=[finetune(12), finetune(99)]))


def test_fine_tunes_of_one_recipe_are_one_with_all_their_budgets(tmp_path):
    """Also those of shorter trials, whose labels the longest holds."""
    other = finetune(24, trainer=Part.of("supervised", batch_size=4))
    trials = [
        vary(LIGHT, finetune=finetune(12)),
        vary(LIGHT, finetune=finetune(20, 12)),
        vary(LIGHT, rounds=2, finetune=finetune()),
        vary(LIGHT, rounds=5),
        vary(LIGHT, finetune=other),
    ]
    planned = planned_with(tmp_path, *trials)
    assert len(planned.trials) == 1
    assert [tuning.budgets for tuning in planned.tunings] == [(12, 20, 24), (24,)]
    assert [tuning.missing for tuning in planned.tunings] == [(12, 20, 24), (24,)]
    assert planned.tunings[0].parts.trial.finetune.budgets == (12, 20, 24)
    assert any("2 fine-tunes at 4 budgets, 0 done; `labelbench finetune` runs" in line for line in describe(planned))


def test_without_budgets_a_fine_tune_takes_all_labels(tmp_path):
    (tuning,) = planned_with(tmp_path, vary(LIGHT, finetune=finetune())).tunings
    assert tuning.budgets == (36,)


def test_a_fine_tune_is_no_part_of_a_trial_s_fingerprint():
    assert parts.build(LIGHT).fingerprint == parts.build(vary(LIGHT, finetune=finetune(12))).fingerprint


def test_what_is_done_damaged_or_failed_is_reported(tmp_path):
    trial = vary(LIGHT, finetune=finetune(12, 24))
    home = make_home(tmp_path, tmp_path / "store")
    make_store(LIGHT, tmp_path / "store", tmp_path)
    home.run(trial)
    home.tune(trial, stop_after=1)
    directory = home.finetune_job(trial).directory
    (tuning,) = planned_with(tmp_path, trial).tunings
    assert (tuning.missing, tuning.progress.reason) == ((24,), "")
    write_failure(directory, Failure(error="OSError: disk full", traceback="..."))
    planned = planned_with(tmp_path, trial)
    assert (planned.tunings[0].missing, planned.tunings[0].progress.reason) == ((24,), "OSError: disk full")
    assert any("disk full" in line for line in describe(planned))
    path = directory / "000012.json"
    path.write_bytes(path.read_bytes()[:-9])
    (tuning,) = planned_with(tmp_path, trial).tunings
    assert "000012.json" in tuning.progress.reason


def test_a_file_of_templates_travels_as_its_texts(tmp_path, clip, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.txt").write_text("a {}.\n")
    model = Part.of("full_model", head=Part.of("zero_shot", templates="mine.txt"))
    given = Part.of("full_model", head=Part.of("zero_shot", templates=["a {}."]))
    for field in ({"proxy": model, "trainer": TRAINER}, {"finetune": FineTune(model=model, trainer=TRAINER)}):
        trial = vary(LIGHT, encoder=Part.model_validate(clip_part(clip)), **field)
        built = parts.build(trial)
        (tmp_path / "mine.txt").rename(tmp_path / "away.txt")
        again = parts.build(built.trial)
        (tmp_path / "away.txt").rename(tmp_path / "mine.txt")
        assert again == built
        assert "mine.txt" not in built.trial.model_dump_json()
        same = {"proxy": given} if "proxy" in field else {"finetune": FineTune(model=given, trainer=TRAINER)}
        other = parts.build(vary(trial, **same))
        assert other.fingerprint == built.fingerprint
        assert (other.tuning and other.tuning.fingerprint) == (built.tuning and built.tuning.fingerprint)


def test_a_plan_fetches_no_weights(monkeypatch: pytest.MonkeyPatch):
    def missing(encoder: Tiny) -> str:
        raise NotProvidedError("the weights are not on this machine")

    def fetched(encoder: Tiny) -> None:
        raise AssertionError("a plan looks for weights where they should lie, and no further")

    _check_network.cache_clear()
    monkeypatch.setattr(Tiny, "weights", missing)
    monkeypatch.setattr(Tiny, "network", fetched)
    check_full_models(parts.build(vary(LIGHT, encoder=Part.of("tests.tiny_encoder"), proxy=FULL, trainer=SMALL)), None)
