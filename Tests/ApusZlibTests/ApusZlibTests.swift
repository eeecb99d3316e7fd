import Testing

@Suite struct ApusZlibTests {}
