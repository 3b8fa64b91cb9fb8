"""The command `labelbench score-prompts`."""

import click

from labelbench_ray.commands.output import state


@click.command("score-prompts")
@click.argument("prompts", metavar="PROMPTS")
@click.argument("out", metavar="OUT")
@click.option("--model", required=True, help="A folder, or a name on the Hugging Face hub.")
@click.option("--vocabulary", type=click.IntRange(2), help="Tokens that the model knows; default: by its config.json.")
@click.option("--context", type=click.IntRange(1), default=8192, help="Tokens of a prompt with its answer.")
@click.option("--max-new-tokens", type=click.IntRange(1), default=128, help="Tokens of an answer, at most.")
@click.option("--replicas", type=click.IntRange(1), default=1, help="Engines at a time.")
@click.option("--gpus-per-replica", type=click.IntRange(1), default=1, help="GPUs that share one engine.")
@click.option("--batch-size", type=click.IntRange(1), default=64, help="Prompts that an engine is given at a time.")
@click.option(
    "--address",
    envvar=["LABELBENCH_ADDRESS", "RAY_ADDRESS"],
    help="A Ray cluster with GPUs; default: a local one while the command runs.",
)
def score_prompts_command(
    prompts: str,
    out: str,
    model: str,
    vocabulary: int | None,
    context: int,
    max_new_tokens: int,
    replicas: int,
    gpus_per_replica: int,
    batch_size: int,
    address: str | None,
) -> int:
    """Score prompts with vLLM on GPUs, through ray.data.llm: the facts that the data set prompts reads.

    PROMPTS is a parquet file or a folder of them, with the columns row_id and prompt, and any others. OUT is a folder
    or URI that all machines of the cluster reach: OUT/prompts.parquet gets all columns with the facts of each prompt,
    and OUT/refused.parquet the prompts that the engine refused, with the reason. vLLM must be installed on the cluster.
    Exit status 1 where prompts were refused.
    """
    from labelbench_ray.cluster.prompt_scores import PromptScoring, score_files, vocabulary_of

    scoring = PromptScoring(
        model=model,
        vocabulary=vocabulary or vocabulary_of(model),
        context=context,
        max_new_tokens=max_new_tokens,
        replicas=replicas,
        gpus_per_replica=gpus_per_replica,
        batch_size=batch_size,
    )
    written, refused = score_files(prompts, out, scoring, address)
    state([f"{written:,} prompts scored: {out}/prompts.parquet"])
    if refused:
        state([f"{refused:,} prompts refused, with the reasons: {out}/refused.parquet"])
    return 1 if refused else 0
