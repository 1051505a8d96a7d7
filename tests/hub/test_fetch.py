"""Fetching from the hub: which commit, which files, and what is said when it does not work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from regress import hub as hub_module
from regress.checkpoints import SMALL_FILES
from regress.errors import HubError, ModelError, UnknownName
from regress.hub import check_model, fetch_model, offline_if_unreachable

pytestmark = pytest.mark.models

FILES = {
    ".gitattributes": b"",
    "README.md": b"# a model",
    "config.json": b"{}",
    "tokenizer.json": b"{}",
    "additional_chat_templates/brief.jinja": b"{{ messages }}",
    "model.safetensors": b"weights",
}
PICKLED = {"config.json": b"{}", "tokenizer.json": b"{}", "pytorch_model.bin": b"pickled"}
NAME = "somebody/tiny"


@pytest.fixture
def online(hub: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """This process asks the loopback hub, with an empty cache."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub_module, "_gone", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "ENDPOINT", hub.address)
    template = hub.address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    return hub


@pytest.fixture
def unplug(online: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    from huggingface_hub import constants

    return lambda: monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


def fetch(name: str = NAME, revision: str | None = None, *, allow_bin: bool = False) -> tuple[Path, str]:
    return fetch_model(name, revision, small_files=SMALL_FILES, allow_bin=allow_bin)


def check(name: str = NAME, revision: str | None = None, *, allow_bin: bool = False) -> None:
    check_model(name, revision, small_files=SMALL_FILES, allow_bin=allow_bin)


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_the_newest_commit_is_fetched_and_named(online: Any) -> None:
    first = online.model(NAME).push(FILES)
    assert fetch()[1] == first
    second = online.model(NAME).push(FILES | {"model.safetensors": b"other weights"})
    folder, commit = fetch()
    assert commit == second != first
    assert (folder / "model.safetensors").read_bytes() == b"other weights"


def test_a_pinned_revision_stays_what_it_is(online: Any) -> None:
    first = online.model(NAME).push(FILES)
    tagged = online.model(NAME).push(FILES | {"config.json": b"[1]"}, ref="v1.5")
    online.model(NAME).push(FILES | {"model.safetensors": b"other weights"})
    assert fetch(revision=first)[1] == first
    folder, commit = fetch(revision="v1.5")
    assert (commit, (folder / "config.json").read_bytes()) == (tagged, b"[1]")


def test_only_what_is_needed_is_downloaded(online: Any) -> None:
    more = {
        "pytorch_model.bin": b"pickled",
        "original/consolidated.00.pth": b"large",
        "tf_model.h5": b"large",
    }
    online.model(NAME).push(FILES | more)
    folder, _ = fetch(allow_bin=True)
    assert files(folder) == set(FILES) - {"README.md", ".gitattributes"}


@pytest.mark.parametrize("revision", [None, "main", "v1"])
def test_offline_the_cache_is_enough(revision: str | None, online: Any, unplug: Callable[[], None]) -> None:
    for ref in ("v1", "main"):
        online.model(NAME).push(FILES, ref=ref)
    fetched = fetch(revision=revision)
    online.requests.clear()
    unplug()
    check(revision=revision)
    assert fetch(revision=revision) == fetched
    assert online.requests == []


@pytest.mark.parametrize("held", [PICKLED, FILES | PICKLED])
def test_offline_pickled_weights_count_only_where_there_are_no_others(
    held: dict[str, bytes], online: Any, unplug: Callable[[], None]
) -> None:
    online.model(NAME).push(held)
    fetched = fetch(allow_bin=True)
    unplug()
    assert fetch(allow_bin=True) == fetched


def test_offline_an_interrupted_download_is_not_a_model(online: Any, unplug: Callable[[], None]) -> None:
    online.model(NAME).push(FILES)
    folder, _ = fetch()
    (folder / "model.safetensors").unlink()
    unplug()
    for ask in (fetch, check):
        with pytest.raises(HubError, match=r"not, or not wholly, in the hub cache"):
            ask()


def test_offline_without_the_model_in_the_cache(online: Any, unplug: Callable[[], None]) -> None:
    online.model(NAME).push(FILES)
    unplug()
    for ask in (fetch, check):
        with pytest.raises(HubError, match=r"somebody/tiny is not.* in the hub cache.*HF_HUB_OFFLINE=1"):
            ask()
    assert online.requests == []


def test_an_unknown_repository(online: Any) -> None:
    for ask in (fetch, check):
        with pytest.raises(UnknownName, match=r"unknown model 'nobody/nothing'.*HF_TOKEN"):
            ask("nobody/nothing")


def test_an_unknown_revision(online: Any) -> None:
    online.model(NAME).push(FILES)
    for ask in (fetch, check):
        with pytest.raises(UnknownName, match=r"unknown revision 'somebody/tiny@v9'"):
            ask(revision="v9")


def test_a_gated_repository_says_what_to_do(online: Any) -> None:
    """Everybody may see that it exists, and read its description; nobody without leave its files."""
    online.model(NAME, gated=True).push(FILES)
    for ask in (fetch, check):
        with pytest.raises(HubError, match=r"somebody/tiny is gated.*Accept its terms.*HF_TOKEN"):
            ask()


def test_only_pickled_weights(online: Any) -> None:
    online.model(NAME).push(PICKLED)
    for ask in (fetch, check):
        with pytest.raises(ModelError, match=r"only pickled weights \(\.bin\).*--allow-bin"):
            ask()
        ask(allow_bin=True)


def test_no_weights_at_all(online: Any) -> None:
    online.model(NAME).push({"README.md": b"", "model.gguf": b""})
    for ask in (fetch, check):
        with pytest.raises(ModelError, match="somebody/tiny holds no weights"):
            ask(allow_bin=True)


def test_checking_downloads_nothing(online: Any) -> None:
    online.model(NAME).push(FILES)
    check()
    assert online.requests == ["HEAD /", f"GET /api/models/{NAME}"]


def test_a_hub_that_is_down_is_noticed_without_retries(online: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """One refused connection is enough: the clients' own retries, with pauses, take 23 seconds."""

    def impatient(seconds: float) -> None:
        raise AssertionError("a retry")

    monkeypatch.setattr("time.sleep", impatient)
    online.close()
    for ask in (fetch, check):
        with pytest.raises(HubError, match=r"could not be reached for somebody/tiny.*HF_ENDPOINT"):
            ask()


def test_a_hub_that_hangs_up_is_asked_once(online: Any) -> None:
    online.model(NAME).push(FILES)
    online.broken = 0
    with pytest.raises(HubError, match=r"could not be reached for somebody/tiny"):
        check()
    assert len(online.requests) == 1


def test_a_hub_that_refuses_says_what_it_said(online: Any) -> None:
    online.broken = 503
    for ask in (fetch, check):
        with pytest.raises(HubError, match=r"the hub refused somebody/tiny \(.*503.*try again later"):
            ask()


def test_offline_if_unreachable(online: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    assert offline_if_unreachable() is False
    assert constants.HF_HUB_OFFLINE is False
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")  # put back afterwards
    online.close()
    assert offline_if_unreachable() is True
    assert constants.HF_HUB_OFFLINE is True
