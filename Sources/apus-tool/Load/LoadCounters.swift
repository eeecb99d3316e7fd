import Synchronization

/// What all workers count together.
final class LoadCounters: Sendable {
    /// The number of the next request.
    private let next = Atomic<Int>(0)
    private let failed = Atomic<Int>(0)
    private let begun = Atomic<Int>(0)

    private let speaker: String

    /// - Parameter speaker: who tells of errors.
    init(speaker: String) {
        self.speaker = speaker
    }

    /// The next request's number, each given out once.
    func take() -> Int { next.add(1, ordering: .relaxed).oldValue }

    func restart() { next.store(0, ordering: .relaxed) }

    var errors: Int { failed.load(ordering: .relaxed) }

    /// Counts an error; the first three are told on standard error.
    func fail(_ error: some Error) {
        let before = failed.add(1, ordering: .relaxed).oldValue
        if before < 3 { Console().line("\(speaker): \(error)") }
    }

    /// Bodies of which the first bytes have come.
    var bodiesBegun: Int { begun.load(ordering: .relaxed) }

    func bodyBegun() { begun.add(1, ordering: .relaxed) }

    func forgetErrors() { failed.store(0, ordering: .relaxed) }
}

/// One latency per request, in memory that exists before the first.
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

    /// Sorts the samples; only then do percentiles mean anything.
    func sort() {
        var sorted = samples
        sorted.sort()
    }

    /// The latency in microseconds that this part of the requests kept within.
    func percentile(_ part: Double) -> Double {
        guard !samples.isEmpty else { return 0 }
        let index = min(samples.count - 1, Int(Double(samples.count) * part))
        return Double(samples[index]) / 1000
    }
}
