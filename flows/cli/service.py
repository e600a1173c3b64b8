"""Commands for whoever keeps the nights going: up and doctor."""

import typer

group = typer.Typer()
