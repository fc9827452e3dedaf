"""Programs that measure this project: each prints its table, with the machine it ran on."""
