"""Text: files, named corpora, byte-level BPE, memory-mapped tokens."""
