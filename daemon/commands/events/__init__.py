"""Commands about events: read and list them, judge them, and the alerts made of them."""
