/// A name that keeps the connections of one tenant or credential apart from all others'.
///
/// Only a short digest of the name is kept: snapshots, logs and errors never hold the name itself.
public struct IsolationScope: Sendable, Hashable, ExpressibleByStringLiteral {
    /// 128 bits of SHA-256: nobody who may choose a name can make it meet another's.
    private let high: UInt64
    private let low: UInt64

    public init(_ name: String) {
        let digest = SHA256.digest(name.utf8)
        high = UInt64(digest[0]) << 32 | UInt64(digest[1])
        low = UInt64(digest[2]) << 32 | UInt64(digest[3])
    }

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
    public var description: String { "scope-\(digest)" }
}
