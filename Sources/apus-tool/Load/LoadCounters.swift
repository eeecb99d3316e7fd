import Synchronization

/// The shared counters of all workers.
final class LoadCounters: Sendable {
    /// The number of the next request.
    private let next = Atomic<Int>(0)
    private let failed = Atomic<Int>(0)
    private let begun = Atomic<Int>(0)

    private let speaker: String

    /// - Parameter speaker: the program's name in error messages.
    init(speaker: String) {
        self.speaker = speaker
    }

    /// The next request's number; each is returned once.
    func take() -> Int { next.add(1, ordering: .relaxed).oldValue }

    func restart() { next.store(0, ordering: .relaxed) }

    var errors: Int { failed.load(ordering: .relaxed) }

    /// Counts an error; the first three are printed on standard error.
    func fail(_ error: some Error) {
        let before = failed.add(1, ordering: .relaxed).oldValue
        if before < 3 { Console().line("\(speaker): \(error)") }
    }

    /// Bodies whose first bytes have arrived.
    var bodiesBegun: Int { begun.load(ordering: .relaxed) }

    func bodyBegun() { begun.add(1, ordering: .relaxed) }

    func forgetErrors() { failed.store(0, ordering: .relaxed) }
}

/// One latency per request, in memory allocated beforehand.
final class LatencySamples: @unchecked Sendable {
    // Invariant: each number is written by the one worker that took it, and read after all workers
    // have ended.
    private let samples: UnsafeMutableBufferPointer<UInt64>

    init(count: Int) {
        samples = .allocate(capacity: count)
        samples.initialize(repeating: 0)
    }

    deinit {
        samples.deallocate()
    }

    func record(_ nanoseconds: UInt64, for number: Int) {
        samples[number] = nanoseconds
    }

    /// Sorts the samples, which percentiles require.
    func sort() {
        var sorted = samples
        sorted.sort()
    }

    /// The latency in microseconds that this fraction of the requests did not exceed.
    func percentile(_ part: Double) -> Double {
        guard !samples.isEmpty else { return 0 }
        let index = min(samples.count - 1, Int(Double(samples.count) * part))
        return Double(samples[index]) / 1000
    }
}
