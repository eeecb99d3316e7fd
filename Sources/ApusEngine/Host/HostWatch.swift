import ApusCore
import ApusSocket
import Synchronization

/// Hears for one pool that the system has slept, and that it has lost addresses.
///
/// It costs a connection and a request nothing: the system reports both. Where it does not permit
/// that, only the looks at the clocks that the pool's timer makes are left. It begins with the
/// first connection, and does not keep the pool alive.
///
/// Unchecked, because `pool`, `meter`, `sources` and `isStopped` are touched on the loop's thread
/// only.
final class HostWatch: @unchecked Sendable {
    private let noticesSleep: Bool
    private let watchesAddresses: Bool
    private let clocks: @Sendable () -> ClockPair
    private let loop: EventLoop

    private let hasStarted = Atomic<Bool>(false)
    private weak var pool: ConnectionPool?
    private var meter: SleepMeter
    private var sources: [HostNotices] = []
    private var isStopped = false

    init(_ tuning: EngineTuning, clocks: @escaping @Sendable () -> ClockPair, on loop: EventLoop) {
        noticesSleep = tuning.pool.noticesSleep
        watchesAddresses = tuning.dial.watchesLocalAddresses
        self.clocks = clocks
        self.loop = loop
        meter = SleepMeter(clocks())
    }

    /// A connection of the pool was made: listens from the first on.
    func connectionMade(in pool: ConnectionPool) {
        guard !hasStarted.load(ordering: .relaxed),
            !hasStarted.exchange(true, ordering: .relaxed)
        else { return }
        loop.execute { [self, weak pool] in listen(for: pool) }
    }

    private func listen(for pool: ConnectionPool?) {
        guard !isStopped else { return }
        self.pool = pool
        if noticesSleep, let source = HostNotices(.clock, on: loop) {
            source.start { [weak self] _ in self?.lookAtClocks() }
            sources.append(source)
        }
        if watchesAddresses, let source = HostNotices(.addresses, on: loop) {
            source.start { [weak self] datagram in
                for removed in AddressNotices.removals(in: datagram) {
                    self?.pool?.addressRemoved(removed)
                }
            }
            sources.append(source)
        }
    }

    /// Looks whether the system has slept; from any thread.
    func clocksChanged() {
        guard noticesSleep else { return }
        loop.execute { [self] in lookAtClocks() }
    }

    private func lookAtClocks() {
        if meter.look(clocks()) != nil { pool?.systemSlept() }
    }

    /// Hears no more: the engine has ended.
    func stop() {
        loop.execute { [self] in
            isStopped = true
            for source in sources { source.stop() }
            sources = []
        }
    }
}
