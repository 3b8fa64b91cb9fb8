"""What trials read: fetch weights, embed pools, decode the images of full models."""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from rich.console import Console

from labelbench_ray.api.executors import Executor
from labelbench_ray.console.events import Event, Events
from labelbench_ray.console.progress import Meter, meter
from labelbench_ray.embeddings.complete import Embedder, complete_store
from labelbench_ray.embeddings.embed import FEW_ROWS
from labelbench_ray.embeddings.images import decoded_images
from labelbench_ray.embeddings.overlaps import left_out, read_overlaps
from labelbench_ray.embeddings.store import EmbeddingStore
from labelbench_ray.encoders import trainable
from labelbench_ray.environment import Environment
from labelbench_ray.errors import NotProvidedError
from labelbench_ray.ledger.data_notes import note_overlaps, note_rows
from labelbench_ray.planning.plan import Plan, check_budget
from labelbench_ray.planning.stores import PlannedStore
from labelbench_ray.planning.units import embedding_units
from labelbench_ray.storage.folders import make_folder
from labelbench_ray.storage.quarantine import read_quarantine_note, set_asides
from labelbench_ray.storage.remote import is_remote
from labelbench_ray.trial.parts import Parts

IMAGES, EMBEDDING = "decoding images, rows", "embedding, rows"
SECONDS_BETWEEN_SIGHTS = 0.05


def provide(plan: Plan, environment: Environment) -> None:
    """Fetch weights where the network allows, and check that data and weights are present before anything starts.

    Raises:
        NotProvidedError: some are not; names all of them.
    """
    lacking: list[str] = []
    for store in plan.needed:
        encoder = store.example.encoder
        needed: list[Callable[[], object]] = [encoder.provide, encoder.weights]
        if not store.source:
            needed.insert(0, partial(store.example.dataset.open, environment.data_root))
        for present in needed:
            try:
                present()
            except NotProvidedError as error:
                lacking.append(str(error))
    if lacking:
        raise NotProvidedError("; ".join(dict.fromkeys(lacking)))


@dataclass
class EarlyEmbedding:
    """New stores of few rows, embedded by a thread while the executor starts.

    What is wrong with one of them, `make_stores` finds and reports.
    """

    stores: Sequence[PlannedStore]
    embedder: Embedder
    environment: Environment
    rows: int = 0
    """Rows that are embedded, of all stores."""
    rows_before: int = 0
    """Rows of the stores that came before the current one."""

    @classmethod
    def begin(cls, plan: Plan, executor: Executor, environment: Environment) -> "EarlyEmbedding | None":
        """Begin, if there is something to embed and the executor can."""
        embedder = executor.early_embedder
        new = [store for store in plan.stores if _is_small(store) and not (environment.store / store.key).exists()]
        if embedder is None or not new or is_remote(environment.store):
            return None
        early = cls(new, embedder, environment)
        early._thread.start()
        return early

    def __post_init__(self) -> None:
        # A daemon: when the command ends, its child does too.
        self._thread = threading.Thread(target=self._embed, name="embed-early", daemon=True)

    def wait(self, console: Console) -> None:
        """Wait for its end."""
        total = sum(sum(store.rows.values()) for store in self.stores)
        with meter(console, EMBEDDING, total) as shown:
            while self._thread.is_alive():
                shown.show(self.rows, total, EMBEDDING)
                self._thread.join(SECONDS_BETWEEN_SIGHTS)

    def _embed(self) -> None:
        for store in self.stores:
            with suppress(Exception):
                complete_store(
                    store.example.store_recipe, None, self.environment, self.embedder, self._count, store.source
                )
            self.rows_before += sum(store.rows.values())

    def _count(self, done: int, total: int) -> None:
        self.rows = self.rows_before + done


def _is_small(store: PlannedStore) -> bool:
    return store.source is not None and sum(store.rows.values()) <= FEW_ROWS


def make_stores(
    plan: Plan, executor: Executor, environment: Environment, console: Console
) -> dict[str, EmbeddingStore]:
    """Embed every store of the plan that is not whole; by key. The executor is started.

    Raises:
        ConfigError: fewer rows of the pool were embedded than a trial buys labels for.
    """
    made: dict[str, EmbeddingStore] = {}
    make_folder(environment.store)
    for store in plan.stores:
        trial = store.example.trial
        events, names = Events(plan.experiment.name), {"dataset": str(trial.dataset), "encoder": str(trial.encoder)}
        events.log(Event.EMBEDDING_STARTED, store=store.key, **names)
        before = set_asides(environment.store / store.key)
        words = "checking embeddings" if store.complete else EMBEDDING
        with meter(console, words, embedding_units([store]).total) as shown:
            if store.complete and store.to_be_provided:
                # The embeddings are here and the data are not: nothing to check them against, nothing missing either.
                made[store.key] = EmbeddingStore.open(environment.store / store.key)
            else:
                show = partial(shown.show, words=EMBEDDING)
                for example in store.examples:
                    made[store.key] = complete_store(
                        example.store_recipe, example.wanted_views, environment, executor.embedder, show, store.source
                    )
        for name in sorted({*set_asides(environment.store / store.key)} - {*before}):
            why = read_quarantine_note(environment.store / store.key, name)
            events.log(Event.SET_ASIDE, store=store.key, reason=why.reason, files=why.files)
            console.print(f"set aside, and embedded again: {why.reason}", markup=False, soft_wrap=True, highlight=False)
        manifest = made[store.key].manifest
        rows, rejected = manifest.count("pool"), made[store.key].directory / "rejects.parquet"
        events.log(Event.EMBEDDING_DONE, store=store.key, **names, rows=rows, rejects=manifest.rejects)
        console.print(
            f"embedded {trial.dataset} with {trial.encoder}: {rows} rows of {manifest.dimensions} "
            f"dimensions{', as found' if store.done else f' in {manifest.seconds:.0f} s'}"
            f"{f'; {manifest.rejects} rejected, see {rejected}' if manifest.rejects else ''}",
            highlight=False,
            soft_wrap=True,
        )
        for warning in manifest.warnings:
            console.print(f"  {warning}", style="yellow", highlight=False, soft_wrap=True, markup=False)
        note_rows(plan.folder, manifest, store.class_counts)
        overlaps = read_overlaps(made[store.key].directory, manifest.content)
        if overlaps:
            note_overlaps(plan.folder, manifest.content, overlaps)
            if str(overlaps):
                console.print(f"  {overlaps}", style="yellow", highlight=False, soft_wrap=True)
            if overlaps.near is not None and str(overlaps.near):
                console.print(f"  {overlaps.near}", highlight=False, soft_wrap=True)
        removed = left_out(manifest.rejects, overlaps)
        for each in plan.missing:
            if each.parts.embedding == store.key:
                check_budget(each.parts.trial, rows, removed)
        for views in store.views:
            console.print(f"  and {views}", highlight=False, soft_wrap=True)
    return made


def make_images(environment: Environment, console: Console, needed: Sequence[Parts]) -> None:
    """Decode the images that full models are trained on, once for each store."""
    for key, built in {each.embedding: each for each in needed if each.full_models}.items():
        source, encoder = built.dataset.open(environment.data_root), trainable(built.encoder)
        rows = {split: len(each) for split, each in source.splits.items()}
        with meter(console, IMAGES, sum(rows.values())) as shown:

            def show(split: str, done: int, _: int, shown: Meter = shown, rows: dict[str, int] = rows) -> None:
                before = sum(list(rows.values())[: list(rows).index(split)])
                shown.show(before + done, sum(rows.values()), IMAGES)

            store = EmbeddingStore.open(environment.store / key)
            decoded_images(store, source, encoder, show, environment.row_seconds)
