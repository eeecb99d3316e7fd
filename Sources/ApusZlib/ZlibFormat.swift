/// What surrounds the compressed blocks of a zlib stream.
package enum ZlibFormat: Sendable, Hashable, CaseIterable {
    /// A gzip member: header, blocks, CRC-32 and length (RFC 1952).
    case gzip
    /// A zlib stream: header, blocks, Adler-32 (RFC 1950).
    case zlib
    /// The blocks alone (RFC 1951).
    case raw

    /// The window as zlib's `inflateInit2` and `deflateInit2` take it, which encodes the format.
    func code(windowBits: Int) -> Int32 {
        let codes: [ZlibFormat: Int] = [.gzip: windowBits + 16, .raw: -windowBits]
        return Int32(codes[self, default: windowBits])
    }
}

/// Why a zlib stream could not go on.
package enum ZlibError: Error, Sendable, Hashable {
    /// The input breaks its format; the text says where.
    case malformed(String)
    /// The settings are none that zlib accepts: a raw deflate stream cannot have a window of 8
    /// bits.
    case unsupportedSettings
    /// There was no memory for the stream's state.
    case outOfMemory
}

/// The result of one step of an `Inflater` or a `Deflater`.
package struct ZlibStep: Sendable, Hashable {
    /// What the caller does next.
    package enum Next: Sendable, Hashable {
        /// The whole input was taken, and the output has everything that it yields.
        case input
        /// The limit of the output was reached: another step takes the rest of the input, which may
        /// be empty.
        case again
        /// The stream has ended; the input from `consumed` on does not belong to it.
        case end
    }

    /// What the step yielded, at most as many bytes as its limit.
    package var output: [UInt8]
    /// How many bytes of the input were taken.
    package var consumed: Int
    /// What the caller does next.
    package var next: Next
}
