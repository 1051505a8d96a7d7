"""Fetching from the Hugging Face hub: resolve a revision, download what is needed, say what went wrong."""

from __future__ import annotations

import fnmatch
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regress.errors import HubError, MissingExtra, ModelError, RegressError, UnknownName, first_line

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo

SAFETENSORS = ("model*.safetensors", "model.safetensors.index.json", "adapter_model*.safetensors")
ADAPTER_CONFIG = "adapter_config.json"
PICKLED = ("pytorch_model*.bin", "pytorch_model.bin.index.json")
CODE = ("*.py",)
_REACH = (
    "Connect and try again, set HF_ENDPOINT to a mirror, or name a local folder; "
    "with HF_HUB_OFFLINE=1 only what the cache holds is used."
)


def check_model(
    repository: str, revision: str | None, *, small_files: Sequence[str], allow_bin: bool
) -> None:
    """Ask whether a model could be fetched, without fetching it; offline, whether the cache holds it.

    Raises:
        HubError: If the hub cannot be reached, or the repository is gated.
        UnknownName: If it has no such repository or revision.
        ModelError: If the repository holds no weights that may be read.
    """
    if offline_if_unreachable() or _constants(repository).HF_HUB_OFFLINE:
        _cached(repository, revision, [*small_files, ADAPTER_CONFIG, *CODE], allow_bin=allow_bin)
        return
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    info = _translated(repository, revision, lambda: _info(repository, revision))
    weights = _weight_patterns(info, repository, allow_bin=allow_bin)
    if info.gated:  # its description is for everybody, its weights are not
        url = hf_hub_url(repository, _matching(info, weights)[0], revision=info.sha)
        _translated(repository, revision, lambda: get_hf_file_metadata(url, timeout=20))


_gone = False  # whether it was we who declared the hub out of reach


def offline_if_unreachable() -> bool:
    """Where the hub does not answer, use only the cache; returns whether it does not answer.

    Its clients would retry every file for 23 seconds before they say so. Each call asks again, so
    that a long session recovers from an outage.
    """
    global _gone
    constants = _constants("a data set")
    if constants.HF_HUB_OFFLINE and not _gone:
        return False
    _gone = not _answers(constants.ENDPOINT)
    constants.HF_HUB_OFFLINE = _gone
    os.environ["HF_HUB_OFFLINE"] = "1" if _gone else "0"  # for libraries that are not imported yet
    if data_sets := sys.modules.get("datasets.config"):  # and for the one that keeps a copy
        vars(data_sets)["HF_HUB_OFFLINE"] = _gone
    return _gone


def _answers(endpoint: str) -> bool:
    try:
        with urllib.request.urlopen(urllib.request.Request(endpoint, method="HEAD"), timeout=10):
            return True
    except urllib.error.HTTPError:
        return True
    except (OSError, ValueError):
        return False


def _constants(wanted: str) -> Any:
    try:
        from huggingface_hub import constants
    except ImportError:
        raise MissingExtra(f"fetching {wanted} from the hub", "models", "huggingface_hub") from None
    return constants


def fetch_model(
    repository: str, revision: str | None, *, small_files: Sequence[str], allow_bin: bool
) -> tuple[Path, str]:
    """Download a model repository at one commit, and say which.

    Args:
        repository: Hub id, for example `microsoft/phi-2`.
        revision: Branch, tag or commit; the default branch if null.
        small_files: Names (with wildcards) of the configuration and tokenizer files to take along.
        allow_bin: Whether `.bin` weights will do where there are no safetensors.

    Returns:
        The folder in the hub cache, and the commit that it holds.

    Raises:
        HubError: If the hub cannot be reached, or the repository is gated.
        UnknownName: If it has no such repository or revision.
        ModelError: If the repository holds no weights that may be read.
    """
    wanted = [*small_files, ADAPTER_CONFIG, *CODE]
    if _constants(repository).HF_HUB_OFFLINE:
        folder = _cached(repository, revision, wanted, allow_bin=allow_bin)
    else:
        info = _translated(repository, revision, lambda: _info(repository, revision))
        weights = _weight_patterns(info, repository, allow_bin=allow_bin)
        # by its name, not by its commit: only so the cache remembers what the name stood for
        folder = _snapshot(repository, revision, [*wanted, *weights], local_files_only=False)
    return folder, folder.name


def _cached(repository: str, revision: str | None, wanted: Sequence[str], *, allow_bin: bool) -> Path:
    """The folder in the cache, as complete as it was when the hub was last asked."""
    folder = _snapshot(repository, revision, [*wanted, *SAFETENSORS], local_files_only=True)
    if allow_bin and not any(file for pattern in SAFETENSORS for file in folder.glob(pattern)):
        return _snapshot(repository, revision, [*wanted, *PICKLED], local_files_only=True)
    return folder


def _snapshot(repository: str, revision: str | None, patterns: list[str], *, local_files_only: bool) -> Path:
    from huggingface_hub import snapshot_download

    folder = _translated(
        repository,
        revision,
        lambda: snapshot_download(
            repository, revision=revision, allow_patterns=patterns, local_files_only=local_files_only
        ),
    )
    return Path(folder)


def _info(repository: str, revision: str | None) -> ModelInfo:
    from huggingface_hub import HfApi

    return HfApi().model_info(repository, revision=revision, timeout=20)


def _weight_patterns(info: ModelInfo, repository: str, *, allow_bin: bool) -> Sequence[str]:
    if _matching(info, SAFETENSORS):
        return SAFETENSORS
    if not _matching(info, PICKLED):
        raise ModelError(f"{repository} holds no weights", allowed="a repository with model*.safetensors")
    if not allow_bin:
        raise ModelError(
            f"{repository} has only pickled weights (.bin)",
            allowed="safetensors",
            do="Say --allow-bin to read them with weights_only=True.",
        )
    return PICKLED


def _matching(info: ModelInfo, patterns: Sequence[str]) -> list[str]:
    names = [sibling.rfilename for sibling in info.siblings or []]
    return [name for name in names if any(fnmatch.fnmatch(name, pattern) for pattern in patterns)]


def _translated(repository: str, revision: str | None, call: Any) -> Any:
    """Make the call; turn the hub client's errors into ours."""
    from huggingface_hub import errors

    # whichever HTTP library this release of the client uses
    transport_error: type[Exception] = getattr(errors, "HTTPError", OSError)
    try:
        return call()
    except RegressError:
        raise
    except errors.GatedRepoError:
        raise HubError(
            f"{repository} is gated: the hub does not hand it out to everybody",
            do=f"Accept its terms on its page ({repository}), then set HF_TOKEN or run `hf auth login`.",
        ) from None
    except errors.RevisionNotFoundError:
        raise UnknownName("revision", f"{repository}@{revision}", [], do="Look it up on the hub.") from None
    except errors.RepositoryNotFoundError:
        raise UnknownName(
            "model",
            repository,
            [],
            do="The hub has no such repository, or it is private: then set HF_TOKEN.",
        ) from None
    except errors.LocalEntryNotFoundError:
        what = f"{repository} is not, or not wholly, in the hub cache, and the hub was not asked or is silent"
        if _gone:
            what = f"the hub could not be reached for {repository}, and its cache does not hold all of it"
        raise HubError(what, do=_REACH) from None
    except errors.HfHubHTTPError as error:
        raise HubError(
            f"the hub refused {repository} ({first_line(error)})",
            do="If HF_TOKEN is set, it may have expired; if the hub is overloaded, try again later.",
        ) from None
    except (OSError, transport_error) as error:
        raise HubError(
            f"the hub could not be reached for {repository} ({first_line(error)})", do=_REACH
        ) from None
