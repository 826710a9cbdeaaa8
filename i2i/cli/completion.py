"""`i2i completion`."""

from __future__ import annotations

import click

from i2i.cli.saying import answer
from i2i.errors import I2IError

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_I2I_COMPLETE"
"""By which the script asks i2i what fits; click's name for it."""
_ADDED = "COMPREPLY+=($value)"
_GOES_ON = """local word=$value
            case ${COMP_WORDS[COMP_CWORD]} in [\\"\\']*) ;; *) printf -v word %q "$value";; esac
            case $value in '~'*) word=${word#\\\\};; esac
            COMPREPLY+=("$word")
            case $value in *=|*/) compopt -o nospace;; esac"""

"""A word keeps its spaces, by backslashes where it is not in quotes; one that ends in = or / goes on."""


@click.command(short_help="Print what a shell needs to complete i2i's commands.")
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print a script with which the Tab key completes commands, options, recipes, run folders, weights and --set keys.

    Put this line into ~/.bashrc, or with zsh into ~/.zshrc, and open a new shell; with fish, write the file once:

    \b
    eval "$(i2i completion bash)"
    eval "$(i2i completion zsh)"
    i2i completion fish > ~/.config/fish/completions/i2i.fish
    """
    answer(script(shell).rstrip("\n"))


def script(shell: str) -> str:
    """Raises `I2IError` where click does not know the shell, or the shell is too old."""
    from click.shell_completion import get_completion_class

    from i2i.cli import i2i

    kind = get_completion_class(shell)
    if kind is None:
        raise I2IError(f"this click ({click.__name__}) completes nothing in {shell}")
    try:
        text = kind(i2i, {}, "i2i", VARIABLE).source()
    except RuntimeError as error:
        raise I2IError(f"{shell}: {error}") from error
    return text.replace(_ADDED, _GOES_ON) if shell == "bash" else text
