"""Log setup, escaping of untrusted text, and the output of Ray's processes."""
