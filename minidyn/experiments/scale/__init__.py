"""The experiments of "Scale": one file per chapter."""
