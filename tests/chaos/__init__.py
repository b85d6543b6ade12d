"""`make test WHAT=chaos`: kills of every part and of tasks, at every step of the loop."""
