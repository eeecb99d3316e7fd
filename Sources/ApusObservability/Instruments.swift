import CoreMetrics
import Synchronization

/// A cache of metrics by name and dimensions: making one may be expensive.
final class Instruments: Sendable {
    private let factory: any MetricsFactory
    private let maxSeries: Int
    private let made = Mutex(Made())

    /// The metrics of each kind by "name|dimension=value|...".
    private struct Made {
        var counters: [String: Counter] = [:]
        var meters: [String: Meter] = [:]
        var timers: [String: CoreMetrics.Timer] = [:]
        var recorders: [String: Recorder] = [:]

        var count: Int { counters.count + meters.count + timers.count + recorders.count }
    }

    init(factory: any MetricsFactory, maxSeries: Int) {
        self.factory = factory
        self.maxSeries = maxSeries
    }

    typealias Dimensions = [(String, String)]

    func counter(_ name: String, _ server: Dimensions, _ rest: Dimensions = []) -> Counter {
        instrument(name, server, rest, in: \.counters) {
            Counter(label: $0, dimensions: $1, factory: factory)
        }
    }

    func meter(_ name: String, _ server: Dimensions, _ rest: Dimensions = []) -> Meter {
        instrument(name, server, rest, in: \.meters) {
            Meter(label: $0, dimensions: $1, factory: factory)
        }
    }

    func timer(
        _ name: String, _ server: Dimensions, _ rest: Dimensions = []
    ) -> CoreMetrics.Timer {
        instrument(name, server, rest, in: \.timers) {
            CoreMetrics.Timer(label: $0, dimensions: $1, factory: factory)
        }
    }

    func recorder(_ name: String, _ server: Dimensions, _ rest: Dimensions = []) -> Recorder {
        instrument(name, server, rest, in: \.recorders) {
            Recorder(label: $0, dimensions: $1, aggregate: true, factory: factory)
        }
    }

    /// Returns the cached metric, or makes one; beyond the limit without the server's name.
    private func instrument<Instrument: Sendable>(
        _ name: String, _ server: Dimensions, _ rest: Dimensions,
        in path: WritableKeyPath<Made, [String: Instrument]>,
        make: (String, Dimensions) -> Instrument
    ) -> Instrument {
        made.withLock { made in
            var dimensions = server + rest
            var key = key(name, dimensions)
            if let found = made[keyPath: path][key] { return found }
            if made.count >= maxSeries {
                dimensions = server.map { ($0.0, "_OTHER") } + rest
                key = self.key(name, dimensions)
                if let found = made[keyPath: path][key] { return found }
            }
            let instrument = make(name, dimensions)
            made[keyPath: path][key] = instrument
            return instrument
        }
    }

    private func key(_ name: String, _ dimensions: Dimensions) -> String {
        dimensions.reduce(into: name) { $0 += "|\($1.0)=\($1.1)" }
    }
}
