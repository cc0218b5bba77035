"""What models are run on: types, the roles of inputs by name, drawn values that fit a signature."""
