"""Score trees as lookup tables of bit masks (QuickScorer)."""
