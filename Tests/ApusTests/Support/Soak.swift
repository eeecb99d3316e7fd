import Glibc

/// Runs that take long: a short form with every run of the suite, the whole of it when asked for.
enum Soak {
    /// `APUS_SOAK=1 swift test --filter Soak` asks for the whole.
    static let isWhole = getenv("APUS_SOAK") != nil

    /// How many rounds this run makes; a sanitizer makes do with a few.
    static func rounds(_ whole: Int, short: Int) -> Int {
        isWhole ? whole : isSanitized ? max(1, short / 8) : short
    }

    /// The process's resident memory in KiB.
    ///
    /// - Parameter trimmed: without what the allocator keeps for later.
    static func residentKiB(trimmed: Bool = false) -> Int {
        if trimmed { trimHeap() }
        guard let file = fopen("/proc/self/statm", "r") else { return 0 }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 128)
        guard fgets(&line, 128, file) != nil else { return 0 }
        let bytes = line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        let parts = String(decoding: bytes, as: UTF8.self).split(separator: " ")
        return parts.count > 1 ? (Int(parts[1]) ?? 0) * Int(getpagesize()) / 1024 : 0
    }

    /// glibc's `malloc_trim`, which its module does not show.
    private static func trimHeap() {
        typealias Trim = @convention(c) (Int) -> CInt
        guard let symbol = dlsym(nil, "malloc_trim") else { return }
        _ = unsafeBitCast(symbol, to: Trim.self)(0)
    }

    /// Open descriptors of the process.
    static func descriptors() -> Int {
        (0..<getdtablesize()).count { fcntl($0, F_GETFD) >= 0 }
    }

    /// Prints a figure of a whole run.
    static func report(_ text: String) {
        if isWhole { print("soak: \(text)") }
    }
}
