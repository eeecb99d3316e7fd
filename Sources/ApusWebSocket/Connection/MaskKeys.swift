/// Masking keys from a random source, which no peer can predict (RFC 6455, section 10.3).
package struct MaskKeys: Sendable {
    private var generator: any RandomNumberGenerator & Sendable
    /// The second half of the last random number.
    private var spare: UInt32?

    package init(_ generator: any RandomNumberGenerator & Sendable) {
        self.generator = generator
    }

    /// The next key.
    package mutating func next() -> UInt32 {
        if let spare {
            self.spare = nil
            return spare
        }
        let number: UInt64 = generator.next()
        spare = UInt32(truncatingIfNeeded: number >> 32)
        return UInt32(truncatingIfNeeded: number)
    }
}
