import Testing

/// The tests of ApusRetry.
@Suite struct ApusRetryTests {}
