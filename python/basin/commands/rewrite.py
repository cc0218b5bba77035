"""`basin rewrite`: steps of the registry, applied from file to file."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from basin.commands.reporting import fail, print_remarks
from basin.output.files import find_clash, write_whole

if TYPE_CHECKING:
    from basin.registry import Requests


class Form(str, Enum):
    """How raised ops are written."""

    original = "original"
    nodes = "nodes"
    functions = "functions"
    operators_opset23 = "operators:opset23"
    operators_opset25 = "operators:opset25"
    operators_ort = "operators:ort"


class Cache(str, Enum):
    """How a cache gets the new keys and values."""

    copy = "copy"
    in_place = "in-place"


class ExternalDataMode(str, Enum):
    """Where tensors go that the input keeps in files of their own."""

    auto = "auto"
    share = "share"
    copy = "copy"
    embed = "embed"


def describe_steps() -> Iterator[str]:
    """The lines that `--list` prints."""
    from basin.registry import steps

    for step in steps():
        yield f"{step.name}: {step.summary}"
        for option in step.options:
            default = f" (default: {option.default})" if option.default else ""
            yield f"  {option.name}={option.values}  {option.help}{default}"
        yield f"  promise: {step.full_promise}"
        yield f"  good for: {step.good_for}"
        yield f"  not for: {step.not_for}"


def print_list(wanted: bool) -> None:
    """Print the steps and end, before IN and OUT are missed."""
    if wanted:
        print("\n".join(describe_steps()))
        raise typer.Exit()


def complete_steps(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """What a word of the list of steps may be: the last step's options, and further steps."""
    from basin.registry import steps

    words: list[str] = context.params.get("steps") or []
    # Bash gives k=3 as three words, so what is no step's name is an option or a value.
    given = [word for word in words if any(word == step.name for step in steps())]
    options = {word.split("=")[0] for word in words}
    found = [
        (f"{option.name}=", option.help)
        for step in steps()
        if given and step.name == given[-1]
        for option in step.options
        if option.name not in options
    ]
    found += [(step.name, step.summary) for step in steps() if step.name not in given]
    return [(word, text) for word, text in found if word.startswith(incomplete)]


def choose_steps(words: list[str], recipe: Path | None) -> Requests:
    """The steps of the command line or of the recipe."""
    from basin import _basin
    from basin.recipes import read_recipe

    for word in words:
        if word != word.encode(errors="replace").decode():
            fail(f"expected steps in UTF-8, but got '{word}'")
    if recipe is None:
        return _basin.parse_steps(words)
    if words:
        fail("--recipe has steps of its own: give steps on the command line or a recipe, not both")
    return read_recipe(recipe)


def simulated(requests: Requests) -> Requests:
    """The steps with the option `nodes=simulate` of `quantize`."""
    if all(name != "quantize" for name, _ in requests):
        fail("--simulate needs the step quantize")
    out: Requests = []
    for name, options in requests:
        if name == "quantize":
            others = [(key, value) for key, value in options if key != "nodes"]
            options = [*others, ("nodes", "simulate")]
        out.append((name, options))
    return out


def files_of(requests: Requests) -> list[Path]:
    """The files that options name."""
    from basin.registry import steps

    files = {
        (step.name, option.name) for step in steps() for option in step.options if option.is_file
    }
    return [
        Path(value)
        for name, options in requests
        for option, value in options
        if (name, option) in files
    ]


def rewrite(
    source: Annotated[Path, typer.Argument(metavar="IN", show_default=False)],
    target: Annotated[Path, typer.Argument(metavar="OUT", show_default=False)],
    steps: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="STEP [OPTION=VALUE]...",
            help="Steps in their order, each with its options; --list shows them.",
            show_default=False,
            autocompletion=complete_steps,
        ),
    ] = None,
    recipe: Annotated[Path | None, typer.Option(help="Steps from a YAML file.")] = None,
    save_recipe: Annotated[
        Path | None, typer.Option(help="Write the steps to a YAML file, for --recipe.")
    ] = None,
    list_steps: Annotated[
        bool,
        typer.Option(
            "--list",
            is_eager=True,
            callback=print_list,
            help="Show each step with its options, its promise and its use.",
        ),
    ] = False,
    form: Annotated[Form, typer.Option(help="How recognized ops are written.")] = Form.original,
    cache: Annotated[
        Cache,
        typer.Option(
            help="In place, past and present keys are one buffer, for one query or one sequence."
        ),
    ] = Cache.copy,
    external_data: Annotated[
        ExternalDataMode, typer.Option(help="Where weights outside the model file go.")
    ] = ExternalDataMode.auto,
    simulate: Annotated[
        bool,
        typer.Option(
            "--simulate", help="Write what 'quantize' rounds as arithmetic that any runtime runs."
        ),
    ] = False,
    no_verify: Annotated[
        bool, typer.Option("--no-verify", help="Keep the result without running both models.")
    ] = False,
    verify_limit: Annotated[
        float, typer.Option(metavar="GB", help="Models above this size are not run for the proof.")
    ] = 2.0,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse a model that states wrong shapes.")
    ] = False,
) -> None:
    """Rewrite the model IN and write it to OUT, if it is proven to keep what the steps promise."""
    from basin.recipes import format_recipe
    from basin.rewriting import rewrite as run_rewrite

    requests = choose_steps(steps or [], recipe)
    if simulate:
        requests = simulated(requests)
    if cache is Cache.in_place and form is not Form.operators_ort:
        fail("--cache in-place needs --form operators:ort")
    if save_recipe is not None and not requests:
        fail("--save-recipe needs a step")
    inputs = [source, *files_of(requests), *([] if recipe is None else [recipe])]
    clash = find_clash({"OUT": target, "--save-recipe": save_recipe}, inputs)
    if clash is not None:
        fail(clash)
    if save_recipe is not None and not save_recipe.absolute().parent.is_dir():
        fail(f"--save-recipe: no such folder: {save_recipe.parent}")
    if save_recipe is not None and save_recipe.is_dir():
        fail(f"--save-recipe: {save_recipe} is a folder")
    remarks = run_rewrite(
        source,
        target,
        [(name, dict(options)) for name, options in requests],
        form=form.value,
        cache=cache.value,
        strict=strict,
        external_data=external_data.value,
        verify=not no_verify,
        limit=int(verify_limit * 2**30),
        progress=True,
    )
    if save_recipe is not None:
        write_whole(save_recipe, format_recipe(requests).encode())
    print_remarks(remarks)
