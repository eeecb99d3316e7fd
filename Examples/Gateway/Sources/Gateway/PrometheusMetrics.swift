package import CoreMetrics
import Synchronization

/// A factory of swift-metrics whose metrics are read as Prometheus' text format.
///
/// Dots of a label become underscores; counters end in `_total`, timers in `_seconds`. Timers and
/// recorders are summaries: their sum and their count.
package final class PrometheusMetrics: MetricsFactory {
    /// The families by name.
    private let families = Mutex<[String: Family]>([:])

    /// The series of one name, by their labels as text.
    private struct Family {
        let kind: String
        var series: [String: any Series] = [:]
    }

    package init() {}

    /// All metrics in Prometheus' text format, version 0.0.4, sorted by name and labels.
    package var text: String {
        let families = families.withLock { $0 }
        var text = ""
        for (name, family) in families.sorted(by: { $0.key < $1.key }) {
            text += "# TYPE \(name) \(family.kind)\n"
            for (labels, series) in family.series.sorted(by: { $0.key < $1.key }) {
                text += series.samples.map { suffix, value in
                    "\(name)\(suffix)\(labels.isEmpty ? "" : "{\(labels)}") \(value)\n"
                }.joined()
            }
        }
        return text
    }

    package func makeCounter(
        label: String, dimensions: [(String, String)]
    ) -> any CounterHandler {
        series(label, "_total", "counter", dimensions) { Count() }
    }

    package func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        series(label, "", "gauge", dimensions) { Level() }
    }

    package func makeRecorder(
        label: String, dimensions: [(String, String)], aggregate: Bool
    ) -> any RecorderHandler {
        series(label, "", "summary", dimensions) { Summary(scale: 1) }
    }

    package func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        series(label, "_seconds", "summary", dimensions) { Summary(scale: 1e-9) }
    }

    // A series lives as long as the factory: Prometheus takes one that restarts for a reset.
    package func destroyCounter(_ handler: any CounterHandler) {}
    package func destroyMeter(_ handler: any MeterHandler) {}
    package func destroyRecorder(_ handler: any RecorderHandler) {}
    package func destroyTimer(_ handler: any TimerHandler) {}

    /// The series of a name and its labels, made when it is new.
    private func series<Made: Series>(
        _ label: String, _ suffix: String, _ kind: String, _ dimensions: [(String, String)],
        _ make: () -> Made
    ) -> Made {
        let name = label.prometheusName + suffix
        let labels = dimensions.map { "\($0.prometheusName)=\"\($1.escaped)\"" }
            .joined(separator: ",")
        return families.withLock { families in
            var family = families[name] ?? Family(kind: kind)
            // A name that is used for two kinds keeps the first one's family.
            if let found = family.series[labels] as? Made { return found }
            let made = make()
            family.series[labels] = made
            families[name] = family
            return made
        }
    }
}

/// A series: its samples as suffixes of the name and values.
private protocol Series: AnyObject, Sendable {
    var samples: [(String, String)] { get }
}

private final class Count: Series, CounterHandler {
    private let value = Mutex<Int64>(0)

    var samples: [(String, String)] { [("", "\(value.withLock { $0 })")] }

    func increment(by amount: Int64) { value.withLock { $0 += amount } }
    func reset() { value.withLock { $0 = 0 } }
}

private final class Level: Series, MeterHandler {
    private let value = Mutex(0.0)

    var samples: [(String, String)] { [("", value.withLock { $0 }.text)] }

    func set(_ value: Int64) { set(Double(value)) }
    func set(_ value: Double) { self.value.withLock { $0 = value } }
    func increment(by amount: Double) { value.withLock { $0 += amount } }
    func decrement(by amount: Double) { value.withLock { $0 -= amount } }
}

private final class Summary: Series, RecorderHandler, TimerHandler {
    private struct Sums {
        var sum = 0.0
        var count = 0
    }

    private let sums = Mutex(Sums())
    /// What a recorded number is multiplied by: timers record nanoseconds.
    private let scale: Double

    init(scale: Double) {
        self.scale = scale
    }

    var samples: [(String, String)] {
        let sums = sums.withLock { $0 }
        return [("_sum", sums.sum.text), ("_count", "\(sums.count)")]
    }

    func record(_ value: Int64) { record(Double(value)) }

    func record(_ value: Double) {
        sums.withLock {
            $0.sum += value * scale
            $0.count += 1
        }
    }

    func recordNanoseconds(_ duration: Int64) { record(duration) }
}

extension Double {
    /// A number without a fraction is written without one.
    fileprivate var text: String { Int64(exactly: self).map { "\($0)" } ?? "\(self)" }
}

extension String {
    /// With underscores for what a name of Prometheus must not contain.
    fileprivate var prometheusName: String {
        String(map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" })
    }

    /// With the escapes of a label's value.
    fileprivate var escaped: String {
        reduce(into: "") { text, character in
            switch character {
            case "\\": text += "\\\\"
            case "\"": text += "\\\""
            case "\n": text += "\\n"
            default: text.append(character)
            }
        }
    }
}
