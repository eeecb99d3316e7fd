/// A name that separates the connections of one tenant or credential from all others.
///
/// Only a short digest of the name is kept: snapshots, logs and errors never contain the name.
public struct IsolationScope: Sendable, Hashable, ExpressibleByStringLiteral {
    /// 128 bits of SHA-256: a chosen name cannot be made to collide with another.
    private let high: UInt64
    private let low: UInt64

    /// Creates a scope from its name.
    public init(_ name: String) {
        let digest = SHA256.digest(name.utf8)
        high = UInt64(digest[0]) << 32 | UInt64(digest[1])
        low = UInt64(digest[2]) << 32 | UInt64(digest[3])
    }

    /// Creates a scope from a literal, which is its name.
    public init(stringLiteral name: String) {
        self.init(name)
    }

    /// Eight hexadecimal digits, the same for equal names in every process.
    public var digest: String {
        let text = String(high >> 32, radix: 16)
        return String(repeating: "0", count: 8 - text.count) + text
    }
}

extension IsolationScope: CustomStringConvertible {
    /// "scope-" and the digest.
    public var description: String { "scope-\(digest)" }
}
