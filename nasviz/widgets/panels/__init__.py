"""The explorer's panels, one a file: each reads and writes the traits of an `ExplorerState`."""
