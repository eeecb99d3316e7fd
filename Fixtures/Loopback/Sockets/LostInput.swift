#if canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// Segments that the system drops before a socket has seen them, as if they were lost on the way.
///
/// A filter of the socket, which needs no privilege (SO_ATTACH_FILTER; classic BPF).
enum LostInput {
    /// One instruction of a filter (`struct sock_filter`).
    private struct Instruction {
        var code: UInt16
        var ifTrue: UInt8 = 0
        var ifFalse: UInt8 = 0
        var value: UInt32 = 0
    }

    /// A whole filter (`struct sock_fprog`).
    private struct Program {
        var count: UInt16
        var instructions: UnsafePointer<Instruction>
    }

    /// Drops what is longer than the header of TCP, at which the filter begins.
    private static let dropsData = [
        // The header's length: the upper half of byte 12, in words.
        Instruction(code: 0x30, value: 12), Instruction(code: 0x74, value: 4),
        Instruction(code: 0x64, value: 2), Instruction(code: 0x07),
        // The segment's length.
        Instruction(code: 0x80), Instruction(code: 0x2d, ifTrue: 1),
        Instruction(code: 0x06, value: .max), Instruction(code: 0x06, value: 0),
    ]

    /// SO_MEMINFO, which Glibc leaves out, and the place of the drops in it.
    private static let memoryOption: Int32 = 55
    private static let placeOfDrops = 8

    static func begin(on descriptor: Int32) -> Bool {
        dropsData.withUnsafeBufferPointer { instructions in
            guard let first = instructions.baseAddress else { return false }
            var program = Program(count: UInt16(instructions.count), instructions: first)
            let size = socklen_t(MemoryLayout<Program>.size)
            return setsockopt(descriptor, SOL_SOCKET, SO_ATTACH_FILTER, &program, size) == 0
        }
    }

    static func end(on descriptor: Int32) -> Bool {
        var unused: Int32 = 0
        let size = socklen_t(MemoryLayout<Int32>.size)
        return setsockopt(descriptor, SOL_SOCKET, SO_DETACH_FILTER, &unused, size) == 0
    }

    /// Segments that were dropped so far.
    static func count(on descriptor: Int32) -> Int {
        var figures = [UInt32](repeating: 0, count: 16)
        var length = socklen_t(figures.count * MemoryLayout<UInt32>.size)
        let result = getsockopt(descriptor, SOL_SOCKET, memoryOption, &figures, &length)
        return result == 0 ? Int(figures[placeOfDrops]) : 0
    }
}
