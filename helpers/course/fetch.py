"""Fetch a public data file from its source, its SHA-256 checked, whole or not at all."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from helpers.course import BadInput, Failed, absolute
from helpers.files import sha256_of


@dataclass(frozen=True)
class PublicFile:
    """A file that a lesson can be run on.

    Attributes
    ----------
    name : the file's name in the data folder.
    url : its public source.
    sha256 : fingerprint of the right content, 64 hex digits.
    about : what it is, from whom, under which licence.
    """

    name: str
    url: str
    sha256: str
    about: str


FILES = {
    "telco": PublicFile(
        name="telco_customer_churn.csv",
        url=(
            "https://raw.githubusercontent.com/IBM/telco-customer-churn-on-icp4d/master/"
            "data/Telco-Customer-Churn.csv"
        ),
        sha256="16320c9c1ec72448db59aa0a26a0b95401046bef5d02fd3aeb906448e3055e91",
        about=(
            "7,043 customers of a fictional telecom operator; IBM sample data, repository "
            "IBM/telco-customer-churn-on-icp4d, Apache-2.0"
        ),
    )
}


def data_folder(root: Path) -> Path:
    """Return where data files are kept: `LIFECYCLE_DATA` when set, else `data/` in `root`."""
    named = os.environ.get("LIFECYCLE_DATA")
    return absolute(named) if named else root / "data"


def fetch(file: PublicFile, folder: Path, progress: bool = False) -> tuple[Path, bool]:
    """Make sure that `folder` holds the right file; fetch it when it does not.

    Parameters
    ----------
    file : which file, from where.
    folder : where to keep it.
    progress : draw a bar while fetching.

    Returns
    -------
    The file's path, and whether it was fetched now.

    Raises
    ------
    Failed
        If the source cannot be reached, breaks off, or sends something else. A file that was
        there before is untouched, whatever it held.
    """
    if not file.url.startswith(("https://", "http://")):
        raise BadInput(f"{file.url} is no address to fetch from; one that starts with https:// is.")
    path = folder / file.name
    if path.is_dir():
        raise Failed(f"{path} is a folder. Move it away, then try again.")
    if path.is_file():
        if sha256_of(path) == file.sha256:
            return path, False
        raise Failed(
            f"{path} is there but is not the published file (its SHA-256 starts "
            f"{sha256_of(path)[:12]}, not {file.sha256[:12]}). Move it away, then try again."
        )
    import pooch
    import requests

    pooch.get_logger().setLevel("ERROR")
    try:
        pooch.retrieve(
            file.url,
            known_hash=f"sha256:{file.sha256}",
            path=folder,
            fname=file.name,
            progressbar=progress,
            downloader=pooch.HTTPDownloader(timeout=30, progressbar=progress),
        )
    except requests.HTTPError as error:
        raise Failed(
            f"The source answered {error.response.status_code} for {file.url}. It may have moved: "
            f"get {file.name} yourself and put it into {folder}."
        ) from error
    except requests.RequestException as error:
        raise Failed(
            f"{file.url} could not be fetched: no connection, or it broke off. Check the network "
            "and try again; nothing was written."
        ) from error
    except ValueError as error:  # pooch's word for a wrong hash
        raise Failed(
            f"What {file.url} sent is not the published file: its SHA-256 is not "
            f"{file.sha256[:12]}... It was thrown away. The source may have changed, or the "
            "transfer was cut short: try again, or get the file yourself."
        ) from error
    except OSError as error:
        raise Failed(
            f"{folder} cannot be written: {error.strerror or error}. Choose another folder with "
            "LIFECYCLE_DATA."
        ) from error
    return path, True
