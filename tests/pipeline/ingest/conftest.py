"""Small raw files for the ingest tests."""

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

MOVIES = "1::Toy Story (1995)::Animation|Comedy\n2::Heat (1995)::Action\n3::L\xe9on (1994)::Crime|Drama\n".encode("latin-1")
USERS = b"1::F::1::10::48067\n2::M::56::16::70072\n"
RATINGS = b"1::1::5::978300760\n1::3::3::978300760\n2::1::4::978298413\n2::2::2::978299000\n"


@pytest.fixture
def shared_data() -> Path:
    """The real data, where they are."""
    folder = Path(os.environ.get("HSRL_SHARED", "../shared")) / "data"
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set HSRL_SHARED")
    return folder.absolute()


@pytest.fixture
def ml_1m(tmp_path: Path) -> Callable[..., Path]:
    """Makes a zip in the layout of ml-1m: three movies, two users, four ratings, or the bytes given for a member."""

    def make(**changed: bytes | None) -> Path:
        members = {"ratings": RATINGS, "movies": MOVIES, "users": USERS} | changed
        path = tmp_path / "ml-1m.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                if content is not None:
                    archive.writestr(f"ml-1m/{name}.dat", content)
        return path

    return make
