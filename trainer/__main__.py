"""The command line: `python -m trainer demo|prepare|caption|train|convert`. Reads arguments; verbs are in `cli/`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from .cli.screen import Screen, system_language
from .messages import Message, UserError, sentence
from .training.ranks import ALONE, Ranks, launched_ranks

FINISHED, MISTAKE, STOPPED = 0, 1, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit status: 0 done, 1 a mistake that the message explains, 130 stopped by Ctrl+C."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a pipe on Windows may not know `·` or Chinese
            stream.reconfigure(errors="replace")
    language = system_language(os.environ)
    chosen = _parser(language).parse_args(arguments)
    ranks = launched_ranks() if chosen.verb == "train" else ALONE
    with open(os.devnull, "w", encoding="utf-8") as nowhere:  # one of several processes speaks for all
        screen = Screen(language, sys.stdout if ranks.is_first else nowhere)
        try:
            return _status(chosen, screen, ranks)
        except KeyboardInterrupt:
            screen.say("cli.interrupted")
            return STOPPED


def _status(chosen: argparse.Namespace, screen: Screen, ranks: Ranks) -> int:
    """Run the verb, and say what went wrong with it; of several processes none goes before the others are done."""
    try:
        with ranks.together():
            return FINISHED if _run(chosen, screen, ranks) else STOPPED
    except UserError as error:
        screen.end_progress()
        if ranks.is_first:
            print(sentence(error.message, screen.language), file=sys.stderr, flush=True)
        return MISTAKE
    finally:
        if not isinstance(sys.exc_info()[1], KeyboardInterrupt):
            ranks.leave()


def _run(chosen: argparse.Namespace, screen: Screen, ranks: Ranks) -> bool:
    """Whether the verb came to its end. Each verb's module is read when it is asked for: --help stays instant."""
    if chosen.verb == "prepare":
        from .cli.job import read_job
        from .cli.prepare import run_prepare

        run_prepare(read_job(chosen.job), screen)
        return True
    if chosen.verb == "caption":
        from .cli.caption import run_caption
        from .cli.job import read_job

        run_caption(read_job(chosen.job), screen, chosen.export)
        return True
    if chosen.verb == "train":
        from .cli.job import read_job
        from .cli.train import run_job

        return run_job(read_job(chosen.job), screen, ranks) is not None
    if chosen.verb == "convert":
        from .cli.convert import run_convert

        run_convert(chosen.lora, screen)
        return True
    from .cli.demo import run_demo

    return run_demo(chosen.out, screen)


def _parser(language: str) -> argparse.ArgumentParser:
    def say(key: str) -> str:
        return sentence(Message(key), language)

    parser = argparse.ArgumentParser(
        prog="python -m trainer",
        description=say("cli.help"),
        epilog=say("cli.help.epilog"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="demo | prepare | caption | train | convert")
    demo = verbs.add_parser("demo", help=say("cli.help.demo"), description=say("cli.help.demo"))
    demo.add_argument("--out", type=Path, default=Path("demo"), metavar="DIR", help=say("cli.help.out"))
    with_help = (("prepare", "cli.help.prepare"), ("caption", "cli.help.caption"), ("train", "cli.help.train"))
    for verb, help_key in with_help:
        with_job = verbs.add_parser(
            verb,
            help=say(help_key),
            description=say(help_key),
            epilog=say("cli.help.job_keys"),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        with_job.add_argument("job", type=Path, metavar="JOB.yaml", help=say("cli.help.job"))
        if verb == "caption":
            with_job.add_argument("--export", type=Path, metavar="DIR", help=say("cli.help.export"))
    convert = verbs.add_parser("convert", help=say("cli.help.convert"), description=say("cli.help.convert"))
    convert.add_argument("lora", type=Path, nargs="+", metavar="LORA.safetensors", help=say("cli.help.lora"))
    return parser


if __name__ == "__main__":
    sys.exit(main())
