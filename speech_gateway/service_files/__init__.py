"""What the gateway is as a service of systemd's: its files, installed and checked.

config and systemd are links to the repository's folders; a wheel has what they lead to.
"""
