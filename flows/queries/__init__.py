"""Commands that read one release and change nothing: SQL, trace, status, pictures, encoding, ranking."""
