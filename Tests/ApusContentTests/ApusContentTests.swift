import Testing

@Suite struct ApusContentTests {}
