from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest
import yaml

from i2i import Catalog, I2IError, UsageError, discover
from i2i.plugins import BrokenPlugin, Installed, installed, resolve

BROKEN = Path(__file__).parent / "plugins"
MODEL = "from i2i import ModelSpec, hookimpl\n"
NUMBERS = itertools.count()


@pytest.fixture
def stranger(
    tmp_path: Path, install_plugin: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., str]:
    """`stranger(source, name)`: install a plugin of one module; answers the module's name, new in every call."""

    def install(source: str, name: str = "strange-plugin", version: str = "0.3") -> str:
        module = f"strange_{next(NUMBERS)}"
        folder = tmp_path / "sources" / module
        (folder / module).mkdir(parents=True)
        (folder / module / "__init__.py").write_text(source)
        project = f'[project]\nname = "{name}"\nversion = "{version}"\n[project.entry-points.i2i]\nit = "{module}"\n'
        (folder / "pyproject.toml").write_text(project)
        install_plugin(folder, tmp_path / "site")
        monkeypatch.syspath_prepend(str(tmp_path / "site"))
        return module

    yield install
    for name in [name for name in sys.modules if name.startswith("strange_")]:
        del sys.modules[name]


def model(name: str, more: str = "") -> str:
    spec = f"ModelSpec(name={name!r}, summary='a model', inference=('network',), build='strange:Model'{more})"
    return f"{MODEL}\n@hookimpl\ndef i2i_models():\n    return [{spec}]\n"


def only_broken(catalog: Catalog) -> BrokenPlugin:
    """The one broken plugin, once nothing else has suffered."""
    (plugin,) = catalog.broken
    assert catalog.find("model", "cyclegan").distribution == "i2i-cyclegan"
    assert catalog.find("recipe", "cyclegan-light").distribution == "i2i-cyclegan"
    assert catalog.find("loss", "l1").distribution == "i2i"
    assert plugin.distribution not in {entry.distribution for entry in catalog}
    return plugin


def only_broken_names(catalog: Catalog) -> list[str]:
    return [plugin.distribution for plugin in catalog.broken]


# what is installed


def test_every_name_knows_the_distribution_and_version_it_comes_from() -> None:
    catalog = discover()
    entries = {(entry.kind, entry.name): (entry.distribution, entry.version) for entry in catalog}
    core, cyclegan = ("i2i", metadata.version("i2i")), ("i2i-cyclegan", metadata.version("i2i-cyclegan"))
    assert catalog.broken == ()
    assert entries["loss", "lsgan"] == entries["dataset", "unpaired"] == core
    assert entries["model", "cyclegan"] == entries["trainer", "cyclegan"] == entries["recipe", "cyclegan"] == cyclegan
    assert catalog.versions(catalog.find("model", "cyclegan")) == dict([core, cyclegan])


def test_a_stranger_enters_like_everybody_else(stranger: Callable[..., str]) -> None:
    stranger(model("strange"), name="Strange.Plugin", version="7.1")
    entry = discover().find("model", "strange")
    assert (entry.kind, entry.distribution, entry.version) == ("model", "Strange.Plugin", "7.1")
    assert entry.value.summary == "a model"


def test_a_hook_may_be_a_generator(stranger: Callable[..., str]) -> None:
    stranger(model("strange").replace("return [", "yield from ["))
    assert "strange" in discover().names("model")


def test_an_unknown_name_is_answered_with_the_nearest_and_all_known() -> None:
    with pytest.raises(UsageError) as failure:
        discover().find("loss", "lsgam")
    said = str(failure.value)
    assert said.startswith("unknown loss 'lsgam'; did you mean 'lsgan'? (known: features, gradient-penalty, hinge, l1,")
    assert said.endswith(", wgan-gp, zero-centred)")


def test_an_unknown_name_mentions_broken_plugins_which_might_have_it() -> None:
    entries = {"model": {}}
    catalog = Catalog(entries, (BrokenPlugin("strange-a", "1", "x"), BrokenPlugin("strange-b", "2", "y")))
    assert catalog.unknown("model", "zoo") == (
        "unknown model 'zoo' (known: none installed); broken: strange-a, strange-b, see `i2i plugins`"
    )


# broken plugins, from the command line


def test_broken_plugins_are_listed_with_their_reasons_and_take_nobody_with_them(
    tmp_path: Path, install_plugin: Callable[..., None], run_i2i: Callable[..., object]
) -> None:
    for name in ("broken_misspelt", "broken_import", "broken_clash"):
        install_plugin(BROKEN / name, tmp_path)
    listing = run_i2i("plugins", site=tmp_path)
    cyclegan = f"i2i-cyclegan {metadata.version('i2i-cyclegan')}"
    assert listing.returncode == 0
    assert listing.stderr == ""
    assert [line for line in listing.stdout.splitlines() if line.startswith("broken")] == [
        f"broken  a-clash 1.0.0: a_clash: model 'cyclegan' of a-clash 1.0.0 exists already, from {cyclegan}",
        "broken  strange-import 0.2.0: strange_import: ModuleNotFoundError: "
        "No module named 'a_library_that_nobody_has'",
        "broken  strange-misspelt 0.1.0: strange_misspelt: unknown hook 'i2i_modles'; did you mean 'i2i_models'?",
    ]
    rows = [tuple(line.split()[:4]) for line in listing.stdout.splitlines()]
    version = cyclegan.split()[1]
    assert ("model", "cyclegan", "i2i-cyclegan", version) in rows
    assert ("recipe", "cyclegan-light", "i2i-cyclegan", version) in rows
    assert not {"strange", "clash"} & {row[1] for row in rows}, "a broken plugin's other names stay out too"

    shown = run_i2i("show", "cyclegan", site=tmp_path)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert yaml.safe_load(shown.stdout)["model"]["use"] == "cyclegan"


# broken plugins, one by one


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        pytest.param("raise SystemExit(3)", "SystemExit: 3", id="exits"),
        pytest.param("def broken(:", "SyntaxError: invalid syntax (__init__.py, line 1)", id="is no Python"),
        pytest.param("raise RuntimeError", "RuntimeError: no explanation", id="fails without a word"),
        pytest.param("raise ValueError('two\\nlines')", "two lines", id="fails in two lines"),
        pytest.param("", "answers no hook; mark its functions with i2i.hookimpl", id="is empty"),
        pytest.param(
            model("strange").replace("@hookimpl\n", ""),
            "answers no hook; mark its functions with i2i.hookimpl",
            id="forgets the marker",
        ),
        pytest.param(
            f"{MODEL}\n@hookimpl\ndef i2i_models():\n    raise KeyError('width')",
            "i2i_models failed: KeyError: 'width'",
            id="raises in a hook",
        ),
        pytest.param(
            f"{MODEL}\n@hookimpl\ndef i2i_models():\n    yield 1 / 0",
            "i2i_models failed: ZeroDivisionError: division by zero",
            id="raises in a generator",
        ),
        pytest.param(
            f"{MODEL}\n@hookimpl\ndef i2i_models():\n    return 5",
            "i2i_models failed: TypeError: 'int' object is not iterable",
            id="returns no iterable",
        ),
        pytest.param(
            f"{MODEL}\n@hookimpl\ndef i2i_models():\n    pass",
            "i2i_models returned None, not an iterable of ModelSpec",
            id="forgets to return",
        ),
        pytest.param(
            model("strange", ", summary=None").replace("summary='a model', ", ""),
            "model 'strange': summary: Input should be a valid string, found None",
            id="has no summary",
        ),
        pytest.param(
            model("strange", ", options=dict"),
            "model 'strange': options: Input should be a subclass of Options, found <class 'dict'>",
            id="has options of another kind",
        ),
        pytest.param(
            model("strange").replace("('network',)", "'network'"),
            "model 'strange': inference: Input should be a valid tuple, found 'network'",
            id="names a part without a comma",
        ),
        pytest.param(
            model("").replace("name=''", "name=None"),
            "model None: name: Input should be a valid string, found None",
            id="has no name",
        ),
        pytest.param(
            model("strange").replace("strange:Model", "strange.Model"),
            "model 'strange': needs a name, and a build 'package.module:Attribute', 'strange.Model'",
            id="builds a module",
        ),
        pytest.param(
            "from i2i import LossSpec, hookimpl\n@hookimpl\ndef i2i_losses():\n"
            "    return [LossSpec(name='odd', summary='s', kind='bogus', build='strange:Loss')]",
            "loss 'odd': kind: Input should be 'image', 'adversarial' or 'regulariser', found 'bogus'",
            id="is of no kind",
        ),
        pytest.param(
            "from i2i import TrainerSpec, hookimpl\n@hookimpl\ndef i2i_trainers():\n"
            "    return [TrainerSpec(name='odd', summary='s', roles={'cycle': 'image'}, build='strange:Trainer')]",
            "trainer 'odd': roles.cycle: Input should be a dictionary or an instance of Role, found 'image'",
            id="has roles of another kind",
        ),
        pytest.param(
            f"{MODEL}\n@hookimpl\ndef i2i_models():\n    return ['strange']",
            "i2i_models returned 'strange' among its values, which is no ModelSpec",
            id="returns names",
        ),
        pytest.param(
            "from i2i import hookimpl\n@hookimpl\ndef i2i_recipes():\n    return ['a.yaml']",
            "i2i_recipes returned 'a.yaml' among its values, which is no Traversable",
            id="returns file names",
        ),
        pytest.param(
            model("strange", ", api_version=99"),
            "model 'strange' needs i2i API 99, this i2i offers 1",
            id="needs a newer API",
        ),
        pytest.param(
            model("strange", ", colour='red'"),
            "i2i_models failed: TypeError: ModelSpec.__init__() got an unexpected keyword argument 'colour'",
            id="knows a newer spec",
        ),
    ],
)
def test_a_plugin_may_fail_in_any_way_and_only_itself_is_left_out(
    stranger: Callable[..., str], source: str, reason: str
) -> None:
    module = stranger(source)
    assert only_broken(discover()) == BrokenPlugin("strange-plugin", "0.3", f"{module}: {reason}")


def test_a_hook_with_a_wrong_parameter_is_refused(stranger: Callable[..., str]) -> None:
    module = stranger(model("strange").replace("i2i_models()", "i2i_models(colour)"))
    reason = only_broken(discover()).reason
    assert reason.startswith(f"{module}: PluginValidationError: Plugin '{module}' for hook 'i2i_models' ")
    assert "Argument(s) {'colour'} are declared in the hookimpl but can not be found in the hookspec" in reason
    assert "\n" not in reason


def test_a_name_twice_within_one_plugin_is_refused(stranger: Callable[..., str]) -> None:
    twice = model("strange").replace("return [", "return 2 * [")
    module = stranger(twice)
    expected = f"{module}: model 'strange' of strange-plugin 0.3 exists already, from itself"
    assert only_broken(discover()).reason == expected


@pytest.mark.parametrize("name", ["a-clash", "zebra-clash", "i2i", "I2I_Zebra"])
def test_our_own_plugins_keep_their_names_whatever_a_later_claimant_is_called(
    stranger: Callable[..., str], name: str
) -> None:
    module = stranger(model("cyclegan"), name=name, version="2")
    (broken,) = discover().broken
    owner = f"i2i-cyclegan {metadata.version('i2i-cyclegan')}"
    assert broken == BrokenPlugin(name, "2", f"{module}: model 'cyclegan' of {name} 2 exists already, from {owner}")


def test_distributions_called_i2i_come_before_others_however_they_spell_it(stranger: Callable[..., str]) -> None:
    stranger(model("strange"), name="a-clash")
    stranger(model("strange"), name="I2I_Strange")
    catalog = discover()
    assert catalog.find("model", "strange").distribution == "I2I_Strange"
    assert only_broken_names(catalog) == ["a-clash"]


def test_one_broken_plugin_does_not_break_the_next(stranger: Callable[..., str]) -> None:
    stranger(model("first").replace("i2i_models", "i2i_modles"), name="a-misspelt")
    stranger("raise SystemExit", name="b-exits")
    stranger(model("second"), name="c-healthy")
    catalog = discover()
    assert only_broken_names(catalog) == ["a-misspelt", "b-exits"]
    assert "second" in catalog.names("model")


def test_an_installation_that_lost_its_metadata_goes_by_its_module(
    stranger: Callable[..., str], tmp_path: Path
) -> None:
    module = stranger(model("strange"))
    (lost,) = (tmp_path / "site").glob("*.dist-info/METADATA")
    lost.unlink()
    entry = discover().find("model", "strange")
    assert (entry.distribution, entry.version) == (module, "unknown")


def test_control_c_is_not_taken_for_a_broken_plugin(stranger: Callable[..., str]) -> None:
    stranger("raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        discover()


# build paths


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("i2i.losses.image:L7", "AttributeError: module 'i2i.losses.image' has no attribute 'L7'"),
        ("i2i.nothing:L1", "ModuleNotFoundError: No module named 'i2i.nothing'"),
        ("not a path", ""),
    ],
)
def test_a_build_path_that_leads_nowhere_is_named(path: str, reason: str) -> None:
    with pytest.raises(I2IError) as failure:
        resolve(path)
    assert str(failure.value).startswith(f"{path}: cannot be imported: {reason}")


def test_a_build_module_that_fails_is_named_whatever_it_raises(stranger: Callable[..., str]) -> None:
    module = stranger("raise RuntimeError('no\\nluck')")
    with pytest.raises(I2IError) as failure:
        resolve(f"{module}:Model")
    assert str(failure.value) == f"{module}:Model: cannot be imported: RuntimeError: no luck"


# what the environment lets through


def distributions(catalog: Catalog) -> set[str]:
    return {entry.distribution for entry in catalog}


@pytest.mark.parametrize("limit", ["cyclegan", "i2i-cyclegan", "I2I_CycleGAN", " cyclegan ,,i2i.cyclegan,"])
def test_only_the_plugins_that_the_environment_names_are_loaded(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("I2I_PLUGINS", limit)
    catalog = discover()
    assert distributions(catalog) == {"i2i", "i2i-cyclegan"}
    left_out = {plugin.distribution for plugin in catalog.left_out}
    assert left_out == {plugin.distribution for plugin in installed()} - {"i2i-cyclegan"}


def test_of_several_entry_points_of_a_package_one_may_be_named(
    tmp_path: Path, install_plugin: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("strange_one", "strange_two"):
        (tmp_path / "source" / name).mkdir(parents=True)
        (tmp_path / "source" / name / "__init__.py").write_text(model(name))
    project = '[project]\nname = "strange-pair"\nversion = "1"\n[project.entry-points.i2i]\n'
    (tmp_path / "source" / "pyproject.toml").write_text(f'{project}one = "strange_one"\ntwo = "strange_two"\n')
    install_plugin(tmp_path / "source", tmp_path / "site")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setenv("I2I_PLUGINS", "two")
    catalog = discover()
    assert catalog.names("model") == ["strange_two"]
    assert ("one", "strange-pair") in {(plugin.name, plugin.distribution) for plugin in catalog.left_out}
    monkeypatch.setenv("I2I_PLUGINS", "strange.pair")
    assert discover().names("model") == ["strange_one", "strange_two"]


@pytest.mark.parametrize("limit", ["", " , "])
def test_an_empty_limit_loads_no_plugin_and_keeps_the_cores_own(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("I2I_PLUGINS", limit)
    catalog = discover()
    assert distributions(catalog) == {"i2i"}
    assert catalog.find("loss", "l1").distribution == catalog.find("dataset", "unpaired").distribution == "i2i"
    assert catalog.left_out == installed()


def test_without_a_limit_nothing_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("I2I_PLUGINS", raising=False)
    assert discover().left_out == ()


def test_what_is_left_out_is_not_even_imported(stranger: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    module = stranger("raise RuntimeError('I am imported')")
    monkeypatch.setenv("I2I_PLUGINS", "cyclegan")
    assert discover().broken == ()
    assert module not in sys.modules
    monkeypatch.setenv("I2I_PLUGINS", "strange-plugin")
    assert only_broken_names(discover()) == ["strange-plugin"]


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ("cyclgan", "I2I_PLUGINS: no plugin 'cyclgan' is installed; did you mean 'cyclegan'?"),
        ("cyclegan,i2i-gatis", "I2I_PLUGINS: no plugin 'i2i-gatis' is installed; did you mean 'i2i-gatys'?"),
    ],
)
def test_a_limit_to_what_is_not_installed_is_refused_with_the_nearest(
    limit: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("I2I_PLUGINS", limit)
    with pytest.raises(UsageError) as refusal:
        discover()
    assert str(refusal.value) == message


def test_where_nothing_is_near_what_is_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("I2I_PLUGINS", "qqqq")
    with pytest.raises(UsageError) as refusal:
        discover()
    assert str(refusal.value).startswith("I2I_PLUGINS: no plugin 'qqqq' is installed (installed: cyclegan, dcgan, ")


def test_entry_points_that_are_named_are_loaded_whatever_the_environment_says(
    stranger: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    point = metadata.EntryPoint("it", stranger(model("strange")), "i2i")
    monkeypatch.setenv("I2I_PLUGINS", "cyclegan")
    catalog = discover([point])
    assert (catalog.names("model"), catalog.left_out) == (["strange"], ())


def test_an_unknown_name_mentions_what_was_left_out_and_might_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("I2I_PLUGINS", "")
    with pytest.raises(UsageError) as refusal:
        discover().find("model", "cyclegan")
    said = str(refusal.value)
    assert said.startswith("unknown model 'cyclegan' (known: none installed); left out by I2I_PLUGINS: i2i-cyclegan, ")


def test_what_is_installed_is_known_without_loading_it(stranger: Callable[..., str]) -> None:
    module = stranger("raise RuntimeError('I am imported')", name="Strange.Plugin", version="7")
    (plugin,) = (plugin for plugin in installed() if plugin.distribution == "Strange.Plugin")
    assert plugin == Installed("it", module, "Strange.Plugin", "7")
    assert [name for name in ("it", "strange_plugin", "strange", module) if plugin.known_as(name)] == [
        "it",
        "strange_plugin",
    ]
