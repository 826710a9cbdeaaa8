"""The commands: the only place that prints or exits. A command's module is imported when that command is used."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Mapping
from importlib.metadata import EntryPoint
from types import MappingProxyType

import click

from i2i.errors import I2IError

COMMANDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "fit": ("i2i.cli.fit:fit", "Train a model on folders of pictures."),
        "translate": ("i2i.cli.translate:translate", "Translate pictures, or sample new ones, with trained weights."),
        "runs": ("i2i.cli.runs:runs", "List runs, compare them, take their weights out, remove them."),
        "evaluate": ("i2i.cli.evaluate:evaluate", "Measure how good pictures are: PSNR, SSIM, LPIPS, KID, FID."),
        "import": ("i2i.cli.importing:importing", "Bring in a network that somebody else published."),
        "show": ("i2i.cli.show:show", "Print a recipe with every option explained."),
        "plugins": ("i2i.cli.plugins:plugins", "List, show, make, check and install plugins."),
        "data": ("i2i.cli.data:data", "Check folders of pictures, draw practice data, make contact sheets."),
    }
)


class LazyGroup(click.Group):
    """Knows its commands by name and summary; imports one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = EntryPoint(cmd_name, COMMANDS[cmd_name][0], "i2i.cli").load()
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in `--help`, without importing any command."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="i2i", message="i2i %(version)s")
def i2i() -> None:
    """Image-to-image models from the command line.

    \b
    i2i fit --plugin cyclegan-light --src photos/ --target paintings/
    i2i translate --plugin cyclegan-light --src more-photos/ --dst out/
    """


def main() -> None:
    """Run a command; an error becomes one line and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a file name or a sign that the terminal cannot show ends nothing
            stream.reconfigure(errors="backslashreplace")
    try:
        code = i2i.main(standalone_mode=False, prog_name="i2i")
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
        sys.exit(error.exit_code)
    except BrokenPipeError:
        os._exit(1)  # whoever read our output has gone
    except OSError as error:
        _complain(f"{error.filename}: {error.strerror}" if error.filename else " ".join(str(error).split()))
        sys.exit(1)
    except Exception as error:
        if os.environ.get("I2I_TRACEBACK"):
            raise
        text = " ".join(str(error).split()) or "no explanation"
        _complain(f"unexpected {type(error).__name__}: {text} (a bug in i2i or a plugin; I2I_TRACEBACK=1 shows where)")
        sys.exit(1)


def _complain(line: str) -> None:
    click.echo(f"{click.style('Error:', fg='red')} {line}", err=True)
