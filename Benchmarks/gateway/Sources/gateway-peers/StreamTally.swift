import NIOCore

/// What the streams of one load have seen; everything but reading the counts is on its loop.
final class StreamTally: Sendable {
    /// The counts so far.
    struct Counts: Sendable {
        var events = 0
        var bytes = 0
        var failures = 0
        /// The times from a request to its first event.
        var first = Times()
    }

    let loop: any EventLoop
    private let streams: Int
    private let box: NIOLoopBoundBox<Counts>
    /// Succeeds when each stream has had an event or has failed.
    private let allOpen: EventLoopPromise<Void>

    init(of streams: Int, on loop: any EventLoop) {
        self.loop = loop
        self.streams = streams
        box = .makeBoxSendingValue(Counts(), eventLoop: loop)
        allOpen = loop.makePromise()
    }

    func received(events: Int, bytes: Int) {
        box.value.events += events
        box.value.bytes += bytes
    }

    func opened(since start: NIODeadline) {
        box.value.first.add(since: start)
        settle()
    }

    func failed() {
        box.value.failures += 1
        settle()
    }

    func counts() async throws -> Counts {
        try await loop.submit { self.box.value }.get()
    }

    func wait(atMost limit: TimeAmount) async throws {
        let guarding = loop.scheduleTask(in: limit) { self.allOpen.succeed() }
        try await allOpen.futureResult.get()
        guarding.cancel()
    }

    private func settle() {
        let counts = box.value
        if counts.first.count + counts.failures >= streams { allOpen.succeed() }
    }
}
