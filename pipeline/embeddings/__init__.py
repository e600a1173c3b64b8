"""Item vectors by a frozen model, so that tonight's vectors mean what last night's did (docs/tokenizer.md); profiles of users."""
