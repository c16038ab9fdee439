"""What tests stand on: a scripted backend, raw clients, gateways started as the program does."""
