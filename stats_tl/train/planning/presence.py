"""Whether the weights of a plan are on this machine, without fetching any."""

from __future__ import annotations

__all__ = ["find_weights", "refuse_other_weights"]

from pathlib import Path

import huggingface_hub

from ...errors import UserError
from ...study.plan import Arm
from ..networks.published import published_weights
from ..networks.weights import resolve_weights


def find_weights(arm: Arm, backbone: str, *, base: Path, known: str | None = None) -> str:
    """Where the weights of an arm are, in a few words.

    Files on this machine are read and checked as a run would do it.

    Parameters
    ----------
    arm : Arm
        Any but a random one, whose weights are drawn.
    backbone : str
    base : Path
        Folder that relative weight files start from.
    known : str, optional
        SHA-256 of the weights that archived cells used.

    Returns
    -------
    str

    Raises
    ------
    UserError
        If a run could not use or fetch them.
    """
    published = None if backbone in arm.files else published_weights(arm, backbone)
    if published is None or published.cached() is not None:
        record = resolve_weights(arm, backbone, base=base, seed=None).record
        refuse_other_weights(arm, backbone, record["sha256"], known)
        return f"on this machine ({record['origin']})"
    if not published.address:
        published.fetch()  # says what is published instead
    hub = published.address.startswith(huggingface_hub.constants.ENDPOINT)
    if hub and huggingface_hub.constants.HF_HUB_OFFLINE:
        published.fetch()  # says where to get the file and put it
    return f"not on this machine; the run will fetch them from {published.address}"


def refuse_other_weights(arm: Arm, backbone: str, sha256: str, known: str | None) -> None:
    """Refuse weights other than those that archived cells of the arm used.

    Parameters
    ----------
    arm : Arm
    backbone : str
    sha256 : str
        Of the weights.
    known : str or None
        Of those that archived cells used, if there are any.

    Raises
    ------
    UserError
        With both.
    """
    if known is not None and known != sha256:
        raise UserError(
            f"arm {arm.name!r}, {backbone}: the weights have sha256 {sha256[:12]}, "
            f"but archived cells used {known[:12]}; one arm must have one set of weights. "
            "Restore the file, or give the arm another name"
        )
