import Testing

@Suite struct ApusRetryTests {}
