package import ApusCore
import ApusSocket
import HTTPTypes

/// Reports one exchange to the engine's observer; without an observer there is no story.
///
/// It is shared by all tries of a request: it begins once and ends once.
/// Unchecked, because what is under "guarded" is touched only with the lock held.
package final class ExchangeStory: @unchecked Sendable {
    package let number: UInt64
    private let observer: EventReporter
    private let metadata: RequestMetadata?
    private let started: Deadline

    private let lock = Lock()
    // Guarded.
    private var summary: ExchangeSummary
    private var hasEnded = false

    package init(
        _ number: UInt64, _ request: OutgoingRequest, over route: Route, started: Deadline,
        to observer: EventReporter
    ) {
        self.number = number
        self.observer = observer
        self.started = started
        let method = request.head.method.rawValue
        metadata = request.metadata
        summary = ExchangeSummary(
            exchange: number, method: method, route: route, metadata: metadata)
        observer.observe(
            .exchangeBegun(exchange: number, method: method, route: route, metadata: metadata))
    }

    package func queued(_ route: Route, for cause: WaitCause) {
        observer.observe(
            .exchangeQueued(exchange: number, route: route, waitsFor: cause, metadata: metadata))
    }

    package func started(on connection: any LiveConnection, isReused: Bool) {
        let id = connection.id.rawValue
        lock.withLock {
            summary.connection = id
            summary.protocolName = connection.facts.protocolName
            summary.isReused = isReused
        }
        observer.observe(
            .exchangeStarted(exchange: number, connection: id, isReused: isReused))
    }

    func responded(_ response: HTTPResponse) {
        let status = response.status.code
        let isEventStream = response.headerFields.isEventStream
        let isOver = lock.withLock {
            summary.status = status
            summary.isEventStream = isEventStream
            return hasEnded
        }
        if !isOver { observer.observe(.exchangeResponded(exchange: number, status: status)) }
    }

    func bodyBegan() {
        observer.observe(.exchangeBodyBegan(exchange: number))
    }

    func stalled(_ stall: ExchangeWatch.Stall) {
        observer.observe(
            .exchangeStalled(exchange: number, wait: stall.wait, silence: stall.silence))
    }

    package func replayed(after error: TransportError) {
        lock.withLock { summary.replays += 1 }
        observer.observe(.exchangeReplayed(exchange: number, error: error))
    }

    /// The last try is over: these are its instants.
    func reached(_ timings: borrowing ExchangeTimings, _ delivery: DeliveryFigures) {
        let now = Deadline.now()
        lock.withLock {
            summary.longestSilence = delivery.longestSilence
            summary.bytesAtEnd = delivery.bytesAtEnd(now)
            summary.queued = timings.leasedAfter
            summary.sent = timings.sentAfter
            summary.head = timings.headAfter
            summary.firstByte = timings.firstByteAfter
        }
    }

    func completed(sent: UInt64, received: UInt64) {
        guard let summary = end(sent, received) else { return }
        observer.observe(.exchangeCompleted(summary))
    }

    package func failed(_ error: TransportError) {
        guard let summary = end(error.bytesSent, error.bytesReceived) else { return }
        observer.observe(
            error.isCancelled
                ? .exchangeCancelled(summary) : .exchangeFailed(summary, error: error))
    }

    /// The summary, for the first to ask.
    private func end(_ sent: UInt64, _ received: UInt64) -> ExchangeSummary? {
        let now = Deadline.now()
        return lock.withLock {
            guard !hasEnded else { return nil }
            hasEnded = true
            summary.duration = now.since(started)
            summary.bytesSent = sent
            summary.bytesReceived = received
            return summary
        }
    }
}
