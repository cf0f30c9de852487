"""The budgets of false alerts of a camera: on disk, as a report, and hints at what uses them up."""
