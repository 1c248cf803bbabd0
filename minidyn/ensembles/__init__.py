"""Many networks at once: engines that train all runs of a sweep together."""
