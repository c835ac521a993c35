"""What features are like, in figures and pictures: `mmbench show features`."""
