"""Ways to targets: services that apprise knows, signed webhooks, MQTT."""
