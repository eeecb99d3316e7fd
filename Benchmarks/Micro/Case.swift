import Glibc

/// Something to measure: a preparation, and the work of one round.
struct Case {
    let name: String
    let title: String
    /// Prepares what every round uses, and returns the round.
    let prepare: () throws -> () throws -> Void

    /// Rounds before anything is counted: what is made once has been made by then.
    private static let warmUp = 200

    static func all() -> [Case] { http1Cases() + http2Cases() + poolCases() }

    /// Runs rounds, of which a tool counts those within `measuredRounds`.
    func run(_ rounds: Int) throws {
        let round = try prepared()
        var failure: (any Error)?
        measuredRound = {
            do { try round() } catch { failure = error }
        }
        measuredRounds(rounds)
        if let failure { throw failure }
    }

    /// The best time of one round, of seven attempts.
    func nanoseconds(rounds: Int = 20_000) throws -> Double {
        let round = try prepared()
        var best = UInt64.max
        for _ in 0..<7 {
            let start = threadNanoseconds()
            for _ in 0..<rounds { try round() }
            best = min(best, threadNanoseconds() - start)
        }
        return Double(best) / Double(rounds)
    }

    /// Allocations of one round on this thread; `nil` without `allocations.c` preloaded.
    func allocations(rounds: Int = 2_000) throws -> Double? {
        let round = try prepared()
        guard let before = allocationCount() else { return nil }
        for _ in 0..<rounds { try round() }
        return allocationCount().map { Double($0 - before) / Double(rounds) }
    }

    private func prepared() throws -> () throws -> Void {
        let round = try prepare()
        for _ in 0..<Self.warmUp { try round() }
        return round
    }
}

/// Touched by the main thread alone.
nonisolated(unsafe) private var measuredRound: () -> Void = {}

/// The function by whose name a tool knows where to count.
@inline(never)
func measuredRounds(_ count: Int) {
    for _ in 0..<count { measuredRound() }
}

/// Allocations of the calling thread so far; `nil` without `allocations.c` preloaded.
func allocationCount() -> Int? {
    counter.map { Int($0()) }
}

private let counter: (@convention(c) () -> UInt)? = {
    dlsym(nil, "apus_allocations").map {
        unsafeBitCast($0, to: (@convention(c) () -> UInt).self)
    }
}()

/// CPU time of the calling thread so far.
func threadNanoseconds() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

func hundredths(_ value: Double) -> String {
    "\((value * 100).rounded() / 100)"
}
