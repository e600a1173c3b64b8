"""Next-item retrieval: the same small decoder on Semantic IDs of several origins and on plain item numbers, all items ranked."""
