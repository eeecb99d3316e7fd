import Testing

@Suite struct ApusWebSocketTests {}
