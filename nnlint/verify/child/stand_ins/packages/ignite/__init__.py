"""ignite: engines that call the user's step and handlers, and the two metrics that most scripts attach."""
