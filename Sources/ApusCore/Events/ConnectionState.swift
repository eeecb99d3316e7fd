/// The state of a connection.
public enum ConnectionState: String, Sendable, Hashable, Codable {
    /// The connection is being made.
    ///
    /// Exits: `.idle`, `.leased`, and gone.
    case dialling
    /// The connection is open and carries no exchange.
    ///
    /// Exits: `.leased`, `.suspect`, and gone.
    case idle
    /// The connection is open and carries at least one exchange.
    ///
    /// Exits: `.idle`, `.suspect`, `.draining`, and gone.
    case leased
    /// The connection is open but gets no new exchange: its peer may be dead, or many of our
    /// cancels may be unread.
    ///
    /// Exits: `.idle`, `.leased`, `.draining`, and gone.
    case suspect
    /// The connection finishes its exchanges and gets no new one.
    ///
    /// Exits: gone.
    case draining
}
