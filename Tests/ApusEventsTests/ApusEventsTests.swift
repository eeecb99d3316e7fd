import Testing

/// The tests of ApusEvents.
@Suite struct ApusEventsTests {}
