import Testing

/// The tests of ApusContent.
@Suite struct ApusContentTests {}
