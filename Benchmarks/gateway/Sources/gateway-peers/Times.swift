import NIOCore

/// Measured times, and their percentiles as JSON.
struct Times: Sendable {
    private var values: [TimeAmount] = []

    var count: Int { values.count }

    mutating func add(since start: NIODeadline) {
        values.append(NIODeadline.now() - start)
    }

    mutating func add(_ times: Times) {
        values += times.values
    }

    /// The median and the 99th percentile in milliseconds, as members of a JSON object.
    var json: String {
        let sorted = values.sorted()
        return #""p50": \#(percentile(50, of: sorted)), "p99": \#(percentile(99, of: sorted))"#
    }

    private func percentile(_ part: Int, of sorted: [TimeAmount]) -> Double {
        guard let last = sorted.indices.last else { return 0 }
        return Double(sorted[last * part / 100].nanoseconds) / 1e6
    }
}
