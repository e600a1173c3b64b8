"""Texts inside SQL, for statements (ATTACH, SET, LOAD) that take no bound parameter."""


def quoted(text: object) -> str:
    """A SQL literal."""
    return f"'{inside_quotes(str(text))}'"


def inside_quotes(text: str) -> str:
    """A text as it stands between the quotes of a literal."""
    return text.replace("'", "''")
