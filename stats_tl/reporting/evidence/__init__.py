"""What a report is made from: scores and plans, in one layout whoever wrote them."""
