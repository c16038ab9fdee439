"""A picture of the dashboard, drawn from its own queries, as no Grafana is to be had."""
