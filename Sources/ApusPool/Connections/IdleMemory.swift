import ApusCore

/// How long peers were observed to keep idle connections, so that the pool closes them first.
///
/// A peer that ends two idle periods of about one length, the second begun after the first had
/// ended, is believed: from then on its connections are idle for no longer than the longer of the
/// two, less a margin. One period alone proves nothing, nor do many that end together, as when a
/// server is started anew; two that differ are no limit of the peer's, but whatever else ends
/// connections. Periods below a second are no limits that a server would set, and are not looked
/// at.
struct IdleMemory: Sendable {
    /// The peer that keeps the connection: the origin, and the proxies on the way to it.
    ///
    /// Scopes and credentials do not change a peer's idle timeout.
    struct Peer: Hashable, Sendable {
        private let origin: Origin
        private let proxies: [ExactText]
        private let connectTo: ConnectTarget?

        init(_ route: Route) {
            origin = route.origin
            proxies = route.proxies.map { ExactText($0.description) }
            connectTo = route.connectTo
        }
    }

    /// What is known of one peer.
    private struct Lesson {
        /// The last idle period that the peer ended, and when that was.
        var period: Int64
        var endedAt: Int64
        /// What two periods have shown.
        var limit = Int64.never
    }

    /// Peers remembered at most; the one that was met first is forgotten for the next.
    static let maxPeers = 1024
    /// A shorter period shows nothing.
    static let shortestPeriod: Int64 = 1_000_000_000
    /// How much earlier than the peer we close: a quarter of its time, at most a second.
    static let margin: Int64 = 1_000_000_000

    private var lessons: [Peer: Lesson] = [:]
    /// The peers in the order in which they were met, as a ring.
    private var order: [Peer] = []
    private var oldest = 0

    /// Whether nothing was learned yet, so that no route needs to ask.
    var isEmpty: Bool { lessons.isEmpty }
    var count: Int { lessons.count }

    /// How long a connection to the peer may be idle.
    func limit(of peer: Peer) -> Int64 { lessons[peer]?.limit ?? .never }

    /// The peer ended an idle period that lasted from `start` to `end`.
    ///
    /// - Returns: how long a connection to it may be idle from now on.
    mutating func periodEnded(by peer: Peer, from start: Int64, to end: Int64) -> Int64 {
        let period = end - start
        guard period >= IdleMemory.shortestPeriod else { return limit(of: peer) }
        guard var lesson = lessons[peer] else {
            enter(peer, Lesson(period: period, endedAt: end))
            return .never
        }
        if start >= lesson.endedAt {
            let longer = max(period, lesson.period)
            if abs(period - lesson.period) <= longer / 4 {
                lesson.limit = min(lesson.limit, longer - min(IdleMemory.margin, longer / 4))
            }
            lesson.period = period
            lesson.endedAt = end
            lessons[peer] = lesson
        }
        return lesson.limit
    }

    private mutating func enter(_ peer: Peer, _ lesson: Lesson) {
        if order.count < IdleMemory.maxPeers {
            order.append(peer)
        } else {
            lessons[order[oldest]] = nil
            order[oldest] = peer
            oldest = (oldest + 1) % IdleMemory.maxPeers
        }
        lessons[peer] = lesson
    }
}

// MARK: - In the pool

extension PoolMachine {
    /// A connection is lost: when its peer ended it in an idle period, or so soon after one that
    /// the request came too late, the length of that period is learned.
    mutating func learnIdleTime(_ slot: Int, _ reason: CloseReason, _ now: Int64) {
        guard limits.learnsIdleTime, let connection = slots[slot].connection,
            connection.carried > 0
        else { return }
        let end: Int64
        switch reason {
        case .staleReuse: end = times[slot].idleUntil
        case .peerClosed, .transportError, .goAway:
            guard connection.exchanges == 0 else { return }
            end = now
        default: return
        }
        guard let route = routes[connection.route].route else { return }
        routes[connection.route].learnedIdleLimit = idleMemory.periodEnded(
            by: IdleMemory.Peer(route), from: times[slot].idleSince, to: end)
    }

    /// Takes over what was learned on other routes to the same peer.
    mutating func recallIdleTime(_ index: Int) {
        guard !idleMemory.isEmpty, let route = routes[index].route else { return }
        routes[index].learnedIdleLimit = idleMemory.limit(of: IdleMemory.Peer(route))
    }
}
