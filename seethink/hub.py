"""Whether the hub has a model, asked once, before libraries try again and again."""

from __future__ import annotations

import logging
from functools import cache
from pathlib import Path

from seethink.types import InputError

TIMEOUT_S = 10.0
"""How long the hub may take to answer."""
_LOG = logging.getLogger(__name__)


@cache
def refuse_unreachable(path: str) -> None:
    """Raise InputError where a hub id is neither on this machine nor to be had: the hub cannot be reached,
    has no such model, or wants its terms accepted. Folders pass.

    Where the hub cannot be reached and the model's files are here, the hub is not asked again in this
    process, which is logged.
    """
    if Path(path).is_dir():
        return
    from huggingface_hub import HfApi, constants, errors, try_to_load_from_cache

    is_here = isinstance(try_to_load_from_cache(path, "config.json"), str)
    hub = HfApi(endpoint=constants.ENDPOINT)
    try:
        if hub.model_info(path, timeout=TIMEOUT_S).gated and not is_here:
            hub.auth_check(path)
    except errors.GatedRepoError as error:
        raise InputError(
            f"{path} has terms on the hub; accept them on its page, and log in with `hf auth login`"
        ) from error
    except errors.RepositoryNotFoundError as error:
        if not is_here:
            raise InputError(
                f"the hub has no model {path}, or it is private; mend the name, or log in with "
                "`hf auth login`"
            ) from error
    except Exception as error:  # those of whichever HTTP library the hub's client uses
        why = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        if not is_here:
            raise InputError(
                f"the hub at {constants.ENDPOINT} cannot be reached ({why}), and {path} is not on this "
                "machine; connect to it, or give the folder of a model"
            ) from error
        _LOG.warning("the hub cannot be reached (%s); %s is taken from its cache", why, path)
        constants.HF_HUB_OFFLINE = True


def commit_here(path: str) -> str | None:
    """The commit of a hub id's files on this machine; None where they are not in the hub's cache."""
    from huggingface_hub import try_to_load_from_cache

    config = try_to_load_from_cache(path, "config.json")
    return Path(config).parent.name if isinstance(config, str) else None
