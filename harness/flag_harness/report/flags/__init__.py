"""Private: what each flag of a run breaks, changes and costs, for reports."""
