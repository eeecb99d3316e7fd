package import ApusCore
package import ApusSocket

/// What tests put between a dial and the world; an engine in use has none of it.
package struct DialHooks: Sendable {
    /// Called before each wait of a dial, with its phase; the dial goes on when it returns.
    package var beforeWait: (@Sendable (TransportError.Phase) async -> Void)?
    /// Asked before each socket is opened: an error that it gives takes the socket's place.
    package var openFailure: (@Sendable (SocketAddress) -> SystemError?)?

    /// What takes the place of the system's clocks where the engine looks whether it has slept.
    package var clocks: @Sendable () -> ClockPair = { .now() }

    package init() {}
}
