import Apus

/// One run of `apus load`: warm up, measure, report.
final class LoadRun: Sendable {
    let engine: TransportEngine
    let plan: LoadPlan
    let counters = LoadCounters(speaker: "apus load")

    /// The pause before memory is read, so that it settles.
    static let pause = Duration.seconds(2)
    private static let holdLimit: UInt64 = 60_000_000_000

    init(engine: TransportEngine, plan: LoadPlan) {
        self.engine = engine
        self.plan = plan
    }

    /// Requests of the measured part that failed.
    var errors: Int { counters.errors }

    /// CPU time, rate and latencies of `requests` requests.
    func measureRequests(_ requests: Int, warmup: Int) async -> JSON {
        if warmup > 0 { _ = await work(warmup, samples: nil) }
        counters.forgetErrors()
        let samples = LatencySamples(count: requests)
        let openedBefore = plan.isOneShot ? connectionsOpened : 0
        let before = ProcessUsage.now()
        let start = monotonicNanoseconds()
        let tally = await work(requests, samples: samples)
        let wall = Double(monotonicNanoseconds() - start) / 1e9
        let after = ProcessUsage.now()
        samples.sort()
        let user = after.userSeconds - before.userSeconds
        let system = after.systemSeconds - before.systemSeconds
        return .object([
            ("peer", .string(plan.peer)),
            ("scenario", .string(plan.scenario)),
            ("requests", .integer(requests)),
            ("errors", .integer(counters.errors)),
            ("wall_s", .decimal(wall, digits: 4)),
            ("user_s", .decimal(user, digits: 4)),
            ("sys_s", .decimal(system, digits: 4)),
            ("cpu_us_per_req", .decimal((user + system) * 1e6 / Double(requests), digits: 3)),
            ("rps", .decimal(Double(requests) / wall, digits: 1)),
            ("p50_us", .decimal(samples.percentile(0.5), digits: 1)),
            ("p99_us", .decimal(samples.percentile(0.99), digits: 1)),
            ("max_rss_kib", .integer(after.maxResidentKiB)),
            ("connections_opened", .integer(connectionsOpened - openedBefore)),
            ("events", .integer(tally.events)),
            ("bytes", .integer(tally.bytes)),
        ])
    }

    /// Memory per idle connection: one request per worker at once, then a pause.
    func measureIdle() async -> JSON {
        let base = ProcessUsage.residentKiB()
        _ = await work(plan.concurrency, samples: nil)
        try? await Task.sleep(for: LoadRun.pause)
        return memory(base: base)
    }

    /// Memory per open stream: each has received its first bytes, then a pause.
    func measureHold() async -> JSON {
        let base = ProcessUsage.residentKiB()
        let worker = LoadWorker(engine: engine, plan: plan, counters: counters)
        return await withTaskGroup { group in
            for number in 0..<plan.concurrency {
                group.addTask(executorPreference: executor) { await worker.hold(number) }
            }
            let start = monotonicNanoseconds()
            while counters.bodiesBegun + counters.errors < plan.concurrency,
                monotonicNanoseconds() - start < LoadRun.holdLimit
            {
                try? await Task.sleep(for: .milliseconds(20))
            }
            try? await Task.sleep(for: LoadRun.pause)
            let result = memory(base: base)
            group.cancelAll()
            return result
        }
    }

    private func work(_ limit: Int, samples: LatencySamples?) async -> LoadWorker.Tally {
        counters.restart()
        let worker = LoadWorker(engine: engine, plan: plan, counters: counters)
        return await withTaskGroup { group in
            for _ in 0..<plan.concurrency {
                group.addTask(executorPreference: executor) {
                    await worker.run(until: limit, samples: samples)
                }
            }
            return await group.reduce(into: LoadWorker.Tally()) { sum, part in
                sum.bytes += part.bytes
                sum.events += part.events
            }
        }
    }

    /// Where the next worker runs: each loop in turn, or Swift's pool.
    private var executor: (any TaskExecutor)? { plan.runsOnLoop ? engine.taskExecutor : nil }

    private var connectionsOpened: Int { engine.snapshot().connectionsOpened }

    private func memory(base: Int) -> JSON {
        let resident = ProcessUsage.residentKiB()
        return .object([
            ("peer", .string(plan.peer)),
            ("scenario", .string(plan.scenario)),
            ("requests", .integer(plan.concurrency)),
            ("errors", .integer(counters.errors)),
            ("rss_base_kib", .integer(base)),
            ("rss_kib", .integer(resident)),
            ("max_rss_kib", .integer(ProcessUsage.now().maxResidentKiB)),
            ("sockets", .integer(ProcessUsage.openSockets())),
            ("connections_opened", .integer(connectionsOpened)),
            (
                "kib_per_unit",
                .decimal(Double(resident - base) / Double(plan.concurrency), digits: 3)
            ),
        ])
    }
}
