"""What the user configured: found, checked at the door, and laid under what one call says."""

from __future__ import annotations

from pathlib import Path

import pytest

from regress.config import DEFAULT_TASKS, Alias, Settings, load_config
from regress.errors import RegressError, UnknownName, UsageError

COUNTS = ("limit", "sample", "batch_size", "max_gen_toks", "chunk_size")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Nothing of this checkout or of the user's environment reaches these tests."""
    monkeypatch.delenv("REGRESS_STORE", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def configure(tmp_path):
    """Write `regress.toml` and read it."""

    def written(text: str, name: str = "regress.toml"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return load_config()

    return written


# ── which file counts ────────────────────────────────────────────────────────────────────────────


def test_without_a_file_the_shipped_aliases_and_the_defaults_are_in_force():
    config = load_config()
    assert config.path is None
    assert config.store == Path("reports/runs")
    assert config.aliases["llama2"] == Alias(model="meta-llama/Llama-2-7b-hf")
    assert config.aliases["vicuna1.3"].allow_bin
    assert config.settings() == Settings()
    assert config.settings().tasks == DEFAULT_TASKS


def test_no_shipped_alias_pins_a_revision_that_somebody_made_up():
    assert {alias.revision for alias in load_config().aliases.values()} == {None}


def test_the_nearest_file_upwards_counts(tmp_path, configure):
    configure('store = "outer"')
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert load_config(start=tmp_path / "a" / "b").store == tmp_path / "outer"
    (tmp_path / "a" / "regress.toml").write_text('store = "inner"')
    assert load_config(start=tmp_path / "a" / "b").store == tmp_path / "a" / "inner"


def test_a_table_in_pyproject_counts_too(tmp_path, configure):
    config = configure('[tool.regress]\nstore = "there"', "pyproject.toml")
    assert config.store == tmp_path / "there"
    assert config.path == tmp_path / "pyproject.toml"


def test_regress_toml_counts_before_pyproject(configure):
    configure('[tool.regress]\nstore = "there"', "pyproject.toml")
    assert configure('store = "here"').store.name == "here"


@pytest.mark.parametrize("text", ["[tool.other]\nx = 1", "", "this is not TOML", "tool = 5"])
def test_somebody_elses_pyproject_is_not_judged(configure, text):
    assert configure(text, "pyproject.toml").path is None


def test_bad_toml_is_named_with_its_file(configure):
    with pytest.raises(UsageError, match=r"regress\.toml is not valid TOML \(.*line 1"):
        configure("store =\n")


def test_a_table_of_ours_that_is_none_is_refused(configure):
    with pytest.raises(UsageError, match=r"pyproject\.toml: regress is 1"):
        configure("[tool]\nregress = 1", "pyproject.toml")


def test_a_file_that_is_no_utf8_is_named(tmp_path):
    (tmp_path / "regress.toml").write_bytes(b'store = "\xff"')
    with pytest.raises(UsageError, match=r"regress\.toml is not valid TOML"):
        load_config()


# ── where runs lie ───────────────────────────────────────────────────────────────────────────────


def test_the_store_is_the_option_else_the_variable_else_the_file_else_the_default(
    tmp_path, configure, monkeypatch
):
    assert load_config().store == Path("reports/runs")
    assert configure('store = "of-the-file"').store == tmp_path / "of-the-file"
    monkeypatch.setenv("REGRESS_STORE", "of-the-variable")
    assert load_config().store == Path("of-the-variable")
    assert load_config(store="of-the-option").store == Path("of-the-option")


def test_an_empty_variable_is_not_set(monkeypatch):
    monkeypatch.setenv("REGRESS_STORE", "")
    assert load_config().store == Path("reports/runs")


def test_the_default_store_lies_beside_the_file_whatever_folder_one_is_in(tmp_path, configure, monkeypatch):
    configure("")
    (tmp_path / "deep").mkdir()
    monkeypatch.chdir(tmp_path / "deep")
    assert load_config().store == tmp_path / "reports" / "runs"


@pytest.mark.parametrize("where", ["option", "variable", "file"])
def test_a_tilde_is_the_home_folder(tmp_path, configure, monkeypatch, where):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    if where == "variable":
        monkeypatch.setenv("REGRESS_STORE", "~/runs")
    config = configure('store = "~/runs"' if where == "file" else "")
    if where == "option":
        config = load_config(store="~/runs")
    assert config.store == tmp_path / "home" / "runs"


# ── aliases ──────────────────────────────────────────────────────────────────────────────────────


def test_aliases_extend_and_override_the_shipped_ones(configure):
    config = configure('[aliases]\nmine = "org/mine"\nllama2 = "org/my-llama"')
    assert config.aliases["mine"] == Alias(model="org/mine")
    assert config.aliases["llama2"] == Alias(model="org/my-llama")
    assert config.aliases["llama1"].model == "huggyllama/llama-7b"


def test_an_alias_can_pin_a_revision_and_say_how_it_is_read(configure):
    config = configure(
        '[aliases]\nmine = { model = "org/mine", revision = "abc", adapter = "org/lora", allow_bin = true }'
    )
    assert config.aliases["mine"] == Alias(
        model="org/mine", revision="abc", adapter="org/lora", allow_bin=True
    )


@pytest.mark.parametrize("path", ["./models/mine", "../models/mine", "."])
def test_paths_of_aliases_are_relative_to_the_file(tmp_path, configure, path):
    alias = configure(f'[aliases]\nmine = {{ model = "{path}", adapter = "{path}" }}').aliases["mine"]
    assert Path(alias.model) == Path(alias.adapter) == tmp_path / path


def test_a_hub_id_is_no_path(configure):
    assert configure('[aliases]\nmine = "models/mine"').aliases["mine"].model == "models/mine"


@pytest.mark.parametrize(
    "value",
    ["5", "[]", "{}", '{ revision = "x" }', "{ model = 3 }", '{ model = "m", revision = 3 }'],
)
def test_an_alias_that_is_no_name_is_refused_with_what_is_allowed(configure, value):
    with pytest.raises(UsageError, match="mine"):
        configure(f"[aliases]\nmine = {value}")


@pytest.mark.parametrize("value", ['"yes"', "1"])
def test_permission_to_read_bin_files_is_true_or_false_and_nothing_like_it(configure, value):
    with pytest.raises(UsageError, match="allow_bin"):
        configure(f'[aliases]\nmine = {{ model = "m", allow_bin = {value} }}')


def test_an_unknown_key_of_an_alias_is_refused_with_the_nearest(configure):
    with pytest.raises(UnknownName, match=r"'revison'.*did you mean 'revision'"):
        configure('[aliases]\nmine = { model = "m", revison = "abc" }')


# ── keys ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "near"),
    [('stor = "x"', "store"), ("[alias]", "aliases"), ("[defaults]\ntask = 1", "tasks")],
)
def test_an_unknown_key_is_refused_with_the_nearest_and_the_file(configure, text, near):
    with pytest.raises(UnknownName, match=rf"regress\.toml.*did you mean .*'{near}'"):
        configure(text)


@pytest.mark.parametrize("text", ["store = 5", "aliases = 5", "defaults = 5", 'defaults = ["x"]'])
def test_a_key_with_a_value_of_another_kind_is_refused(configure, text):
    with pytest.raises(UsageError, match=text.split()[0]):
        configure(text)


# ── defaults and what a call says ────────────────────────────────────────────────────────────────


def test_what_is_given_lies_over_the_defaults_and_null_is_not_given(configure):
    config = configure('[defaults]\ntasks = ["piqa"]\nlimit = 5\nbatch_size = 2\ntext = false')
    settings = config.settings(limit=7, batch_size=None, tasks=None)
    assert settings == Settings(tasks=("piqa",), limit=7, batch_size=2, text=False)


@pytest.mark.parametrize("tasks", ["piqa,gsm8k", " piqa , gsm8k,", ["piqa", "gsm8k"], ("piqa", "gsm8k")])
def test_tasks_may_be_one_text_or_several(tasks):
    assert load_config().settings(tasks=tasks).tasks == ("piqa", "gsm8k")


def test_paths_among_the_defaults_are_relative_to_the_file(tmp_path, configure, monkeypatch):
    for data in ("./items", "items", str(tmp_path / "items")):
        config = configure(f'[defaults]\ndata = "{data}"\ntasks = ["./mine.yaml", "piqa"]')
        assert Path(config.settings().data) == tmp_path / "items"
    assert config.settings().tasks == (str(tmp_path / "mine.yaml"), "piqa")


@pytest.mark.parametrize("data", ["hub", "demo"])
def test_the_named_sources_of_items_are_no_paths(configure, data):
    assert configure(f'[defaults]\ndata = "{data}"').settings().data == data


def test_paths_may_be_given_as_paths(tmp_path):
    """They are recorded with every run, as text."""
    settings = load_config().settings(data=tmp_path, tasks=[tmp_path / "mine.yaml", "piqa"])
    assert settings.data == str(tmp_path)
    assert settings.tasks == (str(tmp_path / "mine.yaml"), "piqa")
    assert load_config().settings(tasks=tmp_path / "mine.yaml").tasks == (str(tmp_path / "mine.yaml"),)


def test_an_unknown_setting_is_refused_with_the_nearest():
    with pytest.raises(UnknownName, match="unknown setting 'limt'; did you mean 'limit'"):
        load_config().settings(limt=3)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, value) for name in COUNTS for value in (0, -1, 1.5, "5", True)),
        ("num_fewshot", -1),
        ("num_fewshot", "5"),
        ("num_fewshot", 1.5),
        ("seed", -1),
        ("seed", "x"),
        ("fewshot", "random"),
        ("text", "no"),
        ("trust_remote_code", "false"),
        ("allow_bin", 1),
        ("dtype", 32),
        ("data", 5),
        ("engine", True),
        ("engine_args", "a=b"),
        ("tasks", 5),
        ("tasks", []),
        ("tasks", ""),
        ("tasks", [5]),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_and_named_wherever_it_was_said(configure, name, value):
    word = name if name != "tasks" else "task"
    with pytest.raises(UsageError, match=word):
        load_config().settings(**{name: value})
    with pytest.raises(UsageError, match=word):
        Settings(**{name: tuple(value) if isinstance(value, list) else value})


def test_a_limit_and_a_sample_at_once_are_refused():
    with pytest.raises(UsageError, match="both a limit and a sample"):
        Settings(limit=3, sample=3)


@pytest.mark.parametrize("settings", [{"num_fewshot": 0}, {"limit": 1}, {"seed": 0}, {"fewshot": "lm-eval"}])
def test_the_edges_of_what_makes_sense_are_allowed(settings):
    assert load_config().settings(**settings) == Settings(**settings)


def test_every_refusal_is_one_that_the_command_line_can_print(configure):
    with pytest.raises(RegressError) as caught:
        configure("[defaults]\nlimit = 0").settings()
    assert caught.value.exit_code == 2
    assert "whole number" in str(caught.value)
