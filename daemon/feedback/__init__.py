"""What people say of events: clicks, the heads that are made of them, and which head is in force."""
