"""How a new token comes: state of one key, flight, the steps of a refresh."""
