package import Apus

/// Writes whole frames, each into one allocation, and masks the payload while it is copied.
package enum FrameWriter {
    /// A frame of some bytes.
    package static func frame(_ header: FrameHeader, _ payload: Bytes) -> Bytes {
        payload.withContiguousStorageIfAvailable {
            frame(header, UnsafeRawBufferPointer($0))
        } ?? .empty
    }

    /// A frame of a text.
    static func frame(_ header: FrameHeader, _ text: String) -> Bytes {
        text.utf8.withContiguousStorageIfAvailable {
            frame(header, UnsafeRawBufferPointer($0))
        } ?? frame(header, Bytes(text))
    }

    private static func frame(_ header: FrameHeader, _ payload: UnsafeRawBufferPointer) -> Bytes {
        precondition(header.length == payload.count, "a head of another payload")
        let size = header.size
        let total = size + payload.count
        return Bytes(
            [UInt8](unsafeUninitializedCapacity: total) { room, count in
                var index = 0
                header.forEachByte {
                    room[index] = $0
                    index += 1
                }
                let rest = UnsafeMutableRawBufferPointer(
                    UnsafeMutableBufferPointer(rebasing: room[size...]))
                if let mask = header.mask {
                    Masking.copy(payload, to: rest, mask: mask)
                } else {
                    rest.copyMemory(from: payload)
                }
                count = total
            })
    }
}
