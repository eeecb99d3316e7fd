public import Apus
public import CoreMetrics

/// Measures an engine's events with swift-metrics, by OpenTelemetry's names.
///
/// | metric | kind | dimensions besides `server.address`, `server.port` |
/// |---|---|---|
/// | `http.client.open_connections` | meter | |
/// | `http.client.connection.duration` | timer | `apus.close_reason` |
/// | `http.client.connection.failures` | counter | `error.type` |
/// | `http.client.active_requests` | meter | `http.request.method` |
/// | `http.client.request.duration` | timer | method, status, protocol version, `error.type` |
/// | `apus.client.request.time_to_head` | timer | method |
/// | `apus.client.request.time_to_first_byte` | timer | method |
/// | `http.client.request.body.size`, `http.client.response.body.size` | recorder | method |
/// | `http.client.request.resends` | counter | `error.type` |
/// | `http.client.request.waits` | counter | `apus.waits_for` |
/// | `apus.client.proxy.changes` | counter | `apus.proxy`, `apus.state`; no address of a server |
///
/// Gauges show the pool at one instant, for the whole engine, whenever the program calls
/// `record(_:)`, as once in ten seconds:
///
/// | gauge | dimension |
/// |---|---|
/// | `apus.engine.connections` | `apus.state`: "idle", "leased" or "dialling" |
/// | `apus.engine.waiting_requests` | |
///
/// An exchange that was cancelled has the `error.type` "cancelled", unless its status is 400 or
/// above: a refused answer counts by its status, whether its body was read or dropped. Further
/// dimensions of all these metrics are made by the program, from the route and, for requests, from
/// `RequestOptions.metadata`.
///
/// Engines that were released without shutdown are counted without an address, in
/// `apus.engine.drops`.
public struct MetricsObserver: EngineObserver {
    /// Makes further dimensions, from the route and from a request's metadata.
    public typealias Dimensions =
        @Sendable (Route, RequestMetadata?) -> [(String, String)]

    private let instruments: Instruments
    private let dimensions: Dimensions?

    /// Creates an observer.
    ///
    /// - Parameters:
    ///   - factory: makes the metrics; `nil`, the default, uses the process's own factory.
    ///   - maxSeries: the maximum number of metrics with different dimensions, 2000 by default;
    ///     beyond it the server's name is "_OTHER", so that many hosts cannot fill the memory, and
    ///     so are the values of `dimensions`.
    ///   - dimensions: makes further dimensions; the names must always be the same. It is called
    ///     for each metric, without metadata for those of connections. None by default.
    public init(
        factory: (any MetricsFactory)? = nil, maxSeries: Int = 2000, dimensions: Dimensions? = nil
    ) {
        self.dimensions = dimensions
        instruments = Instruments(
            factory: factory ?? MetricsSystem.factory, maxSeries: maxSeries)
    }

    /// Records one event.
    public func observe(_ event: EngineEvent, at instant: EngineEvent.Instant) {
        switch event {
        case .dialFailed(_, let error):
            let server = error.route.map { self.server($0) } ?? []
            instruments.counter(
                "http.client.connection.failures", server, [("error.type", error.kind.name)]
            ).increment()
        case .connectionOpened(_, let route, _):
            instruments.meter("http.client.open_connections", server(route)).increment()
        case .connectionClosed(_, let route, let reason, let age):
            instruments.meter("http.client.open_connections", server(route)).decrement()
            instruments.timer(
                "http.client.connection.duration", server(route),
                [("apus.close_reason", reason.rawValue)]
            ).recordNanoseconds(age.inNanoseconds)
        case .exchangeBegun(_, let method, let route, let metadata):
            activeRequests(method, route, metadata).increment()
        case .exchangeQueued(_, let route, let cause, let metadata):
            instruments.counter(
                "http.client.request.waits", server(route, metadata),
                [("apus.waits_for", cause.rawValue)]
            ).increment()
        case .exchangeReplayed(_, let error):
            instruments.counter(
                "http.client.request.resends",
                error.route.map { server($0, error.metadata) } ?? [],
                [("error.type", error.kind.name)]
            ).increment()
        case .exchangeCompleted(let summary): ended(summary, error: nil)
        case .exchangeCancelled(let summary):
            // The status was known, and whether the body was complete by then is chance.
            ended(summary, error: summary.status ?? 0 >= 400 ? nil : "cancelled")
        case .exchangeFailed(let summary, let error): ended(summary, error: error.kind.name)
        case .proxyFailing(let proxy, _, _, _): proxyChanged(proxy, to: "failing")
        case .proxyRecovered(let proxy, _): proxyChanged(proxy, to: "healthy")
        case .engineDropped: instruments.counter("apus.engine.drops", []).increment()
        default: break
        }
    }

    /// Records the state of an engine in gauges.
    ///
    /// - Parameter snapshot: as of now, by `TransportEngine.snapshot()`.
    public func record(_ snapshot: EngineSnapshot) {
        let states = [
            ("idle", snapshot.idle), ("leased", snapshot.leased), ("dialling", snapshot.dialling),
        ]
        for (state, count) in states {
            instruments.meter("apus.engine.connections", [], [("apus.state", state)]).set(count)
        }
        instruments.meter("apus.engine.waiting_requests", []).set(snapshot.waiting)
    }

    /// Counts that a proxy begins to fail, to any target or to one, or works again.
    private func proxyChanged(_ proxy: String, to state: String) {
        instruments.counter(
            "apus.client.proxy.changes", [("apus.proxy", proxy)], [("apus.state", state)]
        ).increment()
    }

    private func ended(_ summary: ExchangeSummary, error: String?) {
        activeRequests(summary.method, summary.route, summary.metadata).decrement()
        let server = server(summary.route, summary.metadata)
        let method = ("http.request.method", knownMethod(summary.method))
        var dimensions = [method]
        if let status = summary.status {
            dimensions.append(("http.response.status_code", "\(status)"))
        }
        if let name = summary.protocolName {
            dimensions.append(("network.protocol.version", name == "h2" ? "2" : "1.1"))
        }
        // By the convention a status of 400 and above is the error's type.
        let failedStatus = summary.status.flatMap { $0 >= 400 ? "\($0)" : nil }
        if let type = error ?? failedStatus { dimensions.append(("error.type", type)) }
        instruments.timer("http.client.request.duration", server, dimensions)
            .recordNanoseconds(summary.duration.inNanoseconds)
        if let head = summary.head {
            instruments.timer("apus.client.request.time_to_head", server, [method])
                .recordNanoseconds(head.inNanoseconds)
        }
        if let firstByte = summary.firstByte {
            instruments.timer("apus.client.request.time_to_first_byte", server, [method])
                .recordNanoseconds(firstByte.inNanoseconds)
        }
        instruments.recorder("http.client.request.body.size", server, [method])
            .record(Int64(clamping: summary.bytesSent))
        instruments.recorder("http.client.response.body.size", server, [method])
            .record(Int64(clamping: summary.bytesReceived))
    }

    private func activeRequests(
        _ method: String, _ route: Route, _ metadata: RequestMetadata?
    ) -> Meter {
        instruments.meter(
            "http.client.active_requests", server(route, metadata),
            [("http.request.method", knownMethod(method))])
    }

    /// The dimensions whose values the program or its peers choose.
    private func server(
        _ route: Route, _ metadata: RequestMetadata? = nil
    ) -> [(String, String)] {
        let own = [("server.address", route.origin.host), ("server.port", "\(route.origin.port)")]
        guard let dimensions else { return own }
        return own + dimensions(route, metadata)
    }
}

/// The method, or "_OTHER" for methods that no standard defines, by the convention.
func knownMethod(_ method: String) -> String {
    let known: Set<String> = [
        "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY",
    ]
    return known.contains(method) ? method : "_OTHER"
}

extension Duration {
    /// Whole nanoseconds, clamped to 64 bits.
    fileprivate var inNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        guard abs(seconds) < 9_000_000_000 else { return seconds < 0 ? .min : .max }
        return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    }
}
