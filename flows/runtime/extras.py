"""What each extra of pyproject.toml brings, and the line for a command that lacks one."""

from importlib.util import find_spec

# By the name a module is imported by.
EXTRA_OF = {
    "torch": "train",
    "jaxtyping": "train",
    "faiss": "train",
    "sklearn": "train",
    "prefect": "flows",
    "fastapi": "flows",
    "sqlalchemy": "flows",
    "yaml": "flows",
    "pandas": "pandas",
    "PIL": "plots",
    "matplotlib": "plots",
    "tensorboard": "tensorboard",
    "distributed": "dask",
    "dask": "dask",
    "ray": "ray",
    "duckdb_extension_postgres_scanner": "postgres",
    "duckdb_extension_httpfs": "s3",
}


def needs(what: str, extra: str) -> str:
    """The line for something that lacks an extra."""
    return f"{what} needs the extra {extra}; install it with: pip install -e '.[{extra}]'"


def missing_extra(error: ModuleNotFoundError, what: str) -> str | None:
    """The line for a module that an extra brings; None for any other, which is a bug or a broken installation.

    Args:
        error: as the import raised it.
        what: the command that needed it, such as ``hsrl retrain``.
    """
    extra = EXTRA_OF.get((error.name or "").partition(".")[0])
    return needs(what, extra) if extra else None


def require_modules(*names: str) -> None:
    """Refuse at once what would be missed half-way: modules that are loaded only where there is something to do.

    Raises:
        ModuleNotFoundError: one is not installed; the command says which extra has it.
    """
    for name in names:
        if find_spec(name) is None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
