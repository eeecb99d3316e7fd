/// A connection's state in one word.
public enum ConnectionState: String, Sendable, Hashable, Codable {
    /// Being made.
    ///
    /// Exits: `.idle`, `.leased`, and gone.
    case dialling
    /// Open, and carries nothing.
    ///
    /// Exits: `.leased`, `.suspect`, and gone.
    case idle
    /// Open, and carries at least one exchange.
    ///
    /// Exits: `.idle`, `.suspect`, `.draining`, and gone.
    case leased
    /// Open, but its peer may be dead, or has yet to meet many cancels: it gets no new exchange.
    ///
    /// Exits: `.idle`, `.leased`, `.draining`, and gone.
    case suspect
    /// Finishes what it carries, and takes no more.
    ///
    /// Exits: gone.
    case draining
}
