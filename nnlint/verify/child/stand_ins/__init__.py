"""Stand-ins for what a script needs and this machine lacks: packages, data, devices, arguments. Only for what is missing."""
