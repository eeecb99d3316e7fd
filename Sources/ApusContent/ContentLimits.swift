/// What encoded content may make a decoder deliver.
///
/// A small body can decode to a very large one. Memory does not depend on these limits, since a
/// decoder delivers pieces of at most 64 KiB and works only when it is asked for the next; they
/// bound the work.
public struct ContentLimits: Sendable, Hashable {
    /// The most bytes that a body may decode to; `nil`, the default, is no limit.
    public var maxBytes: UInt64?
    /// The most bytes of output for each byte of input; 200 by default.
    ///
    /// It applies to each coding of several, and only to output beyond `ratioFloor`.
    public var maxRatio: UInt64
    /// Output that is allowed at any ratio, in bytes; 16 MiB by default.
    public var ratioFloor: UInt64
    /// The most codings that one response may have; 4 by default.
    public var maxCodings: Int

    /// Creates limits, by default those of each field.
    public init(
        maxBytes: UInt64? = nil, maxRatio: UInt64 = 200, ratioFloor: UInt64 = 16 * 1024 * 1024,
        maxCodings: Int = 4
    ) {
        self.maxBytes = maxBytes
        self.maxRatio = maxRatio
        self.ratioFloor = ratioFloor
        self.maxCodings = maxCodings
    }

    /// How much may be made of so many bytes, and which limit that is.
    package func allowance(for encoded: UInt64) -> (bytes: UInt64, isRatio: Bool) {
        let (product, overflows) = encoded.multipliedReportingOverflow(by: maxRatio)
        let byRatio = max(ratioFloor, overflows ? UInt64.max : product)
        guard let maxBytes, maxBytes <= byRatio else { return (byRatio, true) }
        return (maxBytes, false)
    }
}
