"""What of an explorer leaves the notebook: the map as picture and page, candidates and trials."""
