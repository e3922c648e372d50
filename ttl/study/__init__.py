"""The study: trials, their records on disk, and the engines that run them."""
