"""Joint search of sizes and dynamic settings, compared with searching them apart."""
