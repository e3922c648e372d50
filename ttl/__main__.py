"""`python -m ttl`: the command line, for launchers that start a module (torchrun, `accelerate launch`)."""

from ttl.cli import main

main()
