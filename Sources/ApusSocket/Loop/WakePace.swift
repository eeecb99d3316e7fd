package import ApusCore

/// Decides how long a busy loop rests before it waits for readiness.
///
/// Each wake-up has a price of its own, for the loop and for the peer's machine. Many peers that
/// each send little would wake the loop for one piece at a time; after a rest there are pieces of
/// several of them, which are handled together.
package struct WakePace: Sendable {
    /// With fewer exchanges the peers would wait for the loop longer than it saves.
    package static let minLoad = 16
    /// The shortest rest that is worth a system call of its own.
    package static let minRest = Duration.microseconds(20)
    /// How many waits go without a rest, after one in which nothing came.
    package static let waitsAfterVainRest = 8

    /// The least time between two wake-ups; `nil` is no rest.
    private let interval: Duration?
    private var woken: Deadline?
    private var waitsWithoutRest = 0

    package init(interval: Duration?) {
        self.interval = interval
    }

    /// How long to rest now, of a loop whose connections carry so many exchanges; `nil` is not at
    /// all.
    package mutating func rest(load: Int, now: @autoclosure () -> Deadline) -> Duration? {
        guard let interval, load >= WakePace.minLoad, let woken else { return nil }
        guard waitsWithoutRest == 0 else {
            waitsWithoutRest -= 1
            return nil
        }
        let rest = interval - now().since(woken)
        return rest >= WakePace.minRest ? rest : nil
    }

    /// Nothing came while the loop rested.
    package mutating func restedInVain() {
        waitsWithoutRest = WakePace.waitsAfterVainRest
    }

    /// The loop wakes up, with so many exchanges on its connections.
    package mutating func woke(load: Int, now: @autoclosure () -> Deadline) {
        woken = interval == nil || load < WakePace.minLoad ? nil : now()
    }
}
