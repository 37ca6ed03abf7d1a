"""Several models side by side on one page: pictures of the same seeds, differences, cost, quality."""
