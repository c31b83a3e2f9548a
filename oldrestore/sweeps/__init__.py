"""Many runs with a ledger: what is done is skipped, what was interrupted is resumed, a failure stops nothing else."""
