"""Private: find out, for reports, what each flag of a run breaks, changes and costs."""
