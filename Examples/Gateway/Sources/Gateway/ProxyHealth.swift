package import Apus
import Synchronization

/// Counts for each proxy what became of the dials through it; an observer of an engine.
package final class ProxyHealth: EngineObserver {
    /// The dials through one proxy, or through several in a row.
    package struct State: Sendable, Codable {
        /// The proxies without credentials.
        package let proxy: String
        package var opened = 0
        package var failed = 0
        /// Failures since the last success.
        package var failedInARow = 0
        package var lastError: String?
    }

    private let states = Mutex<[String: State]>([:])

    package init() {}

    /// The state of each proxy that was dialled, sorted by text.
    package var all: [State] {
        states.withLock { Array($0.values) }.sorted { $0.proxy < $1.proxy }
    }

    package func observe(_ event: EngineEvent, at instant: EngineEvent.Instant) {
        switch event {
        case .connectionOpened(_, let route, _):
            update(route) {
                $0.opened += 1
                $0.failedInARow = 0
            }
        case .dialFailed(_, let error) where error.hop == .proxy:
            guard let route = error.route else { return }
            update(route) {
                $0.failed += 1
                $0.failedInARow += 1
                $0.lastError = "\(error.kind.name): \(error.message)"
            }
        default: break
        }
    }

    private func update(_ route: Route, _ change: (inout State) -> Void) {
        guard !route.proxies.isEmpty else { return }
        let name = route.proxies.map(\.description).joined(separator: " then ")
        states.withLock { change(&$0[name, default: State(proxy: name)]) }
    }
}
