"""Reports of a value of every case, such as Dice or reading time, in the place of scores."""
