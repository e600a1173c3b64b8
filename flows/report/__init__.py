"""The morning page: what happened last night, and how the log, the Semantic IDs and the policies went over the nights."""
