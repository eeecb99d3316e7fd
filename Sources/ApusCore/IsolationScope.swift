/// A name that keeps the connections of one tenant or credential apart from all others'.
///
/// Only a short digest of the name is kept: snapshots, logs and errors never hold the name itself.
public struct IsolationScope: Sendable, Hashable, ExpressibleByStringLiteral {
    /// 128 bits of digest: enough that two names of one process do not meet by chance.
    private let high: UInt64
    private let low: UInt64

    public init(_ name: String) {
        high = IsolationScope.digest(name, basis: 0xcbf2_9ce4_8422_2325)
        low = IsolationScope.digest(name, basis: 0x9ae1_6a3b_2f90_404f)
    }

    public init(stringLiteral name: String) {
        self.init(name)
    }

    /// Eight hexadecimal digits, the same for equal names in every process.
    public var digest: String {
        let text = String(UInt32(truncatingIfNeeded: high ^ (high >> 32)), radix: 16)
        return String(repeating: "0", count: 8 - text.count) + text
    }

    /// FNV-1a over the name's bytes, then a finishing mix, so that near names fall far apart.
    private static func digest(_ name: String, basis: UInt64) -> UInt64 {
        var hash = basis
        for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        hash = (hash ^ (hash >> 33)) &* 0xff51_afd7_ed55_8ccd
        return hash ^ (hash >> 33)
    }
}

extension IsolationScope: CustomStringConvertible {
    public var description: String { "scope-\(digest)" }
}
