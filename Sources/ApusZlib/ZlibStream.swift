import ApusCore
import CApusZlib

/// The `z_stream` that an `Inflater` or a `Deflater` is made of.
final class ZlibStream {
    /// The least room that a step has: zlib repeats the mark of a flush for which there are fewer
    /// than seven bytes.
    static let minCapacity = 64

    /// The room of the next step if the last one was filled; 0 if it was not.
    private var grownCapacity = 0

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

    /// Throws unless zlib has made its state.
    func check(_ code: Int32) throws(ZlibError) {
        switch code {
        case Z_OK: break
        case Z_MEM_ERROR: throw .outOfMemory
        default: throw .unsupportedSettings
        }
    }

    /// A new stream begins.
    func hasReset() {
        grownCapacity = 0
    }

    /// Calls zlib once; the pointers into input and output are valid during that call only.
    ///
    /// - Parameters:
    ///   - expected: the room that the output probably needs.
    ///   - limit: the most bytes of output.
    /// - Returns: the step, and zlib's code; a code that is an error leaves `.again`.
    func step(
        _ input: Bytes, expected: Int, limit: Int,
        _ function: (UnsafeMutablePointer<z_stream>) -> Int32
    ) -> (ZlibStep, code: Int32) {
        let capacity = min(limit, max(grownCapacity, expected))
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
        grownCapacity = room > 0 ? 0 : min(capacity * 2, limit)
        var step = ZlibStep(output: output, consumed: taken, next: .again)
        switch code {
        case Z_STREAM_END: step.next = .end
        case Z_OK, Z_BUF_ERROR:
            if room > 0, taken == input.count { step.next = .input }
        default: break
        }
        return (step, code)
    }

    /// zlib's words for the last error.
    var message: String {
        pointer.pointee.msg.map { String(cString: $0) } ?? "the data is not of its format"
    }
}
