"""Many runs with a ledger: what is done is skipped, what was interrupted goes on, a failure stops nobody else."""
