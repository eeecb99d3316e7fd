import Testing

@Suite struct ApusEventsTests {}
