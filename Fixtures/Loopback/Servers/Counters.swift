import Synchronization

/// The counters of an origin since its start or the last `resetCounters`.
package struct LoopbackCounters: Sendable, Hashable {
    package var connectionsAccepted = 0
    package var connectionsOpen = 0
    package var peakConnections = 0
    package var requests = 0
    package var currentRequests = 0
    package var peakRequests = 0
    /// The maximum number of open streams on one HTTP/2 connection.
    package var peakStreams = 0
    package var tlsHandshakes = 0
    package var tlsResumed = 0
    /// Bytes on the socket, after encryption.
    package var bytesSent = 0
    package var bytesReceived = 0
    /// RST_STREAM frames from clients.
    package var cancelledStreams = 0
    /// PING frames from clients, acknowledgements left out.
    package var pings = 0
    /// GOAWAY frames from clients.
    package var goAways = 0
    /// The largest content of one DATA frame from a client, padding included.
    package var longestData = 0
}

/// One open connection of an origin.
package struct LoopbackConnection: Sendable, Hashable {
    /// Its position in the order of acceptance, from 0.
    package var id: Int
    package var requests: Int
    package var isIdle: Bool
    package var bytesSent: Int
    package var bytesReceived: Int
    /// Bytes of `/endless` by HTTP/2 stream.
    package var endlessBytes: [Int32: Int]
}

/// The counters of one origin, written by all of its threads.
final class Totals: Sendable {
    private let accepted = Atomic(0)
    private let open = Gauge()
    private let requests = Atomic(0)
    private let current = Gauge()
    private let streams = Atomic(0)
    private let handshakes = Atomic(0)
    private let resumed = Atomic(0)
    private let sentBytes = Atomic(0)
    private let receivedBytes = Atomic(0)
    private let cancelled = Atomic(0)
    private let pings = Atomic(0)
    private let goAways = Atomic(0)
    private let longest = Atomic(0)

    var snapshot: LoopbackCounters {
        LoopbackCounters(
            connectionsAccepted: accepted.load(ordering: .sequentiallyConsistent),
            connectionsOpen: open.value, peakConnections: open.peak,
            requests: requests.load(ordering: .sequentiallyConsistent),
            currentRequests: current.value, peakRequests: current.peak,
            peakStreams: streams.load(ordering: .sequentiallyConsistent),
            tlsHandshakes: handshakes.load(ordering: .sequentiallyConsistent),
            tlsResumed: resumed.load(ordering: .sequentiallyConsistent),
            bytesSent: sentBytes.load(ordering: .relaxed),
            bytesReceived: receivedBytes.load(ordering: .relaxed),
            cancelledStreams: cancelled.load(ordering: .sequentiallyConsistent),
            pings: pings.load(ordering: .sequentiallyConsistent),
            goAways: goAways.load(ordering: .sequentiallyConsistent),
            longestData: longest.load(ordering: .sequentiallyConsistent))
    }

    /// Sets all counters to zero, except those of open connections.
    func reset() {
        accepted.store(0, ordering: .relaxed)
        requests.store(0, ordering: .relaxed)
        handshakes.store(0, ordering: .relaxed)
        resumed.store(0, ordering: .relaxed)
        sentBytes.store(0, ordering: .relaxed)
        receivedBytes.store(0, ordering: .relaxed)
        cancelled.store(0, ordering: .relaxed)
        pings.store(0, ordering: .relaxed)
        goAways.store(0, ordering: .relaxed)
        longest.store(0, ordering: .relaxed)
        open.resetPeak()
        current.resetPeak()
        streams.store(0, ordering: .relaxed)
    }

    /// Reports the number of open streams of a connection.
    func streamsOpened(_ count: Int) { streams.max(count, ordering: .sequentiallyConsistent) }

    func connectionOpened() {
        accepted.add(1, ordering: .sequentiallyConsistent)
        open.rise()
    }

    func connectionClosed() { open.fall() }

    func requestBegan() {
        requests.add(1, ordering: .sequentiallyConsistent)
        current.rise()
    }

    func requestEnded() { current.fall() }

    func handshakeFinished(resumed isResumed: Bool) {
        handshakes.add(1, ordering: .sequentiallyConsistent)
        if isResumed { resumed.add(1, ordering: .sequentiallyConsistent) }
    }

    func sent(_ count: Int) { sentBytes.add(count, ordering: .relaxed) }
    func received(_ count: Int) { receivedBytes.add(count, ordering: .relaxed) }
    func streamCancelled() { cancelled.add(1, ordering: .sequentiallyConsistent) }
    func pingReceived() { pings.add(1, ordering: .sequentiallyConsistent) }
    func dataFrameReceived(_ length: Int) { longest.max(length, ordering: .sequentiallyConsistent) }
    func goAwayReceived() { goAways.add(1, ordering: .sequentiallyConsistent) }
}

/// A number that rises and falls, and its highest value.
private final class Gauge: Sendable {
    private let current = Atomic(0)
    private let highest = Atomic(0)

    var value: Int { current.load(ordering: .sequentiallyConsistent) }
    var peak: Int { highest.load(ordering: .sequentiallyConsistent) }

    func rise() {
        let value = current.add(1, ordering: .sequentiallyConsistent).newValue
        highest.max(value, ordering: .sequentiallyConsistent)
    }

    func fall() { current.subtract(1, ordering: .sequentiallyConsistent) }
    func resetPeak() { highest.store(value, ordering: .sequentiallyConsistent) }
}

/// One connection's own counters, written by its thread and read by tests.
final class ConnectionRecord: TrafficMeter {
    let id: Int
    let totals: Totals
    private let requests = Atomic(0)
    private let idle = Atomic(false)
    private let sentBytes = Atomic(0)
    private let receivedBytes = Atomic(0)
    private let endless = Guarded<[Int32: Int]>([:])

    init(id: Int, totals: Totals) {
        self.id = id
        self.totals = totals
    }

    /// No request is in progress.
    var isIdle: Bool {
        get { idle.load(ordering: .relaxed) }
        set { idle.store(newValue, ordering: .relaxed) }
    }

    var snapshot: LoopbackConnection {
        LoopbackConnection(
            id: id, requests: requests.load(ordering: .relaxed), isIdle: isIdle,
            bytesSent: sentBytes.load(ordering: .relaxed),
            bytesReceived: receivedBytes.load(ordering: .relaxed),
            endlessBytes: endless.withLock { $0 })
    }

    /// Counts a request and returns its number on this connection, from 1.
    func requestBegan() -> Int {
        totals.requestBegan()
        return requests.add(1, ordering: .relaxed).newValue
    }

    func requestEnded() { totals.requestEnded() }

    func sent(_ count: Int) {
        sentBytes.add(count, ordering: .relaxed)
        totals.sent(count)
    }

    func received(_ count: Int) {
        receivedBytes.add(count, ordering: .relaxed)
        totals.received(count)
    }

    func sentEndless(_ count: Int, on stream: Int32) {
        endless.withLock { $0[stream, default: 0] += count }
    }
}
