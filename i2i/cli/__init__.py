"""The commands: the only place that prints or exits. A command's module is imported when that command is used."""

from __future__ import annotations

import difflib
import io
import os
import signal
import sys
import warnings
from collections.abc import Mapping
from importlib.metadata import EntryPoint
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import click

from i2i.errors import I2IError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

COMMANDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "fit": ("i2i.cli.fit:fit", "Train a model on folders of pictures."),
        "translate": ("i2i.cli.translate:translate", "Translate pictures, or sample new ones, with trained weights."),
        "runs": ("i2i.cli.runs:runs", "List runs, report on them, compare them, take their weights out, remove them."),
        "evaluate": ("i2i.cli.evaluate:evaluate", "Measure how good pictures are: PSNR, SSIM, LPIPS, KID, FID."),
        "gallery": ("i2i.cli.gallery:gallery", "Folders of pictures side by side, in a page for the browser."),
        "serve": ("i2i.cli.serve:serve", "A local page that translates what is dropped on it."),
        "export": ("i2i.cli.export:export", "Write a model's translation into a file for other runtimes."),
        "import": ("i2i.cli.importing:importing", "Bring in a network that somebody else published."),
        "push": ("i2i.cli.push:push", "Publish weights on the Hugging Face hub, with a model card."),
        "show": ("i2i.cli.show:show", "Print a recipe with every option explained."),
        "plugins": ("i2i.cli.plugins:plugins", "List, show, make, check and install plugins."),
        "data": ("i2i.cli.data:data", "Check folders of pictures, draw practice data, make contact sheets."),
        "doctor": ("i2i.cli.doctor:doctor", "Say what this machine has: device, plugins, weights, room, speed."),
        "bench": ("i2i.cli.bench:bench", "Measure how fast recipes translate and train on this machine."),
        "completion": ("i2i.cli.completion:completion", "Print what a shell needs to complete i2i's commands."),
    }
)


class LazyGroup(click.Group):
    """Knows its commands by name and summary; imports one when it is called."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """With colours as the environment wants them. `help COMMAND` is `COMMAND --help`."""
        from i2i.cli.saying import colour

        extra.setdefault("color", colour(os.environ))
        return super().make_context(info_name, [*args[1:], "--help"] if args[:1] == ["help"] else args, parent, **extra)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command, and put on it what all commands have."""
        if cmd_name not in COMMANDS:
            return None
        from i2i.cli.dressing import dressed

        command: click.Command = EntryPoint(cmd_name, COMMANDS[cmd_name][0], "i2i.cli").load()
        return dressed(command, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does; a misspelt name is told the nearest one."""
        if args[0] not in COMMANDS and not args[0].startswith("-") and not ctx.resilient_parsing:
            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f"Did you mean '{near[0]}'?" if near else "`i2i --help` lists them."
            raise click.UsageError(f"No such command '{args[0]}'. {hint}", ctx)
        return super().resolve_command(ctx, args)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """With what all commands have."""
        from i2i.cli.dressing import loudness_options

        if not any("--quiet" in parameter.opts for parameter in self.params):
            self.params += loudness_options()
        return super().get_params(ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in `--help`, without importing any command."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The commands' names, without importing any, and the options."""
        from click.shell_completion import CompletionItem

        named = [CompletionItem(name, help=told) for name, (_, told) in COMMANDS.items() if name.startswith(incomplete)]
        return named + click.Command.shell_complete(self, ctx, incomplete)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="i2i", message="i2i %(version)s", help="Show the version.")
def i2i() -> None:
    """Image-to-image models from the command line. `i2i COMMAND --help` tells more of each.

    \b
    i2i fit --plugin cyclegan-light --src photos/ --target paintings/
    i2i translate --plugin cyclegan-light --src more-photos/ --dst out/
    i2i gallery more-photos/ out/ --out gallery.html
    """


def main() -> None:
    """Run a command; an error becomes one line and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a file name or a sign that the terminal cannot show ends nothing
            stream.reconfigure(errors="backslashreplace")
    from i2i.cli.saying import Loudness, Voice

    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # --verbose shows them
    voice = Voice()
    try:
        code = i2i.main(standalone_mode=False, prog_name="i2i", obj=voice)
        sys.exit(code if isinstance(code, int) else 0)  # click hands back what `ctx.exit` was given
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _complain("stopped")
        sys.exit(130)
    except I2IError as error:
        for line in str(error).splitlines():
            _complain(line)
        if voice.loudness == Loudness.VERBOSE:
            _tell_causes(error)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        os._exit(1)  # whoever read our output has gone
    except OSError as error:
        _complain(f"{error.filename}: {error.strerror}" if error.filename else " ".join(str(error).split()))
        sys.exit(1)
    except Exception as error:
        if os.environ.get("I2I_TRACEBACK") or voice.loudness == Loudness.VERBOSE:
            raise
        text = " ".join(str(error).split()) or "no explanation"
        _complain(f"unexpected {type(error).__name__}: {text} (a bug in i2i or a plugin; --verbose shows where)")
        sys.exit(1)


def _tell_causes(error: BaseException) -> None:
    while (cause := error.__cause__) is not None:
        text = " ".join(str(cause).split())
        click.echo(f"from {type(cause).__name__}" + (f": {text}" if text else ""), err=True)
        error = cause


def _complain(line: str) -> None:
    from i2i.cli.saying import colour

    click.echo(f"{click.style('Error:', fg='red')} {line}", err=True, color=colour(os.environ))
