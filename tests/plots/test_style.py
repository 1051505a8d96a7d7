"""Figures look the same everywhere, show themselves in a notebook, and leave no traces."""

from __future__ import annotations

import subprocess
import sys

import matplotlib
import pytest
from matplotlib.figure import Figure

from regress.errors import MissingExtra
from regress.plots.style import WIDTH
from regress.plots.tasks import forest
from regress.plots.vector import svg

MODULES = ("changes", "flips", "margins", "parts", "tasks", "vector", "verdicts", "versions")


def test_every_figure_is_matplotlibs_own_at_one_width(every):
    for name, figure in every().items():
        assert isinstance(figure, Figure), name
        assert figure.get_figwidth() == WIDTH, name


def test_a_notebook_shows_them_twice_as_sharp(compared):
    figure = forest(compared)
    data, size = figure._repr_png_()
    assert data.startswith(b"\x89PNG")
    assert int.from_bytes(data[16:20], "big") == 2 * size["width"] == 2 * 560


def test_no_setting_of_the_user_shows_in_them_and_none_is_changed(compared):
    plain, pixels = svg(forest(compared), title="x", prefix="p"), forest(compared)._repr_png_()
    own = {"xtick.color": "red", "font.size": 30, "svg.fonttype": "path", "text.parse_math": True}
    with matplotlib.rc_context(own):
        assert svg(forest(compared), title="x", prefix="p") == plain
        assert forest(compared)._repr_png_() == pixels
        assert {key: matplotlib.rcParams[key] for key in own} == own


def test_importing_them_imports_neither_matplotlib_nor_ever_pyplot():
    imports = "; ".join(f"import regress.plots.{module}" for module in MODULES)
    loaded = "print(*(name for name in ('matplotlib', 'matplotlib.pyplot') if name in sys.modules))"
    code = f"import sys; {imports}; {loaded}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_drawing_one_opens_no_pyplot(every, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # importing it now would raise
    every()["forest"]._repr_png_()


def test_without_matplotlib_it_says_what_to_install(compared, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtra, match=r"needs matplotlib.*regress-harness\[report\]"):
        forest(compared)
