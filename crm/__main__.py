"""Makes `python -m crm` the same as the command `crm`; the children of `crm up` are started this way."""

from crm.cli import main

main(prog_name="crm")
