import Testing

/// The tests of ApusWebSocket.
@Suite struct ApusWebSocketTests {}
