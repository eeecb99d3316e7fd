/// The masking of payloads (RFC 6455, section 5.3).
package enum Masking {
    /// Copies bytes and masks, or unmasks, them on the way: 32 at a time, then 8, then one.
    ///
    /// - Parameters:
    ///   - source: the bytes.
    ///   - target: as many bytes at least; it does not overlap the source, or is the same memory.
    ///   - mask: the key, its first byte in the lowest bits.
    ///   - offset: the position of the source's first byte in the frame's payload.
    static func copy(
        _ source: UnsafeRawBufferPointer, to target: UnsafeMutableRawBufferPointer, mask: UInt32,
        offset: Int = 0
    ) {
        guard let from = source.baseAddress, let to = target.baseAddress else { return }
        precondition(target.count >= source.count, "no room for what is masked")
        let key = rotated(mask, by: offset)
        let wide = UInt64(key) | UInt64(key) << 32
        let wider = SIMD4<UInt64>(repeating: wide.littleEndian)
        // Every access is within the two buffers: the index is below the source's length, which the
        // target has at least, by the size of the access.
        var index = 0
        while index <= source.count - 32 {
            let block = from.loadUnaligned(fromByteOffset: index, as: SIMD4<UInt64>.self)
            to.storeBytes(of: block ^ wider, toByteOffset: index, as: SIMD4<UInt64>.self)
            index += 32
        }
        while index <= source.count - 8 {
            let word = from.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            to.storeBytes(of: word ^ wide.littleEndian, toByteOffset: index, as: UInt64.self)
            index += 8
        }
        while index < source.count {
            let byte = from.load(fromByteOffset: index, as: UInt8.self)
            let part = UInt8(truncatingIfNeeded: key >> UInt32(index % 4 * 8))
            to.storeBytes(of: byte ^ part, toByteOffset: index, as: UInt8.self)
            index += 1
        }
    }

    /// The bytes masked, or unmasked.
    package static func masked(
        _ bytes: some Collection<UInt8>, mask: UInt32, offset: Int = 0
    ) -> [UInt8] {
        var result = Array(bytes)
        result.withUnsafeMutableBytes {
            copy(UnsafeRawBufferPointer($0), to: $0, mask: mask, offset: offset)
        }
        return result
    }

    /// The key whose first byte belongs to the position `offset`.
    private static func rotated(_ mask: UInt32, by offset: Int) -> UInt32 {
        let bits = UInt32(offset % 4 * 8)
        return bits == 0 ? mask : mask >> bits | mask << (32 - bits)
    }
}
