import ApusCore
import CApusZlib

/// The `z_stream` that an `Inflater` or a `Deflater` is made of.
final class ZlibStream {
    /// The least room that a step has: zlib repeats the mark of a flush for which there are fewer
    /// than seven bytes.
    static let minCapacity = 64

    /// The result of one call of zlib.
    struct Call {
        var code: Int32
        var output: [UInt8]
        var consumed: Int
        /// Whether room for output was left.
        var hasRoom: Bool
    }

    /// At a fixed address, since zlib's state refers back to it.
    ///
    /// Invariant: allocated here and freed in `deinit`, after the owner has released zlib's state.
    let pointer: UnsafeMutablePointer<z_stream>

    init() {
        pointer = .allocate(capacity: 1)
        pointer.initialize(to: z_stream())
    }

    deinit {
        pointer.deinitialize(count: 1)
        pointer.deallocate()
    }

    /// Calls zlib once; the pointers into input and output are valid during that call only.
    func call(
        _ input: Bytes, capacity: Int, _ function: (UnsafeMutablePointer<z_stream>) -> Int32
    ) -> Call {
        var code = Z_OK
        var taken = 0
        var room = 0
        var output = [UInt8](unsafeUninitializedCapacity: capacity) { target, count in
            input.withSpan { span in
                span.withUnsafeBytes { source in
                    let given = UInt32(clamping: source.count)
                    pointer.pointee.next_in = UnsafeMutablePointer(
                        mutating: source.baseAddress?.assumingMemoryBound(to: UInt8.self))
                    pointer.pointee.avail_in = given
                    pointer.pointee.next_out = target.baseAddress
                    pointer.pointee.avail_out = UInt32(clamping: capacity)
                    code = function(pointer)
                    taken = Int(given - pointer.pointee.avail_in)
                    room = Int(pointer.pointee.avail_out)
                }
            }
            count = Int(UInt32(clamping: capacity)) - room
        }
        pointer.pointee.next_in = nil
        pointer.pointee.next_out = nil
        // A short result does not keep the room that was made for a long one; an array of a slice
        // of all of it would.
        let isShort = output.count < capacity / 2
        output = isShort ? output.withUnsafeBufferPointer { Array($0) } : output
        return Call(code: code, output: output, consumed: taken, hasRoom: room > 0)
    }

    /// zlib's words for the last error.
    var message: String {
        pointer.pointee.msg.map { String(cString: $0) } ?? "the data is not of its format"
    }
}
