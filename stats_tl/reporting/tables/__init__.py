"""From numbers to tables as text: which columns are shown, and the notes below them."""
