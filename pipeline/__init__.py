"""Data: frames in, frames out. A subpackage a stage; stages share the contracts and do not import one another."""
