"""Fetching from the Hugging Face hub: resolve a revision, download what is needed, say what went wrong."""

from __future__ import annotations

import fnmatch
import os
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regress.errors import HubError, MissingExtra, ModelError, RegressError, UnknownName

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


def check_model(repository: str, revision: str | None, *, allow_bin: bool) -> None:
    """Ask whether a model could be fetched, without fetching it; says nothing where the hub is not asked.

    Raises:
        HubError: If the hub cannot be reached, or the repository is gated.
        UnknownName: If it has no such repository or revision.
        ModelError: If the repository holds no weights that may be read.
    """
    constants = _constants(repository)
    if constants.HF_HUB_OFFLINE:
        return
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    info = _translated(repository, revision, lambda: _info(repository, revision))
    _weight_patterns(info, repository, allow_bin=allow_bin)
    if info.gated:
        url = hf_hub_url(repository, info.siblings[0].rfilename, revision=info.sha)
        _translated(repository, revision, lambda: get_hf_file_metadata(url, timeout=20))


def offline_if_unreachable() -> bool:
    """Where the hub does not answer, use the cache for the rest of this process; returns whether it does not.

    Its clients would retry every file for 23 seconds before they say so.
    """
    constants = _constants("a data set")
    if constants.HF_HUB_OFFLINE:
        return False
    try:
        with urllib.request.urlopen(urllib.request.Request(constants.ENDPOINT, method="HEAD"), timeout=10):
            return False
    except urllib.error.HTTPError:
        return False  # it answered
    except (OSError, ValueError):
        os.environ["HF_HUB_OFFLINE"] = "1"  # for libraries that are not imported yet
        constants.HF_HUB_OFFLINE = True
        return True


def _constants(wanted: str) -> Any:
    try:
        from huggingface_hub import constants
    except ImportError:
        raise MissingExtra(f"fetching {wanted} from the hub", "models", "huggingface_hub") from None
    return constants


def fetch_model(
    repository: str, revision: str | None, *, small_files: Sequence[str], allow_bin: bool
) -> tuple[Path, str | None]:
    """Download a model repository at one commit, and say which.

    Args:
        repository: Hub id, for example `microsoft/phi-2`.
        revision: Branch, tag or commit; the default branch if null.
        small_files: Names (with wildcards) of the configuration and tokenizer files to take along.
        allow_bin: Whether `.bin` weights will do where there are no safetensors.

    Returns:
        The folder in the hub cache, and the commit it holds.

    Raises:
        HubError: If the hub cannot be reached, or the repository is gated.
        UnknownName: If it has no such repository or revision.
        ModelError: If the repository holds no weights that may be read.
    """
    constants = _constants(repository)
    from huggingface_hub import snapshot_download

    wanted = [*small_files, ADAPTER_CONFIG, *CODE]
    if constants.HF_HUB_OFFLINE:
        patterns = [*wanted, *SAFETENSORS, *(PICKLED if allow_bin else ())]
        folder = _translated(
            repository,
            revision,
            lambda: snapshot_download(
                repository, revision=revision, allow_patterns=patterns, local_files_only=True
            ),
        )
        return Path(folder), Path(folder).name
    info: ModelInfo = _translated(repository, revision, lambda: _info(repository, revision))
    weights = _weight_patterns(info, repository, allow_bin=allow_bin)
    folder = _translated(
        repository,
        revision,
        lambda: snapshot_download(repository, revision=info.sha, allow_patterns=[*wanted, *weights]),
    )
    return Path(folder), info.sha


def _info(repository: str, revision: str | None) -> ModelInfo:
    from huggingface_hub import HfApi

    return HfApi().model_info(repository, revision=revision, timeout=20)


def _weight_patterns(info: ModelInfo, repository: str, *, allow_bin: bool) -> Sequence[str]:
    names = [sibling.rfilename for sibling in info.siblings or []]
    if any(fnmatch.fnmatch(name, pattern) for name in names for pattern in SAFETENSORS):
        return SAFETENSORS
    if not any(fnmatch.fnmatch(name, pattern) for name in names for pattern in PICKLED):
        raise ModelError(f"{repository} holds no weights", allowed="a repository with model*.safetensors")
    if not allow_bin:
        raise ModelError(
            f"{repository} has only pickled weights (.bin)",
            allowed="safetensors",
            do="Say --allow-bin to read them with weights_only=True.",
        )
    return PICKLED


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
    except errors.LocalEntryNotFoundError as error:
        raise HubError(
            f"{repository} is not in the hub cache, and the hub was not asked or did not answer"
            f" ({_first_line(error)})",
            do=_REACH,
        ) from None
    except (errors.HfHubHTTPError, OSError, transport_error) as error:
        raise HubError(
            f"the hub could not be reached for {repository} ({_first_line(error)})", do=_REACH
        ) from None


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
